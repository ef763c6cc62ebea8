//! The configuration: what `config.yaml` says, checked, with defaults; and what of it may be shown.
//!
//! The way of a file: `read` (bytes to text) → `tree` (text to values with places) → `substitute` (`${VAR}`) →
//! `validate` (against the schema) → `types` → `check` (rules between keys). `mask` hides the secrets of what is shown.
//!
//! The way of a change (`change`): `patch` (what the file shall say) → `plan` (the steps to it) → `edit` (the text) → all
//! of the above → `save` and `history`. Reading never writes the person's file.
//!
//! Secrets that stand in it as text: `literals` finds them, `scrub` takes them out of other texts.
//!
//! Elsewhere: what a running gateway makes of a change (`reload`).

mod change;
mod check;
mod edit;
mod handle;
mod history;
mod issues;
mod literals;
mod mask;
mod patch;
mod plan;
mod raw;
pub(crate) mod read;
mod save;
mod schema;
mod scrub;
mod secret;
mod substitute;
pub(crate) mod tree;
mod types;
mod validate;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use simpleclaw_protocol::health::ConfigProblem;
use simpleclaw_protocol::methods::config::{ConfigIssue, IssueSeverity};

pub use change::{Change, Changed, NotChanged, Request, look, make, restart_paths_between, versions};
pub use edit::Refused;
pub use handle::{ConfigHandle, Overrides, names_port};
pub use literals::{Literal, literals, referred};
pub use mask::MASK;
pub use save::{NotSaved, NotSynced};
pub use schema::{SCHEMA_VERSION, schema, schema_at, ui_hints};
pub use scrub::{Bare, bare, holds_secret, with_secrets};
pub use secret::{Secret, SecretRef};
pub use types::*;

use self::issues::Issues;
use self::substitute::Lookup;
use self::tree::Mistake;
use crate::home::{self, Home};

/// A configuration in use, and what the file says.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What runs: the file's, the last good one's, or the defaults.
    pub config: Arc<Config>,
    /// The same with all defaults, secrets masked.
    pub value: Value,
    /// The file's text, secrets masked; empty where there is no file or it cannot be read.
    pub raw: String,
    /// SHA-256 of the file's bytes, hex; of nothing where there is no file or it cannot be read.
    pub hash: String,
    /// At most 100, in the file's order.
    pub issues: Vec<ConfigIssue>,
    /// False: the file has errors, and the last good version runs.
    pub valid: bool,
    /// The first error, where not valid.
    pub problem: Option<ConfigProblem>,
}

/// The file is bad and there is no last good version.
#[derive(Debug)]
pub struct ConfigError {
    pub path: PathBuf,
    pub issues: Vec<ConfigIssue>,
    pub problem: ConfigProblem,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, issues, problem } = self;
        write!(f, "{}:{}:{}: {}", path.display(), problem.line, problem.column, problem.message)?;
        let errors = issues.iter().filter(|issue| issue.severity == IssueSeverity::Error).count();
        if errors > 1 {
            write!(f, " (and {} more)", errors - 1)?;
        }
        write!(f, ". Correct the file, or move it away to start with the defaults")
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file of a home. No file is no error: the defaults are in use. A file with errors leaves the last good
/// version in use; a good one becomes it (`state/config.last-good.yaml`).
pub fn load(home: &Home) -> Result<Loaded, ConfigError> {
    load_with(home, &from_environment)
}

/// Reads the file and writes nothing. Where it has errors, what a start would run, or the defaults, stand beside them.
pub fn inspect(home: &Home) -> Loaded {
    let file = File::read(&home.config_path());
    let hash = hash(&file.bytes);
    let Read { config, issues, raw } = read_file(&file, &from_environment);
    let valid = config.is_some();
    let problem = (!valid).then(|| problem(&issues));
    let defaults = || {
        let config = Config::default();
        let value = serde_json::to_value(&config).unwrap_or_default();
        (Arc::new(config), value)
    };
    let (config, value) = config.or_else(|| last_good(home, &from_environment)).unwrap_or_else(defaults);
    Loaded { config, value, raw, hash, issues, valid, problem }
}

/// The variables of this process.
pub fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// As [`load`], and keeps nothing: for whoever only looks.
pub fn preview(home: &Home) -> Result<Loaded, ConfigError> {
    loaded(home, &File::read(&home.config_path()), &from_environment)
}

fn load_with(home: &Home, lookup: Lookup) -> Result<Loaded, ConfigError> {
    let file = File::read(&home.config_path());
    let loaded = loaded(home, &file, lookup)?;
    if loaded.valid && file.exists {
        keep_last_good(home, &file.bytes);
    }
    Ok(loaded)
}

fn loaded(home: &Home, file: &File, lookup: Lookup) -> Result<Loaded, ConfigError> {
    let path = home.config_path();
    let hash = hash(&file.bytes);
    let Read { config, issues, raw } = read_file(file, lookup);
    let Some((config, value)) = config else {
        let problem = problem(&issues);
        let Some((config, value)) = last_good(home, lookup) else {
            return Err(ConfigError { path, issues, problem });
        };
        return Ok(Loaded { config, value, raw, hash, issues, valid: false, problem: Some(problem) });
    };
    Ok(Loaded { config, value, raw, hash, issues, valid: true, problem: None })
}

impl Loaded {
    /// A good file; `None` where it has errors.
    fn of(read: Read, hash: String) -> Option<Self> {
        let Read { config, issues, raw } = read;
        let (config, value) = config?;
        Some(Self { config, value, raw, hash, issues, valid: true, problem: None })
    }
}

/// How a text is told from another: SHA-256, hex.
fn hash(bytes: &[u8]) -> String {
    home::hex(&Sha256::digest(bytes))
}

/// What is on disk: `text` is its text, or why it has none.
struct File {
    exists: bool,
    bytes: Vec<u8>,
    text: Result<String, Mistake>,
}

impl File {
    fn read(path: &Path) -> Self {
        match read::source(path).transpose() {
            Some(source) => Self::from_source(source),
            None => Self { exists: false, bytes: Vec::new(), text: Ok(String::new()) },
        }
    }

    /// A text that is to be the file's.
    fn from_text(text: &str) -> Self {
        Self::from_source(read::text(text.as_bytes().to_vec()))
    }

    fn from_source(source: Result<read::Source, read::Unreadable>) -> Self {
        match source {
            Ok(source) => Self { exists: true, bytes: source.bytes, text: Ok(source.text) },
            Err(bad) => Self { exists: true, bytes: bad.bytes, text: Err(bad.mistake) },
        }
    }
}

/// Reads the bytes of a file and forgets them, for the fuzzers.
#[cfg(feature = "testing")]
pub fn survive(bytes: Vec<u8>) {
    read_file(&File::from_source(read::text(bytes)), &|_| None);
}

/// A file read: `config` and its masked value where there is no error among the issues.
struct Read {
    config: Option<(Arc<Config>, Value)>,
    issues: Vec<ConfigIssue>,
    raw: String,
}

fn read_file(file: &File, lookup: Lookup) -> Read {
    let mut issues = Issues::default();
    let parsed = file.text.as_deref().map_err(Clone::clone).and_then(|text| Ok((text, tree::parse(text)?)));
    let (config, raw) = match parsed {
        Ok((text, tree)) => {
            let raw = mask::mask_text(text, &tree);
            (from_tree(tree, lookup, &mut issues), raw)
        }
        Err(mistake) => {
            issues.mistake(mistake);
            (None, mask::mask_lines(&String::from_utf8_lossy(&file.bytes)))
        }
    };
    Read { config, issues: issues.into_list(), raw }
}

fn from_tree(mut tree: tree::Node, lookup: Lookup, issues: &mut Issues) -> Option<(Arc<Config>, Value)> {
    check::literal_secrets(&tree, issues);
    substitute::substitute(&mut tree, lookup, issues);
    validate::validate(&tree, schema(), issues);
    if issues.has_errors() {
        return None;
    }
    let given = match tree.value() {
        Value::Null => Value::Object(Default::default()),
        value => value,
    };
    let mut config: Config = match serde_json::from_value(given) {
        Ok(config) => config,
        Err(_) => {
            // Its words may quote a value. What the schema lets through, the types take; a test sees to that.
            issues.error("", tree.place, "the values do not fit together");
            return None;
        }
    };
    // The agent that is there without a file keeps its name where the file says only other things of it.
    let own = types::AgentsConfig::default().entries;
    for (id, agent) in config.agents.entries.iter_mut().filter(|(_, agent)| agent.name.is_empty()) {
        agent.name.clone_from(own.get(id).map_or(id, |own| &own.name));
    }
    check::check(&config, &tree, issues);
    if issues.has_errors() {
        return None;
    }
    let known: Vec<String> =
        mask::secrets(&tree).iter().filter_map(|node| node.value().as_str().map(str::to_owned)).collect();
    let mut value = serde_json::to_value(&config).unwrap_or_default();
    mask::mask_value(&mut value, &known);
    Some((Arc::new(config), value))
}

fn problem(issues: &[ConfigIssue]) -> ConfigProblem {
    let first = issues.iter().find(|issue| issue.severity == IssueSeverity::Error);
    first.map_or_else(
        || ConfigProblem { line: 0, column: 0, message: "the file has errors".to_owned() },
        |issue| {
            let key = issue.path.trim_start_matches('/').replace('/', ".");
            let message = if key.is_empty() { issue.message.clone() } else { format!("{key}: {}", issue.message) };
            ConfigProblem { line: issue.line, column: issue.column, message }
        },
    )
}

fn last_good_path(home: &Home) -> PathBuf {
    home.state_dir().join("config.last-good.yaml")
}

fn last_good(home: &Home, lookup: Lookup) -> Option<(Arc<Config>, Value)> {
    let file = File::read(&last_good_path(home));
    file.exists.then(|| read_file(&file, lookup).config).flatten()
}

fn keep_last_good(home: &Home, bytes: &[u8]) {
    let path = last_good_path(home);
    if File::read(&path).bytes == bytes && path.exists() {
        return;
    }
    if let Err(error) = home::write_private(&path, bytes) {
        tracing::warn!(
            target: "diagnostic",
            source = "config",
            code = "config.last_good_not_kept",
            path = %path.display(),
            %error,
            "the last good configuration could not be kept"
        );
    }
}

/// A value as a person types it for a key: YAML, but plain text for a key that takes text.
pub fn typed_value(path: &str, typed: &str) -> Result<Value, String> {
    let schema = schema_at(path).unwrap_or_default();
    let is_text = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "string");
    let choices = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let (text, also_text) = (is_text(&schema), choices.into_iter().any(is_text));
    match tree::parse(typed).map(|node| node.value()) {
        Ok(Value::String(text)) => Ok(Value::String(text)),
        Ok(Value::Null) if typed.trim().is_empty() && text => Ok(Value::String(String::new())),
        Ok(Value::Null) => Ok(Value::Null),
        Ok(value) if text || also_text && !value.is_object() => Ok(Value::String(typed.trim().to_owned())),
        Ok(value) => Ok(value),
        Err(_) if text || also_text => Ok(Value::String(typed.to_owned())),
        Err(mistake) => Err(format!("the value is no YAML: {}", mistake.words)),
    }
}

/// One part of the effective value. A path that starts with `/` is a JSON Pointer, else dotted; empty is all.
pub fn get(loaded: &Loaded, path: &str) -> Option<Value> {
    value_at(&loaded.value, &path_parts(path)).cloned()
}

fn value_at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => part.parse().ok().and_then(|index: usize| list.get(index)),
        _ => None,
    })
}

/// Whether the file itself names this, by its JSON Pointer, so that it is no default.
fn names(loaded: &Loaded, pointer: &str) -> bool {
    tree::parse(&loaded.raw).is_ok_and(|tree| tree.value().pointer(pointer).is_some())
}

fn path_parts(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(tree::unescape).collect(),
        None if path.is_empty() => Vec::new(),
        None => path.split('.').map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests;
