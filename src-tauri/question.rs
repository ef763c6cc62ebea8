//! What is asked, in words, for a notification and for the message box that stands in for the window: pure.
//!
//! Deliberately elsewhere: the full question, which is a page of the web UI.

use simpleclaw_protocol::approval::{ActionKind, Approval, ApprovalAction};

use crate::menu::short;

pub const ALLOW_ONCE: &str = "Allow once";
pub const DENY: &str = "Deny";

/// More does not fit a box on a small screen, and what is not seen is not answered.
const BOX_LINES: usize = 24;
const BOX_LENGTH: usize = 1500;

/// `main wants to run a program`
pub fn title(approval: &Approval) -> String {
    let what = match approval.action.kind {
        ActionKind::Exec => "run a program",
        ActionKind::Script => "run a shell script",
        ActionKind::Read => "read a file",
        ActionKind::List => "see what is in a folder",
        ActionKind::Search => "read everything in a folder",
        ActionKind::Write => "change a file",
        ActionKind::Fetch => "fetch from the web",
        ActionKind::Message => "send a message",
        ActionKind::Cron => "schedule work",
        ActionKind::Node => "use a device",
        ActionKind::External => "use a tool from outside",
    };
    format!("{} wants to {what}", short(&approval.agent_id))
}

/// Title and text of the notification about what has come to wait.
pub fn notice(fresh: &[Approval]) -> (String, String) {
    match fresh {
        [approval] => (title(approval), short(&headline(&approval.action))),
        _ => ("SimpleClaw".to_owned(), format!("{} approvals are waiting for you.", fresh.len())),
    }
}

fn headline(action: &ApprovalAction) -> String {
    if !action.argv.is_empty() {
        return action.argv.join(" ");
    }
    let script = action.script.as_ref().and_then(|script| script.lines().next().map(str::to_owned));
    script.or_else(|| action.url.clone()).or_else(|| action.path.clone()).unwrap_or_default()
}

/// Why anything from beyond the gateway is asked about.
const NOT_OURS: &str = "Whoever asks would do it, and not SimpleClaw: nothing here holds it to what is shown.";

/// Everything that would be done, each argument on its own line; `None` where that is too much for a box. The gateway
/// has made visible what hides, and a control character beyond that is refused as well.
pub fn box_text(approval: &Approval) -> Option<String> {
    let action = &approval.action;
    // What a program or a node says of itself is no reason.
    let why = if approval.run_id.is_none() { NOT_OURS } else { &approval.why };
    let mut lines = vec![why.to_owned(), String::new()];
    for (at, argument) in action.argv.iter().enumerate() {
        let shown = match (at, &action.program) {
            (0, Some(program)) => program,
            _ => argument,
        };
        lines.push(format!("{at}  {shown}"));
    }
    for text in [&action.script, &action.url, &action.path, &action.diff].into_iter().flatten() {
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.push(String::new());
    if let Some(folder) = &action.cwd {
        lines.push(format!("Folder: {folder}"));
    }
    if !action.env_names.is_empty() {
        lines.push(format!("Environment: sets {}", action.env_names.join(", ")));
    }
    // As the page says it: only what runs something can be isolated. Where nothing isolates it, nothing holds the
    // network back either, whether or not it was asked for.
    if matches!(action.kind, ActionKind::Exec | ActionKind::Script | ActionKind::External) {
        let isolated = action.sandbox != "none";
        lines.push(match isolated {
            true => format!("May touch: its workspace; enforced by {}", action.sandbox),
            false => "May touch: everything that you can; nothing isolates it".to_owned(),
        });
        let network = match (action.network, isolated) {
            (true, _) => "may use it",
            (false, true) => "none",
            (false, false) => "not held back",
        };
        lines.push(format!("Network: {network}"));
    }
    let fits = lines.len() <= BOX_LINES && lines.iter().map(|line| line.chars().count()).sum::<usize>() <= BOX_LENGTH;
    let clear = lines.iter().all(|line| !line.chars().any(|c| c.is_control() && c != '\t'));
    (fits && clear).then(|| lines.join("\n"))
}

/// What the box says instead.
pub fn too_long(approval: &Approval) -> (String, String) {
    let text = "What it wants is too long to be shown here. Answer on the page Approvals of the web UI, or with \
                `simpleclaw approvals`.";
    (title(approval), text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::approval;

    #[test]
    fn a_box_says_all_of_it_or_nothing() {
        let mut asked = approval("a", 0);
        asked.action.argv = vec!["git".into(), "push".into(), "two words".into()];
        asked.action.program = Some("/usr/bin/git".into());
        let text = box_text(&asked).expect("is short");
        for line in ["0  /usr/bin/git", "1  push", "2  two words", "Folder: /w", "Network: may use it"] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        for argument in ["x".repeat(BOX_LENGTH), "one\rtwo".to_owned()] {
            asked.action.argv.push(argument);
            assert_eq!(box_text(&asked), None);
            asked.action.argv.pop();
        }
        asked.action.argv = vec!["x".into(); BOX_LINES];
        assert_eq!(box_text(&asked), None);
        asked.action.argv.clear();
        asked.action.script = Some("a\n".repeat(BOX_LINES));
        assert_eq!(box_text(&asked), None);
    }

    #[test]
    fn a_box_promises_nothing_of_the_network_that_nothing_holds() {
        let of = |sandbox: &str, network| {
            let mut asked = approval("a", 0);
            (asked.action.sandbox, asked.action.network) = (sandbox.to_owned(), network);
            box_text(&asked).expect("is short")
        };
        for (sandbox, network, words) in [
            ("bubblewrap", true, "Network: may use it"),
            ("bubblewrap", false, "Network: none"),
            ("none", true, "Network: may use it"),
            ("none", false, "Network: not held back"),
        ] {
            let text = of(sandbox, network);
            assert!(text.lines().any(|line| line == words), "{sandbox}, {network}: {text}");
        }
        assert!(of("none", false).contains("nothing isolates it"));
        // The gateway itself reads a file, and does nothing beyond that.
        let mut asked = approval("a", 0);
        (asked.action.kind, asked.action.path) = (ActionKind::Read, Some("/w/notes".into()));
        (asked.action.sandbox, asked.action.network) = ("none".to_owned(), false);
        let text = box_text(&asked).expect("is short");
        assert!(!text.contains("Network") && !text.contains("May touch"), "{text}");
    }

    #[test]
    fn a_notice_is_one_line() {
        let mut asked = approval("a", 0);
        asked.action.argv = vec!["git".into(), "commit\n-m".into(), "x".repeat(100)];
        let (title, body) = notice(std::slice::from_ref(&asked));
        assert_eq!(title, "main wants to run a program");
        assert!(body.starts_with("git commit -m x") && body.ends_with('…'), "{body}");
        assert_eq!(notice(&[asked.clone(), asked]).1, "2 approvals are waiting for you.");
    }
}
