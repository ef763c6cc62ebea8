//! Writing files that only this user may read, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a file (0600) in place of what is there: after a crash there is the old one or the new one, whole.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, None)?;
    sync_folder(path)
}

/// The same for a file that may be someone else's to read as well: one that is there keeps its mode. An error means that
/// nothing happened; what did happen is safe from a power cut once [`sync_folder`] has been called.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, fs::metadata(path).ok().map(|about| about.permissions()))
}

fn put(path: &Path, content: &[u8], mode: Option<fs::Permissions>) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    let moved = mode.map_or(Ok(()), |mode| fs::set_permissions(&temporary, mode));
    moved.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// The same for a file that must not be there yet: `AlreadyExists` otherwise.
pub fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    // A rename would replace; a link refuses.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    linked.and_then(|()| sync_folder(path))
}

fn write_beside(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}.tmp", hex(&rand::random::<[u8; 8]>())));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// A name is safe on disk only when its folder is.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
