//! Reading a backup. It may come from anywhere: nothing in it is believed before it was counted, and only plain files at
//! the places of a backup are taken.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::manifest::{FileEntry, Manifest};
use super::{BackupError, DATABASE, MANIFEST, PREFIX, cannot};
use crate::home::hex;

pub const MAX_FILES: usize = 200_000;
/// Of one path, and of the name of one folder or file.
pub const MAX_PATH: usize = 1024;
const MAX_NAME: usize = 255;
pub const MAX_DEPTH: usize = 64;
/// Of all paths together, which are held in memory.
const MAX_PATHS: usize = 32 << 20;
/// Of all files together.
pub const MAX_BYTES: u64 = 256 << 30;
const MAX_MANIFEST: u64 = 64 << 20;
/// Zeros that a tar may have behind its last file.
const MAX_TAIL: u64 = 64 << 10;

/// A file on its way out of a backup.
pub struct Entry<'a> {
    /// Below the home; checked.
    pub path: &'a str,
    pub size_bytes: u64,
    pub executable: bool,
    pub content: &'a mut dyn Read,
}

/// Reads all of a backup, gives every file to `take`, and holds what was read against the manifest. Until that has
/// succeeded, what was taken proves nothing.
pub fn read(
    file: &Path,
    max_bytes: u64,
    take: &mut dyn FnMut(Entry<'_>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(file).map_err(cannot("read", file))?.is_file() {
        return Err(damaged(format!("{} is no file", file.display())));
    }
    let opened = File::open(file).map_err(cannot("read", file))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(opened)));
    let (manifest, files) = entries(&mut archive, max_bytes, take)?;
    at_end(archive.into_inner())?;
    let Some(manifest) = manifest else {
        return Err(damaged("it has no manifest at its end"));
    };
    compare(&manifest, &files)?;
    Ok(manifest)
}

/// Reads the tar of a backup and forgets it, for the fuzzers.
#[cfg(feature = "testing")]
pub fn survive(bytes: &[u8]) {
    // Whatever it says, it says it in bounded time and without a panic.
    let _ = entries(&mut tar::Archive::new(bytes), MAX_BYTES, &mut |_| Ok(()));
}

/// The manifest, where there is one, and what really lies in the tar.
fn entries<R: Read>(
    archive: &mut tar::Archive<R>,
    max_bytes: u64,
    take: &mut dyn FnMut(Entry<'_>) -> Result<(), BackupError>,
) -> Result<(Option<Manifest>, Vec<FileEntry>), BackupError> {
    let mut found = Found { files: Vec::new(), bytes: 0, paths: 0, max_bytes };
    let mut manifest = None;
    let mut long_name = None;
    // Raw: what a header extends is not read by the library, which would take as much as the file says.
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        if manifest.is_some() {
            return Err(damaged("something follows its manifest"));
        }
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() {
            if long_name.is_some() || entry.size() > (PREFIX.len() + MAX_PATH + 1) as u64 {
                return Err(damaged("a path in it is too long"));
            }
            let mut name = Vec::new();
            entry.read_to_end(&mut name).map_err(unreadable)?;
            while name.pop_if(|byte| *byte == 0).is_some() {}
            long_name = Some(name);
            continue;
        }
        if !kind.is_file() {
            return Err(damaged("it holds something that is no plain file, such as a link or a device"));
        }
        let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let name = String::from_utf8(name).map_err(|_| damaged("a path in it is not UTF-8"))?;
        let Some(path) = name.strip_prefix(PREFIX) else {
            return Err(damaged(format!("{name:?} does not belong into a backup")));
        };
        let size = entry.size();
        if path == MANIFEST {
            if size > MAX_MANIFEST {
                return Err(damaged("its manifest is too large"));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            manifest = Some(Manifest::read(&bytes)?);
            continue;
        }
        found.admit(path, size)?;
        let executable = entry.header().mode().map_err(unreadable)? & 0o100 != 0;
        let mut content = Hashing::new(&mut entry);
        take(Entry { path, size_bytes: size, executable, content: &mut content })?;
        io::copy(&mut content, &mut io::sink()).map_err(unreadable)?;
        let (size_bytes, sha256) = content.finish();
        if size_bytes != size {
            return Err(damaged(format!("{path:?} is cut off")));
        }
        found.files.push(FileEntry { path: path.to_owned(), size_bytes, sha256 });
    }
    Ok((manifest, found.files))
}

pub fn damaged(words: impl Into<String>) -> BackupError {
    BackupError::Damaged(words.into())
}

/// What reading gives where the bytes are not those of a backup.
pub fn unreadable(error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut off"),
        _ => damaged(error.to_string()),
    }
}

/// What was met so far, so that neither its number nor its size grows without bounds.
struct Found {
    files: Vec<FileEntry>,
    bytes: u64,
    paths: usize,
    max_bytes: u64,
}

impl Found {
    fn admit(&mut self, path: &str, size: u64) -> Result<(), BackupError> {
        check_path(path).map_err(|why| damaged(format!("the path {path:?} {why}")))?;
        if !belongs(path) {
            return Err(damaged(format!("{path:?} does not belong into a backup")));
        }
        self.bytes = self.bytes.saturating_add(size);
        self.paths += path.len();
        if self.bytes > self.max_bytes {
            let words = format!("there is no room for what it holds: more than {} MB", self.max_bytes / 1_000_000);
            return Err(BackupError::Refused(words));
        }
        match self.files.len() >= MAX_FILES || self.paths > MAX_PATHS {
            true => Err(damaged("it holds too many files")),
            false => Ok(()),
        }
    }
}

/// Whether a path stays below the folder that it is joined to, on every system; else, what is wrong with it.
pub fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH || path.split('/').count() > MAX_DEPTH {
        return Err("is too long");
    }
    for name in path.split('/') {
        if matches!(name, "" | "." | "..") || name.contains('\0') {
            return Err("leads elsewhere");
        }
        if name.len() > MAX_NAME {
            return Err("is too long");
        }
        if cfg!(windows) && (name.contains(['\\', ':', '*', '?', '"', '<', '>', '|']) || name.ends_with(['.', ' '])) {
            return Err("is none on this system");
        }
    }
    Ok(())
}

/// Whether a backup has files at this place.
fn belongs(path: &str) -> bool {
    super::create::SINGLE_FILES.contains(&path)
        || super::create::SECRET_FILES.contains(&path)
        || path == DATABASE
        || super::create::FOLDERS
            .iter()
            .any(|folder| path.strip_prefix(folder).is_some_and(|below| below.starts_with('/')))
}

/// Nothing but zeros may follow the last file, and nothing at all the compressed data. Reading to its end is also what
/// makes the decoder hold its checksum against what it gave.
fn at_end(mut rest: GzDecoder<BufReader<File>>) -> Result<(), BackupError> {
    let mut tail = Vec::new();
    rest.by_ref().take(MAX_TAIL + 1).read_to_end(&mut tail).map_err(unreadable)?;
    let zeros = tail.len() as u64 <= MAX_TAIL && tail.iter().all(|byte| *byte == 0);
    let nothing = zeros && rest.into_inner().fill_buf().map_err(unreadable)?.is_empty();
    match nothing {
        true => Ok(()),
        false => Err(damaged("something follows its end")),
    }
}

fn compare(manifest: &Manifest, found: &[FileEntry]) -> Result<(), BackupError> {
    for (said, is) in manifest.files.iter().zip(found) {
        if said != is {
            return Err(damaged(format!("{:?} is not what was saved", is.path)));
        }
    }
    match manifest.files.len() == found.len() {
        true => Ok(()),
        false => Err(damaged("it has other files than its manifest says")),
    }
}

/// Counts and hashes what is read through it.
pub struct Hashing<R> {
    inner: R,
    hash: Sha256,
    count: u64,
}

impl<R: Read> Hashing<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    /// How much was read, and its hash in hex.
    pub fn finish(self) -> (u64, String) {
        (self.count, hex(&self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.count += count as u64;
        Ok(count)
    }
}
