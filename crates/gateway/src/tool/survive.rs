//! For the fuzzer: any text as a path, in a folder of any names and links (class 16 of the advisories). What a path is
//! found to be, it is to the kernel, to the decision, and to whoever is shown it.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use super::disk;
use super::place::Places;
use crate::approval::action::{Action, Reach, What};
use crate::approval::decide::{Grants, Mode, Policy, Verdict, decide};
use crate::approval::show::{escaped_path, unescaped_path};

/// In the gateway's own files, and in no other.
const CANARY: &[u8] = b"canary";
/// Most lines that are read.
const MAX_LINES: usize = 16;

/// Lines that say what is in the workspace, an empty line, and the text of a path; the lines may be left out. A line is
/// `name/` for a folder, `name>target` for a link, `name=target` for a second name of a file, and `name` for a file. At
/// the start of a path, `@` is the folder that everything lies in.
pub fn survive(bytes: &[u8]) {
    let shown = escaped_path(Path::new(OsStr::from_bytes(bytes)));
    assert_eq!(unescaped_path(&shown).as_deref(), Some(bytes), "what is shown says what is meant");
    let (lines, text) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (bytes.split_at(at).0, bytes.split_at(at + 2).1),
        None => (b"".as_slice(), bytes),
    };
    // As the arguments of a call are.
    let Ok(text) = std::str::from_utf8(text) else { return };
    let tried = tempfile::tempdir().and_then(|folder| try_in(&folder.path().canonicalize()?, lines, text));
    assert!(tried.is_ok(), "there is no folder to try it in: {tried:?}");
}

fn try_in(root: &Path, lines: &[u8], text: &str) -> io::Result<()> {
    let home = root.join("home");
    let workspace = home.join("agents/main/workspace");
    for folder in [&workspace, &home.join("agents/other/workspace"), &home.join("state"), &root.join("outside")] {
        fs::create_dir_all(folder)?;
    }
    for name in ["config.yaml", "secrets.yaml", "token", "state/gateway.db"] {
        fs::write(home.join(name), CANARY)?;
    }
    for name in ["home/agents/other/workspace/theirs", "outside/letter"] {
        fs::write(root.join(name), "dear")?;
    }
    for line in lines.split(|byte| *byte == b'\n').take(MAX_LINES) {
        // What cannot be made is not there.
        let _ = make(root, &workspace, line);
    }
    let path = spelled(root, text.as_bytes());
    let Some(text) = path.to_str() else { return Ok(()) };
    // The usual place, and one that lies over the gateway's own folder.
    for workspace in [workspace.as_path(), root] {
        check(&Places::of(workspace, &home).map_err(io::Error::other)?, root, text);
    }
    Ok(())
}

/// A path from outside, `@` put in.
fn spelled(root: &Path, bytes: &[u8]) -> PathBuf {
    let Some(rest) = bytes.strip_prefix(b"@") else { return OsStr::from_bytes(bytes).into() };
    let mut path = root.as_os_str().to_owned();
    path.push(OsStr::from_bytes(rest));
    path.into()
}

/// Makes what a line says, below `root` and nowhere else.
fn make(root: &Path, workspace: &Path, line: &[u8]) -> io::Result<()> {
    let beyond = || io::Error::from(io::ErrorKind::PermissionDenied);
    let end = line.iter().position(|byte| matches!(byte, b'>' | b'=')).unwrap_or(line.len());
    let (name, target) = line.split_at(end);
    let path = workspace.join(spelled(root, name));
    // Without what would have the system follow a link in this place.
    let path = path.components().as_path();
    let folder = path.parent().ok_or_else(beyond)?.canonicalize()?;
    if !folder.starts_with(root) {
        return Err(beyond());
    }
    match target.split_first() {
        Some((b'>', target)) => symlink(spelled(root, target), path),
        Some((_, target)) => {
            let target = workspace.join(spelled(root, target)).canonicalize()?;
            if target.starts_with(root) { fs::hard_link(target, path) } else { Err(beyond()) }
        }
        None if name.ends_with(b"/") => fs::create_dir(path),
        None => File::create_new(path).map(drop),
    }
}

fn check(places: &Places, root: &Path, text: &str) {
    let Ok(place) = places.find(text) else { return };
    let (path, workspace) = (place.path.as_path(), places.workspace());
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    assert!(path.is_absolute() && plain, "{text:?} is no plain path: {place:?}");

    // As far as it exists no link is on the way, and that decides whether it is inside.
    let deepest = path.ancestors().find(|at| at.symlink_metadata().is_ok());
    let real = deepest.and_then(|at| at.canonicalize().ok());
    assert_eq!(real.as_deref(), deepest, "{text:?} leads on: {place:?}");
    let inside = real.is_some_and(|at| at.starts_with(workspace));
    assert_eq!(place.inside, inside, "{text:?}: {place:?}");

    // The kernel, which follows links on its own, comes to the same.
    let found = path.symlink_metadata().ok().as_ref().map(identity);
    match fs::metadata(workspace.join(text)) {
        Ok(meant) => assert_eq!(found, Some(identity(&meant)), "{text:?} is another file: {place:?}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert_eq!(found, None, "{text:?} is not there: {place:?}");
        }
        // It can be said in a way that the kernel does not take, and be a good path as it was found.
        Err(_) => {}
    }

    let kernel = ["/dev", "/proc", "/sys"].iter().any(|tree| path.starts_with(tree));
    let of_gateway = path.starts_with(places.home()) && !(inside && workspace.starts_with(places.home()));
    assert!(!kernel && !of_gateway, "{text:?} is nobody's to touch: {place:?}");
    // What lies elsewhere on this machine is left alone.
    if path.starts_with(root)
        && let Ok(read) = disk::read(places, &place)
    {
        assert_ne!(read.bytes, CANARY, "{text:?} opens what is the gateway's own: {place:?}");
    }

    let policy = Policy {
        mode: Mode::Ask,
        enforced: true,
        require_sandbox: false,
        tainted: false,
        attended: true,
        workspace: workspace.to_owned(),
        temp: places.home().join("state/temp/none"),
        home: places.home().to_owned(),
    };
    let action = Action { what: What::Read(path.to_owned()), reach: Reach::default(), description: None };
    let allowed = matches!(decide(&policy, &Grants::default(), &action), Verdict::Allow(_));
    assert_eq!(allowed, inside, "{text:?} is decided on as something else: {place:?}");
    let shown = action.shown().path.as_deref().and_then(unescaped_path);
    assert_eq!(shown.as_deref(), Some(path.as_os_str().as_bytes()), "{text:?} is shown as something else: {place:?}");
}

/// Which file it is, by whatever name.
fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}
