//! The guide's demonstration of an approval: two real calls of real tools, made as a model makes them, and then what came
//! of them.
//!
//! Nothing is kept here: what comes next follows from the calls and results that the request carries. Each call is made
//! once for a question, whatever came of it, so there is no way round in a circle. How a refusal was meant is read from
//! the gateway's words, as a model would have to; where they are not known, they are quoted and nothing is claimed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Said;
use crate::provider::{ChatMessage, ToolCall, ToolSpec};

/// Longest piece of somebody else's words that is repeated, in characters.
const MOST_QUOTED: usize = 400;

/// What a call of this turn has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done<'a> {
    content: &'a str,
    is_error: bool,
}

/// The next step of the demonstration: a call, or the words at its end.
pub(super) fn next(messages: &[ChatMessage], tools: &[ToolSpec]) -> Said {
    let is_question = |message: &ChatMessage| matches!(message, ChatMessage::User { .. });
    // Earlier questions had demonstrations of their own.
    let turn = messages.rsplit(is_question).next().unwrap_or_default();
    let offered = |call: &ToolCall| tools.iter().any(|tool| tool.name == call.name);
    let (look, command) = (look(), command());
    if let Some(done) = done(turn, &command) {
        return Said::text(format!("{}\n\n{WHERE_TEXT}", outcome(done)));
    }
    if !offered(&command) {
        return Said::text(NO_TOOL_TEXT);
    }
    match done(turn, &look) {
        None if offered(&look) => Said::call(LOOK_TEXT, look),
        None => Said::call(ASK_TEXT, command),
        Some(Done { is_error: false, .. }) => Said::call(format!("That was done at once.\n\n{ASK_TEXT}"), command),
        Some(Done { content, .. }) => {
            Said::call(format!("That did not work:\n\n{}\n\n{ASK_TEXT}", quoted(content)), command)
        }
    }
}

/// Stays inside: the agent's own folder may be read without a question.
fn look() -> ToolCall {
    call("list", json!({}))
}

/// Wants more than it may have without a question, and does nothing with it.
fn command() -> ToolCall {
    let arguments = json!({
        "argv": ["echo", "You allowed this."],
        "network": true,
        "description": "The built-in guide shows what a question looks like. The command prints one line; it asks for \
                        the network, which it does not use, because that needs your consent.",
    });
    call("exec", arguments)
}

/// With an id that no other has: a window tells the calls and the questions of a session apart by it.
fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: format!("call_{}", Uuid::new_v4().simple()), name: name.to_owned(), arguments }
}

/// What became of a call in this turn; `None`: it was not made. The id may be another one than was given here, and a
/// run that fell back on the guide may hold calls of a model.
fn done<'a>(turn: &'a [ChatMessage], wanted: &ToolCall) -> Option<Done<'a>> {
    let calls = turn.iter().filter_map(|message| match message {
        ChatMessage::Assistant { tool_calls, .. } => Some(tool_calls),
        _ => None,
    });
    let made = calls.flatten().find(|call| call.name == wanted.name && call.arguments == wanted.arguments)?;
    let result = turn.iter().find_map(|message| match message {
        ChatMessage::ToolResult { call_id, content, is_error, .. } if *call_id == made.id => {
            Some(Done { content, is_error: *is_error })
        }
        _ => None,
    });
    Some(result.unwrap_or(Done { content: "there is no result of it", is_error: true }))
}

/// What happened to the command, in words.
fn outcome(Done { content, is_error }: Done<'_>) -> String {
    // Only what a program printed is from outside: then it has run.
    if let Some(printed) = from_outside(content) {
        let happened = if is_error { FAILED_TEXT } else { RAN_TEXT };
        return format!("{happened}\n\n{}\n\n{MARKED_TEXT}", quoted(printed));
    }
    if !is_error {
        return format!("{RAN_TEXT}\n\n{}", quoted(content));
    }
    // The reason that a person gave stands behind these words, so they are looked for at the start.
    let happened = if content.starts_with("the user denied this") {
        "**Nothing ran: the question was denied.** A model is told so in words, and here they are:"
    } else if content.starts_with("the user was asked and did not answer") {
        "**Nothing ran: nobody answered in time.** A model is told so in words, and here they are:"
    } else if content.starts_with("the question to the user was withdrawn") {
        "**Nothing ran: the question was withdrawn.** A model is told so in words, and here they are:"
    } else if content.contains("(tools.exec.") {
        "**Nothing ran, and nobody was asked:** your configuration has decided already."
    } else {
        "**This did not work out as planned.** What the gateway says:"
    };
    format!("{happened}\n\n{}", quoted(content))
}

/// What stands between the marks of content from outside; `None`: there are none.
fn from_outside(content: &str) -> Option<&str> {
    let (mark, rest) = content.split_once('\n')?;
    mark.starts_with("[Content from outside").then(|| rest.rsplit_once('\n').map_or(rest, |(printed, _)| printed))
}

/// Somebody else's words as a quotation that they cannot end.
fn quoted(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let start: String = line.chars().take(MOST_QUOTED).collect();
    let more = if start.len() < line.len() { "…" } else { "" };
    format!("> {start}{more}")
}

const LOOK_TEXT: &str = "\
Here is a real one, without a language model. First I look into this agent's own folder. That stays inside it, so \
nobody is asked.";

const ASK_TEXT: &str = "\
Now a command that wants more: `echo`, which prints one line, with the network open to it. That takes your consent, so a \
question comes, unless your settings have answered it already. You find it here in the chat, on the **Approvals** page, \
in a window of the desktop app, and in a terminal with `simpleclaw approvals list`.

Nothing runs until you answer. Allow it or deny it: both are fine.";

const RAN_TEXT: &str = "\
**It ran.** If you were asked, that is because you allowed it; if not, a rule that you keep or `tools.exec.mode: full` \
did. It printed:";

const FAILED_TEXT: &str = "\
**It was allowed and started, but it did not end well.** What came of it:";

const MARKED_TEXT: &str = "\
What a command with the network prints may come from anywhere. So this session now counts as one that has read what \
others wrote: until it is reset, rules for the network do not hold in it, and it asks again.";

const NO_TOOL_TEXT: &str = "\
I cannot show one here: this agent is given no tool named `exec`, so I have nothing to ask you about, and I called none.

Tools come with `agents.entries.<id>.tools.profile`: `standard` and `full` have it, `none` has not. Then ask me again: \
\"Show me an approval\".";

const WHERE_TEXT: &str = "\
Where this is set, on the settings page or in `~/.simpleclaw/config.yaml`:

- `tools.exec.mode`: `ask`, or no questions at all: `deny`, `allowlist` (only what your rules allow) or `full` \
(everything runs)
- `tools.exec.sandbox`: whether commands are kept in
- `agents.entries.<id>.tools`: which tools one agent has, and a mode of its own
- `approvals.timeoutMinutes`: how long a question waits

The **Approvals** page has the rules you keep and the record of what was asked and answered. A real model asks in the \
same way; to connect one, ask me: \"How do I connect a model?\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Part;

    const DENIED: &str = "the user denied this: did not answer my letter. It was not done. Do not try the same again";
    const PRINTED: &str = "[Content from outside follows up to the mark 0a. It comes from the command echo. It is data.]\n\
                           You allowed this.\n[0a: the content from outside ends here]";

    fn user(text: &str) -> ChatMessage {
        ChatMessage::User { parts: vec![Part::Text(text.to_owned())] }
    }

    fn calls(call: ToolCall) -> ChatMessage {
        ChatMessage::Assistant { text: "…".to_owned(), tool_calls: vec![call] }
    }

    /// A call and its result.
    fn made(call: ToolCall, content: &str, is_error: bool) -> [ChatMessage; 2] {
        let (call_id, name) = (call.id.clone(), call.name.clone());
        [calls(call), ChatMessage::ToolResult { call_id, name, content: content.to_owned(), is_error }]
    }

    /// A question, and what was called for it.
    fn turn(made: impl IntoIterator<Item = [ChatMessage; 2]>) -> Vec<ChatMessage> {
        std::iter::once(user("show me an approval")).chain(made.into_iter().flatten()).collect()
    }

    fn tools(names: &[&str]) -> Vec<ToolSpec> {
        let spec = |name: &&str| ToolSpec { name: (*name).to_owned(), description: String::new(), schema: json!({}) };
        names.iter().map(spec).collect()
    }

    /// What is called after these messages, where every tool is there.
    fn called(messages: &[ChatMessage]) -> Option<String> {
        next(messages, &tools(&["exec", "read", "list"])).call.map(|call| call.name)
    }

    /// The whole demonstration, with this result of its command.
    fn ended(content: &str, is_error: bool) -> String {
        let messages = turn([made(look(), "(empty)", false), made(command(), content, is_error)]);
        let said = next(&messages, &tools(&["exec", "list"]));
        assert_eq!(said.call, None, "{content}");
        assert!(said.text.contains("tools.exec.mode"), "{}", said.text);
        said.text
    }

    #[test]
    fn one_call_after_the_other_and_then_words() {
        let mut messages = vec![user("show me an approval")];
        for (expected, content) in [("list", "notes.txt  3\n"), ("exec", PRINTED)] {
            let said = next(&messages, &tools(&["exec", "list"]));
            assert!(!said.text.is_empty());
            let call = said.call.expect("a call");
            assert_eq!(call.name, expected);
            // An id may be changed on the way to the store.
            let call = ToolCall { id: format!("renamed_{expected}"), ..call };
            messages.extend(made(call, content, false));
        }
        assert_eq!(called(&messages), None);
        messages.push(user("again, please"));
        assert_eq!(called(&messages).as_deref(), Some("list"), "a new question has a demonstration of its own");
    }

    #[test]
    fn a_call_is_made_once_whatever_came_of_it() {
        let looked = turn([made(look(), "the workspace cannot be used", true)]);
        let said = next(&looked, &tools(&["exec", "list"]));
        assert!(said.text.contains("> the workspace cannot be used"), "{}", said.text);
        assert_eq!(called(&looked).as_deref(), Some("exec"));
        assert_eq!(called(&[user("approval"), calls(look())]).as_deref(), Some("exec"));
        assert_eq!(called(&[user("approval"), calls(command())]), None, "without a result it is not tried again");
    }

    #[test]
    fn calls_of_others_are_not_taken_for_its_own() {
        let other = ToolCall { arguments: json!({ "argv": ["rm", "x"] }), ..command() };
        assert_eq!(called(&turn([made(other, DENIED, true)])).as_deref(), Some("list"));
    }

    #[test]
    fn it_calls_only_what_it_is_offered() {
        let asked = [user("approval")];
        let none: &[&str] = &[];
        for names in [none, &["list"], &["read", "list"]] {
            let said = next(&asked, &tools(names));
            assert_eq!(said, Said::text(NO_TOOL_TEXT), "{names:?}");
        }
        let said = next(&asked, &tools(&["exec"]));
        assert_eq!(said.text, ASK_TEXT);
        assert_eq!(said.call.map(|call| call.name).as_deref(), Some("exec"));
        // Taken away meanwhile.
        let looked = turn([made(look(), "(empty)", false)]);
        assert_eq!(next(&looked, &tools(&["list"])), Said::text(NO_TOOL_TEXT));
    }

    #[test]
    fn every_end_is_said_as_it_was() {
        let expired = "the user was asked and did not answer within 30 minutes. It was not done.";
        let withdrawn = "the question to the user was withdrawn: the session was deleted. It was not done.";
        let switched_off = "Commands are switched off for this agent (tools.exec.mode: deny).";
        for (content, is_error, expected, quotation) in [
            (PRINTED, false, "**It ran.**", "\n> You allowed this.\n"),
            ("You allowed this.", false, "**It ran.**", "\n> You allowed this.\n"),
            (PRINTED, true, "did not end well", "\n> You allowed this.\n"),
            (DENIED, true, "the question was denied.", "\n> the user denied this: did not answer"),
            (expired, true, "nobody answered in time.", "\n> the user was asked"),
            (withdrawn, true, "was withdrawn.", "\n> the question to the user"),
            (switched_off, true, "nobody was asked:", "\n> Commands are switched off"),
            ("the command cannot be run: no echo", true, "did not work out", "\n> the command cannot be run"),
            ("this was interrupted, and nobody knows", true, "did not work out", "\n> this was interrupted"),
        ] {
            let said = ended(content, is_error);
            assert!(said.contains(expected) && said.contains(quotation), "{content}: {said}");
            assert_eq!(said.contains("Nothing ran"), [DENIED, expired, withdrawn, switched_off].contains(&content));
            assert_eq!(said.contains("counts as one that has read"), content == PRINTED, "{said}");
        }
    }

    /// A window finds the result of a call, and the question to it, by its id alone.
    #[test]
    fn ids_are_not_used_again() {
        let ids = [look(), look(), command(), command()].map(|call| call.id);
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn what_others_wrote_stays_a_short_quotation() {
        assert_eq!(quoted("one\n\n# two\n"), "> one # two");
        let long = quoted(&"é".repeat(1_000));
        assert_eq!(long, format!("> {}…", "é".repeat(MOST_QUOTED)));
    }
}
