//! The folders for temporary files of commands: one for each session, `state/temp/<session id>`, which no other session
//! sees. A reset gives a session another id, and so an empty folder. What a session no longer has, or has not used for
//! long, is swept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Failed;
use crate::home::{Home, hex, make_private_folder};
use crate::store::{Store, StoreError};

#[derive(Debug, Clone)]
pub struct Temp {
    folder: PathBuf,
}

impl Temp {
    pub fn new(home: &Home) -> Self {
        Self { folder: home.temp_dir() }
    }

    /// The canonical folder of a session, made where it is missing. Blocks.
    pub fn of(&self, session_id: &str) -> Result<PathBuf, Failed> {
        let folder = self.folder.join(session_id);
        make_private_folder(&folder).map_err(|error| Failed(error.to_string()))?;
        folder.canonicalize().map_err(|error| Failed(format!("the folder for temporary files: {error}")))
    }

    /// Removes the folders of all sessions in which nothing has happened since then; how many.
    pub async fn sweep(&self, store: &Store, since: i64) -> Result<u64, StoreError> {
        let folder = self.folder.clone();
        // Listed first: the folder of a session that begins from now on is not among them.
        let mut unused = blocking(move || folders(&folder)).await?;
        let used = store.session_ids_since(since).await?;
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        unused.retain(|path| name(path).is_none_or(|name| !used.contains(&name)));
        blocking(move || {
            let mut removed = 0;
            for folder in unused {
                removed += u64::from(is_swept(&folder));
            }
            Ok(removed)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| StoreError::from_file(&error))
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// One that cannot be removed does not keep the others.
fn is_swept(folder: &Path) -> bool {
    // Under another name first: a session that wakes up just now gets a new folder, and not one that vanishes.
    let away = folder.with_file_name(unused_name());
    let removed = fs::rename(folder, &away).and_then(|()| remove(&away));
    if let Err(error) = &removed {
        tracing::warn!(target: "diagnostic", source = "maintenance", code = "temp.left", "{} cannot be removed: {error}", away.display());
    }
    removed.is_ok()
}

fn unused_name() -> String {
    hex(&rand::random::<[u8; 16]>())
}

/// Removes a folder and all that commands have put there: also what they took their own rights to away from, and
/// folders in folders that are deeper than a path is long. Follows no link.
fn remove(folder: &Path) -> io::Result<()> {
    open_up(folder)?;
    loop {
        let mut empty = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            empty = false;
            match entry.file_type()?.is_dir() {
                true => flatten(&entry.path(), folder)?,
                false => fs::remove_file(entry.path())?,
            }
        }
        if empty {
            return fs::remove_dir(folder);
        }
    }
}

/// Removes a folder in `top`; those in it come to lie in `top` themselves, so that nothing here grows with their depth.
fn flatten(folder: &Path, top: &Path) -> io::Result<()> {
    open_up(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            // A folder that gets another parent has to be writable itself.
            open_up(&path)?;
            fs::rename(&path, top.join(unused_name()))?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    fs::remove_dir(folder)
}

fn open_up(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use simpleclaw_protocol::session::SessionKey;

    use super::*;
    use crate::home::tests::{fresh, mode};
    use crate::store::session::ensure;
    use crate::supervisor::Supervisor;

    #[test]
    fn a_session_has_one_of_its_own() {
        let (_folder, home) = fresh();
        let temp = Temp::new(&home);
        let [a, b] = ["a", "b"].map(|id| temp.of(id).expect("a folder"));
        assert_ne!(a, b);
        assert_eq!((mode(&a), mode(a.parent().expect("a parent"))), (0o700, 0o700));
        fs::write(a.join("file"), "x").expect("writes");
        assert_eq!(temp.of("a").expect("the same"), a);
        assert!(a.join("file").exists());
    }

    /// Whatever a command did to it.
    #[test]
    fn all_of_it_can_be_removed() {
        let (_folder, home) = fresh();
        let folder = Temp::new(&home).of("a").expect("a folder");
        let kept = home.path().join("kept");
        fs::create_dir(&kept).expect("makes");
        fs::write(kept.join("file"), "x").expect("writes");
        symlink(&kept, folder.join("link")).expect("links");
        fs::create_dir_all(folder.join("locked/in/it")).expect("makes");
        symlink(&kept, folder.join("locked/in/link")).expect("links");
        fs::write(folder.join("locked/in/it/file"), "x").expect("writes");
        // From the inside to the outside: each new folder goes around the one before.
        fs::create_dir(folder.join("deep")).expect("makes");
        for _ in 0..5_000 {
            fs::create_dir(folder.join("around")).expect("makes");
            fs::rename(folder.join("deep"), folder.join("around/in")).expect("renames");
            fs::rename(folder.join("around"), folder.join("deep")).expect("renames");
        }
        for (path, mode) in [("locked/in/it", 0o000), ("locked/in", 0o555), ("locked", 0o000), ("", 0o000)] {
            fs::set_permissions(folder.join(path), fs::Permissions::from_mode(mode)).expect("sets");
        }
        assert!(is_swept(&folder));
        assert_eq!(fs::read_dir(home.temp_dir()).expect("lists").count(), 0);
        assert!(kept.join("file").exists());
    }

    #[tokio::test]
    async fn what_no_session_uses_is_swept() {
        let (_folder, home) = fresh();
        let temp = Temp::new(&home);
        let (store, writer) = Store::open(&home.db_path()).await.expect("opens");
        let supervisor = Supervisor::default();
        supervisor.spawn("store", writer);
        assert_eq!(temp.sweep(&store, 0).await.expect("there is nothing"), 0);
        let key = SessionKey::Main { agent: "main".to_owned() };
        let name = key.to_string();
        let made = store.write(move |tx| Box::pin(async move { ensure(tx, &key, "Main", 1_000).await }));
        assert!(made.await.expect("writes"));
        let session = store.session(&name).await.expect("reads").expect("is there");
        let used = temp.of(&session.session_id).expect("a folder");
        temp.of("of a session before its reset").expect("a folder");
        fs::write(used.join("file"), "x").expect("writes");
        assert_eq!(temp.sweep(&store, 1_000).await.expect("sweeps"), 1);
        assert!(used.join("file").exists());
        assert_eq!(temp.sweep(&store, 1_001).await.expect("sweeps"), 1);
        assert_eq!(fs::read_dir(home.temp_dir()).expect("lists").count(), 0);
        store.close().await;
        assert!(supervisor.drain(std::time::Duration::from_secs(10)).await, "the store closes");
    }
}
