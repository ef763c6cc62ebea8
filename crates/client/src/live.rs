//! One connection as callers see it: where requests go, and who waits for which answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use simpleclaw_protocol::WireError;
use simpleclaw_protocol::handshake::HelloOk;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::error::CallError;
use crate::events::ClientEvent;

pub type Outcome = Result<Value, WireError>;

/// Requests that wait to be written; past that, callers wait.
const OUTBOX: usize = 64;

/// Locks, also after a panic elsewhere: every critical section here leaves the data whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the handle and the driver share over all connections.
pub struct Shared {
    pub state: Mutex<State>,
    /// Weak: the driver's own sender is the only one, so that subscribers see the end when the driver ends.
    pub events: broadcast::WeakSender<ClientEvent>,
    pub next_id: AtomicU64,
}

pub struct State {
    /// Of the present connection, else of the last one.
    pub hello: Arc<HelloOk>,
    pub link: Link,
    /// Params of the last `events.subscribe` that succeeded, for the next connection.
    pub subscription: Option<Value>,
}

pub enum Link {
    Up(Arc<Live>),
    Down,
    Stopped,
}

/// One open connection.
pub struct Live {
    pub outbox: mpsc::Sender<Message>,
    /// As many as the gateway takes in flight; closed with the connection.
    pub slots: Semaphore,
    /// Largest request in bytes.
    pub max_outgoing: usize,
    /// By request id; `None` once the connection is gone.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Outcome>>>>,
}

impl Live {
    pub fn new(hello: &HelloOk) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (outbox, written) = mpsc::channel(OUTBOX);
        let slots = hello.policy.max_requests_in_flight.clamp(1, 4096) as usize;
        let max_payload = usize::try_from(hello.policy.max_payload).unwrap_or(usize::MAX);
        let live = Self {
            outbox,
            slots: Semaphore::new(slots),
            max_outgoing: max_payload.min(crate::MAX_OUTGOING),
            waiting: Mutex::new(Some(HashMap::new())),
        };
        (Arc::new(live), written)
    }

    /// Registers a request; the place is given up when the answer is dropped unread.
    pub fn expect(&self, id: u64) -> Result<Answer<'_>, CallError> {
        let (sender, receiver) = oneshot::channel();
        match lock(&self.waiting).as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(CallError::Disconnected),
        };
        Ok(Answer { live: self, id, receiver })
    }

    /// Hands an answer to its caller. An id that nobody waits for belongs to a call that was given up.
    pub fn answer(&self, id: u64, outcome: Outcome) {
        let sender = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(sender) = sender {
            let _ = sender.send(outcome);
        }
    }

    /// Every call in flight fails, and none starts any more.
    pub fn end(&self) {
        self.slots.close();
        lock(&self.waiting).take();
    }
}

/// The answer to one request, to be waited for.
pub struct Answer<'a> {
    live: &'a Live,
    id: u64,
    receiver: oneshot::Receiver<Outcome>,
}

impl Answer<'_> {
    pub async fn outcome(mut self) -> Result<Value, CallError> {
        match (&mut self.receiver).await {
            Ok(outcome) => outcome.map_err(CallError::Refused),
            Err(_) => Err(CallError::Disconnected),
        }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = lock(&self.live.waiting).as_mut() {
            waiting.remove(&self.id);
        }
    }
}

impl Shared {
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}
