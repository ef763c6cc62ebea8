//! Puts a new text in place of the file: whole or not at all, with the former one kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::history::{self, About};
use super::{File, hash, keep_last_good, last_good_path};
use crate::home::{self, Home};

/// Why nothing was written.
#[derive(Debug)]
pub enum NotSaved {
    /// Another program changed the file meanwhile; its hash now.
    Changed(String),
    Io(PathBuf, io::Error),
}

/// `before` is the file as it was read; `former` is what is kept of it.
pub fn save(home: &Home, before: &File, former: &[u8], text: &str, about: &About) -> Result<(), NotSaved> {
    let link = home.config_path();
    let path = behind(&link).map_err(|error| NotSaved::Io(link.clone(), error))?;
    remove_leftovers(&path);
    remove_leftovers(&last_good_path(home));
    history::forget_what_did_not_happen(home, &about.from);
    let id = history::keep(home, about, former).map_err(|error| NotSaved::Io(home.history_dir(), error))?;
    let undo = |error| {
        history::forget(home, &id);
        error
    };
    let now = File::read(&link);
    if now.bytes != before.bytes || now.exists != before.exists {
        return Err(undo(NotSaved::Changed(hash(&now.bytes))));
    }
    home::replace(&path, text.as_bytes()).map_err(|error| undo(NotSaved::Io(path.clone(), error)))?;
    history::prune(home);
    keep_last_good(home, text.as_bytes());
    Ok(())
}

/// The file itself, where the path is a link to it; what is no file is refused.
fn behind(path: &Path) -> io::Result<PathBuf> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        Err(error) => return Err(error),
    };
    let target = if about.is_symlink() {
        match fs::canonicalize(path) {
            Ok(target) => target,
            // Its file is yet to be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let named = path.parent().unwrap_or(path).join(fs::read_link(path)?);
                if named.is_symlink() {
                    return Err(error);
                }
                return Ok(named);
            }
            Err(error) => return Err(error),
        }
    } else {
        path.to_owned()
    };
    match fs::metadata(&target)?.is_file() {
        true => Ok(target),
        false => Err(io::Error::other("a folder or device stands where the file should be")),
    }
}

/// What a crash in the middle of a write has left: nobody else writes now.
fn remove_leftovers(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let middle = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".tmp"));
        if middle.is_some_and(|middle| middle.len() == 16 && middle.bytes().all(|b| b.is_ascii_hexdigit())) {
            // Left for the next time where it cannot be removed.
            let _ = fs::remove_file(entry.path());
        }
    }
}
