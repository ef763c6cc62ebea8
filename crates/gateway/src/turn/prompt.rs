//! From a session's history to a request that fits the model's window.

use std::collections::HashMap;
use std::time::Duration;

use simpleclaw_adapters::provider::{ChatMessage, ChatRequest, Part, Thinking as AdapterThinking, ToolCall, ToolSpec};
use simpleclaw_protocol::message::{Content, Message, Role};
use simpleclaw_protocol::methods::chat::Thinking;

use super::attached::{self, Sight};
use super::newest;
use crate::agent::Agent;
use crate::catalog::Resolved;
use crate::session::Context;
use crate::store::{RunRow, StoreError};

/// Tokens taken for a model that does not say.
const DEFAULT_WINDOW: u32 = 32_768;
/// No request is made smaller than for this window.
pub const SMALLEST: u32 = 1_024;
/// A careful guess for text in any language.
const BYTES_PER_TOKEN: usize = 3;

/// The tokens that a model takes in and gives out.
pub fn window(resolved: &Resolved) -> u32 {
    resolved.info.as_ref().and_then(|info| info.context_window).unwrap_or(DEFAULT_WINDOW).max(SMALLEST)
}

/// Builds the request of the next model call.
pub async fn request(
    context: &Context,
    run: &RunRow,
    agent: &Agent,
    resolved: &Resolved,
    window: u32,
    sight: &Sight,
    tools: bool,
) -> Result<ChatRequest, StoreError> {
    let system = agent.system_prompt(context.clock.now()).await;
    // A quarter of the window is left to the answer.
    let room = (window as usize * 3 / 4 * BYTES_PER_TOKEN).saturating_sub(system.len());
    let tools = offered(context, agent, resolved, tools, room);
    let budget = room.saturating_sub(tools.iter().map(spec_size).sum()).max(1_024);
    let history = newest(context, run, budget.saturating_mul(2)).await?;
    let kept = fitting(history, &run.id, budget, sight);
    // Half of the room at most: what is said about the files has to fit as well.
    let files = attached::load(&context.attachments, &kept, sight, budget / 2).await;
    let runs = &context.config.current().config.runs;
    Ok(ChatRequest {
        model: resolved.model.clone(),
        system: Some(system),
        messages: conversation(kept, files),
        tools,
        max_tokens: None,
        thinking: match run.options.thinking {
            // A model that is known not to reason may refuse to be asked for it.
            _ if resolved.info.as_ref().and_then(|info| info.reasoning) == Some(false) => None,
            None | Some(Thinking::Off) => None,
            Some(Thinking::Low) => Some(AdapterThinking::Low),
            Some(Thinking::Medium) => Some(AdapterThinking::Medium),
            Some(Thinking::High) => Some(AdapterThinking::High),
        },
        first_byte_timeout: Duration::from_secs(u64::from(runs.first_byte_seconds)),
        idle_timeout: Duration::from_secs(u64::from(runs.idle_seconds)),
    })
}

/// The tools that a model is told of: those of the agent, unless it is known to call none, or has no room for them
/// beside the conversation.
fn offered(context: &Context, agent: &Agent, resolved: &Resolved, wanted: bool, room: usize) -> Vec<ToolSpec> {
    if !wanted || resolved.info.as_ref().and_then(|info| info.tool_use) == Some(false) {
        return vec![];
    }
    let specs: Vec<_> = context.tools.of(agent.profile).map(|tool| tool.describe()).collect();
    match specs.iter().map(spec_size).sum::<usize>() <= room / 2 {
        true => specs,
        false => vec![],
    }
}

fn spec_size(spec: &ToolSpec) -> usize {
    spec.name.len() + spec.description.len() + spec.schema.to_string().len()
}

/// The newest whole messages that fit, with each question before its answer. Pure.
fn fitting(mut history: Vec<Message>, run_id: &str, budget: usize, sight: &Sight) -> Vec<Message> {
    // Input that arrived during a run stands before that run's answer; the model is to see pairs.
    let mut first: HashMap<String, u64> = HashMap::new();
    for message in &history {
        if let Some(run) = &message.run_id {
            first.entry(run.clone()).or_insert(message.seq);
        }
    }
    let place =
        |message: &Message| message.run_id.as_ref().and_then(|run| first.get(run)).copied().unwrap_or(message.seq);
    history.sort_by_key(|message| (place(message), message.seq));
    // What waits behind this run is not for it to answer.
    let end = history
        .iter()
        .rposition(|message| message.run_id.as_deref() == Some(run_id))
        .map_or(history.len(), |last| last + 1);
    history.truncate(end);

    let mut used = 0;
    let mut start = history.len();
    for (index, message) in history.iter().enumerate().rev() {
        used += size(message, sight);
        let own = message.run_id.as_deref() == Some(run_id);
        if used > budget && !own {
            break;
        }
        start = index;
    }
    let mut kept = history.split_off(start.min(history.len()));
    // A conversation opens with a question: neither with an answer nor with a tool's result.
    while kept.first().is_some_and(|message| matches!(message.role, Role::Assistant | Role::Tool)) {
        kept.remove(0);
    }
    kept
}

/// Stored messages as a provider takes them; `files` has the parts of each attachment. Pure.
fn conversation(kept: Vec<Message>, mut files: HashMap<String, Vec<Part>>) -> Vec<ChatMessage> {
    let mut messages = Vec::new();
    // The calls of the last answer that have no result yet.
    let mut open: Vec<ToolCall> = Vec::new();
    for message in kept {
        // A run that was cut off leaves calls without a result, and every provider refuses those.
        if message.role != Role::Tool {
            open.drain(..).for_each(|call| messages.push(interrupted(call)));
        }
        for part in convert(message, &mut open, &mut files) {
            push(&mut messages, part);
        }
    }
    open.drain(..).for_each(|call| messages.push(interrupted(call)));
    messages
}

fn interrupted(call: ToolCall) -> ChatMessage {
    ChatMessage::ToolResult {
        call_id: call.id,
        name: call.name,
        content: "this was interrupted, and nobody knows how far it came; look before you do it again".to_owned(),
        is_error: true,
    }
}

fn size(message: &Message, sight: &Sight) -> usize {
    message.content.iter().fold(16, |sum, block| {
        sum + match block {
            Content::Text { text } => text.len(),
            Content::ToolResult { content, .. } => content.len(),
            Content::ToolCall { name, arguments, .. } => name.len() + arguments.to_string().len(),
            Content::Image(_) | Content::File(_) => attached::size(block, sight, BYTES_PER_TOKEN),
            Content::Thinking { .. } => 0,
        }
    })
}

/// The one place where stored content becomes a provider's. `open` are the calls that wait for a result.
fn convert(message: Message, open: &mut Vec<ToolCall>, files: &mut HashMap<String, Vec<Part>>) -> Vec<ChatMessage> {
    let text = message.text();
    match message.role {
        Role::User => {
            let mut parts: Vec<Part> = (!text.is_empty()).then_some(Part::Text(text)).into_iter().collect();
            for block in message.content {
                if let Content::Image(file) | Content::File(file) = block {
                    parts.append(&mut files.remove(&file.attachment_id).unwrap_or_default());
                }
            }
            vec![ChatMessage::User { parts }]
        }
        // Providers know no note in the middle; it is marked, so that it is not taken for the person's words.
        Role::System => vec![ChatMessage::User {
            parts: vec![Part::Text(format!("[Note from the system, not from the user]\n{text}"))],
        }],
        Role::Assistant => {
            let calls = message.content.into_iter().filter_map(|block| match block {
                Content::ToolCall { id, name, arguments } => Some(ToolCall { id, name, arguments }),
                _ => None,
            });
            let tool_calls: Vec<_> = calls.collect();
            open.clone_from(&tool_calls);
            // An answer that never came is no part of the conversation.
            match text.is_empty() && tool_calls.is_empty() {
                true => vec![],
                false => vec![ChatMessage::Assistant { text, tool_calls }],
            }
        }
        Role::Tool => {
            let results = message.content.into_iter().filter_map(|block| match block {
                // One without its call is none.
                Content::ToolResult { id, is_error, content } => {
                    let place = open.iter().position(|call| call.id == id)?;
                    let call = open.remove(place);
                    Some(ChatMessage::ToolResult { call_id: id, name: call.name, content, is_error })
                }
                _ => None,
            });
            results.collect()
        }
    }
}

/// Appends, joining neighbours of one side: many chat templates insist that the sides alternate.
fn push(messages: &mut Vec<ChatMessage>, next: ChatMessage) {
    match (messages.last_mut(), next) {
        (Some(ChatMessage::User { parts }), ChatMessage::User { parts: mut more }) => {
            if let (Some(Part::Text(text)), Some(Part::Text(added))) = (parts.last_mut(), more.first()) {
                text.push_str("\n\n");
                text.push_str(added);
                more.remove(0);
            }
            parts.append(&mut more);
        }
        (
            Some(ChatMessage::Assistant { text, tool_calls }),
            ChatMessage::Assistant { text: added, tool_calls: more },
        ) if tool_calls.is_empty() => {
            text.push_str("\n\n");
            text.push_str(&added);
            *tool_calls = more;
        }
        (_, next) => messages.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simpleclaw_protocol::message::{Attached, MessageStatus};
    use simpleclaw_protocol::time::Timestamp;

    fn message(seq: u64, role: Role, run: Option<&str>, text: &str) -> Message {
        Message {
            id: seq.to_string(),
            seq,
            role,
            content: vec![Content::Text { text: text.into() }],
            created_at: Timestamp(0),
            run_id: run.map(str::to_owned),
            model: None,
            usage: None,
            origin: None,
            delivery: None,
            status: MessageStatus::Complete,
            error: None,
            truncated: false,
        }
    }

    /// As for a model that sees, with a line for each attachment.
    fn conversation(history: Vec<Message>, run_id: &str, budget: usize) -> Vec<ChatMessage> {
        let kept = fitting(history, run_id, budget, &Sight::Sees);
        let files = kept.iter().flat_map(|message| &message.content).filter_map(|block| match block {
            Content::Image(file) | Content::File(file) => {
                Some((file.attachment_id.clone(), vec![Part::Attached(format!("[{}]", file.name))]))
            }
            _ => None,
        });
        let files = files.collect();
        super::conversation(kept, files)
    }

    fn user(text: &str) -> ChatMessage {
        ChatMessage::User { parts: vec![Part::Text(text.into())] }
    }

    fn assistant(text: &str) -> ChatMessage {
        ChatMessage::Assistant { text: text.into(), tool_calls: vec![] }
    }

    #[test]
    fn questions_stand_before_their_answers_and_later_input_is_left_out() {
        let history = vec![
            message(1, Role::User, Some("a"), "one?"),
            message(2, Role::User, Some("b"), "two?"),
            message(3, Role::User, Some("c"), "three?"),
            message(4, Role::Assistant, Some("a"), "one."),
        ];
        assert_eq!(conversation(history, "b", 10_000), [user("one?"), assistant("one."), user("two?")]);
    }

    #[test]
    fn the_oldest_goes_first_and_the_own_question_always_stays() {
        let long = "x".repeat(500);
        let history = vec![
            message(1, Role::User, Some("a"), &long),
            message(2, Role::Assistant, Some("a"), "answer"),
            message(3, Role::User, Some("b"), &long),
        ];
        assert_eq!(conversation(history.clone(), "b", 600), [user(&long)]);
        assert_eq!(conversation(history, "b", 10), [user(&long)]);
    }

    #[test]
    fn sides_alternate_and_notes_are_marked() {
        let history = vec![
            message(1, Role::System, None, "the oven is on"),
            message(2, Role::User, Some("a"), "hello"),
            message(3, Role::Assistant, Some("a"), ""),
            message(4, Role::User, Some("b"), "there?"),
        ];
        let expected = "[Note from the system, not from the user]\nthe oven is on\n\nhello\n\nthere?";
        assert_eq!(conversation(history, "b", 10_000), [user(expected)]);
    }

    #[test]
    fn every_call_has_one_result_and_every_result_a_call() {
        let call =
            |id: &str| Content::ToolCall { id: id.into(), name: "read".into(), arguments: serde_json::json!({}) };
        let result = |id: &str| Content::ToolResult { id: id.into(), is_error: false, content: "text".into() };
        let with = |seq, role, run, content| Message { content, ..message(seq, role, Some(run), "") };
        let history = vec![
            message(1, Role::User, Some("a"), "go"),
            with(2, Role::Assistant, "a", vec![call("x"), call("y")]),
            with(3, Role::Tool, "a", vec![result("y")]),
            with(4, Role::Tool, "a", vec![result("y"), result("nobody")]),
            message(5, Role::User, Some("b"), "well?"),
        ];
        let tool_calls =
            ["x", "y"].map(|id| ToolCall { id: id.into(), name: "read".into(), arguments: serde_json::json!({}) });
        let y = ChatMessage::ToolResult {
            call_id: "y".into(),
            name: "read".into(),
            content: "text".into(),
            is_error: false,
        };
        let [x, _] = tool_calls.clone();
        let asked = ChatMessage::Assistant { text: String::new(), tool_calls: tool_calls.into() };
        assert_eq!(conversation(history, "b", 10_000), [user("go"), asked, y, interrupted(x), user("well?")]);
    }

    #[test]
    fn attachments_stand_behind_the_words_and_take_their_room() {
        let attached = |id: &str, mime_type: &str, size_bytes| Attached {
            attachment_id: id.into(),
            name: id.into(),
            mime_type: mime_type.into(),
            size_bytes,
            sha256: String::new(),
        };
        let mut first = message(1, Role::User, Some("a"), "look");
        first.content.push(Content::Image(attached("cat", "image/png", 10)));
        let mut second = message(3, Role::User, Some("b"), "");
        second.content = vec![Content::File(attached("notes", "text/plain", 3_000))];
        let history = vec![first, message(2, Role::Assistant, Some("a"), "a cat"), second];
        let parts = |parts: &[Part]| ChatMessage::User { parts: parts.to_vec() };
        let notes = parts(&[Part::Attached("[notes]".into())]);
        let look = parts(&[Part::Text("look".into()), Part::Attached("[cat]".into())]);
        assert_eq!(conversation(history.clone(), "b", 10_000), [look, assistant("a cat"), notes.clone()]);
        assert_eq!(conversation(history, "b", 5_000), [notes], "a picture and a text are more than this");
    }
}
