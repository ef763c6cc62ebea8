//! One turn: model calls and tool steps until the agent has answered. What to do next follows from the stored
//! messages of the run alone, so a turn can be entered again from them.
//!
//! Here is what happens and what is told to everyone; `ask` is a call of a model, `live` what others see of it, `prompt`
//! makes the request, `attached` adds what its messages carry, `tools` does what the model asks for, `settle` ends a run.

mod ask;
mod attached;
mod live;
mod prompt;
mod settle;
mod tools;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use simpleclaw_adapters::provider::ToolCall;
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::{AgentEvent, AgentStream, ChatEvent, ChatState, LifecyclePhase, SessionMessageEvent};
use simpleclaw_protocol::message::{Message, MessageStatus, Role, Usage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::session::{Context, RunPlace, Sessions};
use crate::store::{self, NewMessage, RunRow, Window};
use crate::usage::{Booking, Call};

use ask::{Answer, OpenCall, ask};
pub use live::Live;
pub use settle::{Ended, Outcome, end_unstarted, interrupt, settle};
use tools::{Workshop, name_calls, run_tools, unanswered};

/// Model calls of one run at most; a model that calls tools for ever is stopped here.
const MAX_CALLS: usize = 32;

/// What comes next, from what the run has written so far.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    CallModel,
    RunTools(Vec<ToolCall>),
    Done,
}

/// The state machine: pure.
fn next_step(messages: &[Message]) -> Step {
    let Some(last) = messages.last() else { return Step::Done };
    match last.role {
        Role::User | Role::System => Step::CallModel,
        Role::Assistant | Role::Tool => match unanswered(messages) {
            None => Step::Done,
            Some(calls) if calls.is_empty() => Step::CallModel,
            Some(calls) => Step::RunTools(calls),
        },
    }
}

/// Runs a stored run to its end, or until it is cancelled. Nothing terminal is published or stored here.
pub async fn run(
    sessions: &Sessions,
    run: &RunRow,
    live: &Live,
    place: &RunPlace,
    cancel: &CancellationToken,
) -> Ended {
    let context = sessions.context();
    let (open, used, unbooked) = (Mutex::default(), Mutex::default(), Mutex::default());
    let teller = Teller { context, run, live, agent_index: AtomicU64::new(0), open, used, unbooked };
    let loaded = context.config.current();
    let limit = match run.options.timeout_ms {
        Some(ms) => Duration::from_millis(ms),
        None => Duration::from_secs(u64::from(loaded.config.runs.timeout_minutes) * 60),
    };
    live.lock().started_at = context.clock.now();
    if let Err(error) = teller.start().await {
        return Outcome::store_failed(&error).into();
    }
    let outcome = tokio::select! {
        outcome = steps(&teller, sessions, place) => outcome,
        () = cancel.cancelled() => Outcome::Stopped,
        () = past(limit, live) => Outcome::timed_out(limit),
    };
    // A call that was dropped in the middle has its price too.
    if let Some(call) = teller.take_open() {
        teller.book_later(call.stopped());
    }
    // Whoever claims the end first has it: a stop that came while the last words arrived still counts.
    let outcome = if live.begin_end() {
        outcome
    } else if live.is_interrupted() && live.is_waiting() {
        return Outcome::Parked.into();
    } else if live.is_interrupted() {
        Outcome::Interrupted
    } else {
        Outcome::Stopped
    };
    let failed = matches!(outcome, Outcome::Failed(_) | Outcome::Interrupted);
    teller.agent(AgentStream::Lifecycle { phase: if failed { LifecyclePhase::Error } else { LifecyclePhase::End } });
    Ended { outcome, unbooked: teller.take_unbooked() }
}

/// Returns when a run has had its time; waiting for a person does not count.
async fn past(limit: Duration, live: &Live) {
    /// While somebody is waited for, what is left does not grow less.
    const LEAST: Duration = Duration::from_millis(20);
    let began = Instant::now();
    loop {
        let left = limit.saturating_sub(began.elapsed().saturating_sub(live.waited()));
        if left.is_zero() && !live.is_waiting() {
            return;
        }
        tokio::time::sleep(left.max(LEAST)).await;
    }
}

async fn steps(teller: &Teller<'_>, sessions: &Sessions, place: &RunPlace) -> Outcome {
    let (context, run) = (teller.context, teller.run);
    let loaded = context.config.current();
    let Some(agent) = Agent::of(&loaded.config, &context.home, &run.agent_id) else {
        return Outcome::no_agent(&run.agent_id);
    };
    let workshop = Workshop { sessions, agent: &agent, place };
    let mut asked = 0;
    loop {
        let messages = match context.store.messages_of_run(&run.id).await {
            Ok(messages) => messages,
            Err(error) => return Outcome::store_failed(&error),
        };
        match next_step(&messages) {
            // A run entered again after its last words were stored.
            Step::Done => return Outcome::Answered { message: None, usage: teller.used() },
            Step::RunTools(calls) => {
                let origin = messages.first().and_then(|message| message.origin.as_ref());
                if let Err(error) = run_tools(teller, &workshop, origin, calls).await {
                    return Outcome::store_failed(&error);
                }
            }
            Step::CallModel if asked == MAX_CALLS => return Outcome::too_many_calls(MAX_CALLS),
            Step::CallModel => match ask(teller, &agent).await {
                Ok(Answer { message, tools: false }) => {
                    return Outcome::Answered { message: Some(Box::new(message)), usage: teller.used() };
                }
                Ok(Answer { mut message, .. }) => {
                    asked += 1;
                    name_calls(&messages, &mut message);
                    if let Err(error) = teller.store(message, None).await {
                        return Outcome::store_failed(&error);
                    }
                }
                Err(outcome) => return outcome,
            },
        }
    }
}

/// Tells everyone what a run does, and keeps its text.
struct Teller<'a> {
    context: &'a Context,
    run: &'a RunRow,
    live: &'a Live,
    agent_index: AtomicU64,
    /// The model call that goes now.
    open: Mutex<Option<OpenCall>>,
    /// By all calls of the run since it was entered.
    used: Mutex<Usage>,
    /// The last call, which is booked with what is stored next of the run.
    unbooked: Mutex<Option<Booking>>,
}

impl Teller<'_> {
    async fn start(&self) -> Result<(), store::StoreError> {
        let (id, now) = (self.run.id.clone(), self.context.clock.now_ms());
        self.context.store.write(move |tx| Box::pin(async move { store::run::start(tx, &id, now).await })).await?;
        let event = ChatEvent::new(&self.run.id, &self.run.session_key, ChatState::Started, self.live.next_index());
        self.context.events.publish(Event::Chat(event));
        self.agent(AgentStream::Lifecycle { phase: LifecyclePhase::Start });
        self.agent(AgentStream::Typing { active: true });
        Ok(())
    }

    /// Books a call of this run.
    async fn book(&self, call: Call) {
        let usage = self.context.ledger.book(call).await;
        self.add(usage);
    }

    /// Books a call of this run with what is stored next of it: one commit for both.
    fn book_later(&self, call: Call) -> Usage {
        let (usage, booking) = self.context.ledger.prepare(call);
        self.add(usage);
        *self.unbooked.lock().unwrap_or_else(PoisonError::into_inner) = Some(booking);
        usage
    }

    fn take_unbooked(&self) -> Option<Booking> {
        self.unbooked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, usage: Usage) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.input_tokens += usage.input_tokens;
        used.output_tokens += usage.output_tokens;
        used.cost_usd += usage.cost_usd;
    }

    fn used(&self) -> Usage {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_call(&self) -> std::sync::MutexGuard<'_, Option<OpenCall>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_open(&self) -> Option<OpenCall> {
        self.open_call().take()
    }

    /// The model wrote so much more.
    fn wrote(&self, bytes: usize) {
        if let Some(call) = &mut *self.open_call() {
            call.wrote(bytes);
        }
    }

    fn agent(&self, stream: AgentStream) {
        let event = AgentEvent {
            run_id: self.run.id.clone(),
            session_key: self.run.session_key.clone(),
            agent_id: self.run.agent_id.clone(),
            index: self.agent_index.fetch_add(1, Ordering::Relaxed),
            ts: self.context.clock.now_ms(),
            stream,
        };
        self.context.events.publish(Event::Agent(event));
    }

    /// Publishes new text; how long the answer is now.
    fn delta(&self, message_id: &str, delta: String) -> usize {
        let mut event = ChatEvent::new(&self.run.id, &self.run.session_key, ChatState::Delta, self.live.next_index());
        event.message_id = Some(message_id.to_owned());
        let length = {
            let mut progress = self.live.lock();
            progress.text.push_str(&delta);
            progress.index = event.index;
            progress.text.len()
        };
        event.delta = Some(delta);
        self.context.events.publish(Event::Chat(event));
        length
    }

    /// Stores the text so far, without waiting for it.
    fn save(&self, message_id: &str) {
        let (store, run_id, message_id) = (self.context.store.clone(), self.run.id.clone(), message_id.to_owned());
        let text = self.live.lock().text.clone();
        self.context.supervisor.spawn("saving a partial answer", async move {
            let work = store.write(move |tx| {
                Box::pin(async move { store::message::save_partial(tx, &run_id, &message_id, &text).await })
            });
            if let Err(error) = work.await {
                tracing::warn!(%error, "saving a partial answer");
            }
        });
    }

    /// Stores a message of the middle of a run and tells of it. `untrusted` is where content from outside in it came from:
    /// from the same commit on the session is tainted.
    async fn store(&self, message: NewMessage, untrusted: Option<String>) -> Result<(), store::StoreError> {
        let run = self.run.clone();
        let now = self.context.clock.now_ms();
        let booking = self.take_unbooked();
        let row = booking.clone();
        let stored = self
            .context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let spent = match &row {
                        Some(row) => row.write(tx).await?,
                        None => vec![],
                    };
                    store::message::take_partial(tx, &run.id).await?;
                    if let Some(source) = &untrusted {
                        store::session::taint(tx, &run.session_key, source).await?;
                    }
                    let inserted = store::message::insert(tx, &run.session_key, &run.session_id, message, now).await?;
                    Ok((inserted, spent))
                })
            })
            .await;
        if let Some(booking) = booking {
            self.context.ledger.booked(booking, stored.as_ref().map(|(_, spent)| spent.as_slice()));
        }
        let (stored, _) = stored?;
        {
            // What comes next is another message, also where it ends before it begins.
            let mut progress = self.live.lock();
            progress.message_id.clear();
            progress.text.clear();
        }
        if stored.visible {
            let event = SessionMessageEvent { session_key: self.run.session_key.clone(), message: stored.message };
            self.live.unless_hidden(|| self.context.events.publish(Event::SessionMessage(event)));
        }
        Ok(())
    }
}

/// What a run that ended otherwise than by an answer leaves in the history.
fn remains(run: &RunRow, id: &str, text: String, status: MessageStatus) -> NewMessage {
    let id = if id.is_empty() { uuid::Uuid::now_v7().to_string() } else { id.to_owned() };
    NewMessage { id, run_id: Some(run.id.clone()), status, ..NewMessage::text(Role::Assistant, text) }
}

/// What a run has written, and the newest part of the session's history before it, in no order. However much input
/// waits behind the run, what it is to answer is there.
async fn newest(context: &Context, run: &RunRow, bytes: usize) -> Result<Vec<Message>, store::StoreError> {
    let window = Window::WithoutInputAfter(run.user_seq);
    let page = context.store.history(&run.session_id, &window, 1000, bytes).await?;
    let mut messages = page.map(|page| page.messages).unwrap_or_default();
    messages.retain(|message| message.run_id.as_deref() != Some(&run.id));
    messages.extend(context.store.messages_of_run(&run.id).await?);
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use simpleclaw_protocol::message::Content;
    use simpleclaw_protocol::time::Timestamp;

    use super::*;

    fn message(role: Role, content: Vec<Content>) -> Message {
        let status = MessageStatus::Complete;
        Message {
            id: "m".into(),
            seq: 1,
            role,
            content,
            created_at: Timestamp(0),
            run_id: None,
            model: None,
            usage: None,
            origin: None,
            delivery: None,
            status,
            error: None,
            truncated: false,
        }
    }

    #[test]
    fn what_comes_next_follows_from_what_is_stored() {
        let text = |text: &str| Content::Text { text: text.into() };
        let call = Content::ToolCall { id: "c".into(), name: "exec".into(), arguments: serde_json::json!({}) };
        let result = Content::ToolResult { id: "c".into(), is_error: false, content: "ok".into() };
        let user = message(Role::User, vec![text("hi")]);
        let calling = message(Role::Assistant, vec![text("let me"), call]);
        let results = message(Role::Tool, vec![result]);
        let answer = message(Role::Assistant, vec![text("done")]);
        let second = Content::ToolCall { id: "d".into(), name: "exec".into(), arguments: serde_json::json!({}) };
        let mut two = calling.clone();
        two.content.push(second);
        assert_eq!(next_step(&[]), Step::Done);
        assert_eq!(next_step(std::slice::from_ref(&user)), Step::CallModel);
        assert!(matches!(next_step(&[user.clone(), calling.clone()]), Step::RunTools(calls) if calls.len() == 1));
        assert_eq!(next_step(&[user.clone(), calling.clone(), results.clone()]), Step::CallModel);
        // Entered again between two calls: only the one without a result is left.
        let left = next_step(&[user.clone(), two, results.clone()]);
        assert!(matches!(left, Step::RunTools(calls) if calls.len() == 1 && calls[0].id == "d"));
        assert_eq!(next_step(&[user, calling, results, answer]), Step::Done);
    }
}
