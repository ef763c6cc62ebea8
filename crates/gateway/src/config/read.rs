//! A file's text from disk: bounded, and refused in words when it is no text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::tree::Mistake;

/// Largest file that is read.
pub const MAX_BYTES: u64 = 1024 * 1024;

pub struct Source {
    pub bytes: Vec<u8>,
    pub text: String,
}

/// A file that cannot be taken as text, with what could be read of it.
pub struct Unreadable {
    pub bytes: Vec<u8>,
    pub mistake: Mistake,
}

/// `None` where there is no such file.
pub fn source(path: &Path) -> Result<Option<Source>, Unreadable> {
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(Vec::new(), 0, 0, &in_words(&error))),
    };
    text(bytes).map(Some)
}

/// The text of a file's bytes.
pub fn text(bytes: Vec<u8>) -> Result<Source, Unreadable> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(Vec::new(), 0, 0, "the file is larger than 1 MiB"));
    }
    let text = match String::from_utf8(bytes.clone()) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let (line, column) = place(&String::from_utf8_lossy(bytes.get(..good).unwrap_or_default()));
            return Err(unreadable(bytes, line, column, "this is not UTF-8; save the file as UTF-8"));
        }
    };
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(at) = text.find(control) {
        let (line, column) = place(text.get(..at).unwrap_or_default());
        return Err(unreadable(bytes, line, column, "a control character stands here; remove it"));
    }
    Ok(Source { bytes, text })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "a folder or device stands where the file should be; move it away".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read the file; correct its owner or mode".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    }
}

fn unreadable(bytes: Vec<u8>, line: u64, column: u64, words: &str) -> Unreadable {
    Unreadable { bytes, mistake: Mistake { line, column, words: words.to_owned() } }
}

/// Line and column, from 1, of what comes after `before`.
fn place(before: &str) -> (u64, u64) {
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() as u64 + 1, line.chars().count() as u64 + 1)
}
