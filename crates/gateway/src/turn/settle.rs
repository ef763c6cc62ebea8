//! The end of a run: one terminal row, one terminal event, one message that says what happened.

use simpleclaw_adapters::provider::{ProviderError, ProviderErrorKind};
use simpleclaw_protocol::events::{ChatEvent, ChatState, SessionMessageEvent};
use simpleclaw_protocol::message::{
    Message, MessageStatus, ProviderFailure, ProviderFailureKind, RunError, RunState, Usage,
};
use simpleclaw_protocol::{ErrorCode, Event};
use std::time::Duration;

use super::{Live, remains};
use crate::events::Events;
use crate::session::Context;
use crate::store::{self, NewMessage, RunRow, StoreError, Tx};
use crate::usage::Booking;

/// How often storing an end is tried, a second apart, before it is left to the next start. A full disk counts as no
/// try: a person frees space, and the end is stored.
const TRIES: u32 = 5;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// `message` is absent where it is stored already.
    Answered {
        message: Option<Box<NewMessage>>,
        usage: Usage,
    },
    /// By a person.
    Stopped,
    /// By the end of the gateway.
    Interrupted,
    /// Not ended: it waits for a person, over the end of the gateway. Nothing is stored or told.
    Parked,
    Failed(RunError),
}

/// What a run leaves to be stored.
pub struct Ended {
    pub outcome: Outcome,
    /// Its last call.
    pub unbooked: Option<Booking>,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, unbooked: None }
    }
}

impl Outcome {
    pub fn provider(error: ProviderError) -> Self {
        Self::Failed(run_error(error))
    }

    /// A cap on what may be spent is reached; `words` say which and what to do.
    pub fn capped(words: String) -> Self {
        Self::failed(ErrorCode::RateLimited, words, false)
    }

    pub fn store_failed(error: &StoreError) -> Self {
        Self::failed(ErrorCode::Internal, format!("the answer could not be stored: {error}"), true)
    }

    pub fn timed_out(limit: Duration) -> Self {
        let words = format!("the run took longer than its limit of {} s", limit.as_secs_f64());
        Self::failed(ErrorCode::Timeout, words, true)
    }

    pub fn no_agent(id: &str) -> Self {
        Self::failed(ErrorCode::NotFound, format!("there is no agent {id:?} any more"), false)
    }

    pub fn too_many_calls(limit: usize) -> Self {
        Self::failed(ErrorCode::Internal, format!("the model asked for tools {limit} times without answering"), true)
    }

    /// A panic inside a run: ours to mend, and the log has more.
    pub fn broken(words: &str) -> Self {
        tracing::error!(target: "diagnostic", source = "turn", code = "turn.panicked", "{words}");
        Self::failed(ErrorCode::Internal, "the gateway made a mistake in this run; the log says more".into(), true)
    }

    fn failed(code: ErrorCode, message: String, retryable: bool) -> Self {
        Self::Failed(RunError { code, message, retryable, provider: None })
    }
}

/// A provider's failure as clients see it.
fn run_error(error: ProviderError) -> RunError {
    let kind = match error.kind {
        ProviderErrorKind::Auth => ProviderFailureKind::Auth,
        ProviderErrorKind::RateLimit => ProviderFailureKind::RateLimit,
        ProviderErrorKind::Quota => ProviderFailureKind::Quota,
        ProviderErrorKind::Context => ProviderFailureKind::Context,
        ProviderErrorKind::Timeout => ProviderFailureKind::Timeout,
        ProviderErrorKind::Network => ProviderFailureKind::Network,
        ProviderErrorKind::Cut => ProviderFailureKind::Cut,
        ProviderErrorKind::Request => ProviderFailureKind::Request,
    };
    let retryable = error.retryable();
    RunError {
        code: ErrorCode::ProviderError,
        message: error.message,
        retryable,
        provider: Some(ProviderFailure {
            id: error.provider,
            model: error.model,
            kind,
            http_status: error.http_status,
            retry_after_ms: error.retry_after_ms,
        }),
    }
}

fn interrupted() -> RunError {
    RunError {
        code: ErrorCode::Interrupted,
        message: "the gateway ended while this was being answered; send it again to have it answered".into(),
        retryable: true,
        provider: None,
    }
}

/// A stored end, ready to be told.
pub struct Settled {
    terminal: ChatEvent,
    message: Option<SessionMessageEvent>,
}

impl Settled {
    /// Where the question was replaced, the end alone is told: its message is in no history.
    pub fn publish(self, events: &Events, live: &Live) {
        let mut terminal = self.terminal;
        if live.is_hidden() {
            terminal.message = None;
        }
        events.publish(Event::Chat(terminal));
        if let Some(message) = self.message {
            live.unless_hidden(|| events.publish(Event::SessionMessage(message)));
        }
    }
}

/// Stores the end of a run and makes its events.
pub async fn settle(context: &Context, run: &RunRow, live: &Live, ended: Ended) -> Settled {
    let Ended { outcome, unbooked } = ended;
    let so_far = live.text();
    let (state, error, message, usage) = match outcome {
        Outcome::Answered { message, usage } => (RunState::Ok, None, message.map(|message| *message), usage),
        Outcome::Stopped => {
            // Without a word there is nothing to keep.
            let message = (!so_far.text.is_empty())
                .then(|| remains(run, &so_far.message_id, so_far.text.clone(), MessageStatus::Aborted));
            (RunState::Aborted, None, message, Usage::default())
        }
        Outcome::Interrupted | Outcome::Parked => {
            let mut message = remains(run, &so_far.message_id, so_far.text.clone(), MessageStatus::Interrupted);
            message.error = Some(interrupted());
            (RunState::Error, Some(interrupted()), Some(message), Usage::default())
        }
        Outcome::Failed(error) => {
            let mut message = remains(run, &so_far.message_id, so_far.text.clone(), MessageStatus::Failed);
            message.error = Some(error.clone());
            (RunState::Error, Some(error), Some(message), Usage::default())
        }
    };
    let message_id = message.as_ref().map(|message| message.id.clone());
    let stored = store_end(context, run, state, error.clone(), message, unbooked).await;
    let mut terminal = ChatEvent::new(&run.id, &run.session_key, chat_state(state), live.next_index());
    terminal.message_id = message_id;
    terminal.error = error;
    let stored = match stored {
        Ok(message) => message,
        Err(problem) => {
            tracing::error!(target: "diagnostic", source = "store", code = "run.not_stored", run = %run.id, "{problem}");
            terminal.state = ChatState::Error;
            terminal.error = match Outcome::store_failed(&problem) {
                Outcome::Failed(error) => Some(error),
                _ => None,
            };
            return Settled { terminal, message: None };
        }
    };
    let mut shown = stored;
    if let Some(message) = &mut shown {
        store::message::cut(message);
    }
    if state == RunState::Ok {
        terminal.message.clone_from(&shown);
        terminal.usage = Some(usage);
    }
    let message = shown.map(|message| SessionMessageEvent { session_key: run.session_key.clone(), message });
    Settled { terminal, message }
}

async fn store_end(
    context: &Context,
    run: &RunRow,
    state: RunState,
    error: Option<RunError>,
    message: Option<NewMessage>,
    unbooked: Option<Booking>,
) -> Result<Option<Message>, StoreError> {
    let mut tries = 0;
    let stored = loop {
        let (run, error, message, now) = (run.clone(), error.clone(), message.clone(), context.clock.now_ms());
        let row = unbooked.clone();
        tries += 1;
        let stored = context.store.write(move |tx| {
            Box::pin(async move {
                let spent = match &row {
                    Some(row) => row.write(tx).await?,
                    None => vec![],
                };
                Ok((end(tx, &run, state, error, message, now).await?, spent))
            })
        });
        match stored.await {
            Err(error @ (StoreError::Full | StoreError::Disk(_) | StoreError::Sql(_))) if tries < TRIES => {
                if matches!(error, StoreError::Full) {
                    tries -= 1;
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    () = context.supervisor.stopping().cancelled() => break Err(error),
                }
            }
            other => break other,
        }
    };
    if let Some(booking) = unbooked {
        context.ledger.booked(booking, stored.as_ref().map(|(_, spent)| spent.as_slice()));
    }
    stored.map(|(message, _)| message)
}

async fn end(
    tx: &mut Tx,
    run: &RunRow,
    state: RunState,
    error: Option<RunError>,
    message: Option<NewMessage>,
    now: i64,
) -> Result<Option<Message>, StoreError> {
    if !store::run::end(tx, &run.id, state, error.as_ref(), now).await? {
        return Ok(None);
    }
    store::message::take_partial(tx, &run.id).await?;
    let message = match message {
        Some(message) => {
            let inserted = store::message::insert(tx, &run.session_key, &run.session_id, message, now).await?;
            inserted.visible.then_some(inserted.message)
        }
        None => None,
    };
    store::session::settle(tx, &run.session_key, state == RunState::Error, now).await?;
    Ok(message)
}

/// Ends a run that never started, because a person stopped it.
pub async fn end_unstarted(context: &Context, run: &RunRow, announced: bool) {
    if let Err(error) = store_end(context, run, RunState::Aborted, None, None, None).await {
        tracing::error!(target: "diagnostic", source = "store", code = "run.not_stored", run = %run.id, "{error}");
    }
    let event = ChatEvent::new(&run.id, &run.session_key, ChatState::Aborted, u64::from(announced));
    context.events.publish(Event::Chat(event));
}

/// Ends a run that a crash cut off, with the text that was saved of it.
pub async fn interrupt(tx: &mut Tx, run: RunRow, now: i64) -> Result<(), StoreError> {
    let (message_id, text) = store::message::take_partial(tx, &run.id).await?.unwrap_or_default();
    let mut message = remains(&run, &message_id, text, MessageStatus::Interrupted);
    message.error = Some(interrupted());
    end(tx, &run, RunState::Error, Some(interrupted()), Some(message), now).await?;
    Ok(())
}

fn chat_state(state: RunState) -> ChatState {
    match state {
        RunState::Ok => ChatState::Final,
        RunState::Aborted => ChatState::Aborted,
        RunState::Error | RunState::Queued | RunState::Running | RunState::WaitingApproval => ChatState::Error,
    }
}
