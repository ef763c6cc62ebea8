//! `sessions`: the agent's other conversations, and helpers of its own.
//!
//! A helper, or sub-agent, is a session that nobody else writes in, with one task. It is the same agent with the same
//! tools and the same policy, it has what its parent has from outside, it ends with its parent, and there are only so
//! many of them, so deep. What a session sends to another arrives as from an agent, and starts nothing further.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;
use simpleclaw_protocol::message::{Content, Message, Origin, Role, RunState};
use simpleclaw_protocol::session::SessionKey;

use super::output::middle_cut;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, object};
use crate::inbox::{AGENTS, Admitted, Input};
use crate::store::{self, Child, RunOptions, RunRow, SessionsQuery};

/// A sub-agent's sub-agent has none.
const MAX_DEPTH: u32 = 2;
/// Started by one run.
const MAX_OF_RUN: u64 = 8;
const MAX_TEXT: usize = 32 * 1024;
const MAX_LISTED: u32 = 50;
/// Of a sub-agent's answer that its parent reads, in bytes.
const MAX_ANSWER: usize = 24 * 1024;
const TIMEOUT: u64 = 600;
const MAX_TIMEOUT: u64 = 3_600;

pub struct Sessions;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Args {
    action: What,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    List,
    Send,
    Spawn,
}

impl Tool for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description: "`list` your conversations; `send` a `text` into another one by its `key`, where it is answered; \
                `spawn` a sub-agent that does the task in `text` with your tools and gives its answer. A sub-agent knows \
                nothing of this conversation: tell it all it needs."
                .to_owned(),
            schema: object(
                &["action"],
                json!({
                    "action": { "type": "string", "enum": ["list", "send", "spawn"] },
                    "key": { "type": "string" },
                    "text": { "type": "string" },
                    "timeoutSeconds": { "type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let args: Args = arguments(args)?;
            let text = || {
                let text = args.text.clone().filter(|text| !text.trim().is_empty() && text.len() <= MAX_TEXT);
                text.ok_or_else(|| Failed(format!("`text` has 1 to {MAX_TEXT} bytes")))
            };
            match args.action {
                What::List => list(context).await,
                What::Send => {
                    let key =
                        args.key.clone().ok_or_else(|| Failed::new("`key` is missing; `list` names the sessions"))?;
                    send(context, &key, text()?).await
                }
                What::Spawn => {
                    let seconds = args.timeout_seconds.unwrap_or(TIMEOUT).clamp(1, MAX_TIMEOUT);
                    spawn(context, text()?, Duration::from_secs(seconds)).await
                }
            }
        })
    }
}

/// Whoever writes on a channel is not to reach the owner's other conversations through the agent.
async fn of_the_owner(context: &ToolContext<'_>) -> Result<(), Failed> {
    match context.root().await? {
        SessionKey::Main { .. } | SessionKey::Chat { .. } => Ok(()),
        SessionKey::Other { .. } => Err(Failed::new(
            "other conversations are out of reach from a channel; only the owner's own sessions see them",
        )),
    }
}

async fn list(context: &ToolContext<'_>) -> Result<ToolResult, Failed> {
    of_the_owner(context).await?;
    let query =
        SessionsQuery { agent_id: Some(context.agent.id.clone()), limit: MAX_LISTED, ..SessionsQuery::default() };
    let page = context.gateway.store.sessions(&query).await?;
    let lines = page.sessions.into_iter().map(|record| {
        let here = if record.key == context.run.session_key { " (this one)" } else { "" };
        let title: String = record.title.chars().filter(|sign| !sign.is_control()).take(80).collect();
        format!("{}{here}  {}  {} messages  {title:?}", record.key, record.updated_at, record.message_count())
    });
    let mut lines: Vec<_> = lines.collect();
    if page.more {
        lines.push(format!("({} in all; the newest are shown)", page.total));
    }
    Ok(ToolResult::own(lines.join("\n")))
}

async fn send(context: &ToolContext<'_>, key: &str, text: String) -> Result<ToolResult, Failed> {
    of_the_owner(context).await?;
    if context.origin.is_some_and(|origin| origin.channel == AGENTS) {
        return Err(Failed::new("this run was itself started by another session, and such runs send nothing further"));
    }
    let key = SessionKey::parse(key, &context.agent.id).map_err(|error| Failed(format!("`key`: {error}")))?;
    if key.agent() != context.agent.id {
        return Err(Failed::new("this is another agent's session; only your own can be sent to"));
    }
    if !key.client_may_create() {
        return Err(Failed::new(
            "only sessions of the owner can be sent to, not those of a channel, a job or a sub-agent",
        ));
    }
    if key.to_string() == context.run.session_key {
        return Err(Failed::new("this is the session you are in; just answer"));
    }
    let target = key.to_string();
    if context.gateway.store.session(&target).await?.is_none() {
        return Err(Failed(format!("there is no session {target:?}; `list` names them")));
    }
    // What this session has from outside goes with its words.
    let sources = context.session().await?.untrusted;
    taint(context, &target, sources).await?;
    let run = admit(context, key, text, RunOptions::default()).await?;
    Ok(ToolResult::own(format!("sent to {target}; it is answered there (run {})", run.id)))
}

async fn spawn(context: &ToolContext<'_>, text: String, limit: Duration) -> Result<ToolResult, Failed> {
    let session = context.session().await?;
    if session.depth >= MAX_DEPTH {
        return Err(Failed(format!("sub-agents go {MAX_DEPTH} deep, and you are there; do it yourself")));
    }
    let key = SessionKey::Other { agent: context.agent.id.clone(), rest: format!("subagent:{}", uuid::Uuid::new_v4()) };
    let title: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(80).collect();
    let child = Child {
        parent_key: session.key.clone(),
        parent_run: context.run.id.clone(),
        depth: session.depth + 1,
        untrusted: session.untrusted.clone(),
    };
    let (now, target) = (context.gateway.clock.now_ms(), key.clone());
    let made = context.gateway.store.write(move |tx| {
        Box::pin(async move { store::session::make_child(tx, &target, &title, &child, MAX_OF_RUN, now).await })
    });
    if !made.await? {
        return Err(Failed(format!("one run has {MAX_OF_RUN} sub-agents at most; do the rest yourself")));
    }
    let options = RunOptions {
        timeout_ms: Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        ..context.run.options.clone()
    };
    let target = key.to_string();
    // It ends with whoever waits for it.
    let Some(sub_agent) = context.sessions.start_below(&target, context.run, || context.is_going()) else {
        return Err(Failed::new("the run was stopped before the sub-agent started"));
    };
    let run = admit(context, key, text, options).await?;
    let ended = context.without_place(context.sessions.until_ended(&run.id)).await?;
    drop(sub_agent);
    let record = context.gateway.store.session(&target).await?;
    let sources = record.map(|record| record.untrusted).unwrap_or_default();
    let messages = context.gateway.store.messages_of_run(&run.id).await?;
    let said = middle_cut(&answer(&messages), MAX_ANSWER);
    let untrusted = (!sources.is_empty()).then(|| format!("a sub-agent that has read {}", sources.join(", ")));
    let content = match ended.state {
        RunState::Ok => said,
        state => {
            let why = ended.error.map_or_else(|| format!("{state:?}").to_lowercase(), |error| error.message);
            format!("the sub-agent did not come to an end: {why}\n{said}")
        }
    };
    Ok(ToolResult { content, is_error: ended.state != RunState::Ok, untrusted })
}

/// Puts a message into a session and has it answered.
async fn admit(
    context: &ToolContext<'_>,
    key: SessionKey,
    text: String,
    options: RunOptions,
) -> Result<RunRow, Failed> {
    let idempotency_key = uuid::Uuid::new_v4().to_string();
    let body_hash = store::body_hash(json!({ "key": idempotency_key }));
    let label = format!("{} ({})", context.agent.name, context.run.session_key);
    let origin = Origin { channel: AGENTS.to_owned(), sender: context.run.session_key.clone(), label: Some(label) };
    let content = vec![Content::Text { text }];
    let input = Input { key, content, replaces: None, idempotency_key, body_hash, options, origin };
    let admitted = context.gateway.inbox.admit(input).await.map_err(|refused| Failed(refused.to_string()))?;
    let Admitted::New { run, message, .. } = admitted else { return Err(Failed::new("this was sent before")) };
    context.sessions.enqueue(run.clone(), Some(*message));
    Ok(run)
}

async fn taint(context: &ToolContext<'_>, key: &str, sources: Vec<String>) -> Result<(), Failed> {
    let key = key.to_owned();
    let write = context.gateway.store.write(move |tx| {
        Box::pin(async move {
            for source in sources {
                store::session::taint(tx, &key, &source).await?;
            }
            Ok(())
        })
    });
    Ok(write.await?)
}

/// The last words of a run.
fn answer(messages: &[Message]) -> String {
    let last = messages.iter().rev().find(|message| message.role == Role::Assistant);
    last.map(Message::text).filter(|text| !text.is_empty()).unwrap_or_else(|| "(it said nothing)".to_owned())
}
