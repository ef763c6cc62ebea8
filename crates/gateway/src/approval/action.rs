//! What a tool would do: complete enough to decide on, to show, and to freeze.
//!
//! Deliberately elsewhere: finding programs and hashing files (`command`), the decision (`decide`), the launch of
//! exactly this (`sandbox`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::approval::{ActionKind, ApprovalAction};

use super::show::{escaped, escaped_lines, escaped_path};
use crate::home::hex;

/// Most of a command, script, message or call that is shown, in bytes; nothing is shown in part.
pub const MAX_SHOWN_BYTES: usize = 8 * 1024;
/// Most of a diff.
pub const MAX_DIFF_BYTES: usize = 128 * 1024;
/// Longest search for a small diff.
const DIFF_TIME: Duration = Duration::from_millis(200);
/// Variables that the gateway alone sets for a child.
const FIXED_VARIABLES: [&str; 17] = [
    "COLORTERM",
    "ComSpec",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "PATHEXT",
    "PWD",
    "SHELL",
    "SystemDrive",
    "SystemRoot",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "USERPROFILE",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub what: What,
    pub reach: Reach,
    /// What the agent says of it; neither decided on nor frozen.
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Exec(Command),
    Script(Script),
    /// One file. Canonical path, as of the two that follow.
    Read(PathBuf),
    /// The names in a folder.
    List(PathBuf),
    /// A folder with all that is below it, or a file.
    Search(PathBuf),
    Write(Change),
    Fetch(Fetch),
    Message(Message),
    /// The job in words: when, and what the agent is then told.
    Cron(String),
    Node(NodeCall),
    External(External),
}

/// One program with its arguments, started without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// As the program gets it, its name included.
    pub argv: Vec<String>,
    pub program: FileId,
    /// Script files among the arguments.
    pub files: Vec<FileId>,
    /// Canonical.
    pub cwd: PathBuf,
    /// What is added to the fixed environment of every child; `environment` checks it.
    pub env: BTreeMap<String, String>,
    /// The folder that stands at its `/tmp`, canonical; `None` where `/tmp` is what it is for everybody.
    pub tmp: Option<PathBuf>,
}

/// Text for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub text: String,
    pub shell: FileId,
    /// Canonical.
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
}

/// A file as it was when it was read. Device and inode are 0 where the system has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileId {
    /// Canonical.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Hex.
    pub sha256: String,
}

/// A file's new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Canonical, but for the last part where the file is new.
    pub path: PathBuf,
    /// SHA-256 of what it replaces, hex; `None` for a new file.
    pub before: Option<String>,
    pub content: Vec<u8>,
    /// Unified. Where what is there is no text, a sentence of that and all lines that come; where what comes is none, a
    /// sentence alone.
    pub diff: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub url: String,
    /// Where the name led; the connection goes to one of these.
    pub addresses: Vec<IpAddr>,
}

/// A message to somebody other than the conversation that the run answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub channel: String,
    pub account: String,
    /// The platform's immutable id of the person or the group.
    pub to: String,
    pub text: String,
    pub files: Vec<FileId>,
}

/// A command to another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCall {
    pub node: String,
    pub command: String,
    /// JSON.
    pub params: String,
}

/// A tool of a plugin or an MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// The plugin's or server's id.
    pub source: String,
    pub tool: String,
    /// JSON.
    pub args: String,
}

/// How far the action could get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    pub sandboxed: bool,
    pub network: bool,
    /// Beyond workspace and temp folder; canonical.
    pub writes: Vec<PathBuf>,
}

/// Why the environment of a child cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVariable {
    #[error("`{0}` is no name of a variable: letters, digits and `_`, not a digit first, 128 at most")]
    Name(String),
    #[error("`{0}` is set by the gateway, and by nobody else")]
    Fixed(String),
    #[error("`{0}` changes how every program starts, and cannot be set")]
    Loader(String),
    #[error("the value of `{0}` has a NUL byte or more than 4096 bytes")]
    Value(String),
}

/// What a model may add to the environment of a child: nothing that is set already, or that acts before the child.
pub fn environment(added: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, BadVariable> {
    for (name, value) in &added {
        let well_formed = (1..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|sign: char| sign.is_ascii_digit());
        if !well_formed {
            return Err(BadVariable::Name(escaped(name)));
        }
        if is_fixed(name) {
            return Err(BadVariable::Fixed(name.clone()));
        }
        if is_loader(name) {
            return Err(BadVariable::Loader(name.clone()));
        }
        if value.contains('\0') || value.len() > 4096 {
            return Err(BadVariable::Value(name.clone()));
        }
    }
    Ok(added)
}

/// Names of the gateway's own count in any case: Windows makes no difference.
fn is_fixed(name: &str) -> bool {
    let starts = |start: &str| name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    FIXED_VARIABLES.iter().any(|fixed| name.eq_ignore_ascii_case(fixed)) || starts("LC_") || starts("SIMPLECLAW_")
}

/// Variables that the dynamic loader and the C library read before the program does, and so before a sandbox that is
/// itself a program. What interpreters read (`BASH_ENV`, `PYTHONPATH`, `NODE_OPTIONS`) acts inside, and is shown.
fn is_loader(name: &str) -> bool {
    name.starts_with("LD_")
        || name.starts_with("DYLD_")
        || name.starts_with("MALLOC_")
        || matches!(
            name,
            "GCONV_PATH"
                | "GETCONF_DIR"
                | "GLIBC_TUNABLES"
                | "HOSTALIASES"
                | "LOCALDOMAIN"
                | "LOCPATH"
                | "NIS_PATH"
                | "NLSPATH"
                | "RESOLV_HOST_CONF"
                | "RES_OPTIONS"
                | "TZDIR"
        )
}

impl Change {
    /// `before` is what the file has now; `None` where there is none.
    pub fn new(path: PathBuf, before: Option<&[u8]>, content: Vec<u8>) -> Self {
        let was = before.unwrap_or_default();
        let diff = match (std::str::from_utf8(was), std::str::from_utf8(&content)) {
            (Ok(old), Ok(new)) => unified(old, new),
            (Err(_), Ok(new)) => format!("what is there now is no text: {}\n{}", summary(was), unified("", new)),
            (_, Err(_)) => format!("no text: {} bytes become {}", was.len(), summary(&content)),
        };
        Self { path, before: before.map(|before| hex(&Sha256::digest(before))), content, diff }
    }

    /// Whether a person can be shown all of it.
    pub(super) fn is_text(&self) -> bool {
        std::str::from_utf8(&self.content).is_ok()
    }
}

fn unified(old: &str, new: &str) -> String {
    let lines = similar::TextDiff::configure().timeout(DIFF_TIME).diff_lines(old, new);
    lines.unified_diff().context_radius(3).to_string()
}

fn summary(content: &[u8]) -> String {
    format!("{} bytes, SHA-256 {}", content.len(), hex(&Sha256::digest(content)))
}

impl Action {
    /// SHA-256 over all that is frozen, hex: two actions that differ in anything but the agent's own description
    /// differ here.
    pub fn digest(&self) -> String {
        let Self { what, reach, description: _ } = self;
        let mut fields = Fields(Sha256::new());
        fields.text("simpleclaw action 1");
        match what {
            What::Exec(Command { argv, program, files, cwd, env, tmp }) => {
                fields.text("exec");
                fields.list(argv, |fields, word| fields.text(word));
                fields.file(program);
                fields.list(files, Fields::file);
                fields.path(cwd);
                fields.env(env);
                if let Some(tmp) = tmp {
                    fields.text("tmp");
                    fields.path(tmp);
                }
            }
            What::Script(Script { text, shell, cwd, env }) => {
                fields.text("script");
                fields.text(text);
                fields.file(shell);
                fields.path(cwd);
                fields.env(env);
            }
            What::Read(path) => {
                fields.text("read");
                fields.path(path);
            }
            What::List(path) => {
                fields.text("list");
                fields.path(path);
            }
            What::Search(path) => {
                fields.text("search");
                fields.path(path);
            }
            What::Write(Change { path, before, content, diff }) => {
                fields.text("write");
                fields.path(path);
                fields.list(before.as_slice(), |fields, before| fields.text(before));
                fields.bytes(content);
                fields.text(diff);
            }
            What::Fetch(Fetch { url, addresses }) => {
                fields.text("fetch");
                fields.text(url);
                fields.list(addresses, |fields, address| fields.text(&address.to_string()));
            }
            What::Message(Message { channel, account, to, text, files }) => {
                fields.text("message");
                [channel, account, to, text].into_iter().for_each(|part| fields.text(part));
                fields.list(files, Fields::file);
            }
            What::Cron(text) => {
                fields.text("cron");
                fields.text(text);
            }
            What::Node(NodeCall { node, command, params }) => {
                fields.text("node");
                [node, command, params].into_iter().for_each(|part| fields.text(part));
            }
            What::External(External { source, tool, args }) => {
                fields.text("external");
                [source, tool, args].into_iter().for_each(|part| fields.text(part));
            }
        }
        let Reach { sandboxed, network, writes } = reach;
        fields.number(u64::from(*sandboxed));
        fields.number(u64::from(*network));
        fields.list(writes, |fields, path| fields.path(path));
        hex(&fields.0.finalize())
    }

    /// As a person sees it: every part escaped, none cut. `sandbox` says only whether there is one; who knows its kind
    /// puts that in.
    pub fn shown(&self) -> ApprovalAction {
        let mut shown = ApprovalAction {
            kind: ActionKind::Exec,
            argv: Vec::new(),
            program: None,
            script: None,
            cwd: None,
            env_names: Vec::new(),
            path: None,
            diff: None,
            url: None,
            sandbox: if self.reach.sandboxed { "sandboxed" } else { "none" }.to_owned(),
            network: self.reach.network,
            description: self.description.as_deref().map(escaped_lines),
        };
        let words = |words: &[&String]| words.iter().map(|word| escaped(word)).collect::<Vec<_>>();
        match &self.what {
            What::Exec(command) => {
                shown.argv = command.argv.iter().map(|word| escaped(word)).collect();
                shown.program = Some(file(&command.program));
                shown.path = files(&command.files);
                shown.cwd = Some(escaped_path(&command.cwd));
                shown.env_names = variables(&command.env);
            }
            What::Script(script) => {
                shown.kind = ActionKind::Script;
                shown.program = Some(file(&script.shell));
                shown.script = Some(escaped_lines(&script.text));
                shown.cwd = Some(escaped_path(&script.cwd));
                shown.env_names = variables(&script.env);
            }
            What::Read(path) => {
                shown.kind = ActionKind::Read;
                shown.path = Some(escaped_path(path));
            }
            What::List(path) => {
                shown.kind = ActionKind::List;
                shown.path = Some(escaped_path(path));
            }
            What::Search(path) => {
                shown.kind = ActionKind::Search;
                shown.path = Some(escaped_path(path));
            }
            What::Write(change) => {
                shown.kind = ActionKind::Write;
                shown.path = Some(escaped_path(&change.path));
                shown.diff = Some(escaped_lines(&change.diff));
            }
            What::Fetch(fetch) => {
                shown.kind = ActionKind::Fetch;
                shown.url = Some(escaped(&fetch.url));
                shown.argv = fetch.addresses.iter().map(ToString::to_string).collect();
            }
            What::Message(message) => {
                shown.kind = ActionKind::Message;
                shown.argv = words(&[&message.channel, &message.account, &message.to]);
                shown.script = Some(escaped_lines(&message.text));
                shown.path = files(&message.files);
            }
            What::Cron(text) => {
                shown.kind = ActionKind::Cron;
                shown.script = Some(escaped_lines(text));
            }
            What::Node(call) => {
                shown.kind = ActionKind::Node;
                shown.argv = words(&[&call.node, &call.command]);
                shown.script = Some(escaped_lines(&call.params));
            }
            What::External(call) => {
                shown.kind = ActionKind::External;
                shown.argv = words(&[&call.source, &call.tool]);
                shown.script = Some(escaped_lines(&call.args));
            }
        }
        if !self.reach.writes.is_empty() {
            let writes = self.reach.writes.iter().map(|path| format!("writes {}", escaped_path(path)));
            shown.path = Some(shown.path.into_iter().chain(writes).collect::<Vec<_>>().join("\n"));
        }
        shown
    }

    /// Whether all of it can be put before a person, measured as it would be shown.
    pub(super) fn fits_a_question(&self) -> bool {
        let shown = self.shown();
        let texts = [&shown.program, &shown.script, &shown.cwd, &shown.path, &shown.url, &shown.description];
        let words = shown.argv.iter().chain(&shown.env_names).chain(texts.into_iter().flatten());
        words.map(String::len).sum::<usize>() <= MAX_SHOWN_BYTES
            && shown.diff.is_none_or(|diff| diff.len() <= MAX_DIFF_BYTES)
    }
}

fn file(file: &FileId) -> String {
    escaped_path(&file.path)
}

/// One line each.
fn files(files: &[FileId]) -> Option<String> {
    let lines: Vec<_> =
        files.iter().map(|file| format!("{} (SHA-256 {})", escaped_path(&file.path), escaped(&file.sha256))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `NAME=value`: a name alone would not say what a variable does.
fn variables(env: &BTreeMap<String, String>) -> Vec<String> {
    env.iter().map(|(name, value)| escaped(&format!("{name}={value}"))).collect()
}

/// Fields one behind the other, each behind its length, so that no two lists of fields give the same bytes.
struct Fields(Sha256);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_encoded_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    fn env(&mut self, env: &BTreeMap<String, String>) {
        self.number(env.len() as u64);
        for (name, value) in env {
            self.text(name);
            self.text(value);
        }
    }

    fn file(&mut self, file: &FileId) {
        let FileId { path, device, inode, size, sha256 } = file;
        self.path(path);
        [device, inode, size].into_iter().for_each(|number| self.number(*number));
        self.text(sha256);
    }
}

#[cfg(test)]
pub(super) mod tests;
