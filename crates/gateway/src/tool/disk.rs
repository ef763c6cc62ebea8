//! Files opened by name without following a link anywhere on the way, and only plain ones: no devices, no pipes.
//!
//! `place` has said what a name stands for; between that and the opening the name may come to stand for something else,
//! and then the opening fails. All of this blocks.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Failed;
use super::place::{Place, Places};
use crate::home::hex;

/// Largest file that is read whole, in bytes.
pub const MAX_FILE: u64 = 8 * 1024 * 1024;

/// A file as a tool found it.
pub struct Found {
    pub bytes: Vec<u8>,
    /// Hex.
    pub sha256: String,
}

/// What stands in a folder.
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// In bytes; of plain files.
    pub size: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// Opens a plain file for reading.
pub fn open(places: &Places, place: &Place) -> Result<File, Failed> {
    let file = sys::open(&place.path).map_err(|error| said(places, &place.path, &error))?;
    let about = file.metadata().map_err(|error| said(places, &place.path, &error))?;
    plain(places, &place.path, &about)?;
    Ok(file)
}

/// Reads a plain file whole.
pub fn read(places: &Places, place: &Place) -> Result<Found, Failed> {
    let file = open(places, place)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| said(places, &place.path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failed(format!(
            "{} is larger than {} MiB; look at parts of it with a command",
            places.shown(&place.path),
            MAX_FILE / 1024 / 1024
        )));
    }
    let sha256 = sha256(&bytes);
    Ok(Found { bytes, sha256 })
}

/// The same, or `None` where there is no file yet.
pub fn read_if_there(places: &Places, place: &Place) -> Result<Option<Found>, Failed> {
    match sys::open(&place.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(places, place).map(Some),
    }
}

/// Puts `content` in the place of a file, whole or not at all, on the disk when this returns. One that is there keeps
/// its mode. `before` is the hash of what is to be there, or `None` for nothing: anything else fails. Folders on the
/// way are made in the workspace, and nowhere else.
pub fn replace(places: &Places, place: &Place, before: Option<&str>, content: &[u8]) -> Result<(), Failed> {
    let now = read_if_there(places, place)?;
    if now.as_ref().map(|found| found.sha256.as_str()) != before {
        return Err(Failed(format!(
            "{} was changed by somebody else in the meantime and is left as it is; read it again first",
            places.shown(&place.path)
        )));
    }
    if place.inside {
        sys::make_folders(places.workspace(), &place.path).map_err(|error| said(places, &place.path, &error))?;
    }
    sys::replace(&place.path, content).map_err(|error| said(places, &place.path, &error))
}

/// What stands in a folder, at most `limit` entries in no order; whether there are more.
pub fn list(places: &Places, place: &Place, limit: usize) -> Result<(Vec<Entry>, bool), Failed> {
    sys::list(&place.path, limit).map_err(|error| said(places, &place.path, &error))
}

/// Hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// As UTF-8; binary files are none for a model.
pub fn text(places: &Places, path: &Path, bytes: Vec<u8>) -> Result<String, Failed> {
    let length = bytes.len();
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(|| {
        Failed(format!("{} is no text in UTF-8 ({length} bytes); look at it with a command", places.shown(path)))
    })
}

/// Refuses what is no plain file, and a second name of one of the gateway's own.
fn plain(places: &Places, path: &Path, about: &Metadata) -> Result<(), Failed> {
    if about.is_dir() {
        return Err(Failed(format!("{} is a folder; `list` shows what is in it", places.shown(path))));
    }
    if !about.is_file() {
        return Err(Failed(format!("{} is a device or a pipe, not a plain file", places.shown(path))));
    }
    if sys::is_second_name(about) && places.own_files().iter().any(|own| sys::same(about, own)) {
        return Err(Failed(format!("{} is another name of a file of the gateway's own", places.shown(path))));
    }
    Ok(())
}

fn said(places: &Places, path: &Path, error: &io::Error) -> Failed {
    let path = places.shown(path);
    Failed(match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {path}; `list` shows what there is"),
        io::ErrorKind::PermissionDenied => format!("{path}: permission denied"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("{path}: the disk is full"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{path} is on a disk that cannot be written"),
        io::ErrorKind::NotADirectory => format!("{path}: a part of this path is no folder"),
        _ if sys::is_link_error(error) => format!("{path}: a part of this path became a link, which is not followed"),
        _ => format!("{path}: {error}"),
    })
}

#[cfg(unix)]
mod sys {
    use std::ffi::{OsStr, OsString};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Component;

    use nix::dir::Dir;
    use nix::errno::Errno;
    use nix::fcntl::{AtFlags, OFlag, openat, renameat};
    use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
    use nix::unistd::{UnlinkatFlags, unlinkat};

    use super::*;

    /// To pass through a folder without a right to list it.
    #[cfg(target_os = "linux")]
    const PASS: OFlag = OFlag::O_PATH;
    #[cfg(not(target_os = "linux"))]
    const PASS: OFlag = OFlag::O_RDONLY;

    fn folder_flags() -> OFlag {
        PASS | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
    }

    /// The folder that a canonical path stands in, reached name by name, and its last name.
    fn parent(path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let mut names: Vec<&OsStr> = Vec::new();
        for part in path.components() {
            match part {
                Component::RootDir => {}
                Component::Normal(name) => names.push(name),
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        let last = names.pop().unwrap_or(OsStr::new("."));
        let mut folder = nix::fcntl::open("/", folder_flags(), Mode::empty())?;
        for name in names {
            folder = openat(folder.as_fd(), name, folder_flags(), Mode::empty())?;
        }
        Ok((folder, last.to_owned()))
    }

    pub fn open(path: &Path) -> io::Result<File> {
        let (folder, name) = parent(path)?;
        // A pipe without a writer would be waited for.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        Ok(openat(folder, name.as_os_str(), flags, Mode::empty())?.into())
    }

    /// Makes the folders between the workspace and a path in it.
    pub fn make_folders(workspace: &Path, path: &Path) -> io::Result<()> {
        let between = path.parent().and_then(|folder| folder.strip_prefix(workspace).ok());
        let Some(between) = between else { return Ok(()) };
        let (folder, name) = parent(workspace)?;
        let mut folder = openat(folder, name.as_os_str(), folder_flags(), Mode::empty())?;
        for part in between.components() {
            let Component::Normal(name) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
            match mkdirat(folder.as_fd(), name, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = openat(folder.as_fd(), name, folder_flags(), Mode::empty())?;
        }
        Ok(())
    }

    pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
        let (folder, name) = parent(path)?;
        let mode = match fstatat(folder.as_fd(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            // Without the bits that run a program as somebody else.
            Ok(about) => {
                Some(Mode::from_bits_truncate(about.st_mode) & (Mode::S_IRWXU | Mode::S_IRWXG | Mode::S_IRWXO))
            }
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error.into()),
        };
        // Short, because the name may be as long as a name can be.
        let temporary = OsString::from(format!(".{}.tmp", hex(&rand::random::<[u8; 8]>())));
        let written = fill(&folder, &temporary, mode, content)
            .and_then(|()| Ok(renameat(folder.as_fd(), temporary.as_os_str(), folder.as_fd(), name.as_os_str())?));
        if let Err(error) = written {
            // It may not have come to be.
            let _ = unlinkat(folder.as_fd(), temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
            return Err(error);
        }
        let listed = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        File::from(openat(folder.as_fd(), ".", listed, Mode::empty())?).sync_all()
    }

    fn fill(folder: &OwnedFd, name: &OsStr, mode: Option<Mode>, content: &[u8]) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(folder.as_fd(), name, flags, Mode::from_bits_truncate(0o644))?);
        file.write_all(content)?;
        if let Some(mode) = mode {
            fchmod(&file, mode)?;
        }
        file.sync_all()
    }

    pub fn list(path: &Path, limit: usize) -> io::Result<(Vec<Entry>, bool)> {
        let (folder, name) = parent(path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = openat(folder, name.as_os_str(), flags, Mode::empty())?;
        let mut reader = Dir::from_fd(folder.try_clone()?)?;
        let mut entries = Vec::new();
        for entry in reader.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if entries.len() == limit {
                return Ok((entries, true));
            }
            // Gone since it was listed.
            let Ok(about) = fstatat(folder.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            let kind = kind(&about);
            let size = (kind == Kind::File).then_some(about.st_size.unsigned_abs());
            entries.push(Entry { name: OsStr::from_bytes(name.to_bytes()).to_string_lossy().into_owned(), kind, size });
        }
        Ok((entries, false))
    }

    fn kind(about: &FileStat) -> Kind {
        let format = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT;
        if format == SFlag::S_IFREG {
            Kind::File
        } else if format == SFlag::S_IFDIR {
            Kind::Folder
        } else if format == SFlag::S_IFLNK {
            Kind::Link
        } else {
            Kind::Other
        }
    }

    pub fn is_second_name(about: &Metadata) -> bool {
        about.nlink() > 1
    }

    pub fn same(about: &Metadata, own: &Path) -> bool {
        own.symlink_metadata().is_ok_and(|own| (own.dev(), own.ino()) == (about.dev(), about.ino()))
    }

    pub fn is_link_error(error: &io::Error) -> bool {
        error.raw_os_error() == Some(Errno::ELOOP as i32)
    }
}

/// Without descriptors of folders: the path is looked at again right before it is opened.
#[cfg(not(unix))]
mod sys {
    use super::*;

    fn unchanged(path: &Path) -> io::Result<()> {
        match path.canonicalize() {
            Ok(now) if now == path => Ok(()),
            Ok(_) => Err(io::Error::other("a part of this path became a link")),
            Err(error) => Err(error),
        }
    }

    pub fn open(path: &Path) -> io::Result<File> {
        unchanged(path)?;
        File::open(path)
    }

    pub fn make_folders(_workspace: &Path, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)
    }

    pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
        path.parent().map_or(Ok(()), unchanged)?;
        crate::home::replace(path, content)?;
        crate::home::sync_folder(path)
    }

    pub fn list(path: &Path, limit: usize) -> io::Result<(Vec<Entry>, bool)> {
        unchanged(path)?;
        let mut entries = Vec::new();
        for entry in path.read_dir()? {
            let entry = entry?;
            if entries.len() == limit {
                return Ok((entries, true));
            }
            let about = entry.metadata()?;
            let kind = match about.file_type() {
                kind if kind.is_symlink() => Kind::Link,
                kind if kind.is_dir() => Kind::Folder,
                kind if kind.is_file() => Kind::File,
                _ => Kind::Other,
            };
            let size = (kind == Kind::File).then_some(about.len());
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind, size });
        }
        Ok((entries, false))
    }

    pub fn is_second_name(_about: &Metadata) -> bool {
        false
    }

    pub fn same(_about: &Metadata, _own: &Path) -> bool {
        false
    }

    pub fn is_link_error(_error: &io::Error) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn places() -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        fs::create_dir_all(home.join("agents/main/workspace")).expect("folders");
        fs::write(home.join("secrets.yaml"), "canary").expect("a file");
        let places = Places::of(&home.join("agents/main/workspace"), &home).expect("places");
        (folder, places)
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let (_folder, places) = places();
        let place = places.find("a/b/notes.txt").expect("a place");
        replace(&places, &place, None, b"one").expect("writes");
        fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).expect("sets");
        let found = read(&places, &place).expect("reads");
        assert_eq!(found.bytes, b"one");
        replace(&places, &place, Some(&found.sha256), b"two").expect("writes");
        assert_eq!(fs::read(&place.path).expect("reads"), b"two");
        assert_eq!(fs::metadata(&place.path).expect("there").permissions().mode() & 0o777, 0o640);
        // Neither over what came in between, nor where it was to be new.
        for before in [Some(found.sha256.as_str()), None] {
            let failed = replace(&places, &place, before, b"three").expect_err("is refused");
            assert!(failed.0.contains("changed by somebody else"), "{failed}");
        }
        assert_eq!(fs::read(&place.path).expect("reads"), b"two");
        let left: Vec<_> = fs::read_dir(places.workspace().join("a/b")).expect("lists").collect();
        assert_eq!(left.len(), 1, "no temporary file is left behind");
    }

    /// A link that is put in the place of a folder after it was found leads nowhere.
    #[test]
    fn what_became_a_link_is_not_followed() {
        let (folder, places) = places();
        fs::create_dir(places.workspace().join("sub")).expect("a folder");
        fs::write(places.workspace().join("sub/file"), "x").expect("a file");
        let place = places.find("sub/file").expect("a place");
        let outside = folder.path().join("outside");
        fs::rename(places.workspace().join("sub"), &outside).expect("moves");
        symlink(&outside, places.workspace().join("sub")).expect("a link");
        assert!(open(&places, &place).is_err());
        let new = Place { path: places.workspace().join("sub/new"), inside: true };
        assert!(replace(&places, &new, None, b"x").is_err());
        assert!(!outside.join("new").exists());
        let listed = Place { path: places.workspace().join("sub"), inside: true };
        assert!(list(&places, &listed, 10).is_err());
    }

    #[test]
    fn only_plain_files_of_the_agents_own_are_opened() {
        let (folder, places) = places();
        nix::unistd::mkfifo(&places.workspace().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let secrets = folder.path().join("home/secrets.yaml");
        fs::hard_link(secrets, places.workspace().join("second-name")).expect("a second name");
        for (name, words) in [("pipe", "not a plain file"), (".", "is a folder"), ("second-name", "gateway's own")] {
            let place = places.find(name).expect("a place");
            let failed = read(&places, &place).err().unwrap_or_else(|| panic!("{name} is read"));
            assert!(failed.0.contains(words), "{name}: {failed}");
        }
        let failed = read(&places, &places.find("none").expect("a place")).err().expect("is not there");
        assert!(failed.0.contains("there is no none"), "{failed}");
    }

    #[test]
    fn a_folder_is_listed_with_what_links_are() {
        let (_folder, places) = places();
        fs::write(places.workspace().join("file"), "four").expect("a file");
        fs::create_dir(places.workspace().join("folder")).expect("a folder");
        symlink("/etc", places.workspace().join("link")).expect("a link");
        let (mut entries, more) = list(&places, &places.find(".").expect("a place"), 10).expect("lists");
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let told: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.size)).collect();
        let expected = [("file", Kind::File, Some(4)), ("folder", Kind::Folder, None), ("link", Kind::Link, None)];
        assert_eq!(told, expected);
        assert!(!more);
        assert!(list(&places, &places.find(".").expect("a place"), 2).expect("lists").1);
    }
}
