//! The lock that keeps a second gateway out of a home, and what its holder tells clients of this machine.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Home;

/// More than this in the file is not ours.
const MAX_BYTES: u64 = 4096;

impl Home {
    /// Takes the lock of the one gateway that may run here, for as long as the answer lives.
    #[expect(clippy::disallowed_methods, reason = "once, at start, before anything runs")]
    pub fn lock(&self) -> Result<HomeLock, LockError> {
        let path = self.lock_path();
        let failed = |source| LockError { owner: None, source: Some(source), path: path.clone() };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        // A reader that looks whether the lock is held holds it for a moment itself: that is no second gateway.
        for attempt in 0..10 {
            match file.try_lock() {
                Ok(()) => {
                    let lock = HomeLock { file };
                    // What a gateway that was killed has left is not ours.
                    lock.file.set_len(0).map_err(failed)?;
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) if attempt < 9 => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError { owner: read_lock_file(&file), source: None, path })
    }

    /// What a running gateway published. `None` where none runs, or it has not come that far yet.
    pub fn read_lock(&self) -> Option<LockFile> {
        let file = File::open(self.lock_path()).ok()?;
        // A gateway that stopped cleanly left nothing, which needs no look at the lock.
        if file.metadata().ok()?.len() == 0 {
            return None;
        }
        match file.try_lock_shared() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => read_lock_file(&file),
            Err(TryLockError::Error(_)) => None,
        }
    }
}

/// What `gateway.lock` holds while a gateway runs, as one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockFile {
    pub pid: u32,
    /// Where clients of this machine connect.
    pub url: String,
    pub boot_id: String,
}

/// The lock on a home. Dropping it empties the file and lets the next gateway in; a crash does the latter.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
}

impl HomeLock {
    /// Tells clients of this machine where the gateway is.
    pub fn publish(&self, content: &LockFile) -> io::Result<()> {
        let text = serde_json::to_string(content)?;
        self.file.set_len(0)?;
        (&self.file).rewind()?;
        (&self.file).write_all(text.as_bytes())?;
        self.file.sync_all()
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Where it fails, readers still see that nobody holds the lock.
        let _ = self.file.set_len(0);
    }
}

/// Why the lock was not taken: another gateway runs here (`source` is `None`), or the file gave an error.
#[derive(Debug)]
pub struct LockError {
    /// Who holds it, as far as they have said.
    pub owner: Option<LockFile>,
    pub source: Option<io::Error>,
    path: PathBuf,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, &self.owner) {
            (Some(source), _) => write!(f, "cannot lock {}: {source}", self.path.display()),
            (None, Some(owner)) => {
                write!(f, "a gateway already runs here: process {}, at {}", owner.pid, owner.url)
            }
            (None, None) => write!(f, "a gateway already starts or stops here: {} is locked", self.path.display()),
        }
    }
}

impl std::error::Error for LockError {}

fn read_lock_file(mut file: &File) -> Option<LockFile> {
    file.rewind().ok()?;
    serde_json::from_reader(file.take(MAX_BYTES)).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::home::tests::fresh;

    #[test]
    fn one_gateway_at_a_time() {
        let (_folder, home) = fresh();
        let lock = home.lock().expect("takes");
        assert_eq!(home.read_lock(), None, "nothing published yet");
        assert_eq!(home.lock().expect_err("is taken").owner, None);

        let long = LockFile { pid: 7, url: format!("http://{}:1", "h".repeat(99)), boot_id: "b0".into() };
        let short = LockFile { pid: 8, url: "http://127.0.0.1:1".into(), boot_id: "b1".into() };
        lock.publish(&long).expect("writes");
        lock.publish(&short).expect("writes less than before");
        assert_eq!(home.read_lock().as_ref(), Some(&short));
        let error = home.lock().expect_err("is taken");
        assert_eq!(error.to_string(), "a gateway already runs here: process 8, at http://127.0.0.1:1");
        assert_eq!(error.owner, Some(short));

        drop(lock);
        assert_eq!(fs::read_to_string(home.lock_path()).expect("is there"), "");
        assert_eq!(home.read_lock(), None);
        home.lock().expect("free again");
    }

    #[test]
    fn what_a_killed_gateway_left_is_not_believed() {
        let (_folder, home) = fresh();
        fs::write(home.lock_path(), r#"{"pid":1,"url":"http://127.0.0.1:1","bootId":"old"}"#).expect("writes");
        assert_eq!(home.read_lock(), None);
        let lock = home.lock().expect("takes");
        assert_eq!(home.lock().expect_err("is taken").owner, None, "the old content is gone");
        drop(lock);
    }

    #[test]
    fn readers_do_not_keep_a_gateway_from_starting() {
        let (_folder, home) = fresh();
        let done = std::sync::atomic::AtomicBool::new(false);
        let (home, done) = (&home, &done);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = home.read_lock();
                    std::thread::yield_now();
                }
            });
            let all = (0..50).all(|_| fs::write(home.lock_path(), "stale").is_ok() && home.lock().is_ok());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(all);
        });
    }
}
