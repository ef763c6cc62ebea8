//! The one stream of events that every surface follows, and the bounded queue of each follower.
//!
//! An event is serialised at most once per encoding; a connection adds only the few bytes that differ (`seq`). A
//! follower that falls behind has the deltas of one run merged, and past its limit it is told to close: it never
//! delays another follower or the run. Writing to sockets is `server::connection`'s.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use serde::Serialize;
use simpleclaw_protocol::events::{ChatEvent, ChatState};
use simpleclaw_protocol::methods::Scope;
use simpleclaw_protocol::methods::events::Selection;
use simpleclaw_protocol::{Encoding, Event, codec};
use tokio::sync::Notify;

/// Queued items past which deltas of one run are merged instead of queued one by one.
const MERGE_FROM: usize = 64;
/// What one queued item costs beside its bytes.
const ITEM_BYTES: usize = 64;

/// The stream; clones share it.
#[derive(Clone, Default)]
pub struct Events {
    followers: Arc<RwLock<Vec<Arc<Follower>>>>,
}

impl Events {
    /// Hands an event to every follower that may see it and asked for it. Never waits.
    pub fn publish(&self, event: Event) {
        let shared = Arc::new(SharedEvent::new(event));
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        for follower in followers.iter() {
            follower.offer(&shared);
        }
    }

    /// Adds a follower. `first` runs while no event can pass, so that what it puts into the queue (a snapshot) and the
    /// events after it fit without a gap or an overlap.
    pub fn follow(&self, follower: &Arc<Follower>, first: impl FnOnce()) {
        let mut followers = self.followers.write().unwrap_or_else(PoisonError::into_inner);
        first();
        followers.push(Arc::clone(follower));
    }

    pub fn leave(&self, follower: &Arc<Follower>) {
        let mut followers = self.followers.write().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|other| !Arc::ptr_eq(other, follower));
    }

    /// How many items and bytes wait at all followers together.
    pub fn backlog(&self) -> (usize, usize) {
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        followers.iter().fold((0, 0), |(items, bytes), follower| {
            let queue = follower.lock();
            (items + queue.items.len(), bytes + queue.bytes)
        })
    }
}

/// An event and its serialised forms, made when first needed.
pub struct SharedEvent {
    pub event: Event,
    bodies: [OnceLock<Bytes>; 2],
}

impl SharedEvent {
    fn new(event: Event) -> Self {
        Self { event, bodies: [const { OnceLock::new() }; 2] }
    }

    fn body(&self, encoding: Encoding) -> &Bytes {
        let [json, msgpack] = &self.bodies;
        match encoding {
            Encoding::Json => json.get_or_init(|| body(&self.event, encoding)),
            Encoding::Msgpack => msgpack.get_or_init(|| body(&self.event, encoding)),
        }
    }

    /// The whole frame as one connection sees it.
    pub fn frame(&self, encoding: Encoding, seq: u64) -> Vec<u8> {
        frame(&self.event, self.body(encoding), encoding, seq)
    }
}

/// Borrowed, so that a payload is serialised without a copy.
struct Payload<'a>(&'a Event);

impl Serialize for Payload<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_payload(serializer)
    }
}

/// The serialised payload.
fn body(event: &Event, encoding: Encoding) -> Bytes {
    match codec::encode(encoding, &Payload(event)) {
        Ok(bytes) => bytes.into(),
        Err(error) => {
            tracing::error!(event = event.name(), %error, "an event that cannot be encoded");
            Bytes::new()
        }
    }
}

/// Puts `type` and `seq` before a payload: flat for `chat.event`, else under `payload`.
fn frame(event: &Event, body: &[u8], encoding: Encoding, seq: u64) -> Vec<u8> {
    let flat = matches!(event, Event::Chat(_));
    let mut frame = Vec::with_capacity(body.len() + 64);
    match encoding {
        Encoding::Json => {
            frame.extend_from_slice(b"{\"type\":\"");
            frame.extend_from_slice(event.name().as_bytes());
            frame.extend_from_slice(b"\",\"seq\":");
            frame.extend_from_slice(seq.to_string().as_bytes());
            frame.push(b',');
            if flat {
                frame.extend_from_slice(body.get(1..).unwrap_or_default());
            } else {
                frame.extend_from_slice(b"\"payload\":");
                frame.extend_from_slice(body);
                frame.push(b'}');
            }
        }
        Encoding::Msgpack => {
            // A map of up to 15 members has its size in its first byte, and a chat event has fewer.
            let members = match body.first() {
                Some(first) if flat => (first & 0x0f) + 2,
                _ => 3,
            };
            frame.push(0x80 | members);
            push_str(&mut frame, "type");
            push_str(&mut frame, event.name());
            push_str(&mut frame, "seq");
            frame.push(0xcf);
            frame.extend_from_slice(&seq.to_be_bytes());
            if flat {
                frame.extend_from_slice(body.get(1..).unwrap_or_default());
            } else {
                push_str(&mut frame, "payload");
                frame.extend_from_slice(body);
            }
        }
    }
    frame
}

/// A MessagePack string of up to 31 bytes, which every name here is.
fn push_str(frame: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() < 32, "{text} needs another string header");
    frame.push(0xa0 | (text.len() as u8 & 0x1f));
    frame.extend_from_slice(text.as_bytes());
}

/// What a follower takes from its queue.
pub enum Item {
    /// A frame that is ready, such as a response.
    Frame(Bytes),
    Event(Arc<SharedEvent>),
    /// Several deltas of one run in one.
    Merged(Box<Event>),
}

impl Item {
    /// Whether it counts in `seq`.
    pub fn is_event(&self) -> bool {
        !matches!(self, Self::Frame(_))
    }

    /// The bytes to send; `seq` is only looked at for events.
    pub fn frame(&self, encoding: Encoding, seq: u64) -> Bytes {
        match self {
            Self::Frame(bytes) => bytes.clone(),
            Self::Event(shared) => shared.frame(encoding, seq).into(),
            Self::Merged(event) => frame(event, &body(event, encoding), encoding, seq).into(),
        }
    }
}

/// One surface's place in the stream.
pub struct Follower {
    /// Absent: an in-process follower, which gets events as values.
    encoding: Option<Encoding>,
    max_bytes: usize,
    queue: Mutex<Queue>,
    ready: Notify,
}

struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// How many items were taken, so that `deltas` can name a place that does not move.
    taken: u64,
    /// The last queued delta of each run, where nothing else of that run follows it.
    deltas: HashMap<String, u64>,
    filter: Filter,
    /// The version of the presence list that the snapshot held.
    presence: u64,
    state: QueueState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueState {
    Open,
    /// The limit was passed: the follower is closed rather than served with a hole.
    Overflown,
    Closed,
}

/// What a follower holds and asked for.
#[derive(Debug, Clone)]
pub struct Filter {
    pub scopes: HashSet<Scope>,
    /// Absent: all.
    pub sessions: Option<HashSet<String>>,
    /// Absent: all.
    pub events: Option<HashSet<String>>,
}

impl Filter {
    /// Everything that these scopes may see.
    pub fn all(scopes: HashSet<Scope>) -> Self {
        Self { scopes, sessions: None, events: None }
    }

    fn wants(&self, event: &Event) -> bool {
        let may = event.scope() == Scope::None || self.scopes.contains(&event.scope());
        let named = self.events.as_ref().is_none_or(|names| names.contains(event.name()));
        let about = match (&self.sessions, event.session_key()) {
            (Some(keys), Some(key)) => keys.contains(key),
            _ => true,
        };
        may && named && about
    }
}

/// The names of a selection; `None` is all.
pub fn names(selection: Option<Selection>) -> Option<HashSet<String>> {
    match selection {
        None | Some(Selection::All(_)) => None,
        Some(Selection::Only(names)) => Some(names.into_iter().collect()),
    }
}

/// Why a queue gives no more items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Overflown,
    Closed,
}

impl Follower {
    pub fn new(encoding: Option<Encoding>, max_bytes: usize, filter: Filter) -> Arc<Self> {
        let queue = Queue {
            items: VecDeque::new(),
            bytes: 0,
            taken: 0,
            deltas: HashMap::new(),
            filter,
            presence: 0,
            state: QueueState::Open,
        };
        Arc::new(Self { encoding, max_bytes, queue: Mutex::new(queue), ready: Notify::new() })
    }

    pub fn set_filter(&self, sessions: Option<HashSet<String>>, events: Option<HashSet<String>>) {
        let mut queue = self.lock();
        queue.filter.sessions = sessions;
        queue.filter.events = events;
    }

    /// Leaves out presence events that tell nothing newer than this version.
    pub fn knows_presence(&self, version: u64) {
        self.lock().presence = version;
    }

    /// Queues a frame that only this follower gets.
    pub fn push_frame(&self, frame: Bytes) {
        let mut queue = self.lock();
        let size = frame.len();
        self.push(&mut queue, Item::Frame(frame), size);
    }

    /// Whether the limit was passed.
    pub fn is_overflown(&self) -> bool {
        self.lock().state == QueueState::Overflown
    }

    /// No more items after those that wait.
    pub fn close(&self) {
        let mut queue = self.lock();
        if queue.state == QueueState::Open {
            queue.state = QueueState::Closed;
        }
        drop(queue);
        self.ready.notify_one();
    }

    /// Waits for items and takes all of them, up to `max`.
    pub async fn take(&self, max: usize, into: &mut Vec<Item>) -> Result<(), Ended> {
        loop {
            {
                let mut queue = self.lock();
                if queue.state == QueueState::Overflown {
                    return Err(Ended::Overflown);
                }
                if !queue.items.is_empty() {
                    self.drain(&mut queue, max, into);
                    return Ok(());
                }
                if queue.state == QueueState::Closed {
                    return Err(Ended::Closed);
                }
            }
            self.ready.notified().await;
        }
    }

    fn drain(&self, queue: &mut Queue, max: usize, into: &mut Vec<Item>) {
        let count = queue.items.len().min(max);
        for item in queue.items.drain(..count) {
            queue.bytes = queue.bytes.saturating_sub(ITEM_BYTES + self.size(&item));
            into.push(item);
        }
        queue.taken += count as u64;
        if queue.items.is_empty() {
            queue.bytes = 0;
            queue.deltas.clear();
        }
    }

    fn size(&self, item: &Item) -> usize {
        match (item, self.encoding) {
            (Item::Frame(bytes), _) => bytes.len(),
            (Item::Event(shared), Some(encoding)) => shared.body(encoding).len(),
            (Item::Merged(event), _) => match &**event {
                Event::Chat(ChatEvent { delta: Some(delta), .. }) => delta.len(),
                _ => 0,
            },
            (Item::Event(_), None) => ITEM_BYTES,
        }
    }

    fn offer(&self, shared: &Arc<SharedEvent>) {
        let mut queue = self.lock();
        if !queue.filter.wants(&shared.event) {
            return;
        }
        if let Event::Presence(event) = &shared.event
            && event.state_version.presence <= queue.presence
        {
            return;
        }
        if let Event::Chat(event) = &shared.event {
            let behind = queue.items.len() >= MERGE_FROM;
            if event.state == ChatState::Delta && behind && queue.merge(event) {
                if queue.bytes > self.max_bytes {
                    self.overflow(&mut queue);
                }
                return;
            }
            let place = queue.taken + queue.items.len() as u64;
            if event.state == ChatState::Delta {
                if behind {
                    queue.deltas.insert(event.run_id.clone(), place);
                }
            } else {
                queue.deltas.remove(&event.run_id);
            }
        }
        let size = self.encoding.map_or(ITEM_BYTES, |encoding| shared.body(encoding).len());
        self.push(&mut queue, Item::Event(Arc::clone(shared)), size);
    }

    fn push(&self, queue: &mut Queue, item: Item, size: usize) {
        if queue.state != QueueState::Open {
            return;
        }
        queue.bytes += size + ITEM_BYTES;
        queue.items.push_back(item);
        // A single large answer to a reader that keeps up is not a backlog.
        if queue.bytes > self.max_bytes && queue.items.len() > 1 {
            self.overflow(queue);
        }
        self.ready.notify_one();
    }

    fn overflow(&self, queue: &mut Queue) {
        queue.state = QueueState::Overflown;
        queue.items = VecDeque::new();
        queue.deltas = HashMap::new();
        queue.bytes = 0;
        self.ready.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Joins a delta to the last waiting one of its run.
    fn merge(&mut self, event: &ChatEvent) -> bool {
        let Some(place) = self.deltas.get(&event.run_id) else { return false };
        let Some(index) = place.checked_sub(self.taken).and_then(|index| usize::try_from(index).ok()) else {
            return false;
        };
        let Some(item) = self.items.get_mut(index) else { return false };
        let first = match item {
            Item::Event(shared) => shared.event.clone(),
            Item::Merged(event) => {
                std::mem::replace(&mut **event, Event::Tick(simpleclaw_protocol::events::TickEvent { ts: 0 }))
            }
            Item::Frame(_) => return false,
        };
        let Event::Chat(mut merged) = first else { return false };
        let from = merged.index_from.unwrap_or(merged.index);
        let added = event.delta.as_deref().unwrap_or_default();
        merged.delta.get_or_insert_default().push_str(added);
        merged.index_from = Some(from);
        merged.index = event.index;
        *item = Item::Merged(Box::new(Event::Chat(merged)));
        self.bytes += added.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use simpleclaw_protocol::events::TickEvent;

    fn delta(run: &str, index: u64, text: &str) -> Event {
        let mut event = ChatEvent::new(run, "agent:main:main", ChatState::Delta, index);
        event.delta = Some(text.to_owned());
        Event::Chat(event)
    }

    fn follower(max_bytes: usize) -> (Events, Arc<Follower>) {
        let events = Events::default();
        let follower = Follower::new(Some(Encoding::Json), max_bytes, Filter::all([Scope::Read].into()));
        events.follow(&follower, || {});
        (events, follower)
    }

    fn values(items: &[Item], encoding: Encoding) -> Vec<Value> {
        let frames = items.iter().zip(1..).map(|(item, seq)| item.frame(encoding, seq));
        frames.map(|frame| codec::decode(encoding, &frame).expect("a frame decodes")).collect()
    }

    #[tokio::test]
    async fn both_encodings_carry_the_same_frame() {
        let (events, follower) = follower(1 << 20);
        events.publish(delta("r", 3, "hé"));
        events.publish(Event::Tick(TickEvent { ts: 5 }));
        let mut items = Vec::new();
        follower.take(10, &mut items).await.expect("items");
        let expected = [
            json!({"type":"chat.event","seq":1,"runId":"r","sessionKey":"agent:main:main","state":"delta","index":3,"delta":"hé"}),
            json!({"type":"tick","seq":2,"payload":{"ts":5}}),
        ];
        assert_eq!(values(&items, Encoding::Json), expected);
        assert_eq!(values(&items, Encoding::Msgpack), expected);
    }

    #[tokio::test]
    async fn a_follower_that_is_behind_gets_deltas_merged_and_the_text_whole() {
        let (events, follower) = follower(1 << 20);
        let (mut expected_a, mut expected_b) = (String::new(), String::new());
        for index in 0..500 {
            events.publish(delta("a", index, &format!("a{index} ")));
            events.publish(delta("b", index, &format!("b{index} ")));
            expected_a.push_str(&format!("a{index} "));
            expected_b.push_str(&format!("b{index} "));
        }
        events.publish(Event::Chat(ChatEvent::new("a", "agent:main:main", ChatState::Final, 500)));
        events.publish(delta("b", 500, "end"));
        expected_b.push_str("end");
        let mut items = Vec::new();
        while items.last().is_none_or(|_| items.len() < 67) {
            follower.take(10, &mut items).await.expect("items");
        }
        let (mut a, mut b, mut next) = (String::new(), String::new(), [0, 0]);
        for value in values(&items, Encoding::Msgpack) {
            let run = usize::from(value["runId"] == "b");
            assert_eq!(value["indexFrom"].as_u64().or(value["index"].as_u64()), Some(next[run]), "{value}");
            next[run] = value["index"].as_u64().expect("index") + 1;
            let text = value["delta"].as_str().unwrap_or_default();
            if run == 0 { a.push_str(text) } else { b.push_str(text) }
        }
        assert_eq!((a, b, next), (expected_a, expected_b, [501, 501]));
        assert!(items.len() < 80, "{} items", items.len());
    }

    #[tokio::test]
    async fn past_the_limit_the_follower_ends_rather_than_misses_something() {
        let (events, follower) = follower(10_000);
        for ts in 0..200 {
            events.publish(Event::Tick(TickEvent { ts }));
        }
        let mut items = Vec::new();
        assert_eq!(follower.take(10, &mut items).await, Err(Ended::Overflown));
        assert_eq!(events.backlog(), (0, 0));
    }

    #[tokio::test]
    async fn filters_hold_for_scope_session_and_name() {
        let events = Events::default();
        let blind = Follower::new(Some(Encoding::Json), 1 << 20, Filter::all(HashSet::new()));
        let (_, picky) = follower(1 << 20);
        events.follow(&blind, || {});
        events.follow(&picky, || {});
        picky.set_filter(
            Some(["agent:main:other".to_owned()].into()),
            Some(["tick".to_owned(), "chat.event".to_owned()].into()),
        );
        events.publish(delta("r", 0, "x"));
        events.publish(Event::Tick(TickEvent { ts: 1 }));
        for follower in [&blind, &picky] {
            let mut items = Vec::new();
            follower.take(10, &mut items).await.expect("the tick");
            assert_eq!(items.len(), 1);
            assert!(matches!(&items[0], Item::Event(shared) if matches!(shared.event, Event::Tick(_))));
        }
    }
}
