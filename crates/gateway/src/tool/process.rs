//! `process`: the programs that `exec` has started in the background of this session.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::children::Child;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, object};

/// Longest wait for something new.
const MAX_WAIT: u64 = 60;
/// Of one write, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// How long a killed program is waited for.
const KILL_TIME: Duration = Duration::from_secs(3);

pub struct Process;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Args {
    action: What,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    List,
    Poll,
    Write,
    Kill,
}

impl Tool for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description:
                "Looks after programs in the background: `list` them, `poll` what one has printed since the last \
                time (waiting `waitSeconds` for something new), `write` `text` to its standard input, or `kill` it."
                    .to_owned(),
            schema: object(
                &["action"],
                json!({
                    "action": { "type": "string", "enum": ["list", "poll", "write", "kill"] },
                    "id": { "type": "string" },
                    "text": { "type": "string" },
                    "waitSeconds": { "type": "integer", "minimum": 0, "maximum": MAX_WAIT },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let args: Args = arguments(args)?;
            let (children, session) = (&context.gateway.children, context.run.session_key.as_str());
            if args.action == What::List {
                return Ok(ToolResult::own(list(&children.of_session(session))));
            }
            let id = args.id.as_deref().ok_or_else(|| Failed::new("`id` is missing; `list` names the programs"))?;
            let child = children.get(session, id).ok_or_else(|| {
                Failed(format!("there is no program {id:?} in the background of this session; `list` names them"))
            })?;
            let content = match args.action {
                What::Write => {
                    let text = args.text.filter(|text| !text.is_empty() && text.len() <= MAX_TEXT);
                    let text = text.ok_or_else(|| Failed(format!("`text` has 1 to {MAX_TEXT} bytes")))?;
                    if let Some(finished) = child.finished() {
                        return Err(Failed(format!("it has ended: {}", finished.words)));
                    }
                    child.write(text.into_bytes())?;
                    "written".to_owned()
                }
                What::Kill => {
                    child.stop();
                    // It is killed whoever waits for that.
                    let _ = tokio::time::timeout(KILL_TIME, child.until_ended()).await;
                    told(&child)
                }
                What::Poll | What::List => {
                    let wait = Duration::from_secs(args.wait_seconds.unwrap_or(0).min(MAX_WAIT));
                    poll(context, &child, wait).await
                }
            };
            let untrusted = child.untrusted.then(|| format!("the command {}", child.command));
            Ok(ToolResult { untrusted, ..ToolResult::own(content) })
        })
    }
}

/// What is new of a program, after at most `wait`.
async fn poll(context: &ToolContext<'_>, child: &Arc<Child>, wait: Duration) -> String {
    let mut news = child.news();
    let mut unread = child.take_unread();
    if unread.is_empty() && child.finished().is_none() && !wait.is_zero() {
        // Without news there is nothing new to say.
        let _ = tokio::time::timeout(wait, news.changed()).await;
        unread = child.take_unread();
    }
    context.output(unread.clone());
    format!("{unread}{}", state(child))
}

fn told(child: &Child) -> String {
    format!("{}{}", child.take_unread(), state(child))
}

fn state(child: &Child) -> String {
    match child.finished() {
        Some(finished) => format!("\n[it has ended: {}]", finished.words),
        None => "\n[it goes on]".to_owned(),
    }
}

fn list(children: &[Arc<Child>]) -> String {
    if children.is_empty() {
        return "no program goes in the background of this session".to_owned();
    }
    let mut lines: Vec<_> = children
        .iter()
        .map(|child| {
            let state = child.finished().map_or_else(|| "goes on".to_owned(), |finished| finished.words);
            format!("{}  {state}: {}", child.id, child.command)
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}
