//! Whose a path is: the agent's workspace, the rest of the machine, or the gateway's own, which no tool touches.
//!
//! Here are names only. A name that was found good is opened by `disk`, which follows no link on the way, so a link that
//! is put there in between leads nowhere.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Failed;
use crate::approval::decide::Folders;
use crate::home::TEMP;

/// Longest path that is looked at, in bytes.
const MAX_PATH: usize = 4_096;
/// What stands directly in the gateway's folder and is its own, whatever an agent's workspace is.
const OWN: [&str; 10] = [
    "config.yaml",
    "config.history",
    "secrets.yaml",
    "state",
    "plugins",
    "logs",
    "trash",
    "gateway.lock",
    "token",
    "port",
];
/// Trees of the kernel: what looks like a file there is a device, or the memory and the secrets of a process.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The paths of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Canonical.
    workspace: PathBuf,
    /// The gateway's folder, canonical.
    home: PathBuf,
}

/// A path that a tool may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Canonical as far as it exists; the rest are plain names.
    pub path: PathBuf,
    /// In the workspace.
    pub inside: bool,
}

impl Places {
    /// Makes the workspace where it is missing. Blocks.
    pub fn of(workspace: &Path, home: &Path) -> Result<Self, Failed> {
        let failed =
            |error: io::Error| Failed(format!("the workspace {} cannot be used: {error}", workspace.display()));
        if !workspace.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(workspace).map_err(failed)?;
        }
        let workspace = workspace.canonicalize().map_err(failed)?;
        let home = home.canonicalize().map_err(|error| Failed(format!("the gateway's folder: {error}")))?;
        Ok(Self { workspace, home })
    }

    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The gateway's folder, for the fuzzer: tools ask [`Self::own`].
    #[cfg(all(unix, feature = "testing"))]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// As a decision for a session wants them.
    pub fn folders(&self, session_id: &str) -> Folders {
        let temp = self.home.join(TEMP).join(session_id);
        Folders { workspace: self.workspace.clone(), temp, home: self.home.clone() }
    }

    /// Finds out what a path of a model stands for; relative ones start in the workspace. Blocks.
    pub fn find(&self, text: &str) -> Result<Place, Failed> {
        if text.is_empty() || text.len() > MAX_PATH || text.contains('\0') {
            return Err(Failed(format!("a path has 1 to {MAX_PATH} bytes and no NUL")));
        }
        if text == "~" || text.starts_with("~/") {
            return Err(Failed::new("`~` is not expanded here: give a path within the workspace, or an absolute one"));
        }
        let path = canonical(&self.workspace.join(text)).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Failed(format!("{text:?} may not be looked at: permission denied")),
            io::ErrorKind::NotADirectory => Failed(format!("{text:?}: a part of this path is a file, not a folder")),
            io::ErrorKind::InvalidInput => Failed(format!(
                "{text:?} leads through a link to nowhere, or through `..` behind a folder that does not exist"
            )),
            _ => Failed(format!("{text:?} cannot be looked at: {error}")),
        })?;
        if let Some(words) = self.own(&path) {
            return Err(Failed(format!("{text:?} {words}")));
        }
        let inside = path.starts_with(&self.workspace);
        Ok(Place { path, inside })
    }

    /// Why no tool touches a canonical path; `None` where one may.
    pub fn own(&self, path: &Path) -> Option<&'static str> {
        if KERNEL.iter().any(|tree| path.starts_with(tree)) {
            return Some("is no plain file but the kernel's; use a command instead");
        }
        let within = path.strip_prefix(&self.home).ok()?;
        let first = |path: &Path| path.components().next().map(|part| part.as_os_str().to_owned());
        // The workspace may lie in the gateway's folder, and then it is the agent's; never what is the gateway's own.
        let named = |name: &OsStr| OWN.iter().any(|own| name.eq_ignore_ascii_case(own));
        let workspace = self.workspace.strip_prefix(&self.home).ok().filter(|path| path.components().next().is_some());
        let of_agent = workspace.is_some_and(|workspace| within.starts_with(workspace))
            && first(within).is_some_and(|name| !named(&name));
        match of_agent {
            true => None,
            false => Some("is the gateway's own (configuration, secrets, state), which no tool reads or writes"),
        }
    }

    /// Files of the gateway that a second name of theirs would open.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let state = ["gateway.db", "gateway.db-wal", "config.last-good.yaml", "secrets.json"];
        let state = state.iter().map(|name| self.home.join("state").join(name));
        OWN.iter().map(|name| self.home.join(name)).chain(state).collect()
    }

    /// A path as the model may say it again: relative where it is in the workspace.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.workspace) {
            Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
            Ok(rest) => rest.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }
}

/// The canonical path of what is there, with the plain names behind it of what is not there yet.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut at = path;
    loop {
        match at.canonicalize() {
            Ok(found) => return Ok(missing.into_iter().rev().fold(found, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A link to nowhere would be followed by whatever is written there. Without the `/` or `/.` at its end, which
                // would have the system look for what is behind the link.
                let dangling = at.components().as_path().symlink_metadata().is_ok();
                let last = at.components().next_back();
                let (Some(Component::Normal(name)), Some(parent), false) = (last, at.parent(), dangling) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                missing.push(name);
                at = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn places() -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        for name in ["agents/main/workspace/sub", "agents/other/workspace", "state"] {
            fs::create_dir_all(home.join(name)).expect("folders");
        }
        for name in ["config.yaml", "secrets.yaml", "token", "agents/other/workspace/theirs", "state/gateway.db"] {
            fs::write(home.join(name), "own").expect("a file");
        }
        fs::write(folder.path().join("outside"), "x").expect("a file");
        let places = Places::of(&home.join("agents/main/workspace"), &home).expect("places");
        (folder, places)
    }

    /// Class 16 of the advisories: every spelling of a path is judged by what it leads to.
    #[test]
    fn what_a_path_stands_for() {
        let (folder, places) = places();
        let outside = folder.path().canonicalize().expect("canonical");
        let link = |target: &Path, name: &str| symlink(target, places.workspace().join(name)).expect("a link");
        link(&outside.join("outside"), "out");
        link(&outside, "up");
        link(&outside.join("home/secrets.yaml"), "secrets");
        link(Path::new("sub"), "in");
        link(Path::new("nowhere"), "dangling");
        link(Path::new("loop"), "loop");
        for (text, inside) in [
            (".", true),
            ("new", true),
            ("sub/../new", true),
            ("a/b/c", true),
            ("in/new", true),
            ("./sub//new", true),
            ("..%2f..%2fetc", true),
            ("out", false),
            ("up/outside", false),
            ("up/new", false),
            ("/etc/passwd", false),
            ("../../../../outside", false),
        ] {
            let place = places.find(text).unwrap_or_else(|failed| panic!("{text}: {failed}"));
            assert_eq!(place.inside, inside, "{text}: {place:?}");
        }
        for text in [
            "",
            "a\0b",
            "~/x",
            "dangling",
            "dangling/",
            "dangling//",
            "dangling/.",
            "dangling/x",
            "loop",
            "missing/../../x",
            "secrets",
            "../../../secrets.yaml",
            "../../../config.yaml",
            "../../../token",
            "../../../state/gateway.db",
            "../../../state/new",
            "../../../plugins/evil/plugin.yaml",
            "../../../new-file",
            "../../other/workspace/theirs",
            "..",
            "/proc/self/environ",
            "/dev/zero",
            "/sys/power/state",
            &"x/".repeat(3_000),
        ] {
            assert!(places.find(text).is_err(), "{text:?} leads to {:?}", places.find(text));
        }
    }

    /// Wherever a hand has put the workspace, the gateway's own files stay out of reach.
    #[test]
    fn a_workspace_over_the_gateways_own_files_does_not_open_them() {
        let (folder, _) = places();
        let home = folder.path().join("home");
        for workspace in [folder.path().to_owned(), home.clone(), home.join("state"), home.join("work")] {
            let places = Places::of(&workspace, &home).expect("places");
            for name in ["secrets.yaml", "config.yaml", "token", "state/gateway.db", "STATE/new"] {
                let path = home.join(name);
                assert!(places.find(&path.to_string_lossy()).is_err(), "{} of {}", name, workspace.display());
            }
        }
        let places = Places::of(&home.join("work"), &home).expect("places");
        assert!(places.find("notes").expect("the agent's own").inside);
        let places = Places::of(folder.path(), &home).expect("places");
        assert!(places.find("outside").expect("the agent's own").inside);
    }
}
