//! Backups: everything that a home needs, in one file, and back again. `create` writes one while the gateway runs or
//! not; `archive` reads one and believes nothing of it; `restore` puts one in the place of a home.
//!
//! The file is a gzipped tar that any tar can open: files only, below `simpleclaw-backup/`, the last of them a manifest
//! with the hash of every other.

mod archive;
mod create;
mod manifest;
mod restore;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::clock::Clock;
use crate::home::Home;
use crate::store::{Offline, StoreError};

#[cfg(feature = "testing")]
pub use archive::survive;
pub use create::{Created, create};
pub use manifest::{FileEntry, LeftOut, Manifest};
pub use restore::{Restored, restore, verify};

/// The folder that everything lies in within the file, so that unpacking it by hand spills nothing.
const PREFIX: &str = "simpleclaw-backup/";
const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "state/gateway.db";

/// Why there is no backup, or none was taken back. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody has to decide or do something first.
    #[error("{0}")]
    Refused(String),
    #[error("this is no whole backup: {0}")]
    Damaged(String),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl BackupError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "STORE",
            Self::Refused(_) => "REFUSED",
            Self::Damaged(_) => "DAMAGED",
            Self::Io { .. } => "IO",
        }
    }
}

/// Says what was done to which path when it failed.
fn cannot(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::Io { doing, path: path.to_owned(), source }
}

/// A name for a new backup of this home: `simpleclaw-work-20261122-130157.tar.gz`, in UTC.
pub fn default_name(home: &Home) -> String {
    let name = home.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{}-{}.tar.gz", name.trim_start_matches('.'), Clock.stamp())
}

/// A new folder that only this user may enter; gone with all that is in it when it is dropped.
fn private_folder(within: &Path) -> Result<TempDir, BackupError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".simpleclaw-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(within).map_err(cannot("make a folder in", within))
}

/// A new file that only this user may read.
fn private_file(path: &Path, executable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o700 } else { 0o600 });
    #[cfg(not(unix))]
    let _ = executable;
    options.open(path)
}

/// Reads all of a database that nobody writes to; its schema.
async fn check_database(path: &Path) -> Result<i64, BackupError> {
    let not_whole = |error: StoreError| BackupError::Damaged(format!("its database cannot be read: {error}"));
    let mut database = Offline::open(path, true).await.map_err(not_whole)?;
    let problems = database.problems().await.map_err(not_whole)?;
    let schema = database.schema().await.map_err(not_whole)?;
    database.close().await.map_err(not_whole)?;
    match problems.first() {
        None => Ok(schema),
        Some(first) => Err(BackupError::Damaged(format!("its database is damaged: {first}"))),
    }
}

#[cfg(all(test, unix))]
mod tests;
