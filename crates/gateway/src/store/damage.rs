//! A database that is damaged: found before anything of it changes, and moved aside with all that belongs to it, so that
//! the gateway starts and what could still be had from it is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Offline, StoreError};
use crate::clock::Clock;
use crate::home::{Home, hex, make_private_folder, sync_folder};

/// What SQLite keeps beside a database. A new database would take them for its own.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How the name of a folder begins that a damaged database was moved to.
const ASIDE: &str = "damaged-";

/// Finds damage with a connection that only reads: one that writes puts the log into the database when it closes, and
/// nothing would be as it was found. The caller holds the lock of the folder.
pub async fn look(path: &Path) -> Result<(), StoreError> {
    let log = size(&beside(path, "-wal"));
    // None yet, or one that was about to be made when the gateway ended: that is for a writer to go on with.
    if (size(path) == 0 && log == 0) || beside(path, "-journal").exists() {
        return Ok(());
    }
    let mut database = Offline::open(path, log == 0).await?;
    let schema = database.schema().await;
    // Waited for: its files may be about to be moved.
    let closed = database.close().await;
    schema.and(closed)
}

/// Whether a write-ahead log has lost the database that it belongs to. SQLite takes what is empty for a new database, and
/// removes the log.
pub fn lost_its_file(path: &Path) -> bool {
    size(path) == 0 && size(&beside(path, "-wal")) > 0
}

/// Moves a damaged database aside with what SQLite keeps beside it, and with the files of its messages: no message of a
/// new database has them, and they would be swept. Gives back the folder in which all of it lies as it was.
pub fn move_aside(home: &Home, clock: Clock) -> io::Result<PathBuf> {
    let folder = new_folder(&home.state_dir(), clock)?;
    let (database, attachments) = (home.db_path(), home.attachments_dir());
    // The files go first and the log goes after its database: wherever this is cut off, no sweep finds the files without
    // their messages, and no new database the log of the old one.
    let mut set = vec![attachments.clone(), database.clone()];
    set.extend(BESIDE.iter().map(|ending| beside(&database, ending)));
    for from in set {
        let Some(name) = from.file_name() else { continue };
        let to = folder.join(name);
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        sync_folder(&to)?;
        sync_folder(&from)?;
    }
    make_private_folder(&attachments)?;
    Ok(folder)
}

/// Where damaged databases of this home lie, oldest first.
pub fn moved_aside(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.state_dir()).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)));
    let mut folders: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    folders.sort_unstable();
    folders
}

fn new_folder(within: &Path, clock: Clock) -> io::Result<PathBuf> {
    let mut folder = within.join(format!("{ASIDE}{}", clock.stamp()));
    if folder.exists() {
        // A second one within the second.
        folder = within.join(format!("{ASIDE}{}-{}", clock.stamp(), hex(&rand::random::<[u8; 4]>())));
    }
    make_private_folder(&folder)?;
    Ok(folder)
}

/// A file that SQLite keeps beside a database.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Bytes of a file; 0 of what is none.
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map_or(0, |about| about.len())
}

#[cfg(all(test, unix))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::home::tests::{fresh, mode};
    use crate::store::Store;
    use crate::supervisor::Supervisor;

    async fn close(store: Store, supervisor: Supervisor) {
        store.close().await;
        assert!(supervisor.drain(std::time::Duration::from_secs(10)).await, "the store closes");
    }

    async fn open(home: &Home) -> Result<(Store, Supervisor), StoreError> {
        let (store, writer) = Store::open(&home.db_path()).await?;
        let supervisor = Supervisor::default();
        supervisor.spawn("store", writer);
        Ok((store, supervisor))
    }

    /// Every file of a folder with its bytes.
    fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(folder).expect("lists").map(|entry| entry.expect("an entry").path());
        let plain = entries.filter(|path| path.is_file());
        plain.map(|path| (path.file_name().expect("a name").into(), fs::read(&path).expect("reads"))).collect()
    }

    #[tokio::test]
    async fn damage_is_found_and_changes_nothing_and_moves_as_one() {
        type Break = fn(&Path);
        let cases: [(&str, Break); 4] = [
            ("not a database", |path| fs::write(path, "no database\n".repeat(500)).expect("writes")),
            ("malformed", |path| {
                let half = size(path) / 2;
                fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(half)).expect("cuts");
            }),
            ("malformed", |path| {
                let mut bytes = fs::read(path).expect("reads");
                bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x5a);
                fs::write(path, bytes).expect("writes");
            }),
            ("it is empty", |path| {
                fs::write(path, "").expect("writes");
                fs::write(beside(path, "-wal"), "a log").expect("writes");
            }),
        ];
        for (words, broken) in cases {
            let (_folder, home) = fresh();
            let (store, supervisor) = open(&home).await.expect("opens");
            close(store, supervisor).await;
            fs::write(home.attachments_dir().join("a"), "of a message").expect("writes");
            broken(&home.db_path());
            let before = files(&home.state_dir());
            let Err(error) = open(&home).await else { panic!("is damaged") };
            assert!(matches!(&error, StoreError::Damaged(why) if why.contains(words)), "{error:?}");
            assert_eq!(files(&home.state_dir()), before, "{words}");

            let folder = move_aside(&home, Clock).expect("moves");
            assert_eq!((moved_aside(&home), mode(&folder)), (vec![folder.clone()], 0o700));
            assert_eq!(files(&folder), before, "{words}");
            assert_eq!(fs::read_to_string(folder.join("attachments/a")).expect("is there"), "of a message");
            assert!(files(&home.state_dir()).is_empty() && files(&home.attachments_dir()).is_empty());
            let (store, supervisor) = open(&home).await.expect("a new one");
            close(store, supervisor).await;
            assert_ne!(move_aside(&home, Clock).expect("again"), folder);
        }
    }

    #[tokio::test]
    async fn what_is_no_damage_is_not_called_so() {
        let (_folder, home) = fresh();
        // A first start that was cut off has left an empty file.
        fs::write(home.db_path(), "").expect("writes");
        let (store, supervisor) = open(&home).await.expect("opens");
        // With a log beside it, as after a crash: nothing of what is in the database itself is needed.
        let log = fs::read(beside(&home.db_path(), "-wal")).expect("a log");
        assert!(!log.is_empty());
        let (_other, copy) = fresh();
        fs::write(beside(&copy.db_path(), "-wal"), log).expect("writes");
        fs::copy(home.db_path(), copy.db_path()).expect("copies");
        close(store, supervisor).await;
        let (store, supervisor) = open(&copy).await.expect("opens");
        close(store, supervisor).await;

        let (_folder, home) = fresh();
        fs::create_dir(home.db_path()).expect("makes");
        let Err(error) = open(&home).await else { panic!("no file") };
        assert!(matches!(error, StoreError::Sql(_)), "{error:?}");
    }
}
