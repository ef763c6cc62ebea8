//! The former versions of the file: one file each in `config.history/`, which holds the text as it was before a change,
//! below one line that says who changed it, when, and what the change did.
//!
//! A version is on the disk before the change is. One that was kept for a change which then did not happen is known by
//! its hashes, and not shown.
//!
//! It holds secrets where the text did, so that it can be gone back to; one that is known by a name now goes from all.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use simpleclaw_protocol::Timestamp;
use simpleclaw_protocol::methods::config::ConfigVersion;

use super::literals::Literal;
use super::read::MAX_BYTES;
use super::scrub;
use crate::home::{self, Home};

/// How many are kept.
const KEPT: usize = 50;
/// Longest first line that is read.
const MAX_ABOUT: u64 = 256 * 1024;
const MARK: &str = "# ";

/// What is known of a change; hidden of it is what is hidden everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    pub at: Timestamp,
    pub by: String,
    /// Hash of the text before.
    pub from: String,
    /// Hash of the text after.
    pub became: String,
    pub diff: String,
    pub changed_paths: Vec<String>,
    pub restart_paths: Vec<String>,
    /// Says which request this was, so that its repeat after a crash is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

impl About {
    /// Of the newest: the file still is what it was before.
    fn leads_nowhere(&self, current: &str) -> bool {
        self.became != current && self.from == current
    }
}

/// Puts a version on the disk; its id.
pub fn keep(home: &Home, about: &About, former: &[u8]) -> io::Result<String> {
    let folder = home.history_dir();
    home::make_private_folder(&folder)?;
    // The names are the order, whatever the clock says.
    let newest = ids(home).first().and_then(|id| id.split_once('-')?.0.parse::<i64>().ok());
    let at = newest.map_or(about.at.0, |newest| about.at.0.max(newest.saturating_add(1)));
    let id = format!("{at:013}-{}", home::hex(&rand::random::<[u8; 4]>()));
    let mut content = format!("{MARK}{}\n", serde_json::to_string(about)?).into_bytes();
    content.extend_from_slice(former);
    home::write_private(&path(home, &id), &content)?;
    Ok(id)
}

/// Takes a version back whose change did not happen.
pub fn forget(home: &Home, id: &str) {
    // What is left is known by its hashes.
    let _ = fs::remove_file(path(home, id));
}

/// Takes secrets that are known by their names now out of every version, on the disk. A version that cannot be had
/// without them goes.
pub fn take_out(home: &Home, moved: &[Literal]) -> io::Result<()> {
    remove_leftovers(home);
    for id in ids(home) {
        let path = path(home, &id);
        let version = match fs::read(&path) {
            Ok(version) => version,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match without(&version, moved) {
            Some(clean) if clean == version => {}
            Some(clean) => home::write_private(&path, &clean)?,
            None => fs::remove_file(&path).and_then(|()| home::sync_folder(&path))?,
        }
    }
    Ok(())
}

fn without(version: &[u8], moved: &[Literal]) -> Option<Vec<u8>> {
    let (told, text) = split(version);
    let (Ok(told), Ok(text)) = (str::from_utf8(told), str::from_utf8(text)) else {
        let lossy = String::from_utf8_lossy(version);
        let held = moved.iter().any(|moved| lossy.contains(moved.secret.expose().trim()));
        return (!held).then(|| version.to_vec());
    };
    let told = moved.iter().fold(told.to_owned(), scrub::hide_in_told);
    let text = moved.iter().try_fold(text.to_owned(), |text, moved| scrub::without(&text, moved))?;
    Some(format!("{told}{text}").into_bytes())
}

/// What is told of a version, and its text.
pub fn split(version: &[u8]) -> (&[u8], &[u8]) {
    let end = version.iter().position(|byte| *byte == b'\n').map_or(version.len(), |at| at + 1);
    version.split_at_checked(end).unwrap_or((version, &[][..]))
}

/// What a crash in the middle of a write has left: nobody else writes now.
fn remove_leftovers(home: &Home) {
    for entry in fs::read_dir(home.history_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(".tmp")) {
            // Left for the next time where it cannot be removed.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Keeps the newest.
pub fn prune(home: &Home) {
    remove_leftovers(home);
    for id in ids(home).iter().skip(KEPT) {
        forget(home, id);
    }
}

/// Takes back the versions that a crash has left without their change.
pub fn forget_what_did_not_happen(home: &Home, current: &str) {
    let nothing = |id: &&String| about(home, id).is_some_and(|about| about.leads_nowhere(current));
    ids(home).iter().take_while(nothing).for_each(|id| forget(home, id));
}

/// Newest first. `current` is the hash of the file as it is.
pub fn list(home: &Home, current: &str) -> Vec<ConfigVersion> {
    let known = ids(home).into_iter().take(KEPT).filter_map(|id| Some((about(home, &id)?, id)));
    let happened = known.skip_while(|(about, _)| about.leads_nowhere(current));
    let version = |(about, id): (About, String)| ConfigVersion { id, at: about.at, by: about.by, diff: about.diff };
    happened.map(version).collect()
}

/// The last change, where it is the one that made the file what it is.
pub fn last(home: &Home, current: &str) -> Option<About> {
    ids(home).first().and_then(|id| about(home, id)).filter(|about| about.became == current)
}

/// The text of a version.
pub fn text(home: &Home, id: &str) -> io::Result<Option<Vec<u8>>> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Ok(None);
    }
    let file = match File::open(path(home, id)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file.take(MAX_ABOUT + MAX_BYTES));
    let mut first = Vec::new();
    reader.read_until(b'\n', &mut first)?;
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    Ok(Some(text))
}

fn path(home: &Home, id: &str) -> PathBuf {
    home.history_dir().join(format!("{id}.yaml"))
}

/// Newest first.
pub fn ids(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.history_dir()).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut ids: Vec<String> = names
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".yaml")?.to_owned()))
        .filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
        .collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}

fn about(home: &Home, id: &str) -> Option<About> {
    let mut line = String::new();
    BufReader::new(File::open(path(home, id)).ok()?.take(MAX_ABOUT)).read_line(&mut line).ok()?;
    serde_json::from_str(line.strip_prefix(MARK)?).ok()
}
