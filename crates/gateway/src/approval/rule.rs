//! What was allowed for longer than once, and what it covers.
//!
//! A rule is the exact words of one program in one folder, or literal first words of them; never a pattern. For what
//! can do anything at all with the right words there is none (`programs`): neither offered, nor obeyed where one is
//! stored. Deliberately elsewhere: where rules are kept, and whose they are – `Grants` holds those of one agent only.

use std::path::{Path, PathBuf};

use simpleclaw_protocol::approval::ApprovalRule;
use simpleclaw_protocol::time::Timestamp;

use super::action::{Action, Command, Fetch, What};
use super::decide::Policy;
use super::show::{escaped, escaped_path};

pub mod programs;

/// Stand in `program` of rules for what is no program; a program's path is absolute.
const FETCH: &str = "fetch";
const MESSAGE: &str = "message";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Empty while it is only proposed; so is `agent_id` then.
    pub id: String,
    pub agent_id: String,
    /// The canonical working folder; `None` for `fetch` and `message` alone.
    pub folder: Option<PathBuf>,
    /// The canonical path of the program; `fetch` or `message`.
    pub program: String,
    /// All words, the program's name as it was called included; the origin of a `fetch`; channel, account and recipient
    /// of a `message`.
    pub argv: Vec<String>,
    /// Whether more words may follow that are no options and no absolute paths.
    pub prefix: bool,
    /// Whether it may use the network, which it can where nothing isolates it.
    pub network: bool,
    /// Whether it holds only for what a sandbox keeps in; always so for `fetch` and `message`, which none has to.
    pub sandboxed: bool,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// As `created_at`; it ends by itself from then on.
    pub expires_at: Option<i64>,
}

/// Why there can be no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRule {
    #[error("No rule can be saved for a shell script.")]
    Script,
    #[error("No rule can be saved for it: {name} {does}.")]
    Program { name: String, does: &'static str },
    #[error("No rule can be saved for it: the agent can change the program itself.")]
    OwnProgram,
    #[error("No rule can be saved for it: it sets variables of its own.")]
    Variables,
    #[error("No rule can be saved for what writes beyond the workspace.")]
    Writes,
    #[error("No rule can be saved for what leaves the sandbox.")]
    OutsideSandbox,
    #[error("No rule can be saved for this address.")]
    Address,
    #[error("No rule can be saved for it.")]
    Kind,
    #[error("{0}")]
    Malformed(&'static str),
}

impl Rule {
    /// The rule that covers exactly this action.
    pub fn exact(policy: &Policy, action: &Action) -> Result<Self, NoRule> {
        let (program, argv, folder) = match &action.what {
            What::Exec(command) => {
                may_have_rule(policy, action, command)?;
                let program = command.program.path.to_str().ok_or(NoRule::Kind)?;
                (program.to_owned(), command.argv.clone(), Some(command.cwd.clone()))
            }
            What::Fetch(fetch) => (FETCH.to_owned(), vec![origin(fetch).ok_or(NoRule::Address)?], None),
            What::Message(message) if message.files.is_empty() => {
                let to = [&message.channel, &message.account, &message.to];
                // An empty id is nobody, and would be everybody's.
                if to.iter().any(|part| part.is_empty()) {
                    return Err(NoRule::Kind);
                }
                (MESSAGE.to_owned(), to.into_iter().cloned().collect(), None)
            }
            What::Script(_) => return Err(NoRule::Script),
            _ => return Err(NoRule::Kind),
        };
        Ok(Self {
            id: String::new(),
            agent_id: String::new(),
            folder,
            program,
            argv,
            prefix: false,
            network: reaches_network(policy, action),
            sandboxed: !is_command(action) || is_isolated(policy, action),
            created_at: 0,
            expires_at: None,
        })
    }

    /// Whether the action may happen because of this rule. What could get no rule is covered by none.
    pub fn covers(&self, policy: &Policy, action: &Action, now: i64) -> bool {
        let Ok(exact) = Self::exact(policy, action) else { return false };
        // Where nothing holds a command back, further words could do anything.
        let words = match self.prefix {
            true => is_isolated(policy, action) && continues(&exact.argv, &self.argv),
            false => exact.argv == self.argv,
        };
        words
            && self.check().is_ok()
            && self.holds_at(now)
            && exact.program == self.program
            && exact.folder == self.folder
            && (self.network || !exact.network)
            // The same words can do far more where nothing keeps them in.
            && (exact.sandboxed || !self.sandboxed)
            && !(policy.tainted && exact.network)
    }

    /// A clock that was put back brings no rule back: one that ends does not hold before it was made.
    fn holds_at(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end && self.created_at <= now)
    }

    /// Whether it is one of the rules that there may be, whoever wrote it.
    pub fn check(&self) -> Result<(), NoRule> {
        if self.argv.iter().any(|word| word.contains('\0')) || self.argv.is_empty() {
            return Err(NoRule::Malformed("A rule has one word at least, and none with a NUL byte."));
        }
        if !self.is_of_program() {
            return match (self.prefix, &self.folder) {
                (false, None) => Ok(()),
                _ => Err(NoRule::Malformed("A rule for pages or messages is exact, and has no folder.")),
            };
        }
        let path = Path::new(&self.program);
        if !path.is_absolute() || !is_plain(path) {
            return Err(NoRule::Malformed("A rule names the program by its canonical path."));
        }
        if !self.folder.as_deref().is_some_and(|folder| folder.is_absolute() && is_plain(folder)) {
            return Err(NoRule::Malformed("A rule for a program is bound to one folder, by its canonical path."));
        }
        if self.prefix && self.argv.len() < 2 {
            return Err(NoRule::Malformed("A rule for the first words has two at least, the program's name included."));
        }
        let called = self.argv.first().map(String::as_str).unwrap_or_default();
        no_program(path, called)
    }

    fn is_of_program(&self) -> bool {
        !matches!(self.program.as_str(), FETCH | MESSAGE)
    }

    /// What it allows, for a person to read.
    pub fn words(&self) -> String {
        let who = if self.agent_id.is_empty() { "The agent".to_owned() } else { escaped(&self.agent_id) };
        let until = match self.expires_at {
            Some(end) => format!("until {}", Timestamp(end)),
            None => "until you revoke it".to_owned(),
        };
        let argument = |at: usize| self.argv.get(at).map(|word| escaped(word)).unwrap_or_default();
        let what = match self.program.as_str() {
            FETCH => format!("fetch any page of {}", argument(0)),
            MESSAGE => format!("send any message to {} on {} ({})", argument(2), argument(0), argument(1)),
            program => {
                let words = self.argv.iter().map(|word| spelled(word)).collect::<Vec<_>>().join(" ");
                let how = if self.prefix {
                    "followed by any words that are no options and no absolute paths"
                } else {
                    "exactly"
                };
                let folder = self.folder.as_deref().map(escaped_path).unwrap_or_default();
                let network = if self.network { "with" } else { "without" };
                let held = if self.sandboxed { "" } else { ", outside of any sandbox" };
                format!("run {}: {words}, {how}, in {folder}, {network} the network{held}", escaped(program))
            }
        };
        format!("{who} may {what}, {until}.")
    }

    /// As it stands on the wire: `words` are escaped, program and argv are the exact ones.
    pub fn shown(&self) -> ApprovalRule {
        ApprovalRule {
            id: self.id.clone(),
            agent_id: self.agent_id.clone(),
            // A canonical path that is no text is in no rule; see `resolve`.
            folder: self.folder.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
            program: self.program.clone(),
            argv: self.argv.clone(),
            prefix: self.prefix,
            network: self.network,
            sandboxed: self.is_of_program().then_some(self.sandboxed),
            words: self.words(),
            created_at: (!self.id.is_empty()).then_some(Timestamp(self.created_at)),
            expires_at: self.expires_at.map(Timestamp),
        }
    }
}

/// Whether something holds the action within its limits.
pub(super) fn is_isolated(policy: &Policy, action: &Action) -> bool {
    policy.enforced && action.reach.sandboxed
}

/// Whether it may talk to others: it asks to, it is what it does, or nothing stops it.
fn reaches_network(policy: &Policy, action: &Action) -> bool {
    action.reach.network || !is_command(action) || !is_isolated(policy, action)
}

fn is_command(action: &Action) -> bool {
    matches!(action.what, What::Exec(_) | What::Script(_))
}

fn may_have_rule(policy: &Policy, action: &Action, command: &Command) -> Result<(), NoRule> {
    if policy.enforced && !action.reach.sandboxed {
        return Err(NoRule::OutsideSandbox);
    }
    if !action.reach.writes.is_empty() {
        return Err(NoRule::Writes);
    }
    if !command.env.is_empty() {
        return Err(NoRule::Variables);
    }
    let program = command.program.path.as_path();
    // What lies in the gateway's folder and can be run is the agent's: of its workspace, or a temporary file.
    let own = [&policy.workspace, &policy.home].into_iter().any(|folder| program.starts_with(folder));
    if own || is_temporary(program) {
        return Err(NoRule::OwnProgram);
    }
    let called = command.argv.first().map(String::as_str).unwrap_or_default();
    no_program(program, called)?;
    // An interpreter that is not known by its name.
    if command.files.is_empty() { Ok(()) } else { Err(NoRule::Kind) }
}

/// Both names count: the file's, and the one it is called by, which decides what a multi-call program does.
fn no_program(path: &Path, called: &str) -> Result<(), NoRule> {
    let own = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let called = Path::new(called).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    for name in [own, called] {
        if let Some(class) = programs::class(&name) {
            return Err(NoRule::Program { name: escaped(&name), does: class.does() });
        }
    }
    Ok(())
}

/// Where anybody may put a program.
fn is_temporary(path: &Path) -> bool {
    ["/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/private/var/tmp", "/private/var/folders", "/run/user"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

/// No `..`, and nothing that a file system would read otherwise.
pub(super) fn is_plain(path: &Path) -> bool {
    use std::path::Component::{CurDir, ParentDir};
    // `components` leaves out a `.` in the middle and doubled separators, so the text is compared as well.
    let normal: PathBuf = path.components().collect();
    !path.components().any(|part| matches!(part, CurDir | ParentDir)) && normal.as_os_str() == path.as_os_str()
}

/// Whether `words` are `start` and, behind it, words that are neither options, which could name a program or a file
/// to write, spelled out or shortened, nor files of the system.
fn continues(words: &[String], start: &[String]) -> bool {
    words.strip_prefix(start).is_some_and(|rest| !rest.iter().any(|word| word.starts_with(['-', '+', '@', '/'])))
}

/// Scheme, host and port, as the URL spells them. Whatever could be read in two ways has none.
fn origin(fetch: &Fetch) -> Option<String> {
    let uri: http::Uri = fetch.url.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let known = scheme == "https" || scheme == "http";
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    let text = authority.as_str();
    let same = fetch.url.starts_with(&format!("{scheme}://{text}"));
    (known && same && !uri.host()?.is_empty() && text.bytes().all(plain)).then(|| format!("{scheme}://{text}"))
}

/// A word of a command, with quotes where its ends would not be seen.
fn spelled(word: &str) -> String {
    match word.is_empty() || word.contains([' ', '"', '\'', ',']) {
        true => format!("\"{}\"", escaped(word).replace('"', "\\u{22}")),
        false => escaped(word),
    }
}

#[cfg(all(test, unix))]
pub(super) mod tests;
