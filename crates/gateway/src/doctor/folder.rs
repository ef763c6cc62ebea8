//! The folder: who may read it, its token, its secrets, its lock, the room on its disk.

use std::fs;
use std::io;
use std::path::Path;

use super::{Finding, State, quoted};
use crate::home::{Home, LockFile, Token};
use crate::process::free_space;

/// Less than this on the disk, and commits begin to fail soon; less than ten times as much deserves a look.
const TOO_LITTLE: u64 = 100_000_000;

pub fn examine(home: &Home) -> Vec<Finding> {
    let mut findings = vec![folder(home)];
    if findings.iter().any(|finding| finding.state == State::Error) || !home.path().is_dir() {
        return findings;
    }
    findings.push(token(home));
    findings.extend(secrets(home));
    findings.push(lock(home));
    findings.extend(disk(home));
    findings
}

fn folder(home: &Home) -> Finding {
    let path = home.path();
    let shown = path.display();
    let about = match fs::metadata(path) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            let words = format!("{shown} is a file, and the gateway needs a folder there");
            return Finding::new("home", State::Error, words).remedy(format!("mv {0} {0}.file", quoted(path)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let words = format!("{shown} is not there: no gateway has run here yet");
            return Finding::new("home", State::Note, words).remedy("simpleclaw gateway run");
        }
        Err(error) => return Finding::new("home", State::Error, format!("{shown} cannot be read: {error}")),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != nix::unistd::geteuid().as_raw() {
            let words = format!("{shown} belongs to another user (id {})", about.uid());
            return Finding::new("home", State::Error, words)
                .remedy(format!("sudo chown -R \"$(id -un)\" {}", quoted(path)));
        }
        let needed = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        if nix::unistd::access(path, needed).is_err() {
            let words = format!("{shown} cannot be written");
            return Finding::new("home", State::Error, words).remedy(format!("chmod 700 {}", quoted(path)));
        }
        if about.mode() & 0o077 != 0 {
            let words = format!("other users may look into {shown} (mode {:03o})", about.mode() & 0o777);
            return Finding::new("home", State::Warning, words).remedy(format!("chmod 700 {}", quoted(path)));
        }
    }
    #[cfg(not(unix))]
    let _ = about;
    Finding::new("home", State::Ok, shown.to_string())
}

fn token(home: &Home) -> Finding {
    let path = home.token_path();
    let found = Finding::new("token", State::Ok, "there, and for this user alone");
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::new("token", State::Note, "none yet: the next start makes it")
        }
        Err(error) => Finding::new("token", State::Error, format!("{} cannot be read: {error}", path.display())),
        Ok(bytes) if str::from_utf8(&bytes).ok().and_then(|text| Token::parse(text.trim_ascii_end())).is_none() => {
            let words = format!("{} does not hold 64 lower-case hexadecimal digits", path.display());
            Finding::new("token", State::Error, words)
                .remedy(format!("rm {}   # the next start makes a new one, which clients then need", quoted(&path)))
        }
        Ok(_) => open_to_others(&path).map_or(found, |mode| {
            let words = format!("other users may read {} (mode {mode:03o})", path.display());
            Finding::new("token", State::Warning, words).remedy(format!("chmod 600 {}", quoted(&path)))
        }),
    }
}

/// The gateway does not read secrets that others may read.
fn secrets(home: &Home) -> Option<Finding> {
    let path = home.secrets_path();
    if !path.exists() {
        return None;
    }
    Some(match open_to_others(&path) {
        None => Finding::new("secrets", State::Ok, "secrets.yaml is for this user alone"),
        Some(mode) => {
            let words = format!("other users may read {} (mode {mode:03o}), so it is not used", path.display());
            Finding::new("secrets", State::Error, words).remedy(format!("chmod 600 {}", quoted(&path)))
        }
    })
}

/// The mode of a file, where others than its owner may do anything with it.
fn open_to_others(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

fn lock(home: &Home) -> Finding {
    if let Some(owner) = home.read_lock() {
        let words = format!("a gateway runs: process {}, at {}", owner.pid, owner.url);
        return Finding::new("lock", State::Ok, words);
    }
    let left: Option<LockFile> = fs::read(home.lock_path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match left {
        None => Finding::new("lock", State::Ok, "no gateway runs here"),
        Some(owner) => {
            let words = format!(
                "no gateway runs here; process {} ended without saying goodbye, and the next start takes its lock",
                owner.pid
            );
            Finding::new("lock", State::Note, words).remedy("simpleclaw gateway run")
        }
    }
}

fn disk(home: &Home) -> Option<Finding> {
    let free = free_space(home.path())?;
    let words = format!("{} MB are free", free / 1_000_000);
    Some(match free {
        ..TOO_LITTLE => Finding::new("disk", State::Error, format!("only {words}: messages cannot be stored soon"))
            .remedy(format!("du -sh {}/*", quoted(home.path()))),
        _ if free < 10 * TOO_LITTLE => Finding::new("disk", State::Warning, format!("only {words}"))
            .remedy(format!("du -sh {}/*", quoted(home.path()))),
        _ => Finding::new("disk", State::Ok, words),
    })
}
