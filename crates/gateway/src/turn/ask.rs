//! A call of a model: which one, with what is left out where it refuses, followed to its end, and booked.

use std::time::Duration;

use futures_util::StreamExt as _;
use simpleclaw_adapters::provider::{
    ChatEnd, ChatMessage, ChatPiece, ChatRequest, Part, ProviderError, ProviderErrorKind, Stop, Usage as Tokens,
};
use simpleclaw_protocol::events::AgentStream;
use simpleclaw_protocol::message::{Content, Role, Usage};
use tokio::time::Instant;

use super::attached::{self, IMAGE_TOKENS, Sight};
use super::settle::Outcome;
use super::{Teller, prompt};
use crate::agent::Agent;
use crate::catalog::{Price, Resolved};
use crate::store::{CallOutcome, CallOwner, NewMessage, RunRow, StoreError};
use crate::usage::{BYTES_PER_TOKEN, Call, Refused};

/// The text so far is stored this often at most.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// Text, and thinking, of one call past which it is cut off, in bytes.
const MAX_ANSWER: usize = 2 * 1024 * 1024;

/// What one model call came to.
pub struct Answer {
    pub message: NewMessage,
    pub tools: bool,
}

enum Asked {
    Failed(ProviderError),
    /// In words that say what to do.
    Capped(String),
    Store(StoreError),
}

/// Asks the agent's model, and its fallbacks where it cannot answer and has said nothing yet. One that failed a moment
/// ago comes after the others.
pub async fn ask(teller: &Teller<'_>, agent: &Agent) -> Result<Answer, Outcome> {
    let (context, run) = (teller.context, teller.run);
    let catalog = &context.catalog;
    let mut candidates: Vec<(&str, &'static str)> = match &run.options.model {
        Some(model) => vec![(model, "requested")],
        None => vec![(&agent.model, "configured")],
    };
    if run.options.model.is_none() {
        candidates.extend(agent.fallbacks.iter().map(|model| (model.as_str(), "fallback")));
    }
    if candidates.len() > 1 {
        candidates.sort_by_key(|(wanted, _)| catalog.cooling(wanted).is_some());
    }
    let (mut failed, mut capped) = (None, None);
    for (wanted, reason) in candidates {
        let error = match catalog.resolve(wanted, reason).await {
            Ok(resolved) => match ask_one(teller, agent, &resolved).await {
                Ok(answer) => {
                    catalog.succeeded(&resolved);
                    return Ok(answer);
                }
                Err(Asked::Failed(error)) => error,
                // Another one may cost nothing.
                Err(Asked::Capped(words)) => {
                    capped = Some(words);
                    continue;
                }
                Err(Asked::Store(error)) => return Err(Outcome::store_failed(&error)),
            },
            Err(error) => error,
        };
        catalog.failed(&error);
        if !teller.live.lock().text.is_empty() {
            return Err(Outcome::provider(error));
        }
        tracing::warn!(target: "diagnostic", source = "models", code = "provider.failed", model = wanted, run = %run.id, "{error}");
        failed = Some(error);
    }
    Err(match (capped, failed) {
        (Some(words), _) => Outcome::capped(words),
        (None, Some(error)) => Outcome::provider(error),
        (None, None) => Outcome::no_agent(&agent.id),
    })
}

/// One model, with the conversation made shorter where it is too long for it, and without reasoning or images where it
/// refuses them.
async fn ask_one(teller: &Teller<'_>, agent: &Agent, resolved: &Resolved) -> Result<Answer, Asked> {
    teller.agent(AgentStream::Model {
        provider: resolved.provider.id().to_owned(),
        model: resolved.model.clone(),
        reason: resolved.reason.to_owned(),
    });
    let mut window = prompt::window(resolved);
    let mut sight = Sight::of(resolved);
    let mut reasons = true;
    let mut tools = true;
    loop {
        let request = prompt::request(teller.context, teller.run, agent, resolved, window, &sight, tools);
        let mut request = request.await.map_err(Asked::Store)?;
        if !reasons {
            request.thinking = None;
        }
        let (images, thinking) = (attached::shows_images(&request), request.thinking.is_some());
        let offers = !request.tools.is_empty();
        let error = match stream(teller, resolved, request).await {
            Err(Asked::Failed(error)) if teller.live.lock().text.is_empty() => error,
            other => return other,
        };
        if error.kind == ProviderErrorKind::Context && window > prompt::SMALLEST {
            window /= 2;
            continue;
        }
        // Some models call no tools, and refuse to hear of any.
        let refused = error.kind == ProviderErrorKind::Request && error.http_status == Some(400);
        if offers && refused && error.message.to_lowercase().contains("tool") {
            tracing::warn!(target: "diagnostic", source = "models", code = "tools.refused", model = resolved.id(), run = %teller.run.id, "asked again without tools: {error}");
            tools = false;
            continue;
        }
        // Of many models nobody says whether they reason, and some refuse to be told how much.
        if thinking && error.kind == ProviderErrorKind::Request && error.http_status == Some(400) {
            tracing::warn!(target: "diagnostic", source = "models", code = "thinking.refused", model = resolved.id(), run = %teller.run.id, "asked again without a level of thinking: {error}");
            reasons = false;
            continue;
        }
        // Nor whether it sees; a picture must not end the conversation it stands in.
        match sight.lost(resolved, &error) {
            Some(blind) if images => {
                tracing::warn!(target: "diagnostic", source = "models", code = "images.refused", model = resolved.id(), run = %teller.run.id, "asked again without the images: {error}");
                sight = blind;
            }
            _ => return Err(Asked::Failed(error)),
        }
    }
}

/// One request and its answer, held against the caps before and booked after.
async fn stream(teller: &Teller<'_>, resolved: &Resolved, request: ChatRequest) -> Result<Answer, Asked> {
    teller.context.ledger.check(resolved.price).await.map_err(|refused| match refused {
        Refused::Capped(words) => Asked::Capped(words),
        Refused::Store(error) => Asked::Store(error),
    })?;
    let message_id = uuid::Uuid::now_v7().to_string();
    {
        let mut progress = teller.live.lock();
        progress.message_id.clone_from(&message_id);
        progress.text.clear();
    }
    *teller.open_call() = resolved.is_asked().then(|| OpenCall::new(teller.run, resolved, &request));
    let mut thinking = String::new();
    let followed = follow(teller, resolved, request, &message_id, &mut thinking).await;
    let ended = followed.and_then(|end| said_something(teller, resolved, end));
    let usage = match teller.take_open() {
        Some(call) => match &ended {
            Ok(end) => {
                let (call, counted) = call.ended(CallOutcome::Ok, end.usage);
                let usage = teller.book_later(call);
                counted.then_some(usage)
            }
            Err(failure) => {
                teller.book(call.ended(CallOutcome::Failed, failure.usage).0).await;
                None
            }
        },
        None => None,
    };
    match ended {
        Ok(end) => Ok(answer(teller, resolved, message_id, thinking, end, usage)),
        Err(failure) => Err(Asked::Failed(failure.error)),
    }
}

/// A call that failed, with what it used where that is known.
struct Failure {
    error: ProviderError,
    usage: Option<Tokens>,
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self { error, usage: None }
    }
}

/// Follows one answer to its end marker.
async fn follow(
    teller: &Teller<'_>,
    resolved: &Resolved,
    request: ChatRequest,
    message_id: &str,
    thinking: &mut String,
) -> Result<ChatEnd, Failure> {
    let mut pieces = resolved.provider.stream(request).await?;
    let (mut first, mut saved) = (true, Instant::now());
    loop {
        match pieces.next().await {
            Some(Ok(ChatPiece::Text(delta))) => {
                if delta.is_empty() {
                    continue;
                }
                if first {
                    teller.agent(AgentStream::Typing { active: false });
                    first = false;
                }
                teller.wrote(delta.len());
                if teller.delta(message_id, delta) > MAX_ANSWER {
                    return Err(endless(resolved).into());
                }
                if saved.elapsed() >= SAVE_EVERY {
                    saved = Instant::now();
                    teller.save(message_id);
                }
            }
            Some(Ok(ChatPiece::Thinking(delta))) => {
                teller.wrote(delta.len());
                thinking.push_str(&delta);
                teller.agent(AgentStream::Thinking { delta });
                if thinking.len() > MAX_ANSWER {
                    return Err(endless(resolved).into());
                }
            }
            Some(Ok(ChatPiece::End(end))) => return Ok(end),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(cut(resolved, "the answer has no end marker. Try again.").into()),
        }
    }
}

fn endless(resolved: &Resolved) -> ProviderError {
    cut(resolved, "the answer had no end and was cut off after 2 MiB. Ask for less, or choose another model.")
}

fn cut(resolved: &Resolved, words: &str) -> ProviderError {
    ProviderError {
        provider: resolved.provider.id().to_owned(),
        model: Some(resolved.model.clone()),
        kind: ProviderErrorKind::Cut,
        message: format!("{}: {words}", resolved.id()),
        http_status: None,
        retry_after_ms: None,
    }
}

/// An answer without a word is none, and leaves a person waiting; why it is empty is all there is to say.
fn said_something(teller: &Teller<'_>, resolved: &Resolved, end: ChatEnd) -> Result<ChatEnd, Failure> {
    if !end.tool_calls.is_empty() || !teller.live.lock().text.is_empty() {
        return Ok(end);
    }
    let error = match &end.stop {
        Stop::End | Stop::ToolCalls => {
            cut(resolved, "the answer ended without a word. Try again, or choose another model.")
        }
        Stop::Length => cut(
            resolved,
            "the limit on tokens was reached before the answer began. Choose less thinking, or another model.",
        ),
        Stop::Other(reason) => {
            let reason: String = reason.chars().filter(|sign| !sign.is_control()).take(80).collect();
            cut(resolved, &format!("no answer, for the reason {reason:?}. Ask otherwise, or choose another model."))
        }
    };
    Err(Failure { error, usage: end.usage })
}

/// `usage` is absent where the provider counted nothing.
fn answer(
    teller: &Teller<'_>,
    resolved: &Resolved,
    id: String,
    thinking: String,
    end: ChatEnd,
    usage: Option<Usage>,
) -> Answer {
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
    let message = NewMessage {
        id,
        content,
        run_id: Some(teller.run.id.clone()),
        model: Some(resolved.id()),
        usage,
        ..NewMessage::text(Role::Assistant, "")
    };
    Answer { message, tools }
}

/// A model call that goes now.
pub struct OpenCall {
    provider: String,
    model: String,
    price: Option<Price>,
    owner: CallOwner,
    /// A guess.
    input_tokens: u64,
    /// Text and thinking so far, in bytes.
    written: u64,
}

impl OpenCall {
    fn new(run: &RunRow, resolved: &Resolved, request: &ChatRequest) -> Self {
        Self {
            provider: resolved.provider.id().to_owned(),
            model: resolved.model.clone(),
            price: resolved.price,
            owner: CallOwner {
                agent_id: run.agent_id.clone(),
                session_key: run.session_key.clone(),
                session_id: run.session_id.clone(),
                run_id: run.id.clone(),
            },
            input_tokens: input_tokens(request),
            written: 0,
        }
    }

    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// What is booked of a call that was dropped: as if the provider had read all of the request, which it had time for.
    pub fn stopped(self) -> Call {
        let tokens = self.guessed();
        self.call(CallOutcome::Stopped, tokens, true)
    }

    /// What is booked at the end, and whether the provider counted it. One that failed before it said anything is taken
    /// to have cost nothing.
    fn ended(self, outcome: CallOutcome, counted: Option<Tokens>) -> (Call, bool) {
        match counted {
            Some(tokens) => (self.call(outcome, tokens, false), true),
            None if self.written == 0 && outcome == CallOutcome::Failed => {
                (self.call(outcome, Tokens::default(), false), false)
            }
            None => {
                let tokens = self.guessed();
                (self.call(outcome, tokens, true), false)
            }
        }
    }

    fn guessed(&self) -> Tokens {
        let output_tokens = self.written.div_ceil(BYTES_PER_TOKEN);
        Tokens { input_tokens: self.input_tokens, output_tokens, ..Tokens::default() }
    }

    fn call(self, outcome: CallOutcome, tokens: Tokens, estimated: bool) -> Call {
        let Self { provider, model, price, owner, .. } = self;
        Call { provider, model, price, owner: Some(owner), outcome, tokens, estimated }
    }
}

/// What a request takes, by its length.
fn input_tokens(request: &ChatRequest) -> u64 {
    let text = |bytes: usize| bytes as u64;
    let mut bytes = request.system.as_ref().map_or(0, |system| text(system.len()));
    bytes += request.tools.iter().map(|tool| text(tool.description.len() + tool.schema.to_string().len())).sum::<u64>();
    let mut images = 0;
    for message in &request.messages {
        match message {
            ChatMessage::User { parts } => {
                for part in parts {
                    match part {
                        Part::Text(words) | Part::Attached(words) => bytes += text(words.len()),
                        Part::Image { .. } => images += 1,
                    }
                }
            }
            ChatMessage::Assistant { text: words, tool_calls } => {
                bytes += text(words.len());
                bytes += tool_calls.iter().map(|call| text(call.arguments.to_string().len())).sum::<u64>();
            }
            ChatMessage::ToolResult { content, .. } => bytes += text(content.len()),
        }
    }
    bytes.div_ceil(BYTES_PER_TOKEN) + images * IMAGE_TOKENS as u64
}
