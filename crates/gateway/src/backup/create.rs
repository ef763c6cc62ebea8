//! Writing a backup: the database as it is at one moment, and the files around it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Cursor, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::archive::{self, Hashing, MAX_BYTES, MAX_DEPTH, MAX_FILES};
use super::manifest::{FORMAT, FileEntry, LeftOut, Manifest};
use super::{BackupError, DATABASE, MANIFEST, PREFIX, cannot, check_database, private_file, private_folder};
use crate::clock::Clock;
use crate::config;
use crate::home::{Home, sync_folder};
use crate::store::Offline;

const CONFIG: &str = "config.yaml";
const LAST_GOOD: &str = "state/config.last-good.yaml";
const VERSIONS: &str = "config.history";
/// Files at fixed places below the home. The configuration comes first: its secrets are looked for in what follows.
pub const SINGLE_FILES: [&str; 3] = [CONFIG, LAST_GOOD, "state/port"];
/// The same, taken only when asked for.
pub const SECRET_FILES: [&str; 2] = ["token", "secrets.yaml"];
/// Folders below the home that are taken with all that is in them.
pub const FOLDERS: [&str; 3] = [VERSIONS, "state/attachments", "agents"];
/// Larger than any text of the configuration.
const MAX_TEXT: u64 = 2 << 20;

/// A backup that was written, and read again.
#[derive(Debug)]
pub struct Created {
    pub file: PathBuf,
    /// Of the file itself.
    pub size_bytes: u64,
    pub manifest: Manifest,
}

/// What goes into a backup, in its order.
#[derive(Default)]
struct Content {
    /// Path in the backup, and where the file is.
    files: Vec<(String, PathBuf)>,
    left_out: Vec<LeftOut>,
}

/// Writes everything of a home into a new file (0600), whole or not at all, while its gateway runs or not.
pub async fn create(home: &Home, file: &Path, secrets: bool) -> Result<Created, BackupError> {
    let file = std::path::absolute(file).map_err(cannot("find", file))?;
    let root = fs::canonicalize(home.path()).map_err(cannot("read the home", home.path()))?;
    if fs::symlink_metadata(&file).is_ok() {
        return Err(BackupError::Refused(format!("{} is there already; choose another name", file.display())));
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(cannot("find the folder", folder))?;
    if folder.starts_with(&root) {
        let words = format!("a backup within {} would be lost with it; choose another folder", root.display());
        return Err(BackupError::Refused(words));
    }
    let work = private_folder(&folder)?;

    // First the database: a file that one of its messages carries was on the disk before the message was.
    let copy = work.path().join("gateway.db");
    let (schema, attached) = copy_database(home, &copy).await?;
    let mut content = Content::default();
    if schema.is_some() {
        content.files.push((DATABASE.to_owned(), copy));
    }
    collect(&root, secrets, &attached, &mut content)?;

    let partial = work.path().join("backup");
    let manifest = Manifest {
        format: FORMAT,
        created_at: Clock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: schema.unwrap_or_default(),
        secrets,
        files: Vec::new(),
        left_out: Vec::new(),
    };
    write(&partial, content, manifest)?;
    // A backup that was never read is a hope.
    let manifest = archive::read(&partial, MAX_BYTES, &mut |_| Ok(()))?;
    let size_bytes = fs::metadata(&partial).map_err(cannot("read", &partial))?.len();
    publish(&partial, &file)?;
    Ok(Created { file, size_bytes, manifest })
}

/// The schema of the copy, and the hashes of the files that its messages carry. No schema where there is no database.
async fn copy_database(home: &Home, copy: &Path) -> Result<(Option<i64>, HashSet<String>), BackupError> {
    if !home.db_path().exists() {
        return Ok((None, HashSet::new()));
    }
    let mut source = Offline::open(&home.db_path(), false).await?;
    let copied = source.copy_to(copy).await;
    source.close().await?;
    copied?;
    let schema = check_database(copy).await?;
    let mut database = Offline::open(copy, true).await?;
    let attached = database.attached().await?;
    database.close().await?;
    Ok((Some(schema), attached))
}

fn collect(root: &Path, secrets: bool, attached: &HashSet<String>, content: &mut Content) -> Result<(), BackupError> {
    let asked: &[&str] = if secrets { &SECRET_FILES } else { &[] };
    for name in SINGLE_FILES.iter().chain(asked) {
        // A configuration that is a link to where the person keeps it is followed: its text is what counts.
        let path = fs::canonicalize(root.join(name)).ok().filter(|path| path.is_file());
        content.files.extend(path.map(|path| ((*name).to_owned(), path)));
    }
    for name in FOLDERS {
        let before = content.files.len();
        walk(root, name, content)?;
        if name == "state/attachments" {
            // What no message carries is about to be swept, or belongs to a message that comes after the copy.
            let rest = content.files.split_off(before);
            let carried = |name: &str| name.rsplit('/').next().is_some_and(|hash| attached.contains(hash));
            content.files.extend(rest.into_iter().filter(|(name, _)| carried(name)));
        }
    }
    for hash in attached {
        let path = format!("state/attachments/{hash}");
        if !root.join(&path).exists() {
            content.left_out.push(LeftOut { path, reason: "a message carries it, and it is gone".to_owned() });
        }
    }
    match content.files.len() > MAX_FILES {
        true => {
            Err(BackupError::Refused(format!("the home has more than {MAX_FILES} files; move some out of agents/")))
        }
        false => Ok(()),
    }
}

/// All plain files below a folder, in the order of their names. Links are not followed: they may lead out of the home.
fn walk(root: &Path, start: &str, content: &mut Content) -> Result<(), BackupError> {
    let mut folders = vec![start.to_owned()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot("list", &path)(error)),
        };
        let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(cannot("list", &path))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            let name = entry.file_name();
            let mut leave = |reason: &str| {
                let path = format!("{folder}/{}", name.to_string_lossy());
                content.left_out.push(LeftOut { path, reason: reason.to_owned() });
            };
            let Some(name) = name.to_str().map(|name| format!("{folder}/{name}")) else {
                leave("its name is not UTF-8");
                continue;
            };
            if let Err(why) = archive::check_path(&name) {
                leave(&format!("its path {why}"));
                continue;
            }
            let kind = entry.file_type().map_err(cannot("read", &entry.path()))?;
            if kind.is_dir() && name.split('/').count() < MAX_DEPTH {
                below.push(name);
            } else if kind.is_file() {
                content.files.push((name, entry.path()));
            } else {
                leave(if kind.is_symlink() { "it is a link" } else { "it is no plain file" });
            }
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(())
}

fn write(target: &Path, content: Content, mut manifest: Manifest) -> Result<(), BackupError> {
    let out = private_file(target, false).map_err(cannot("write", target))?;
    let mut tar = tar::Builder::new(GzEncoder::new(BufWriter::new(out), Compression::default()));
    let mtime = u64::try_from(manifest.created_at.0 / 1000).unwrap_or_default();
    manifest.left_out = content.left_out;
    let mut known = Vec::new();
    for (name, path) in content.files {
        let source = match open(&path) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot("read", &path)(error)),
        };
        let about = source.metadata().map_err(cannot("read", &path))?;
        if !about.is_file() {
            manifest.left_out.push(LeftOut { path: name, reason: "it is no plain file".to_owned() });
            continue;
        }
        let mut text = None;
        if !manifest.secrets && is_configuration(&name) {
            let bare = without_secrets(&name, &source, &mut known, &mut manifest.left_out);
            text = bare.map_err(cannot("read", &path))?;
            if text.is_none() {
                continue;
            }
        }
        let size = text.as_ref().map_or(about.len(), |text| text.len() as u64);
        let content: Box<dyn Read> = match text {
            Some(text) => Box::new(Cursor::new(text)),
            None => Box::new(source),
        };
        // A file that grows is taken as long as it was.
        let mut reader = Hashing::new(content.take(size));
        let mut header = header(size, is_executable(&about), mtime);
        tar.append_data(&mut header, format!("{PREFIX}{name}"), &mut reader).map_err(cannot("save", &path))?;
        let (size_bytes, sha256) = reader.finish();
        if size_bytes != size {
            let words = format!("{} became shorter while it was saved; try again", path.display());
            return Err(BackupError::Refused(words));
        }
        manifest.files.push(FileEntry { path: name, size_bytes, sha256 });
    }
    let bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| cannot("write", target)(error.into()))?;
    seal(tar, &bytes, header(bytes.len() as u64, false, mtime)).map_err(cannot("write", target))
}

/// Whether a file is a text of the configuration, in which a secret may stand.
fn is_configuration(name: &str) -> bool {
    let version = name.strip_prefix(VERSIONS).is_some_and(|rest| rest.starts_with('/'));
    version || name == CONFIG || name == LAST_GOOD
}

/// What a backup without secrets has of a text of the configuration; `None`: nothing. The configuration itself is usable
/// without them: names stand for them. `known` are those that were met, and `left_out` says what is lacking.
fn without_secrets(
    name: &str,
    source: &File,
    known: &mut Vec<String>,
    left_out: &mut Vec<LeftOut>,
) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(MAX_TEXT).read_to_end(&mut bytes)?;
    let mut leave = |reason: String| left_out.push(LeftOut { path: name.to_owned(), reason });
    if name != CONFIG {
        let held = config::holds_secret(name, &bytes, known);
        if held {
            leave("secrets stand in it as text".to_owned());
        }
        return Ok((!held).then_some(bytes));
    }
    let Some(bare) = config::bare(bytes) else {
        leave("it cannot be read, so nobody knows whether secrets stand in it".to_owned());
        return Ok(None);
    };
    for secret in &bare.replaced {
        let (path, name) = (&secret.path, &secret.name);
        leave(format!("the secret at {path}; after a restore, `simpleclaw secrets set {name}` gives it back"));
    }
    if bare.masked {
        leave("what else looks like a secret in it; `__masked__` stands there".to_owned());
    }
    known.extend(bare.known);
    Ok(Some(bare.text.into_bytes()))
}

/// Writes the manifest behind everything else, and sees the whole file to the disk.
fn seal(mut tar: tar::Builder<GzEncoder<BufWriter<File>>>, manifest: &[u8], mut header: tar::Header) -> io::Result<()> {
    tar.append_data(&mut header, format!("{PREFIX}{MANIFEST}"), manifest)?;
    let mut buffered = tar.into_inner()?.finish()?;
    buffered.flush()?;
    buffered.get_ref().sync_all()
}

/// Opens a file to read it: never through a link that took its place meanwhile, and without waiting for a pipe's writer.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use nix::fcntl::OFlag;
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits());
    }
    options.open(path)
}

fn header(size: u64, executable: bool, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(size);
    header.set_mode(if executable { 0o700 } else { 0o600 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header
}

fn is_executable(about: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o100 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = about;
        false
    }
}

/// Gives the finished file its name, which nothing may have taken meanwhile.
fn publish(partial: &Path, file: &Path) -> Result<(), BackupError> {
    let done = match fs::hard_link(partial, file) {
        // A disk that knows no links, such as a memory stick.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !file.exists() => fs::rename(partial, file),
        linked => linked,
    };
    done.and_then(|()| sync_folder(file)).map_err(cannot("write", file))
}
