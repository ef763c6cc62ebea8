//! A change to the file, from the request to what runs afterwards: what the file says now → what it is to say → its
//! text (`edit`) → read and checked like any other → written (`save`).
//!
//! Who may change it, one at a time, and what then happens in a running gateway is the caller's.

use std::time::Duration;

use serde_json::{Map, Value};
use simpleclaw_protocol::Timestamp;
use simpleclaw_protocol::methods::config::{
    Applied, ConfigChangeResult, ConfigGetResult, ConfigHistoryResult, ConfigIssue, IssueSeverity,
};

use super::edit::{self, Refused};
use super::history::{self, About};
use super::literals::Literal;
use super::mask::{self, shown_key};
use super::plan::{self, Part};
use super::save::{self, NotSaved, NotSynced};
use super::scrub;
use super::substitute::Lookup;
use super::tree::{self, Mistake, Node};
use super::{File, Loaded, SCHEMA_VERSION, get, hash, patch, path_parts, raw, read_file, schema, validate, value_at};
use crate::home::Home;

/// What a new file starts with.
const HEAD: &str = "# SimpleClaw's configuration. Only what differs from the defaults needs to stand here;\n\
    # `simpleclaw config schema` describes every key, `simpleclaw config history` has the former versions.\n";
/// Most paths that an answer names.
const MAX_PATHS: usize = 200;
/// Longest difference that an answer holds; so many of them fit one frame.
const MAX_DIFF: usize = 32 * 1024;
/// Past it, the difference is found less exactly.
const DIFF_TIME: Duration = Duration::from_millis(300);

#[derive(Debug, Clone)]
pub enum Change {
    /// One value; `null` removes.
    Set { path: String, value: Value },
    /// JSON Merge Patch.
    Patch(Map<String, Value>),
    /// The whole text, which may hold masks.
    Raw(String),
    /// What a version of the history holds.
    Restore(String),
}

#[derive(Debug, Clone)]
pub struct Request {
    pub change: Change,
    /// Hash of what the change starts from.
    pub base_hash: Option<String>,
    pub dry_run: bool,
    pub by: String,
    pub at: Timestamp,
    /// Says which request this is, over a crash.
    pub mark: Option<String>,
    /// Secrets in whose place the change puts the names by which they are kept elsewhere. No version keeps their text.
    pub moved: Vec<Literal>,
}

#[derive(Debug)]
pub struct Changed {
    pub result: ConfigChangeResult,
    /// What is to run now; `None`: what runs already.
    pub loaded: Option<Loaded>,
    /// Why a power cut may take it back.
    pub not_synced: Option<NotSynced>,
}

/// Why there was no change; the file is as it was.
#[derive(Debug)]
pub enum NotChanged {
    /// The file has another hash than the change starts from: this one.
    Stale(String),
    /// The file is no YAML, so nothing in it can be changed but all of it.
    Broken {
        hash: String,
        mistake: Mistake,
    },
    NoPlace(String),
    NoVersion,
    /// The file would be bad; every error of it.
    Invalid(Vec<ConfigIssue>),
    Refused(Refused),
    NotSaved(NotSaved),
}

impl From<Refused> for NotChanged {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Makes a change. `running` is what a client was shown; nobody else may change the file meanwhile.
pub fn make(home: &Home, request: Request, running: &Loaded, lookup: Lookup) -> Result<Changed, NotChanged> {
    let Request { change, base_hash, dry_run, by, at, mark, moved } = request;
    let file = File::read(&home.config_path());
    let from = hash(&file.bytes);
    let path = match &change {
        Change::Set { path, .. } => path.clone(),
        _ => String::new(),
    };
    if let Some(done) =
        mark.as_ref().and_then(|mark| history::last(home, &from).filter(|last| last.mark.as_ref() == Some(mark)))
    {
        return Ok(Changed { not_synced: save::sync(home), ..again(done, &file, &path, running, lookup) });
    }
    if base_hash.is_some_and(|base| base != from) {
        return Err(NotChanged::Stale(from));
    }
    let before = Before::of(&file);
    // What was in the file once may be in it again, whoever knows it.
    let strict = !matches!(change, Change::Restore(_));
    let text = match change {
        Change::Set { path, mut value } => {
            let parts = path_parts(&path);
            patch::whole_numbers(&mut value);
            before.with(&file, running, |all| {
                set(all, &parts, value).map_err(|patch::NoPlace(words)| NotChanged::NoPlace(words))
            })?
        }
        Change::Patch(with) => before.with(&file, running, |all| {
            let mut with = Value::Object(with);
            patch::whole_numbers(&mut with);
            patch::merge(all, with);
            Ok(())
        })?,
        Change::Raw(text) => raw::unmask(&text, before.text, before.tree.as_ref())?,
        Change::Restore(id) => match history::text(home, &id) {
            Ok(Some(bytes)) => String::from_utf8(bytes).map_err(|_| NotChanged::NoVersion)?,
            Ok(None) => return Err(NotChanged::NoVersion),
            Err(error) => return Err(NotChanged::NotSaved(NotSaved::Io(home.history_dir(), error))),
        },
    };
    // Whoever takes a secret out of the file wants it out of its comments too.
    let text = moved.iter().fold(text, scrub::hide_in_comments);
    let (loaded, after) = checked(&text, &before, strict, lookup)?;
    let changed = before.steps_to(&after);
    let restart_paths = restart_paths(&running.value, &loaded.value, &changed);
    let diff = diff(&before, &file, &text, &after);
    let result = ConfigChangeResult {
        hash: loaded.hash.clone(),
        changed_paths: changed.iter().take(MAX_PATHS).map(|path| shown(path)).collect(),
        applied: if restart_paths.is_empty() { Applied::Live } else { Applied::Restart },
        restart_paths,
        value: get(&loaded, &path).unwrap_or_default(),
        diff,
        issues: loaded.issues.clone(),
    };
    if dry_run {
        return Ok(Changed { result, loaded: None, not_synced: None });
    }
    if text.as_bytes() == file.bytes {
        // What was written by hand runs from now on as well.
        let loaded = (running.hash != from).then_some(loaded);
        return Ok(Changed { result, loaded, not_synced: save::sync(home) });
    }
    let about = About {
        at,
        by,
        from,
        became: result.hash.clone(),
        diff: result.diff.clone(),
        changed_paths: result.changed_paths.clone(),
        restart_paths: result.restart_paths.clone(),
        mark,
    };
    let former = former(home, &file, &text, &moved)?;
    let not_synced = save::save(home, &file, &former, &text, &about).map_err(|error| match error {
        NotSaved::Changed(hash) => NotChanged::Stale(hash),
        error => NotChanged::NotSaved(error),
    })?;
    Ok(Changed { result, loaded: Some(loaded), not_synced })
}

/// What is kept of the file before a change. Moved secrets leave all versions before they leave the file: a crash in
/// between leaves them where the next move finds them.
fn former(home: &Home, file: &File, text: &str, moved: &[Literal]) -> Result<Vec<u8>, NotChanged> {
    let (Ok(before), false) = (&file.text, moved.is_empty()) else { return Ok(file.bytes.clone()) };
    history::take_out(home, moved).map_err(|error| NotChanged::NotSaved(NotSaved::Io(home.history_dir(), error)))?;
    let without = moved.iter().try_fold(before.clone(), |before, moved| scrub::without(&before, moved));
    // Where it cannot be had without them, going back leads to what the file is now.
    Ok(without.unwrap_or_else(|| text.to_owned()).into_bytes())
}

/// What is missing on the way is a map, or a list where the schema says so.
fn set(all: &mut Value, path: &[String], value: Value) -> Result<(), patch::NoPlace> {
    for (depth, _) in path.iter().enumerate().skip(1) {
        let above = path.get(..depth).unwrap_or_default();
        let list = schema::schema_of(above).is_some_and(|schema| schema["type"] == "array");
        if list && !value.is_null() && value_at(all, above).is_none() {
            patch::set(all, above, Value::Array(Vec::new()))?;
        }
    }
    patch::set(all, path, value)
}

/// The answer to a change that was made before the gateway crashed.
fn again(done: About, file: &File, path: &str, running: &Loaded, lookup: Lookup) -> Changed {
    let read = read_file(file, lookup);
    let issues = read.issues.clone();
    let loaded = Loaded::of(read, done.became.clone());
    let result = ConfigChangeResult {
        hash: done.became,
        changed_paths: done.changed_paths,
        applied: if done.restart_paths.is_empty() { Applied::Live } else { Applied::Restart },
        restart_paths: done.restart_paths,
        value: get(loaded.as_ref().unwrap_or(running), path).unwrap_or_default(),
        diff: done.diff,
        issues,
    };
    Changed { result, loaded: None, not_synced: None }
}

/// What the file says of itself now; what runs is `running`.
pub fn look(home: &Home, path: &str, running: &Loaded, lookup: Lookup) -> Option<ConfigGetResult> {
    let file = File::read(&home.config_path());
    let now = hash(&file.bytes);
    let value = get(running, path)?;
    let (raw, valid, issues) = match now == running.hash {
        true => (running.raw.clone(), running.valid, running.issues.clone()),
        false => {
            let read = read_file(&file, lookup);
            (read.raw, read.config.is_some(), read.issues)
        }
    };
    Some(ConfigGetResult {
        path: path.to_owned(),
        hash: now,
        raw,
        value,
        valid,
        issues,
        schema_version: SCHEMA_VERSION,
    })
}

pub fn versions(home: &Home) -> ConfigHistoryResult {
    let now = hash(&File::read(&home.config_path()).bytes);
    ConfigHistoryResult { versions: history::list(home, &now) }
}

/// The file before a change, as far as it can be read.
struct Before<'a> {
    text: &'a str,
    tree: Option<Node>,
    mistake: Option<Mistake>,
}

impl<'a> Before<'a> {
    fn of(file: &'a File) -> Self {
        match &file.text {
            Ok(text) => match tree::parse(text) {
                Ok(tree) => Self { text, tree: Some(tree), mistake: None },
                Err(mistake) => Self { text, tree: None, mistake: Some(mistake) },
            },
            Err(mistake) => Self { text: "", tree: None, mistake: Some(mistake.clone()) },
        }
    }

    /// The text after a change of its value.
    fn with(
        &self,
        file: &File,
        running: &Loaded,
        change: impl FnOnce(&mut Value) -> Result<(), NotChanged>,
    ) -> Result<String, NotChanged> {
        let Some(tree) = &self.tree else {
            let mistake = self.mistake.clone().unwrap_or(Mistake { line: 0, column: 0, words: String::new() });
            return Err(NotChanged::Broken { hash: hash(&file.bytes), mistake });
        };
        let old = edit::document(tree);
        let mut new = old.clone();
        change(&mut new)?;
        patch::without_nulls(&mut new);
        let shown = if running.hash == hash(&file.bytes) { &running.value } else { &Value::Null };
        patch::restore(&mut new, &old, shown);
        let steps = plan::plan(&old, &new);
        if steps.is_empty() {
            return Ok(self.text.to_owned());
        }
        let text = if file.exists { self.text } else { HEAD };
        Ok(edit::rewrite(text, tree, &steps)?)
    }

    /// The paths that differ afterwards.
    fn steps_to(&self, after: &Node) -> Vec<Vec<Part>> {
        let old = self.tree.as_ref().map(edit::document).unwrap_or(Value::Object(Map::new()));
        let mut paths: Vec<Vec<Part>> = Vec::new();
        for step in plan::plan(&old, &edit::document(after)) {
            if !paths.iter().any(|path| path == step.path()) {
                paths.push(step.path().to_vec());
            }
        }
        paths
    }
}

/// Reads the new text as a start would, and refuses what a start would, and unknown keys that were not there before.
fn checked(text: &str, before: &Before, strict: bool, lookup: Lookup) -> Result<(Loaded, Node), NotChanged> {
    let file = File::from_text(text);
    let tree = file.text.as_ref().map_err(Clone::clone).and_then(|text| tree::parse(text));
    let read = read_file(&file, lookup);
    let mut errors: Vec<ConfigIssue> = Vec::new();
    if let Ok(tree) = &tree {
        for path in patch::masks_left(&edit::document(tree)) {
            let place = tree.place_of(&path);
            let message = "a mask that hides nothing known; write the secret itself".to_owned();
            let (line, column) = (place.line, place.column);
            errors.push(ConfigIssue { path, line, column, message, severity: IssueSeverity::Error });
        }
        if let (Some(old), true) = (&before.tree, strict) {
            let known = validate::unknown_keys(old, schema::schema());
            let fresh = validate::unknown_keys(tree, schema::schema()).into_iter();
            errors.extend(fresh.filter(|issue| !known.iter().any(|known| known.path == issue.path)));
        }
    }
    // Said once, and better, above.
    let masks = !errors.is_empty();
    let own = read.issues.iter().filter(|issue| issue.severity == IssueSeverity::Error);
    errors
        .extend(own.filter(|issue| !(masks && issue.path.is_empty() && issue.message.contains(super::MASK))).cloned());
    match (tree, Loaded::of(read, hash(text.as_bytes()))) {
        (Ok(tree), Some(loaded)) if errors.is_empty() => Ok((loaded, tree)),
        _ => Err(NotChanged::Invalid(errors)),
    }
}

/// A path as a client may see it.
fn shown(path: &[Part]) -> String {
    let hide = |part: &Part| match part {
        Part::Key(key) => Part::Key(shown_key(key).into_owned()),
        index => index.clone(),
    };
    plan::pointer(&path.iter().map(hide).collect::<Vec<_>>())
}

/// The changed keys that only a start reads. `old` and `new` are effective values, in which equal masks may hide a
/// difference: what stands at a secret counts as changed where the file says so.
fn restart_paths(old: &Value, new: &Value, changed: &[Vec<Part>]) -> Vec<String> {
    let hints = super::ui_hints().as_object().into_iter().flatten();
    let restart = hints.filter(|(_, hint)| hint["reload"] == "restart").map(|(pattern, _)| pattern);
    let mut found: Vec<String> = Vec::new();
    for pattern in restart {
        let parts: Vec<&str> = pattern.split('/').skip(1).collect();
        differing(old, new, &parts, String::new(), &mut found);
        let secret = parts.last().is_some_and(|key| mask::is_secret_key(key));
        let touched = changed.iter().filter(|path| secret && fits(path, &parts));
        found.extend(touched.map(|path| shown(path)));
    }
    found.sort_unstable();
    found.dedup();
    let below = |path: &String| {
        found.iter().any(|other| other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    found.iter().filter(|path| !below(path)).take(MAX_PATHS).cloned().collect()
}

/// The same for a file that was changed by hand. Which secrets changed is not known then.
pub fn restart_paths_between(old: &Value, new: &Value) -> Vec<String> {
    restart_paths(old, new, &[])
}

fn differing(old: &Value, new: &Value, parts: &[&str], pointer: String, found: &mut Vec<String>) {
    let Some((part, rest)) = parts.split_first() else {
        if old != new {
            found.push(pointer);
        }
        return;
    };
    let keys: Vec<String> = match *part {
        "*" => {
            let mut keys = keys(old);
            keys.extend(self::keys(new));
            keys.sort_unstable();
            keys.dedup();
            keys
        }
        key => vec![tree::unescape(key)],
    };
    for key in keys {
        let at = |value: &Value| match value {
            Value::Array(list) => key.parse().ok().and_then(|index: usize| list.get(index).cloned()),
            value => value.get(&key).cloned(),
        };
        let pointer = format!("{pointer}/{}", tree::escape(&shown_key(&key)));
        differing(&at(old).unwrap_or_default(), &at(new).unwrap_or_default(), rest, pointer, found);
    }
}

fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(list) => (0..list.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Whether a path is one of a pattern, or below it.
fn fits(path: &[Part], pattern: &[&str]) -> bool {
    let same = |(part, pattern): (&Part, &&str)| match part {
        _ if *pattern == "*" => true,
        Part::Key(key) => *key == tree::unescape(pattern),
        Part::Index(index) => index.to_string() == **pattern,
    };
    path.len() >= pattern.len() && path.iter().zip(pattern).all(same)
}

/// What differs in the text, without secrets: neither those of the one nor those of the other show in either.
fn diff(before: &Before, file: &File, text: &str, after: &Node) -> String {
    let mut known = mask::texts(after);
    let old = match &before.tree {
        Some(tree) => {
            known.extend(mask::texts(tree));
            mask::mask_text(before.text, tree)
        }
        None => mask::mask_lines(&String::from_utf8_lossy(&file.bytes)),
    };
    let (old, new) = (mask::hide(old, &known), mask::hide(mask::mask_text(text, after), &known));
    if old == new && before.text != text {
        return "(only what is masked differs)\n".to_owned();
    }
    let lines = similar::TextDiff::configure().timeout(DIFF_TIME).diff_lines(old.as_str(), new.as_str());
    let mut diff = lines.unified_diff().context_radius(3).to_string();
    if diff.len() > MAX_DIFF {
        let end = (0..=MAX_DIFF).rev().find(|end| diff.is_char_boundary(*end)).unwrap_or(0);
        diff.truncate(end);
        diff.push_str("\n(cut here)\n");
    }
    diff
}
