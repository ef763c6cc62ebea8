//! `memory`: what the agent has noted, and what was said before.
//!
//! Notes are in `MEMORY.md` of the workspace, which stands in every system prompt; what was said is searched in the
//! store. A conversation on a channel is searched for what was said there and nowhere else: whoever writes in it is not
//! to read the owner's other conversations.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;
use simpleclaw_protocol::message::Role;
use simpleclaw_protocol::session::SessionKey;

use super::output::end_cut;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, disk, object, write};
use crate::store::Hit;

const NOTES: &str = "MEMORY.md";
/// Of one note, in bytes.
const MAX_NOTE: usize = 4 * 1024;
/// Of all notes: more would not fit a system prompt.
const MAX_NOTES: usize = 24 * 1024;
const HITS: u32 = 10;
const MAX_HITS: u32 = 50;
/// Of one hit, in bytes.
const MAX_HIT: usize = 600;
const MAX_QUERY: usize = 400;

pub struct Memory;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    action: What,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Note,
    Search,
}

impl Tool for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description: format!(
                "`note` keeps a `text` worth knowing in every later conversation (in {NOTES}, which `edit` changes). \
                 `search` finds earlier messages that hold all words of `query`, newest first."
            ),
            schema: object(
                &["action"],
                json!({
                    "action": { "type": "string", "enum": ["note", "search"] },
                    "text": { "type": "string" },
                    "query": { "type": "string" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": MAX_HITS },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let args: Args = arguments(args)?;
            match args.action {
                What::Note => note(context, args.text.unwrap_or_default()).await,
                What::Search => search(context, args.query.unwrap_or_default(), args.limit.unwrap_or(HITS)).await,
            }
        })
    }
}

async fn note(context: &ToolContext<'_>, text: String) -> Result<ToolResult, Failed> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NOTE {
        return Err(Failed(format!("a note has 1 to {MAX_NOTE} bytes of `text`")));
    }
    let place = context.find(NOTES.to_owned()).await?;
    let found = write::before(context, &place).await?;
    let mut notes = match &found {
        Some(found) => disk::text(&context.places, &place.path, found.bytes.clone())?,
        None => String::new(),
    };
    if notes.len() + text.len() > MAX_NOTES {
        return Err(Failed(format!(
            "{NOTES} is full ({MAX_NOTES} bytes); shorten it with `edit`, then note this again"
        )));
    }
    if !notes.is_empty() && !notes.ends_with('\n') {
        notes.push('\n');
    }
    // One entry of a list each, however many lines.
    notes.push_str(&format!("- {}\n", text.replace('\n', "\n  ")));
    let change = write::change(&place, found, notes).await?;
    write::put(context, place, change).await?;
    Ok(ToolResult::own(format!("noted in {NOTES}")))
}

async fn search(context: &ToolContext<'_>, query: String, limit: u32) -> Result<ToolResult, Failed> {
    let wanted =
        words(&query).ok_or_else(|| Failed(format!("`query` has 1 to {MAX_QUERY} bytes, and a word in it")))?;
    let within = match context.root().await? {
        SessionKey::Main { agent } | SessionKey::Chat { agent, .. } => format!("agent:{agent}:"),
        other @ SessionKey::Other { .. } => other.to_string(),
    };
    let limit = limit.clamp(1, MAX_HITS);
    let hits = context.gateway.store.search_messages(&wanted, &within, limit).await?;
    // The question itself is no memory.
    let hits: Vec<_> = hits.into_iter().filter(|hit| hit.message.run_id.as_deref() != Some(&context.run.id)).collect();
    if hits.is_empty() {
        return Ok(ToolResult::own("nothing was found; try fewer or other words"));
    }
    let untrusted =
        hits.iter().any(|hit| hit.untrusted).then(|| "earlier messages with content from outside".to_owned());
    let told: Vec<_> = hits.iter().map(told).collect();
    Ok(ToolResult { untrusted, ..ToolResult::own(told.join("\n\n")) })
}

fn told(hit: &Hit) -> String {
    let who = match hit.message.role {
        Role::User => "user",
        Role::Assistant => "you",
        Role::Tool => "a tool",
        Role::System => "the system",
    };
    let mut text = crate::store::message::plain_text(&hit.message.content);
    if end_cut(&mut text, MAX_HIT) {
        text.push('…');
    }
    format!("{} {} ({who}): {text}", hit.message.created_at, hit.session_key)
}

/// Words as the index takes them: each in quotes, so that none of them is taken for an operator.
fn words(query: &str) -> Option<String> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let words: Vec<_> = query
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(16)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"").replace('\0', "")))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_an_operator() {
        assert_eq!(words("two words").as_deref(), Some("\"two\" \"words\""));
        assert_eq!(
            words("a OR b* NEAR(c) \"d -e").as_deref(),
            Some("\"a\" \"OR\" \"b*\" \"NEAR(c)\" \"\"\"d\" \"-e\"")
        );
        for none in ["", "  ", "\" * -", &"x".repeat(MAX_QUERY + 1)] {
            assert_eq!(words(none), None, "{none:?}");
        }
    }
}
