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

/// The file says what it was to say, but its folder could not be brought to the disk: a power cut may take that back.
#[derive(Debug)]
pub struct NotSynced {
    pub path: PathBuf,
    pub error: io::Error,
}

/// `before` is the file as it was read; `former` is what is kept of it.
pub fn save(
    home: &Home,
    before: &File,
    former: &[u8],
    text: &str,
    about: &About,
) -> Result<Option<NotSynced>, NotSaved> {
    save_with(home, before, former, text, about, home::sync_folder)
}

/// Brings to the disk what the file says already. An earlier change may have failed at that.
pub fn sync(home: &Home) -> Option<NotSynced> {
    behind(&home.config_path()).ok().and_then(|path| synced(path, home::sync_folder))
}

fn synced(path: PathBuf, sync: impl FnOnce(&Path) -> io::Result<()>) -> Option<NotSynced> {
    sync(&path).err().map(|error| NotSynced { path, error })
}

fn save_with(
    home: &Home,
    before: &File,
    former: &[u8],
    text: &str,
    about: &About,
    sync: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<Option<NotSynced>, NotSaved> {
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
    // From here on the change has happened, whatever else fails.
    let not_synced = synced(path, sync);
    history::prune(home);
    keep_last_good(home, text.as_bytes());
    Ok(not_synced)
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

#[cfg(all(test, unix))]
mod tests {
    use simpleclaw_protocol::Timestamp;

    use super::*;
    use crate::config::last_good_path;
    use crate::home::tests::fresh;

    #[test]
    fn what_only_its_folder_does_not_keep_has_happened_and_is_said() {
        let (_folder, home) = fresh();
        let (old, new) = ("# mine\n", "# mine\nruns: {idleSeconds: 5}\n");
        fs::write(home.config_path(), old).expect("writes");
        let before = File::read(&home.config_path());
        let (from, became) = (hash(old.as_bytes()), hash(new.as_bytes()));
        let about = About {
            at: Timestamp(1_000),
            by: "eve".to_owned(),
            from: from.clone(),
            became: became.clone(),
            diff: String::new(),
            changed_paths: vec![],
            restart_paths: vec![],
            mark: None,
        };
        let failing = |path: &Path| Err(io::Error::other(format!("no disk below {}", path.display())));
        let said =
            save_with(&home, &before, &before.bytes, new, &about, failing).expect("it happened").expect("and is said");
        assert_eq!(said.path, home.config_path());
        assert_eq!(said.error.to_string(), format!("no disk below {}", home.config_path().display()));
        assert_eq!(fs::read_to_string(home.config_path()).expect("is there"), new);
        assert_eq!(fs::read_to_string(last_good_path(&home)).expect("is there"), new);
        let versions = history::list(&home, &became);
        assert_eq!(versions.len(), 1);
        let kept = history::text(&home, &versions[0].id).expect("reads");
        assert_eq!(kept.as_deref(), Some(old.as_bytes()));
        // As after a power cut that took it back: no change is shown that is none.
        assert!(history::list(&home, &from).is_empty());
        assert!(sync(&home).is_none(), "a repeat brings it to the disk");
    }

    #[test]
    fn before_the_file_has_changed_an_error_means_that_nothing_has() {
        let (_folder, home) = fresh();
        fs::write(home.config_path(), "a: 1\n").expect("writes");
        let before = File::read(&home.config_path());
        fs::write(home.config_path(), "a: 2\n").expect("another program");
        let from = hash(&before.bytes);
        let about = About {
            at: Timestamp(1_000),
            by: "eve".to_owned(),
            became: hash(b"a: 3\n"),
            from,
            diff: String::new(),
            changed_paths: vec![],
            restart_paths: vec![],
            mark: None,
        };
        let untouched = |_: &Path| -> io::Result<()> { panic!("nothing is there to bring to the disk") };
        let error = save_with(&home, &before, &before.bytes, "a: 3\n", &about, untouched).expect_err("is refused");
        assert!(matches!(error, NotSaved::Changed(now) if now == hash(b"a: 2\n")));
        assert_eq!(fs::read_to_string(home.config_path()).expect("is there"), "a: 2\n");
        assert_eq!(fs::read_dir(home.history_dir()).expect("lists").count(), 0);
    }
}
