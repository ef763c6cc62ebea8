//! Holding on to exactly what was approved.
//!
//! A path can lead elsewhere a moment later, and an open descriptor still shows new bytes after an overwrite in place. So
//! each file is opened once, without following any link, and compared with what was approved; what this user could
//! change is copied while it is read, into memory that is sealed. Only that is run.
//!
//! Not frozen: libraries, what a script reads by itself, the interpreter that a script's first line names.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::fs;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::approval::action::{Action, FileId, What};
use crate::approval::command::canonical;
use crate::home::hex;

/// A larger program or script is refused where it would have to be copied.
const MAX_COPY: u64 = 512 << 20;
/// Script files of one command.
const MAX_FILES: usize = 32;

/// What is there is not what was approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {how}")]
pub struct Changed {
    /// A path, or what else was approved.
    pub what: String,
    /// A part of a sentence.
    pub how: String,
}

impl Changed {
    fn new(what: impl std::fmt::Display, how: impl Into<String>) -> Self {
        Self { what: what.to_string(), how: how.into() }
    }
}

/// A file that will be the same when it is run.
#[derive(Debug)]
pub(super) struct Held {
    pub path: PathBuf,
    pub file: File,
    /// A copy of our own; else the file itself, which this user cannot change.
    pub copied: bool,
}

/// What [`start`](super::start) takes: good for one launch.
#[derive(Debug)]
pub struct Frozen {
    pub(super) program: Held,
    pub(super) argv: Vec<String>,
    /// Scripts, with the place of each among the arguments.
    pub(super) scripts: Vec<(usize, Held)>,
    pub(super) cwd: (PathBuf, File),
    pub(super) env: BTreeMap<String, String>,
}

/// Compares with what was approved and seals. Reads whole files: never on a runtime thread.
pub fn freeze(action: &Action) -> Result<Frozen, Changed> {
    match &action.what {
        What::Exec(command) => {
            if command.files.len() > MAX_FILES {
                return Err(Changed::new("the command", format!("names more than {MAX_FILES} scripts")));
            }
            let mut scripts = Vec::new();
            for id in &command.files {
                let held = hold(id)?;
                // The very argument that leads to it, as at the time of the approval. If none does any more, the command
                // would run something else.
                let tmp = command.tmp.as_deref();
                let leads = |arg: &String| canonical(&command.cwd.join(arg), tmp).is_ok_and(|path| path == id.path);
                let places: Vec<usize> =
                    (1..command.argv.len()).filter(|place| command.argv.get(*place).is_some_and(leads)).collect();
                let (Some(first), others) = (places.first(), places.get(1..).unwrap_or_default()) else {
                    return Err(Changed::new(id.path.display(), "is not what any argument leads to"));
                };
                for place in others {
                    scripts.push((*place, held.again().map_err(|error| unreadable(&id.path, &error))?));
                }
                scripts.push((*first, held));
            }
            Ok(Frozen {
                program: hold(&command.program)?,
                argv: command.argv.clone(),
                scripts,
                cwd: (command.cwd.clone(), folder(&command.cwd)?),
                env: command.env.clone(),
            })
        }
        What::Script(script) => {
            let shell = hold(&script.shell)?;
            let name = shell.path.to_str().ok_or_else(|| Changed::new("the shell", "has no name in UTF-8"))?;
            Ok(Frozen {
                argv: vec![name.to_owned(), "-c".to_owned(), script.text.clone()],
                program: shell,
                scripts: Vec::new(),
                cwd: (script.cwd.clone(), folder(&script.cwd)?),
                env: script.env.clone(),
            })
        }
        _ => Err(Changed::new("the action", "is nothing that a program is started for")),
    }
}

impl Held {
    fn again(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), file: self.file.try_clone()?, copied: self.copied })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Changed {
    Changed::new(path.display(), format!("cannot be opened any more: {error}"))
}

fn hold(id: &FileId) -> Result<Held, Changed> {
    let changed = |how: &str| Changed::new(id.path.display(), how);
    let mut original = open(&id.path).map_err(|error| unreadable(&id.path, &error))?;
    let about = original.metadata().map_err(|error| unreadable(&id.path, &error))?;
    if !about.is_file() {
        return Err(changed("is not a file any more"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if (about.dev(), about.ino()) != (id.device, id.inode) {
            return Err(changed("is another file than the one that was approved"));
        }
    }
    if about.len() != id.size {
        return Err(changed("has another size than what was approved"));
    }
    let copied = may_change(&id.path);
    if copied && id.size > MAX_COPY {
        return Err(changed("is too large to be copied, and could change while it runs"));
    }
    let mut hash = Sha256::new();
    let failed = |error: io::Error| unreadable(&id.path, &error);
    let file = if copied {
        copy(&id.path, |target| read_through(&mut original, id.size, &mut hash, target)).map_err(failed)?
    } else {
        read_through(&mut original, id.size, &mut hash, &mut io::sink()).map_err(failed)?;
        // Whoever copies from it later begins at its beginning.
        io::Seek::rewind(&mut original).map_err(failed)?;
        original
    };
    if hex(&hash.finalize()) != id.sha256 {
        return Err(changed("has another content than what was approved"));
    }
    Ok(Held { path: id.path.clone(), file, copied })
}

/// Reads one byte more than there should be, so that a file which grows is noticed by its hash.
fn read_through(from: &mut File, size: u64, hash: &mut Sha256, to: &mut dyn Write) -> io::Result<()> {
    let mut from = from.take(size.saturating_add(1));
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        hash.update(bytes);
        to.write_all(bytes)?;
    }
}

/// No link on the whole way, and no waiting for whoever would open the other end of a pipe.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    without_links(path, flags, Mode::empty())
}

#[cfg(target_os = "linux")]
fn without_links(path: &Path, flags: rustix::fs::OFlags, mode: rustix::fs::Mode) -> io::Result<File> {
    use rustix::fs::{CWD, ResolveFlags, openat2};
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(File::from(openat2(CWD, path, flags, mode, resolve)?))
}

/// A folder, opened to be entered, bound or ruled about; not to be read.
#[cfg(target_os = "linux")]
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    without_links(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

/// The last part is no link; of the parts before it, the canonical path must be the same as it was.
#[cfg(all(unix, not(target_os = "linux")))]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)?;
    match fs::canonicalize(path)? == path {
        true => Ok(file),
        false => Err(io::Error::other("a link leads elsewhere now")),
    }
}

#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    open(path)
}

fn folder(path: &Path) -> Result<File, Changed> {
    open_folder(path).map_err(|error| unreadable(path, &error))
}

/// Whether this user could put other bytes in a file's place: by writing it, or by renaming in a folder above it.
#[cfg(unix)]
pub(super) fn may_change(path: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    path.ancestors().any(|part| access(part, AccessFlags::W_OK).is_ok() || owned(part))
}

/// The owner can take the right to write at any time.
#[cfg(unix)]
fn owned(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::symlink_metadata(path).map_or(true, |about| about.uid() == nix::unistd::geteuid().as_raw())
}

#[cfg(windows)]
fn may_change(_: &Path) -> bool {
    true
}

#[cfg(target_os = "linux")]
fn copy(_: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    super::plan::sealed("frozen", |file| fill(file))
}

/// A file without a name: nobody else can open it.
#[cfg(not(target_os = "linux"))]
fn copy(_: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    fill(&mut file)?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// A file as it is now, as `approval` describes it.
#[cfg(all(test, unix))]
pub(super) fn identity(path: &Path) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    let path = fs::canonicalize(path).expect("is there");
    let about = fs::metadata(&path).expect("is there");
    let sha256 = hex(&Sha256::digest(fs::read(&path).expect("reads")));
    FileId { device: about.dev(), inode: about.ino(), size: about.len(), sha256, path }
}
