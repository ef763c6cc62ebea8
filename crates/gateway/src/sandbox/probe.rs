//! What isolates here, tried once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Confinement, Mechanism};
use crate::approval::command::TMP;

/// Clones would be tried anew; share it in an `Arc`. Until it has been tried it says `none`.
#[derive(Debug, Default)]
pub struct Sandbox {
    found: OnceLock<Found>,
    hidden: Vec<PathBuf>,
}

/// What a launch needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct Walls {
    pub mechanism: Mechanism,
    pub bubblewrap: Option<PathBuf>,
    /// Landlock keeps signals in.
    pub signal_scope: bool,
    #[cfg(target_os = "linux")]
    pub cgroup: Option<super::cgroup::Available>,
    pub hidden: Vec<PathBuf>,
}

#[derive(Debug)]
struct Found {
    walls: Walls,
    enforces: Vec<String>,
    /// Why what would be better does not work, for the log and the doctor.
    missing: Vec<String>,
}

impl Sandbox {
    /// Not tried yet. `hidden` are folders that no command sees, whatever it is granted: the gateway's own.
    pub fn new(hidden: Vec<PathBuf>) -> Self {
        let canonical = |path: PathBuf| std::fs::canonicalize(&path).unwrap_or(path);
        Self { found: OnceLock::new(), hidden: hidden.into_iter().map(canonical).collect() }
    }

    /// Tries it, unless that was done: starts a few processes, and takes some ten milliseconds.
    pub async fn look(&self) {
        if self.found.get().is_none() {
            let found = look(&self.hidden).await;
            // Two at the same time find the same.
            let _ = self.found.set(found);
        }
    }

    /// `bubblewrap`, `landlock`, `sandbox-exec`, or `none`.
    pub fn kind(&self) -> &'static str {
        match self.found.get().map(|found| found.walls.mechanism) {
            Some(Mechanism::Bubblewrap) => "bubblewrap",
            Some(Mechanism::Landlock) if cfg!(target_os = "macos") => "sandbox-exec",
            Some(Mechanism::Landlock) => "landlock",
            Some(Mechanism::Plain) | None => "none",
        }
    }

    /// What is held, one word or two each: `files`, `network`, `signals`, … Empty where nothing is.
    pub fn enforces(&self) -> &[String] {
        self.found.get().map_or(&[], |found| &found.enforces)
    }

    pub fn is_enforced(&self) -> bool {
        !self.enforces().is_empty()
    }

    /// Why nothing better isolates here, in sentences.
    pub fn missing(&self) -> &[String] {
        self.found.get().map_or(&[], |found| &found.missing)
    }

    /// What a command so confined finds at its `/tmp`, where that is its folder for temporary files. `None` until this was
    /// tried.
    pub fn tmp<'a>(&self, confined: &'a Confinement) -> Option<&'a Path> {
        self.found.get().and_then(|found| found.walls.tmp(confined))
    }

    pub(super) async fn walls(&self) -> Walls {
        self.look().await;
        let walls = self.found.get().map(|found| found.walls.clone());
        walls.unwrap_or_else(|| Walls::none(&self.hidden))
    }

    /// With one mechanism, whatever else works here.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn with(mechanism: Mechanism, hidden: Vec<PathBuf>) -> Self {
        let sandbox = Self::new(hidden);
        let walls = Walls {
            mechanism,
            bubblewrap: super::bubblewrap::find(),
            signal_scope: super::landlock::held().signals,
            ..Walls::none(&sandbox.hidden)
        };
        let _ = sandbox.found.set(Found { walls, enforces: vec!["files".to_owned()], missing: vec![] });
        sandbox
    }
}

impl Walls {
    /// See [`Sandbox::tmp`]. Not where a folder that the command gets lies below `/tmp` itself: bubblewrap makes a place for
    /// that one first, and follows every link on the way. A former command could have put one there that leads out.
    pub fn tmp<'a>(&self, confined: &'a Confinement) -> Option<&'a Path> {
        let mut folders = [&confined.workspace, &confined.temp].into_iter().chain(&confined.writes);
        let below = folders.any(|folder| folder.starts_with(TMP));
        (self.mechanism == Mechanism::Bubblewrap && !below).then_some(confined.temp.as_path())
    }

    fn none(hidden: &[PathBuf]) -> Self {
        Self {
            mechanism: Mechanism::Plain,
            bubblewrap: None,
            signal_scope: false,
            #[cfg(target_os = "linux")]
            cgroup: None,
            hidden: hidden.to_vec(),
        }
    }
}

#[cfg(target_os = "linux")]
async fn look(hidden: &[PathBuf]) -> Found {
    use super::{bubblewrap, cgroup, landlock, system};
    let held = tokio::task::spawn_blocking(|| (landlock::held(), cgroup::available())).await;
    let mut missing = Vec::new();
    let Ok((landlock, cgroup)) = held else {
        return Found { walls: Walls::none(hidden), enforces: vec![], missing: vec!["the probe failed".to_owned()] };
    };
    let mut words = vec!["files", "network", "system calls"];
    let whole = cgroup.as_ref().is_some_and(|cgroup| cgroup.memory && cgroup.processes);
    let none = Walls { cgroup, ..Walls::none(hidden) };
    let found = |walls, words: Vec<&str>, missing| Found {
        walls,
        enforces: words.into_iter().map(str::to_owned).collect(),
        missing,
    };
    if whole {
        words.extend(["memory", "process count"]);
    }
    match bubblewrap::find() {
        None => missing.push("bubblewrap is not installed".to_owned()),
        Some(path) => {
            let mechanism = Mechanism::Bubblewrap;
            let walls = Walls { mechanism, bubblewrap: Some(path), hidden: vec![], ..none.clone() };
            match trial::run(walls.clone()).await {
                Ok(()) => {
                    words.extend(["processes", "signals", "shared memory"]);
                    return found(Walls { hidden: hidden.to_vec(), ..walls }, words, missing);
                }
                Err(why) => missing.push(format!("bubblewrap does not work here: {why}")),
            }
        }
    }
    if !landlock.files {
        missing.push("this kernel has no Landlock, or one older than its third version (Linux 6.2)".to_owned());
        return found(none, vec![], missing);
    }
    if let Some(path) = hidden.iter().find(|path| system::holds(path)) {
        let path = path.display();
        missing.push(format!("Landlock would show {path} to every command, because it lies in a folder of the system"));
        return found(none, vec![], missing);
    }
    let mechanism = Mechanism::Landlock;
    let walls = Walls { mechanism, signal_scope: landlock.signals, hidden: vec![], ..none.clone() };
    match trial::run(walls.clone()).await {
        Ok(()) => {
            words.extend(["signals", "shared memory"]);
            found(Walls { hidden: hidden.to_vec(), ..walls }, words, missing)
        }
        Err(why) => {
            missing.push(format!("Landlock does not work here: {why}"));
            found(none, vec![], missing)
        }
    }
}

#[cfg(target_os = "macos")]
async fn look(hidden: &[PathBuf]) -> Found {
    let none = Walls::none(hidden);
    match super::macos::works().await {
        Ok(()) => {
            let words = ["files", "network"];
            let walls = Walls { mechanism: Mechanism::Landlock, ..none };
            Found { walls, enforces: words.map(str::to_owned).to_vec(), missing: vec![] }
        }
        Err(why) => {
            Found { walls: none, enforces: vec![], missing: vec![format!("sandbox-exec does not work: {why}")] }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
async fn look(hidden: &[PathBuf]) -> Found {
    let missing = vec!["on this system nothing isolates commands yet".to_owned()];
    Found { walls: Walls::none(hidden), enforces: vec![], missing }
}

/// A command that tries to leave, run with everything that a real one is run with.
#[cfg(target_os = "linux")]
mod trial {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::path::Path;
    use std::time::Duration;

    use super::Walls;
    use crate::sandbox::freeze::{Frozen, Held, open_folder};
    use crate::sandbox::{Confinement, Launch, Limits, Reason, running};
    use crate::supervisor::Supervisor;

    /// Its own folder can be written, and another one can not. `$1` is that folder, `$2` the other.
    const SCRIPT: &str = r#": > "$1/inside" || exit 81
if (: > "$2/outside") 2>/dev/null; then exit 82; fi
exit 0"#;

    pub async fn run(walls: Walls) -> Result<(), String> {
        let made = tokio::task::spawn_blocking(|| -> std::io::Result<_> {
            let folder = tempfile::tempdir()?;
            let top = std::fs::canonicalize(folder.path())?;
            let [inside, outside] = ["in", "out"].map(|name| top.join(name));
            std::fs::create_dir(&inside)?;
            std::fs::create_dir(&outside)?;
            let shell = std::fs::canonicalize("/bin/sh")?;
            let frozen = Frozen {
                program: Held { file: File::open(&shell)?, path: shell, copied: false },
                argv: ["sh", "-c", SCRIPT, "sh"].map(str::to_owned).to_vec(),
                scripts: vec![],
                cwd: (inside.clone(), open_folder(&inside)?),
                env: BTreeMap::new(),
            };
            Ok((folder, inside, outside, frozen))
        });
        let made = made.await.map_err(|error| error.to_string())?;
        let (folder, inside, outside, mut frozen) = made.map_err(|error| error.to_string())?;
        frozen.argv.extend([&inside, &outside].map(|path: &std::path::PathBuf| path.display().to_string()));
        let confined = Confinement { workspace: inside.clone(), temp: inside, network: false, writes: vec![] };
        let limits = Limits { timeout: Duration::from_secs(5), output_bytes: 4096, ..Limits::default() };
        let launch = Launch { confined: Some(confined), limits, terminal: false };
        let supervisor = Supervisor::default();
        let mut running =
            running::launch(walls, frozen, launch, &supervisor).await.map_err(|error| error.to_string())?;
        let ended = running.ended().await;
        drop(folder);
        match (ended.reason, ended.code) {
            (Reason::Exited, Some(0)) if !Path::new(&outside).join("outside").exists() => Ok(()),
            (Reason::Exited, Some(82)) => Err("a command could write outside of its folder".to_owned()),
            (reason, code) => {
                let said = ended.output.text();
                let said = said.trim().chars().take(300).collect::<String>();
                Err(format!("a trial ended with {reason:?}, code {code:?}: {said}"))
            }
        }
    }
}
