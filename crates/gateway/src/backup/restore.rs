//! Putting a backup in the place of a home: all of it, checked before anything of the old one moves, or nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::archive::{self, Entry, MAX_BYTES, damaged, unreadable};
use super::manifest::Manifest;
use super::{BackupError, DATABASE, cannot, check_database, private_file, private_folder};
use crate::clock::Clock;
use crate::home::{Home, hex, sync_folder};
use crate::process::free_space;
use crate::store::{StoreError, newest_schema};

/// What a restore leaves free on the disk.
const RESERVE: u64 = 64 << 20;

/// A home that came out of a backup.
#[derive(Debug)]
pub struct Restored {
    pub home: PathBuf,
    /// Where the home that was there before is now.
    pub aside: Option<PathBuf>,
    pub manifest: Manifest,
}

/// Reads all of a backup: every file against its hash, and every page of the database, for which a copy of it is made in
/// the folder for temporary files. Changes nothing else.
pub async fn verify(file: &Path) -> Result<Manifest, BackupError> {
    let work = private_folder(&std::env::temp_dir())?;
    let copy = work.path().join("gateway.db");
    let room = room(work.path());
    let manifest = archive::read(file, MAX_BYTES, &mut |entry| match entry.path {
        DATABASE if entry.size_bytes > room => Err(BackupError::Refused(format!(
            "there is no room for its database in {}; name another folder in TMPDIR",
            std::env::temp_dir().display()
        ))),
        DATABASE => unpack(&copy, entry.executable, entry.content),
        _ => Ok(()),
    })?;
    check(&copy, &manifest).await?;
    Ok(manifest)
}

/// Unpacks a backup beside the home, checks it, and puts it in the home's place. A home with anything in it is moved
/// aside as a whole, and only with `force`.
pub async fn restore(home: &Home, file: &Path, force: bool) -> Result<Restored, BackupError> {
    // Where the home is a link to where it really is, that place is meant.
    let path = fs::canonicalize(home.path()).unwrap_or_else(|_| home.path().to_owned());
    if let Some(owner) = home.read_lock() {
        let words = format!("a gateway runs here: process {}, at {}; stop it first", owner.pid, owner.url);
        return Err(BackupError::Refused(words));
    }
    let occupied = match fs::read_dir(&path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(cannot("list", &path)(error)),
    };
    if occupied && !force {
        let words = format!("{} is not empty: with --force it is moved aside as a whole first", path.display());
        return Err(BackupError::Refused(words));
    }
    // Held until the end, so that no gateway starts in what is about to move.
    let lock = match occupied {
        true => Some(home.lock().map_err(|error| BackupError::Refused(error.to_string()))?),
        false => None,
    };
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(cannot("make the folder", parent))?;
    let work = private_folder(parent)?;
    let new = work.path().join("home");
    make_folder(&new).map_err(cannot("make the folder", &new))?;

    let mut folders = BTreeSet::from([new.clone()]);
    let manifest = archive::read(file, room(parent), &mut |entry: Entry| {
        let target = new.join(entry.path);
        if let Some(folder) = target.parent() {
            make_folder(folder).map_err(cannot("make the folder", folder))?;
            folders.extend(folder.ancestors().take_while(|folder| folder.starts_with(&new)).map(Path::to_owned));
        }
        unpack(&target, entry.executable, entry.content)
    })?;
    check(&new.join(DATABASE), &manifest).await?;
    for folder in &folders {
        // What it names; the files themselves are on the disk already.
        sync_folder(&folder.join("x")).map_err(cannot("write", folder))?;
    }
    // There, a folder with an open file in it does not move.
    let lock = lock.filter(|_| !cfg!(windows));
    let aside = take_place(&new, &path, occupied)?;
    drop(lock);
    Ok(Restored { home: path, aside, manifest })
}

/// How much may be written where `path` is.
fn room(path: &Path) -> u64 {
    free_space(path).map_or(MAX_BYTES, |free| free.saturating_sub(RESERVE).min(MAX_BYTES))
}

/// The database, and whether this program can use it.
async fn check(database: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    if !database.exists() {
        return match manifest.schema {
            0 => Ok(()),
            _ => Err(damaged("its database is missing")),
        };
    }
    let schema = check_database(database).await?;
    if schema != manifest.schema {
        return Err(damaged("its database is another than its manifest says"));
    }
    match schema > newest_schema() {
        true => Err(StoreError::Newer(format!("schema {schema}")).into()),
        false => Ok(()),
    }
}

/// Folders down to this one, for this user alone.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes one file to the disk. It must not be there: two of one name are one too many.
fn unpack(target: &Path, executable: bool, content: &mut dyn Read) -> Result<(), BackupError> {
    let mut file = private_file(target, executable).map_err(cannot("write", target))?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        file.write_all(chunk.get(..count).unwrap_or_default()).map_err(cannot("write", target))?;
    }
    file.sync_all().map_err(cannot("write", target))
}

/// Puts the new folder where the home is; where the old one went.
fn take_place(new: &Path, home: &Path, occupied: bool) -> Result<Option<PathBuf>, BackupError> {
    let moved = |from: &Path, to: &Path| fs::rename(from, to).map_err(cannot("move", from));
    if !occupied {
        // An empty folder gives way; one that is no longer empty, or no folder, refuses the move below.
        let _ = fs::remove_dir(home);
        moved(new, home)?;
        sync_folder(home).map_err(cannot("write beside", home))?;
        return Ok(None);
    }
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(format!(".before-restore-{}", Clock.stamp()));
    let mut aside = home.with_file_name(&name);
    if aside.exists() {
        // A second restore within the second.
        name.push(format!("-{}", hex(&rand::random::<[u8; 4]>())));
        aside = home.with_file_name(&name);
    }
    // The new one takes the name that the old one gets, so that one swap puts both where they belong. Nothing of the old
    // one ever lies in the folder that is removed at the end.
    moved(new, &aside)?;
    if !exchange(&aside, home) {
        moved(&aside, new)?;
        moved(home, &aside)?;
        if let Err(error) = moved(new, home) {
            moved(&aside, home)?;
            return Err(error);
        }
    }
    sync_folder(home).map_err(cannot("write beside", home))?;
    Ok(Some(aside))
}

/// Swaps two folders in one step, so that at every moment one of them is the home; whether that worked.
fn exchange(new: &Path, home: &Path) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        renameat2(AT_FDCWD, new, AT_FDCWD, home, RenameFlags::RENAME_EXCHANGE).is_ok()
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = (new, home);
        false
    }
}
