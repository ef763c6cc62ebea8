//! Files that messages carry. The bytes are `state/attachments/<sha256>`, one file for equal ones, on the disk before
//! the commit of the message that names them. What a commit does not name is an orphan, and is swept up.
//!
//! What may come in is `check`'s; which message has which file is the store's (`store::attachment`).

mod check;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use simpleclaw_protocol::message::{Attached, Content};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::home::{self, Home};
use crate::store::{Store, StoreError};

pub use check::{Checked, Kind, Problem, check};

/// The folder of files; clones share it.
#[derive(Debug, Clone)]
pub struct Attachments {
    folder: PathBuf,
    /// Read for as long as a file waits for its commit, written by the sweep: it never takes a file on its way in.
    arriving: Arc<RwLock<()>>,
}

/// Files on the disk whose commit is still to come; dropped too early, the sweep may take them.
pub struct Arriving {
    /// As the message shows them, in the order in which they were sent.
    pub content: Vec<Content>,
    _arriving: OwnedRwLockReadGuard<()>,
}

impl Attachments {
    pub fn new(home: &Home) -> Self {
        Self { folder: home.attachments_dir(), arriving: Arc::default() }
    }

    /// Puts the files on the disk. What is there already is not written again.
    pub async fn put(&self, files: Vec<Checked>) -> Result<Arriving, StoreError> {
        let arriving = Arc::clone(&self.arriving).read_owned().await;
        let folder = self.folder.clone();
        let content = blocking(move || {
            let mut content = Vec::new();
            for file in files {
                write(&folder, &file.sha256, &file.bytes)?;
                let attached = Attached {
                    attachment_id: uuid::Uuid::now_v7().to_string(),
                    name: file.name,
                    mime_type: file.mime_type,
                    size_bytes: file.bytes.len() as u64,
                    sha256: file.sha256,
                };
                content.push(match file.kind {
                    Kind::Image => Content::Image(attached),
                    Kind::File => Content::File(attached),
                });
            }
            Ok(content)
        });
        let content = content.await.map_err(|error| StoreError::from_file(&error))?;
        Ok(Arriving { content, _arriving: arriving })
    }

    /// At most `length` bytes of a file from `offset` on.
    pub async fn read(&self, sha256: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let path = self.folder.join(sha256);
        blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
        .await
    }

    /// Removes the files that no message has; how many.
    pub async fn sweep(&self, store: &Store) -> Result<u64, StoreError> {
        let _nothing_arrives = self.arriving.write().await;
        let known = store.attached_contents().await?;
        let folder = self.folder.clone();
        blocking(move || remove_others(&folder, &known)).await.map_err(|error| StoreError::from_file(&error))
    }
}

/// Runs work with files beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write(folder: &Path, sha256: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(sha256);
    match fs::metadata(&path) {
        // It may be there only since a moment, and its name not yet on the disk.
        Ok(there) if there.len() == bytes.len() as u64 => home::sync_folder(&path),
        _ => home::write_private(&path, bytes),
    }
}

fn remove_others(folder: &Path, known: &HashSet<String>) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let named = entry.file_name().to_str().is_some_and(|name| known.contains(name));
        if !named && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
