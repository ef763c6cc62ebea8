//! Sessions: one queue of runs per live session, one run at a time, and at most so many over all.
//!
//! A session is in memory only while it has runs that have not ended; everything else about it is in the store.
//! Accepting input is `inbox`'s, what a run does is `turn`'s; `below` knows the sub-agents of a run, `leave` is the end of a
//! branch, `recover` what a start makes of runs that had not ended.

mod below;
mod leave;
mod place;
mod recover;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt as _;
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::{ChatEvent, ChatState, SessionChange, SessionChangedEvent, SessionMessageEvent};
use simpleclaw_protocol::message::{Message, SessionRow, SessionStatus};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::approval::Approvals;
use crate::attachments::Attachments;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::ConfigHandle;
use crate::control::Control;
use crate::events::Events;
use crate::home::Home;
use crate::inbox::Inbox;
use crate::sandbox::Sandbox;
use crate::store::{self, RunRow, SessionRecord, Store, StoreError};
use crate::supervisor::{Supervisor, panic_words};
use crate::tool::{Children, Toolbox};
use crate::turn::{self, Live, Outcome};
use crate::usage::Ledger;

use below::Below;
use leave::Left;
pub use place::RunPlace;
pub use recover::{end_tasks, recover};

/// What a run needs of the gateway; clones share it.
#[derive(Clone)]
pub struct Context {
    pub clock: Clock,
    pub config: ConfigHandle,
    pub home: Home,
    pub store: Store,
    pub attachments: Attachments,
    pub events: Events,
    pub catalog: Catalog,
    pub control: Control,
    pub supervisor: Supervisor,
    pub ledger: Ledger,
    pub approvals: Approvals,
    pub inbox: Inbox,
    pub tools: Toolbox,
    pub children: Children,
    pub sandbox: Arc<Sandbox>,
}

/// All live sessions; clones share them.
#[derive(Clone)]
pub struct Sessions {
    context: Context,
    live: Arc<Mutex<HashMap<String, Queue>>>,
    left: Arc<Mutex<Left>>,
    below: Arc<Mutex<Below>>,
    permits: Arc<Semaphore>,
    /// Of a run, told whenever one ends.
    ends: Arc<Notify>,
    changed: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

/// The runs of one session that have not ended.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    current: Option<Current>,
}

struct Waiting {
    run: RunRow,
    /// Its `queued` event went out.
    announced: bool,
}

struct Current {
    live: Arc<Live>,
    user_seq: u64,
    cancel: CancellationToken,
    started: bool,
}

impl Sessions {
    pub fn new(context: Context) -> Self {
        let permits = context.config.current().config.agents.max_concurrent_runs.max(1) as usize;
        Self {
            context,
            live: Arc::default(),
            left: Arc::default(),
            below: Arc::default(),
            permits: Arc::new(Semaphore::new(permits)),
            ends: Arc::default(),
            changed: Arc::default(),
        }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Who is told when the counts of runs change.
    pub fn on_change(&self, hook: Box<dyn Fn() + Send + Sync>) {
        // Set once, at start.
        let _ = self.changed.set(hook);
    }

    /// Takes in a run whose user message is stored: tells everyone of the message and runs it when its turn comes.
    pub fn enqueue(&self, run: RunRow, message: Option<Message>) {
        let key = run.session_key.clone();
        let mut all = self.lock();
        if self.left.lock().unwrap_or_else(PoisonError::into_inner).take(&run.id) {
            return self.publish_chat(&run, ChatState::Aborted, 0);
        }
        if let Some(mut message) = message {
            store::message::cut(&mut message);
            let event = SessionMessageEvent { session_key: key.clone(), message };
            self.context.events.publish(Event::SessionMessage(event));
        }
        // Stopped with the run that waits for it, between its commit and here.
        if self.is_stopped_below(&key) {
            drop(all);
            return self.end_waiting(Waiting { run, announced: false });
        }
        let fresh = !all.contains_key(&key);
        let queue = all.entry(key.clone()).or_default();
        let waits = !fresh || self.context.control.paused();
        if waits {
            self.publish_chat(&run, ChatState::Queued, 0);
        }
        // Two connections may commit in one order and arrive here in the other.
        let place =
            queue.waiting.iter().rposition(|other| other.run.user_seq < run.user_seq).map_or(0, |place| place + 1);
        queue.waiting.insert(place, Waiting { run, announced: waits });
        drop(all);
        if fresh {
            let sessions = self.clone();
            self.context.supervisor.spawn("session", async move { sessions.drive(&key).await });
        }
        self.tell_change();
    }

    /// Stops runs: one of a session, all of it, or all there are of an agent, and what the sub-agents of these do. Gives
    /// back those that it stopped; their terminal events follow.
    pub fn abort(&self, wanted: &Abort) -> Vec<String> {
        let (mut stopped, mut ended, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
        {
            let mut all = self.lock();
            for (_, queue) in all.iter_mut().filter(|(key, _)| wanted.takes_session(key)) {
                let mut kept = VecDeque::new();
                for waiting in queue.waiting.drain(..) {
                    if wanted.takes_run(&waiting.run.id) {
                        stopped.push(waiting.run.id.clone());
                        ended.push(waiting);
                    } else {
                        kept.push_back(waiting);
                    }
                }
                queue.waiting = kept;
                if let Some(current) = &queue.current
                    && wanted.takes_run(current.live.run_id())
                    && current.live.begin_abort()
                {
                    claimed.push(current.cancel.clone());
                    stopped.push(current.live.run_id().to_owned());
                }
            }
        }
        // Frozen at once, in the background too: a stop without a run is for all that the session has going.
        self.context.children.stop(|child| wanted.takes_session(&child.session_key) && wanted.takes_run(&child.run_id));
        ended.into_iter().for_each(|waiting| self.end_waiting(waiting));
        // Behind the claim of their runs, so that no sub-agent comes in after this look.
        stopped.extend(self.abort_below(wanted));
        // Only now, or the runs would stop their sub-agents themselves, and these would not be told of here.
        claimed.iter().for_each(CancellationToken::cancel);
        stopped
    }

    fn end_waiting(&self, waiting: Waiting) {
        let sessions = self.clone();
        self.context.supervisor.spawn("abort of a waiting run", async move {
            turn::end_unstarted(&sessions.context, &waiting.run, waiting.announced).await;
            sessions.context.approvals.cancel_of_run(&waiting.run.id, "the run that asked was stopped").await;
            sessions.ends.notify_waiters();
            sessions.tell_change();
        });
    }

    /// Stops what runs now, and leaves what waits waiting: the kill switch.
    pub fn abort_running(&self) -> Vec<String> {
        let stopped = {
            let all = self.lock();
            let running = all.values().filter_map(|queue| queue.current.as_ref()).filter(|current| current.started);
            let stopped = running.filter(|current| current.live.begin_abort());
            stopped.inspect(|current| current.cancel.cancel()).map(|current| current.live.run_id().to_owned()).collect()
        };
        self.context.children.stop(|_| true);
        stopped
    }

    /// Waits until nothing that was stopped does anything any more; a stop is acknowledged after that.
    pub async fn until_frozen(&self) {
        self.context.children.until_frozen().await;
    }

    /// Waits until a run has ended; how it did.
    pub async fn until_ended(&self, run_id: &str) -> Result<RunRow, StoreError> {
        loop {
            let told = self.ends.notified();
            tokio::pin!(told);
            // From here on, so that an end between the look and the wait is not missed.
            told.as_mut().enable();
            match self.context.store.run(run_id).await? {
                Some(run) if run.state.is_terminal() => return Ok(run),
                Some(_) => {}
                None => return Err(StoreError::Unreadable(format!("there is no run {run_id:?} any more"))),
            }
            told.await;
        }
    }

    /// Puts a run that a start of the gateway found waiting back in its queue.
    pub fn restore(&self, run: RunRow) {
        self.enqueue(run, None);
    }

    /// The text so far of the run that a session has going.
    pub fn live(&self, key: &str) -> Option<Arc<Live>> {
        let all = self.lock();
        let current = all.get(key)?.current.as_ref()?;
        (current.started && !current.live.is_hidden()).then(|| Arc::clone(&current.live))
    }

    /// Whether input to this session would wait.
    pub fn is_busy(&self, key: &str) -> bool {
        self.context.control.paused() || self.lock().contains_key(key)
    }

    /// Running and waiting runs over all sessions.
    pub fn counts(&self) -> (u64, u64) {
        self.lock().values().fold((0, 0), |(active, queued), queue| {
            let active_here = u64::from(queue.current.as_ref().is_some_and(|current| current.started));
            let not_started = u64::from(queue.current.as_ref().is_some_and(|current| !current.started));
            (active + active_here, queued + queue.waiting.len() as u64 + not_started)
        })
    }

    /// Waits until no run is going, or until the gateway has none left that could end by itself.
    pub async fn until_idle(&self) {
        // Those that wait for a person would wait past the end; they are parked.
        let goes =
            |queue: &Queue| queue.current.as_ref().is_some_and(|current| current.started && !current.live.is_waiting());
        while self.lock().values().any(goes) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Cuts off what still runs, because the gateway ends: such runs end as `INTERRUPTED`, but for those that wait for a
    /// person, which go on waiting over it.
    pub fn interrupt_all(&self) {
        for queue in self.lock().values() {
            if let Some(current) = &queue.current
                && current.started
                && current.live.begin_interrupt()
            {
                current.cancel.cancel();
            }
        }
    }

    /// A stored session as clients see it.
    pub fn row(&self, record: SessionRecord) -> SessionRow {
        let all = self.lock();
        let queue = all.get(&record.key);
        let current = queue.and_then(|queue| queue.current.as_ref());
        let running = current.is_some_and(|current| current.started);
        let asks = current.is_some_and(|current| self.context.approvals.run_waits(current.live.run_id()));
        let mut active: Vec<String> = current.map(|current| current.live.run_id().to_owned()).into_iter().collect();
        active.extend(queue.into_iter().flat_map(|queue| &queue.waiting).map(|waiting| waiting.run.id.clone()));
        let status = match (running, active.is_empty(), record.failed) {
            _ if asks => SessionStatus::WaitingApproval,
            (true, _, _) => SessionStatus::Running,
            (false, false, _) => SessionStatus::Queued,
            (false, true, true) => SessionStatus::Failed,
            (false, true, false) => SessionStatus::Idle,
        };
        drop(all);
        let config = self.context.config.current();
        let message_count = record.message_count();
        let primary = record
            .model
            .or_else(|| config.config.agents.entries.get(&record.agent_id).map(|agent| agent.model.clone()));
        SessionRow {
            key: record.key,
            session_id: record.session_id,
            agent_id: record.agent_id,
            kind: record.kind,
            label: record.label,
            title: record.title,
            channel: record.channel,
            account_id: record.account_id,
            peer: record.peer,
            created_at: record.created_at,
            updated_at: record.updated_at,
            last_message_preview: record.preview,
            status,
            active_run_ids: active,
            model: self.context.catalog.resolved_now(primary.as_deref().unwrap_or("auto")),
            usage: record.usage,
            message_count,
            unread: record.unread,
            pinned: record.pinned,
            archived: record.archived,
        }
    }

    /// Tells everyone how a session looks now.
    pub async fn publish_changed(&self, key: &str, reason: SessionChange) {
        match self.context.store.session(key).await {
            Ok(Some(record)) => {
                let event = SessionChangedEvent { key: key.to_owned(), reason, session: self.row(record) };
                self.context.events.publish(Event::SessionChanged(event));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, key, "reading a session for its event"),
        }
    }

    /// Runs what waits in one session, one after the other, until nothing does.
    async fn drive(&self, key: &str) {
        let stopping = self.context.supervisor.stopping().clone();
        while let Some((run, announced, live, cancel)) = self.next(key) {
            let ready = async {
                self.context.control.until_resumed().await;
                self.permit(&run, announced, &live).await
            };
            let permit = tokio::select! {
                permit = ready => permit,
                () = cancel.cancelled() => None,
                // It stays queued in the store, and the next start takes it up.
                () = stopping.cancelled() => return,
            };
            let Some(permit) = permit else {
                turn::end_unstarted(&self.context, &run, true).await;
                self.context.approvals.cancel_of_run(&run.id, "the run that asked was stopped").await;
                self.ends.notify_waiters();
                self.forget_current(key);
                continue;
            };
            if let Some(queue) = self.lock().get_mut(key)
                && let Some(current) = &mut queue.current
            {
                current.started = true;
            }
            self.tell_change();
            let place = RunPlace::new(Arc::clone(&self.permits), permit);
            let turn = turn::run(self, &run, &live, &place, &cancel);
            let ended = match AssertUnwindSafe(turn).catch_unwind().await {
                Ok(ended) => ended,
                Err(panic) => Outcome::broken(panic_words(&*panic)).into(),
            };
            if ended.outcome == Outcome::Parked {
                // It waits on, in the store; the next start takes it up.
                return;
            }
            // Programs in the background go on until somebody stops them; others have nobody who waits for them.
            self.context.children.stop(|child| child.run_id == run.id && !child.background);
            // From here on the session shows as idle, which is what the events that follow say.
            let settled = turn::settle(&self.context, &run, &live, ended).await;
            self.context.approvals.cancel_of_run(&run.id, "the run that asked has ended").await;
            drop(place);
            self.ends.notify_waiters();
            {
                // One step: a branch that is left meanwhile finds the run here, or all of it told before.
                let mut all = self.lock();
                if let Some(queue) = all.get_mut(key) {
                    queue.current = None;
                }
                settled.publish(&self.context.events, &live);
            }
            self.publish_changed(key, SessionChange::Run).await;
            self.tell_change();
        }
    }

    /// Takes the next waiting run, or forgets the session where none waits.
    fn next(&self, key: &str) -> Option<(RunRow, bool, Arc<Live>, CancellationToken)> {
        let mut all = self.lock();
        let queue = all.get_mut(key)?;
        let Some(Waiting { run, announced }) = queue.waiting.pop_front() else {
            all.remove(key);
            return None;
        };
        let live = Arc::new(Live::new(&run.id, u64::from(announced)));
        let cancel = CancellationToken::new();
        let user_seq = run.user_seq;
        queue.current = Some(Current { live: Arc::clone(&live), user_seq, cancel: cancel.clone(), started: false });
        Some((run, announced, live, cancel))
    }

    fn forget_current(&self, key: &str) {
        if let Some(queue) = self.lock().get_mut(key) {
            queue.current = None;
        }
    }

    /// A place among the runs that may go at once; says `queued` where it has to wait.
    async fn permit(&self, run: &RunRow, announced: bool, live: &Live) -> Option<tokio::sync::OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        if !announced {
            self.publish_chat(run, ChatState::Queued, live.next_index());
        }
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    fn publish_chat(&self, run: &RunRow, state: ChatState, index: u64) {
        self.context.events.publish(Event::Chat(ChatEvent::new(&run.id, &run.session_key, state, index)));
    }

    fn tell_change(&self) {
        if let Some(hook) = self.changed.get() {
            hook();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Queue>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which runs to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abort {
    /// Every run of a session, or one of them.
    Session {
        key: String,
        run_id: Option<String>,
    },
    Agent(String),
    All,
}

impl Abort {
    fn takes_session(&self, key: &str) -> bool {
        match self {
            Self::Session { key: wanted, .. } => wanted == key,
            Self::Agent(agent) => key.strip_prefix("agent:").and_then(|rest| rest.split(':').next()) == Some(agent),
            Self::All => true,
        }
    }

    fn takes_run(&self, id: &str) -> bool {
        !matches!(self, Self::Session { run_id: Some(wanted), .. } if wanted != id)
    }
}

/// Makes the main session of every agent that has none.
pub async fn ensure_mains(store: &Store, clock: Clock, agents: Vec<String>) -> Result<(), StoreError> {
    let now = clock.now_ms();
    store
        .write(move |tx| {
            Box::pin(async move {
                for agent in agents {
                    let key = simpleclaw_protocol::session::SessionKey::Main { agent };
                    store::session::ensure(tx, &key, "Main", now).await?;
                }
                Ok(())
            })
        })
        .await
}
