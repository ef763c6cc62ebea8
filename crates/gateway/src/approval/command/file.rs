//! What a file is: its canonical path, its identity, and the hash of its content, read while it did not change.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::approval::action::FileId;
use crate::approval::show::escaped_path;
use crate::home::hex;

/// Largest program that is read, in bytes.
pub const MAX_PROGRAM_BYTES: u64 = 256 * 1024 * 1024;
/// Largest script.
pub const MAX_SCRIPT_BYTES: u64 = 16 * 1024 * 1024;
/// Longest first line of a script; kernels read 127 or 255 bytes of it.
const MAX_LINE: usize = 127;
/// Links on the way to a file; as many as Linux follows.
const MAX_LINKS: usize = 40;
/// Where commands look for temporary files of their own.
pub const TMP: &str = "/tmp";

/// Why a command cannot be run as it stands. What is quoted is escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("no program is named")]
    Blank,
    #[error("the command has 8 KiB or more, or too many words: put what is long into a file in the workspace")]
    TooLong,
    #[error("the command has a NUL byte")]
    Nul,
    #[error("there is no program `{0}`; name an installed one, or a file by its path")]
    NotFound(String),
    #[error("`{0}` is no folder to work in")]
    Folder(String),
    #[error("`{0}` is no file")]
    NotFile(String),
    #[error("`{0}` may not be executed")]
    NotExecutable(String),
    #[error("`{0}` runs with another user's rights (set-uid or set-gid), and is not started")]
    SetId(String),
    #[error("`{0}` is started by a program that its first line names, and that is none of the system; name that one")]
    Interpreter(String),
    #[error("`{0}` is larger than {1} MiB, and is not read")]
    TooLarge(String, u64),
    #[error("`{0}` changed while it was read; try again when nothing writes it")]
    Changing(String),
    #[error("the path of `{0}` is no text")]
    NotText(String),
    #[error("more than 32 files are among the arguments")]
    TooManyFiles,
    #[error("`{path}` cannot be read: {error}")]
    Unreadable { path: String, error: String },
}

/// A file, and what of it decides whether it may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    pub id: FileId,
    pub executable: bool,
    /// It would run with another user's or group's rights.
    pub set_id: bool,
    /// What stands behind `#!`: `Some(None)` where that line is too long or no text.
    pub shebang: Option<Option<String>>,
}

/// The canonical path of what is found at an absolute path by a command at whose `/tmp` stands the folder `tmp`. Links
/// lead where they lead for the command, so a name alone does not tell whether they pass through `/tmp`.
pub fn canonical(path: &Path, tmp: Option<&Path>) -> io::Result<PathBuf> {
    let Some(tmp) = tmp else { return fs::canonicalize(path) };
    let outside = |inside: &Path| match inside.strip_prefix(TMP) {
        Ok(rest) if rest.as_os_str().is_empty() => tmp.to_owned(),
        Ok(rest) => tmp.join(rest),
        Err(_) => inside.to_owned(),
    };
    let (mut inside, mut left, mut links) = (PathBuf::new(), parts(path), 0);
    while let Some(part) = left.pop() {
        if part == ".." {
            inside.pop();
            continue;
        }
        // The root, which a link may begin with, stands for all that was before it.
        inside.push(part);
        let place = outside(&inside);
        if !fs::symlink_metadata(&place)?.is_symlink() {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("there are too many links on the way"));
        }
        inside.pop();
        left.extend(parts(&fs::read_link(&place)?));
    }
    Ok(outside(&inside))
}

/// The last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

/// Follows links to the file, and reads it. `limit` in bytes.
pub fn identify(path: &Path, limit: u64) -> Result<Identified, Unresolved> {
    identify_while(path, limit, || ())
}

/// The same, with something that happens between reading and looking again.
pub(super) fn identify_while(path: &Path, limit: u64, meanwhile: impl FnOnce()) -> Result<Identified, Unresolved> {
    let shown = escaped_path(path);
    let unreadable = |error: io::Error| Unresolved::Unreadable { path: escaped_path(path), error: error.to_string() };
    let path = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unresolved::NotFound(shown.clone()),
        _ => unreadable(error),
    })?;
    if path.to_str().is_none() {
        return Err(Unresolved::NotText(shown));
    }
    // Before it is opened: opening some devices does something.
    if !fs::symlink_metadata(&path).map_err(unreadable)?.is_file() {
        return Err(Unresolved::NotFile(shown));
    }
    let mut file = open(&path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if !before.is_file() {
        return Err(Unresolved::NotFile(shown));
    }
    if before.len() > limit {
        return Err(Unresolved::TooLarge(shown, limit / (1024 * 1024)));
    }
    let (size, sha256, head) = read(&mut file, limit).map_err(unreadable)?;
    meanwhile();
    let after = file.metadata().map_err(unreadable)?;
    let there = fs::symlink_metadata(&path).map_err(|_| Unresolved::Changing(shown.clone()))?;
    if size != before.len() || stamp(&before) != stamp(&after) || stamp(&before) != stamp(&there) {
        return Err(Unresolved::Changing(shown));
    }
    let (device, inode) = numbers(&before);
    Ok(Identified {
        executable: is_executable(&before),
        set_id: is_set_id(&before),
        shebang: shebang(&head),
        id: FileId { path, device, inode, size, sha256 },
    })
}

/// Size, hash, and the first bytes. Reads one byte beyond the limit at most.
fn read(file: &mut File, limit: u64) -> io::Result<(u64, String, Vec<u8>)> {
    let mut hash = Sha256::new();
    let mut head = Vec::new();
    let mut size = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut file = file.take(limit.saturating_add(1));
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hex(&hash.finalize()), head)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = buffer.get(..count).unwrap_or_default();
        if head.is_empty() {
            head.extend(part.iter().take(MAX_LINE + 3));
        }
        hash.update(part);
        size += count as u64;
    }
}

/// Neither waits for the other end of a pipe nor follows a link that was put there meanwhile.
fn open(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use nix::fcntl::OFlag;
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits());
    }
    options.open(path)
}

/// What differs once a file was written, replaced, or given other rights.
#[cfg(unix)]
fn stamp(about: &Metadata) -> impl PartialEq + use<> {
    use std::os::unix::fs::MetadataExt as _;
    let times = (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec());
    (about.dev(), about.ino(), about.len(), about.mode(), times)
}

#[cfg(not(unix))]
fn stamp(about: &Metadata) -> impl PartialEq + use<> {
    (about.len(), about.modified().ok(), about.permissions().readonly())
}

#[cfg(unix)]
fn numbers(about: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (about.dev(), about.ino())
}

#[cfg(not(unix))]
fn numbers(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(unix)]
pub(super) fn is_executable(about: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
pub(super) fn is_executable(_: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn is_set_id(about: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o6000 != 0
}

#[cfg(not(unix))]
fn is_set_id(_: &Metadata) -> bool {
    false
}

fn shebang(head: &[u8]) -> Option<Option<String>> {
    let line = head.strip_prefix(b"#!")?;
    let end = line.iter().position(|byte| *byte == b'\n').or((line.len() < MAX_LINE).then_some(line.len()));
    let text = end.and_then(|end| std::str::from_utf8(line.get(..end)?).ok());
    // A carriage return, or anything else that cannot be seen, would be part of a name.
    Some(text.filter(|text| !text.contains(|sign: char| sign.is_control() && sign != '\t')).map(str::to_owned))
}

/// By the name that it was called by, its first bytes, or its rights.
pub(super) fn looks_like_a_script(named: &Path, path: &Path) -> bool {
    const ENDINGS: [&str; 38] = [
        "ash", "awk", "bash", "bat", "bin", "cjs", "clj", "cmd", "csh", "cts", "exs", "fish", "groovy", "jar", "js",
        "jsx", "jl", "ksh", "lua", "mjs", "mts", "php", "pl", "pm", "ps1", "py", "pyc", "pyz", "r", "rb", "sed", "sh",
        "so", "tcl", "ts", "tsx", "wasm", "zsh",
    ];
    let ending = named.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let by_rights = || cfg!(unix) && fs::metadata(path).is_ok_and(|about| is_executable(&about));
    let by_start = || {
        let mut start = [0; 2];
        open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
    };
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) || by_rights() || by_start()
}
