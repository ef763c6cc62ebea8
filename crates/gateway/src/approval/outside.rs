//! What comes from beyond the gateway: questions of programs and nodes, and what would happen to a command that somebody
//! only wonders about. Neither starts anything here.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::approval::{ActionKind, ApprovalAction, ApprovalOrigin};
use simpleclaw_protocol::methods::approvals::{ApprovalsTestParams, ApprovalsTestResult, RequestedAction, TestVerdict};

use super::action::{Action, MAX_SHOWN_BYTES, Reach, What};
use super::command::{self, Parsed};
use super::decide::{Because, Grants, Policy, Verdict, decide};
use super::show::{escaped, escaped_lines, escaped_path};
use crate::home::hex;

/// What a program or a node wants, made ready to be asked.
#[derive(Debug)]
pub struct Wanted {
    pub action: ApprovalAction,
    pub why: String,
    pub digest: String,
    pub origin: ApprovalOrigin,
}

/// Reads a request; `Err` is a sentence about what is wrong with it. Reads files: not for a runtime thread. `here`: the
/// files that it names are those of this machine.
///
/// What rules allow is for agents, which the gateway holds to it: none of them answers a program, nor does its question
/// leave one.
pub fn wanted(
    request: &RequestedAction,
    why: &str,
    sender: &str,
    policy: &Policy,
    here: bool,
) -> Result<Wanted, String> {
    check(request)?;
    let mut wanted = Wanted {
        action: shown(request),
        why: escaped_lines(why),
        digest: digest(request),
        origin: ApprovalOrigin { channel: None, sender: Some(sender.to_owned()), untrusted: vec![] },
    };
    // Files of another machine cannot be looked at here.
    let resolved = match (request.kind, &request.cwd) {
        (ActionKind::Exec, Some(cwd)) if here && request.env_names.is_empty() => {
            command::resolve(&request.argv, Path::new(cwd), &command::system_path(), None).ok()
        }
        _ => None,
    };
    let Some(command) = resolved else { return Ok(wanted) };
    if request.program.as_deref().is_some_and(|program| Path::new(program) != command.program.path) {
        return Err("`program` is not the file that `argv` names".to_owned());
    }
    let reach = Reach { sandboxed: false, network: request.network.unwrap_or(false), writes: vec![] };
    let action = Action { what: What::Exec(command), reach, description: request.description.clone() };
    match decide(policy, &Grants::default(), &action) {
        Verdict::Forbid(words) => return Err(words),
        Verdict::Allow(_) | Verdict::Ask(_) => {}
    }
    wanted.action.program = action.shown().program;
    wanted.digest = action.digest();
    Ok(wanted)
}

/// That it says what its kind needs, and that all of it can be shown.
fn check(request: &RequestedAction) -> Result<(), String> {
    let (there, what) = match request.kind {
        ActionKind::Exec => (!request.argv.is_empty(), "argv"),
        ActionKind::Script => (request.script.is_some(), "script"),
        ActionKind::Read | ActionKind::List | ActionKind::Search | ActionKind::Write => {
            (request.path.is_some(), "path")
        }
        ActionKind::Fetch => (request.url.is_some(), "url"),
        ActionKind::Message | ActionKind::Cron | ActionKind::Node | ActionKind::External => {
            (request.script.is_some() || !request.argv.is_empty(), "argv` or `script")
        }
    };
    if !there {
        return Err(format!("an action of this kind says `{what}`"));
    }
    let texts = [&request.program, &request.script, &request.cwd, &request.path, &request.url, &request.description];
    let mut texts = texts.into_iter().flatten().chain(&request.argv).chain(&request.env_names);
    if texts.any(|text| text.contains('\0')) {
        return Err("no text of an action has a NUL byte".to_owned());
    }
    let shown = shown(request);
    let texts = [&shown.program, &shown.script, &shown.cwd, &shown.path, &shown.url, &shown.description];
    let texts = texts.into_iter().flatten().chain(&shown.argv).chain(&shown.env_names);
    if texts.map(String::len).sum::<usize>() > MAX_SHOWN_BYTES {
        return Err(format!("it is over {} KiB as it would be shown: put it into a file", MAX_SHOWN_BYTES / 1024));
    }
    Ok(())
}

fn shown(request: &RequestedAction) -> ApprovalAction {
    let one = |text: &Option<String>| text.as_deref().map(escaped);
    ApprovalAction {
        kind: request.kind,
        argv: request.argv.iter().map(|word| escaped(word)).collect(),
        program: one(&request.program),
        script: request.script.as_deref().map(escaped_lines),
        cwd: one(&request.cwd),
        env_names: request.env_names.clone(),
        path: one(&request.path),
        diff: request.diff.as_deref().map(escaped_lines),
        url: one(&request.url),
        // Whatever a program says of its own sandbox, nobody here holds it to that.
        sandbox: "none".to_owned(),
        network: request.network.unwrap_or(false),
        description: request.description.as_deref().map(escaped_lines),
    }
}

fn digest(request: &RequestedAction) -> String {
    // Always what it says, in the order of the type: a value serialises the same each time.
    let text = serde_json::to_string(request).unwrap_or_default();
    hex(&Sha256::digest(format!("simpleclaw request 1\n{text}")))
}

/// What would happen to a command, and why. Reads files: not for a runtime thread. Whoever wonders may be allowed less
/// than the gateway is, and is told no more of a file than its name.
pub fn test(
    params: &ApprovalsTestParams,
    (policy, grants): (&Policy, &Grants),
) -> Result<ApprovalsTestResult, (&'static str, String)> {
    let cwd = params.cwd.as_deref().map_or_else(|| policy.workspace.clone(), PathBuf::from);
    let path = command::system_path();
    let resolve = |argv: &[String]| command::resolve(argv, &cwd, &path, None);
    let network = params.network.unwrap_or(false);
    let reach = Reach { sandboxed: policy.enforced, network, writes: vec![] };
    let (what, place) = match (&params.command, &params.argv) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(("/command", "give either `command` or `argv`".to_owned()));
        }
        (None, Some(argv)) => (resolve(argv).map(What::Exec), "/argv"),
        (Some(text), None) => match command::parse(text) {
            Parsed::Simple(argv) => (resolve(&argv).map(What::Exec), "/command"),
            Parsed::Shell => (command::resolve_script(text, command::SHELL, &cwd, &path).map(What::Script), "/command"),
            Parsed::Refused(refusal) => return Err(("/command", refusal.to_string())),
        },
    };
    let what = what.map_err(|error| (place, error.to_string()))?;
    let action = Action { what, reach, description: None };
    let mut result = ApprovalsTestResult {
        verdict: TestVerdict::Forbid,
        why: String::new(),
        action: ApprovalAction { path: named(&action), ..action.shown() },
        allowed_decisions: vec![],
        proposed_rule: None,
    };
    match decide(policy, grants, &action) {
        Verdict::Forbid(words) => {
            result.why = words;
            result.action.path = None;
        }
        Verdict::Allow(because) => {
            result.verdict = TestVerdict::Allow;
            result.why = words(&because);
        }
        Verdict::Ask(question) => {
            result.verdict = TestVerdict::Ask;
            result.why = question.why;
            result.allowed_decisions = question.decisions;
            result.proposed_rule = question.proposed.map(|rule| rule.shown());
        }
    }
    Ok(result)
}

/// The files among the words of a command, without their hashes.
fn named(action: &Action) -> Option<String> {
    let What::Exec(command) = &action.what else { return None };
    let names: Vec<_> = command.files.iter().map(|file| escaped_path(&file.path)).collect();
    (!names.is_empty()).then(|| names.join("\n"))
}

fn words(because: &Because) -> String {
    match because {
        Because::Inside => "It stays within its limits.".to_owned(),
        Because::Session => "A rule of this session allows it.".to_owned(),
        Because::Saved(id) => format!("The saved rule {id} allows it."),
        Because::Full => "Everything runs without a question (tools.exec.mode: full).".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: ActionKind) -> RequestedAction {
        RequestedAction {
            kind,
            argv: vec![],
            program: None,
            script: None,
            cwd: None,
            env_names: vec![],
            path: None,
            diff: None,
            url: None,
            network: None,
            description: None,
        }
    }

    #[test]
    fn a_request_says_what_its_kind_needs_and_fits() {
        for kind in [
            ActionKind::Exec,
            ActionKind::Script,
            ActionKind::Read,
            ActionKind::List,
            ActionKind::Search,
            ActionKind::Write,
            ActionKind::Fetch,
            ActionKind::Message,
            ActionKind::Cron,
            ActionKind::Node,
            ActionKind::External,
        ] {
            assert!(check(&request(kind)).is_err(), "{kind:?}");
        }
        let script = |text: String| RequestedAction { script: Some(text), ..request(ActionKind::Script) };
        assert_eq!(check(&script("x".repeat(MAX_SHOWN_BYTES))), Ok(()));
        assert!(check(&script("x".repeat(MAX_SHOWN_BYTES + 1))).is_err());
        // What is escaped is longer than it was.
        assert!(check(&script("\u{202e}".repeat(MAX_SHOWN_BYTES / 4))).is_err());
        // A line break is one in a script, and is spelled in an argument.
        let lines = "\n".repeat(MAX_SHOWN_BYTES / 2 + 1);
        assert_eq!(check(&script(lines.clone())), Ok(()));
        assert!(check(&RequestedAction { argv: vec![lines], ..request(ActionKind::Exec) }).is_err());
        assert!(check(&script("a\0b".to_owned())).is_err());
    }

    #[test]
    fn different_requests_have_different_digests() {
        let one = RequestedAction { script: Some("a".to_owned()), ..request(ActionKind::Script) };
        let other = RequestedAction { url: Some("a".to_owned()), ..request(ActionKind::Script) };
        assert_eq!(digest(&one), digest(&one.clone()));
        assert_ne!(digest(&one), digest(&other));
    }
}
