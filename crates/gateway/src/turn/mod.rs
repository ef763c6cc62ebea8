//! One turn: model calls and tool steps until the agent has answered. What to do next follows from the stored
//! messages of the run alone, so a turn can be entered again from them.
//!
//! Here is what happens and what is told to everyone; `live` is what others see of it, `prompt` makes the request,
//! `attached` adds what its messages carry, `settle` ends a run.

mod attached;
mod live;
mod prompt;
mod settle;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use simpleclaw_adapters::provider::{ChatEnd, ChatPiece, ProviderError, ProviderErrorKind, Stop, ToolCall};
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::{
    AgentEvent, AgentStream, ChatEvent, ChatState, LifecyclePhase, SessionMessageEvent, ToolPhase,
};
use simpleclaw_protocol::message::{Content, Message, MessageStatus, Role, Usage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::catalog::Resolved;
use crate::session::Context;
use crate::store::{self, NewMessage, RunRow, Window};

use attached::Sight;
pub use live::Live;
pub use settle::{Outcome, end_unstarted, interrupt, settle};

/// Model calls of one run at most; a model that calls tools for ever is stopped here.
const MAX_STEPS: usize = 32;
/// The text so far is stored this often at most.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// Text of one model call past which it is cut off, in bytes.
const MAX_ANSWER: usize = 2 * 1024 * 1024;

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
        Role::Assistant => {
            let calls = last.content.iter().filter_map(|block| match block {
                Content::ToolCall { id, name, arguments } => {
                    Some(ToolCall { id: id.clone(), name: name.clone(), arguments: arguments.clone() })
                }
                _ => None,
            });
            let calls: Vec<_> = calls.collect();
            if calls.is_empty() { Step::Done } else { Step::RunTools(calls) }
        }
        // All results of a step stand in one message.
        Role::Tool => Step::CallModel,
    }
}

/// Runs a stored run to its end, or until it is cancelled. Nothing terminal is published or stored here.
pub async fn run(context: &Context, run: &RunRow, live: &Live, cancel: &CancellationToken) -> Outcome {
    let teller = Teller { context, run, live, agent_index: AtomicU64::new(0) };
    let loaded = context.config.current();
    let limit = match run.options.timeout_ms {
        Some(ms) => Duration::from_millis(ms),
        None => Duration::from_secs(u64::from(loaded.config.runs.timeout_minutes) * 60),
    };
    live.lock().started_at = context.clock.now();
    if let Err(error) = teller.start().await {
        return Outcome::store_failed(&error);
    }
    let outcome = tokio::select! {
        outcome = steps(&teller) => outcome,
        () = cancel.cancelled() => Outcome::Stopped,
        () = tokio::time::sleep(limit) => Outcome::timed_out(limit),
    };
    // Whoever claims the end first has it: a stop that came while the last words arrived still counts.
    let outcome = if live.begin_end() {
        outcome
    } else if live.is_interrupted() {
        Outcome::Interrupted
    } else {
        Outcome::Stopped
    };
    let failed = matches!(outcome, Outcome::Failed(_) | Outcome::Interrupted);
    teller.agent(AgentStream::Lifecycle { phase: if failed { LifecyclePhase::Error } else { LifecyclePhase::End } });
    outcome
}

async fn steps(teller: &Teller<'_>) -> Outcome {
    let (context, run) = (teller.context, teller.run);
    let loaded = context.config.current();
    let Some(agent) = Agent::of(&loaded.config, &context.home, &run.agent_id) else {
        return Outcome::no_agent(&run.agent_id);
    };
    for _ in 0..MAX_STEPS {
        let messages = match context.store.messages_of_run(&run.id).await {
            Ok(messages) => messages,
            Err(error) => return Outcome::store_failed(&error),
        };
        match next_step(&messages) {
            // A run entered again after its last words were stored.
            Step::Done => return Outcome::Answered { message: None, usage: Usage::default() },
            Step::RunTools(calls) => {
                if let Err(error) = run_tools(teller, calls).await {
                    return Outcome::store_failed(&error);
                }
            }
            Step::CallModel => match ask(teller, &agent).await {
                Ok(Answer { message, usage, tools: false }) => {
                    return Outcome::Answered { message: Some(Box::new(message)), usage };
                }
                Ok(Answer { message, .. }) => {
                    if let Err(error) = teller.store(message).await {
                        return Outcome::store_failed(&error);
                    }
                }
                Err(outcome) => return outcome,
            },
        }
    }
    Outcome::too_many_steps(MAX_STEPS)
}

/// What one model call came to.
struct Answer {
    message: NewMessage,
    usage: Usage,
    tools: bool,
}

/// Asks the agent's model, and its fallbacks where it cannot answer and has said nothing yet.
async fn ask(teller: &Teller<'_>, agent: &Agent) -> Result<Answer, Outcome> {
    let (context, run) = (teller.context, teller.run);
    let mut candidates: Vec<(&str, &'static str)> = match &run.options.model {
        Some(model) => vec![(model, "requested")],
        None => vec![(&agent.model, "configured")],
    };
    if run.options.model.is_none() {
        candidates.extend(agent.fallbacks.iter().map(|model| (model.as_str(), "fallback")));
    }
    let mut last = None;
    for (wanted, reason) in candidates {
        let error = match context.catalog.resolve(wanted, reason).await {
            Ok(resolved) => match ask_one(teller, agent, &resolved).await {
                Ok(answer) => return Ok(answer),
                Err(Asked::Failed(error)) if teller.live.lock().text.is_empty() => error,
                Err(Asked::Failed(error)) => return Err(Outcome::provider(error)),
                Err(Asked::Store(error)) => return Err(Outcome::store_failed(&error)),
            },
            Err(error) => error,
        };
        tracing::warn!(target: "diagnostic", source = "models", code = "provider.failed", model = wanted, run = %run.id, "{error}");
        last = Some(error);
    }
    Err(last.map_or_else(|| Outcome::no_agent(&agent.id), Outcome::provider))
}

enum Asked {
    Failed(ProviderError),
    Store(store::StoreError),
}

/// One model, with the conversation made shorter where it is too long for it, and without images where it refuses them.
async fn ask_one(teller: &Teller<'_>, agent: &Agent, resolved: &Resolved) -> Result<Answer, Asked> {
    teller.agent(AgentStream::Model {
        provider: resolved.provider.id().to_owned(),
        model: resolved.model.clone(),
        reason: resolved.reason.to_owned(),
    });
    let mut window = prompt::window(resolved);
    let mut sight = Sight::of(resolved);
    loop {
        let request = prompt::request(teller.context, teller.run, agent, resolved, window, &sight);
        let request = request.await.map_err(Asked::Store)?;
        let images = attached::shows_images(&request);
        match stream(teller, resolved, request).await {
            Err(Asked::Failed(error))
                if error.kind == ProviderErrorKind::Context
                    && window > prompt::SMALLEST
                    && teller.live.lock().text.is_empty() =>
            {
                window /= 2;
            }
            // Nobody could say before whether it sees; a picture must not end the conversation it stands in.
            Err(Asked::Failed(error)) if images && teller.live.lock().text.is_empty() => {
                let Some(blind) = sight.lost(resolved, &error) else { return Err(Asked::Failed(error)) };
                tracing::warn!(target: "diagnostic", source = "models", code = "images.refused", model = resolved.id(), run = %teller.run.id, "asked again without the images: {error}");
                sight = blind;
            }
            other => return other,
        }
    }
}

/// Follows one answer to its end marker.
async fn stream(
    teller: &Teller<'_>,
    resolved: &Resolved,
    request: simpleclaw_adapters::provider::ChatRequest,
) -> Result<Answer, Asked> {
    let message_id = uuid::Uuid::now_v7().to_string();
    {
        let mut progress = teller.live.lock();
        progress.message_id.clone_from(&message_id);
        progress.text.clear();
    }
    let mut pieces = resolved.provider.stream(request).await.map_err(Asked::Failed)?;
    let (mut thinking, mut first, mut saved) = (String::new(), true, Instant::now());
    let end = loop {
        match pieces.next().await {
            Some(Ok(ChatPiece::Text(delta))) => {
                if delta.is_empty() {
                    continue;
                }
                if first {
                    teller.agent(AgentStream::Typing { active: false });
                    first = false;
                }
                if teller.delta(&message_id, delta) > MAX_ANSWER {
                    break ChatEnd { tool_calls: vec![], usage: None, stop: Stop::Length };
                }
                if saved.elapsed() >= SAVE_EVERY {
                    saved = Instant::now();
                    teller.save(&message_id);
                }
            }
            Some(Ok(ChatPiece::Thinking(delta))) => {
                if thinking.len() < MAX_ANSWER {
                    thinking.push_str(&delta);
                }
                teller.agent(AgentStream::Thinking { delta });
            }
            Some(Ok(ChatPiece::End(end))) => break end,
            Some(Err(error)) => return Err(Asked::Failed(error)),
            None => {
                let error = ProviderError {
                    provider: resolved.provider.id().to_owned(),
                    model: Some(resolved.model.clone()),
                    kind: ProviderErrorKind::Cut,
                    message: format!("{} ended its answer without an end marker", resolved.id()),
                    http_status: None,
                    retry_after_ms: None,
                };
                return Err(Asked::Failed(error));
            }
        }
    };
    Ok(answer(teller, resolved, message_id, thinking, end))
}

fn answer(teller: &Teller<'_>, resolved: &Resolved, id: String, thinking: String, end: ChatEnd) -> Answer {
    let text = teller.live.lock().text.clone();
    let mut content = Vec::new();
    if !thinking.is_empty() {
        content.push(Content::Thinking { text: thinking });
    }
    if !text.is_empty() || end.tool_calls.is_empty() {
        content.push(Content::Text { text });
    }
    let tools = !end.tool_calls.is_empty();
    content.extend(end.tool_calls.into_iter().map(|call| Content::ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    }));
    let usage = end.usage.map(|usage| Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_usd: resolved.cost.map_or(0.0, |cost| {
            (usage.input_tokens as f64 * cost.input + usage.output_tokens as f64 * cost.output) / 1e6
        }),
    });
    let message = NewMessage {
        id,
        content,
        run_id: Some(teller.run.id.clone()),
        model: Some(resolved.id()),
        usage,
        ..NewMessage::text(Role::Assistant, "")
    };
    Answer { message, usage: usage.unwrap_or_default(), tools }
}

/// Answers tool calls. This version has no tools, and the model is told so in words that it can act on.
async fn run_tools(teller: &Teller<'_>, calls: Vec<ToolCall>) -> Result<(), store::StoreError> {
    let mut content = Vec::new();
    for call in calls {
        let result = format!("there is no tool named {:?}; answer without it", call.name);
        teller.agent(AgentStream::Tool(ToolPhase::Start {
            tool_call_id: call.id.clone(),
            name: call.name.clone(),
            args: call.arguments,
        }));
        teller.agent(AgentStream::Tool(ToolPhase::Result {
            tool_call_id: call.id.clone(),
            name: call.name,
            result: result.clone(),
            is_error: true,
            duration_ms: 0,
        }));
        content.push(Content::ToolResult { id: call.id, is_error: true, content: result });
    }
    let message = NewMessage { content, run_id: Some(teller.run.id.clone()), ..NewMessage::text(Role::Tool, "") };
    teller.store(message).await?;
    teller.agent(AgentStream::Typing { active: true });
    Ok(())
}

/// Tells everyone what a run does, and keeps its text.
struct Teller<'a> {
    context: &'a Context,
    run: &'a RunRow,
    live: &'a Live,
    agent_index: AtomicU64,
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

    /// Stores a message of the middle of a run and tells of it.
    async fn store(&self, message: NewMessage) -> Result<(), store::StoreError> {
        let run = self.run.clone();
        let now = self.context.clock.now_ms();
        let stored = self
            .context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    store::message::take_partial(tx, &run.id).await?;
                    store::message::insert(tx, &run.session_key, &run.session_id, message, now).await
                })
            })
            .await?;
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
        assert_eq!(next_step(&[]), Step::Done);
        assert_eq!(next_step(std::slice::from_ref(&user)), Step::CallModel);
        assert!(matches!(next_step(&[user.clone(), calling.clone()]), Step::RunTools(calls) if calls.len() == 1));
        assert_eq!(next_step(&[user.clone(), calling.clone(), results.clone()]), Step::CallModel);
        assert_eq!(next_step(&[user, calling, results, answer]), Step::Done);
    }
}
