//! The decision: allow, ask or forbid. Pure: nothing is read here, and the same question has the same answer.
//!
//! What stays inside its limits is not asked about, so that the few questions are worth reading. Everything else is
//! allowed by a rule, by a person, or not at all.

use std::path::{Path, PathBuf};

use simpleclaw_protocol::approval::ApprovalDecision;

use super::action::{Action, MAX_DIFF_BYTES, MAX_SHOWN_BYTES, What};
use super::rule::{Rule, is_isolated, is_plain};
use super::show::escaped_path;
use crate::config::{AgentMode, Config, ExecMode, SandboxUse};
use crate::sandbox;

/// As `tools.exec.mode` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No command runs, and nothing is asked.
    Deny,
    /// What stays inside runs, all else asks.
    Ask,
    /// A command runs by a rule or not at all; nothing is asked.
    Allowlist,
    /// Everything runs.
    Full,
}

/// What holds for the session that wants the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// Whether this machine can isolate at all.
    pub enforced: bool,
    /// `sandbox: require`: no command without isolation.
    pub require_sandbox: bool,
    /// Whether content from outside is in the context.
    pub tainted: bool,
    /// Whether anybody could answer a question.
    pub attended: bool,
    /// Canonical.
    pub workspace: PathBuf,
    /// The session's folder for temporary files; canonical, if it is there yet.
    pub temp: PathBuf,
    /// The gateway's own folder, canonical: configuration, secrets, token, approvals, plugins, state. No tool reaches
    /// into it, in any mode, but for the two folders above.
    pub home: PathBuf,
}

impl Policy {
    /// What the configuration says of an agent whose session nothing from outside has reached, and whom somebody answers.
    /// `isolates`: whether this machine can.
    pub fn of(config: &Config, agent_id: &str, isolates: bool, folders: Folders) -> Self {
        let Folders { workspace, temp, home } = folders;
        let exec = &config.tools.exec;
        let own = config.agents.entries.get(agent_id).map_or(AgentMode::Inherit, |agent| agent.tools.mode);
        Self {
            mode: match own.or(exec.mode) {
                ExecMode::Deny => Mode::Deny,
                ExecMode::Ask => Mode::Ask,
                ExecMode::Allowlist => Mode::Allowlist,
                ExecMode::Full => Mode::Full,
            },
            enforced: isolates && exec.sandbox != SandboxUse::Off,
            require_sandbox: exec.sandbox == SandboxUse::Require,
            tainted: false,
            attended: true,
            workspace,
            temp,
            home,
        }
    }
}

/// As the members of [`Policy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    pub workspace: PathBuf,
    pub temp: PathBuf,
    pub home: PathBuf,
}

/// What was allowed for longer than once, to this agent and in this session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub session: Vec<Rule>,
    pub saved: Vec<Rule>,
    /// Milliseconds since the Unix epoch.
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow(Because),
    Ask(Question),
    /// In a sentence, for the model and the log.
    Forbid(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// It stays within the sandbox or the workspace.
    Inside,
    /// A rule of the session.
    Session,
    /// The saved rule with this id.
    Saved(String),
    /// Mode `full`.
    Full,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Sentences, escaped.
    pub why: String,
    pub decisions: Vec<ApprovalDecision>,
    /// What `allow-session` and `allow-always` would make a rule of; its id and agent are still to be filled in.
    pub proposed: Option<Rule>,
}

pub fn decide(policy: &Policy, grants: &Grants, action: &Action) -> Verdict {
    if let Some(words) = never(policy, action) {
        return Verdict::Forbid(words);
    }
    let command = matches!(action.what, What::Exec(_) | What::Script(_));
    let inside = stays_inside(policy, action);
    match policy.mode {
        Mode::Full => return Verdict::Allow(Because::Full),
        Mode::Deny if command => return forbid("Commands are switched off for this agent (tools.exec.mode: deny)."),
        Mode::Allowlist if command => {}
        _ if inside => return Verdict::Allow(Because::Inside),
        Mode::Deny => return forbid("Nothing that would need a question is allowed (tools.exec.mode: deny)."),
        Mode::Ask | Mode::Allowlist => {}
    }
    if grants.session.iter().any(|rule| rule.covers(policy, action, grants.now)) {
        return Verdict::Allow(Because::Session);
    }
    if let Some(rule) = grants.saved.iter().find(|rule| rule.covers(policy, action, grants.now)) {
        return Verdict::Allow(Because::Saved(rule.id.clone()));
    }
    if policy.mode == Mode::Allowlist {
        return forbid("No rule allows it, and nothing else is allowed (tools.exec.mode: allowlist).");
    }
    if !policy.attended {
        return forbid("It needs a person's consent, and nobody is there to ask: this run is unattended.");
    }
    if matches!(&action.what, What::Write(change) if !change.is_text()) {
        return forbid(
            "What it would write is no text, so nobody can be shown it: it is written in the workspace alone.",
        );
    }
    if !action.fits_a_question() {
        return Verdict::Forbid(format!(
            "It is too long to be shown whole: a question shows {} KiB, a change of a file {} KiB. Put what is long \
             into a file in the workspace.",
            MAX_SHOWN_BYTES / 1024,
            MAX_DIFF_BYTES / 1024
        ));
    }
    Verdict::Ask(question(policy, action))
}

fn forbid(words: &str) -> Verdict {
    Verdict::Forbid(words.to_owned())
}

/// What no mode, rule or person allows.
fn never(policy: &Policy, action: &Action) -> Option<String> {
    let cwd = match &action.what {
        What::Exec(command) => {
            if command.argv.is_empty() {
                return Some("A command without a word is none.".to_owned());
            }
            if command.argv.iter().any(|word| word.contains('\0')) {
                return Some("A command has no NUL bytes.".to_owned());
            }
            Some(command.cwd.as_path())
        }
        What::Script(script) => {
            if script.text.contains('\0') {
                return Some("A script has no NUL bytes.".to_owned());
            }
            Some(script.cwd.as_path())
        }
        _ => None,
    };
    if cwd.is_some() && policy.require_sandbox && !is_isolated(policy, action) {
        return Some(match policy.enforced {
            true => "No command leaves the sandbox (tools.exec.sandbox: require).".to_owned(),
            false => "This machine cannot isolate commands, and none runs otherwise (tools.exec.sandbox: require)."
                .to_owned(),
        });
    }
    let file = match &action.what {
        What::Read(path) | What::List(path) | What::Search(path) => Some(path.as_path()),
        What::Write(change) => Some(change.path.as_path()),
        _ => None,
    };
    let named = files_of(action).chain(cwd).chain(file).chain(action.reach.writes.iter().map(PathBuf::as_path));
    for path in named {
        if !path.is_absolute() || !is_plain(path) {
            return Some(format!("{} is not a canonical path.", escaped_path(path)));
        }
        if is_protected(policy, path) {
            return Some(format!("{} belongs to the gateway: no tool reaches it.", escaped_path(path)));
        }
    }
    // A folder above the gateway's own would open that one with it.
    action
        .reach
        .writes
        .iter()
        .find(|path| policy.home.starts_with(path))
        .map(|path| format!("{} contains the gateway's own folder: no tool may write there.", escaped_path(path)))
}

/// Whether it lies in the gateway's folder, and in none there that is the agent's or the session's own.
fn is_protected(policy: &Policy, path: &Path) -> bool {
    let inside = |folder: &&PathBuf| **folder != policy.home && folder.starts_with(&policy.home);
    let own = [&policy.workspace, &policy.temp].into_iter().filter(inside).any(|folder| path.starts_with(folder));
    path.starts_with(&policy.home) && !own
}

/// The program and the scripts of a command.
fn files_of(action: &Action) -> impl Iterator<Item = &Path> {
    let (program, files) = match &action.what {
        What::Exec(command) => (Some(&command.program), command.files.as_slice()),
        What::Script(script) => (Some(&script.shell), [].as_slice()),
        _ => (None, [].as_slice()),
    };
    program.into_iter().chain(files).map(|file| file.path.as_path())
}

/// Those of them that nothing in the sandbox could read: a copy that is put there for the command shows it what is in them.
fn unseen<'a>(policy: &'a Policy, action: &'a Action) -> impl Iterator<Item = &'a Path> {
    let granted = [&policy.workspace, &policy.temp].into_iter().chain(&action.reach.writes);
    let seen = move |path: &Path| sandbox::is_of_system(path) || granted.clone().any(|folder| path.starts_with(folder));
    files_of(action).filter(move |path| is_isolated(policy, action) && !seen(path))
}

/// Whether nobody need be asked: it cannot get beyond the workspace, or only as far as the sandbox lets it.
fn stays_inside(policy: &Policy, action: &Action) -> bool {
    let no_further = !action.reach.network && action.reach.writes.is_empty();
    match &action.what {
        What::Exec(_) | What::Script(_) => {
            is_isolated(policy, action) && no_further && unseen(policy, action).next().is_none()
        }
        What::Read(path) | What::List(path) | What::Search(path) => path.starts_with(&policy.workspace) && no_further,
        What::Write(change) => change.path.starts_with(&policy.workspace) && no_further,
        What::Fetch(_) | What::Message(_) | What::Cron(_) | What::Node(_) | What::External(_) => false,
    }
}

fn question(policy: &Policy, action: &Action) -> Question {
    let mut why = reasons(policy, action);
    let proposed = match Rule::exact(policy, action) {
        Ok(rule) if policy.tainted && rule.network => {
            why.push(
                "There is content from outside in this session: rules for the network and for messages do not hold."
                    .to_owned(),
            );
            None
        }
        Ok(rule) => Some(rule),
        Err(reason) => {
            why.push(reason.to_string());
            None
        }
    };
    use ApprovalDecision::{AllowAlways, AllowOnce, AllowSession, Deny};
    let decisions = match proposed {
        Some(_) => vec![AllowOnce, AllowSession, AllowAlways, Deny],
        None => vec![AllowOnce, Deny],
    };
    Question { why: why.join(" "), decisions, proposed }
}

fn reasons(policy: &Policy, action: &Action) -> Vec<String> {
    let mut why = Vec::new();
    match &action.what {
        What::Exec(_) | What::Script(_) if !policy.enforced => {
            why.push("Nothing on this machine isolates it: it can do whatever you can.".to_owned());
        }
        What::Exec(_) | What::Script(_) if !action.reach.sandboxed => {
            why.push("It runs outside the sandbox: it can do whatever you can.".to_owned());
        }
        What::Exec(_) | What::Script(_) => {}
        What::Read(_) => why.push("It reads a file beyond the workspace.".to_owned()),
        What::List(_) => why.push("It lists a folder beyond the workspace: the names of what is in it.".to_owned()),
        What::Search(_) => why.push(
            "It searches beyond the workspace: it may read every file there and in all folders below, hidden ones too."
                .to_owned(),
        ),
        What::Write(_) => why.push("It writes a file beyond the workspace.".to_owned()),
        What::Fetch(_) => why.push("It loads a page from the network.".to_owned()),
        What::Message(_) => why.push("It sends a message in your name.".to_owned()),
        What::Cron(_) => why.push("It makes work for later, when nobody may be there.".to_owned()),
        What::Node(_) => why.push("It acts on another device.".to_owned()),
        What::External(_) => why.push("It calls a tool that is not part of SimpleClaw.".to_owned()),
    }
    for path in unseen(policy, action) {
        why.push(format!("It gets to see {}, which nothing in the sandbox sees otherwise.", escaped_path(path)));
    }
    if action.reach.network && !matches!(action.what, What::Fetch(_)) {
        why.push("It wants the network.".to_owned());
    }
    if !action.reach.writes.is_empty() {
        let paths: Vec<_> = action.reach.writes.iter().map(|path| escaped_path(path)).collect();
        why.push(format!("It wants to write in {}.", paths.join(", ")));
    }
    why
}

#[cfg(all(test, unix))]
mod tests;
