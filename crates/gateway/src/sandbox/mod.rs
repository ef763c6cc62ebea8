//! Running commands: what isolates here, exactly what was approved, within limits, and stopped for sure.
//!
//! `freeze` holds on to what was approved; [`start`] runs that and nothing else. On Linux every command has a guard, a small
//! life of our own binary (`guard`), and gets its limits and walls from a stage (`stage`) that becomes the command:
//! bubblewrap where it works, else Landlock and a filter of system calls, else limits alone. What is published
//! ([`Sandbox::enforces`]) was tried here, never assumed.
//!
//! Elsewhere: whether something may run at all (`approval`), and what an agent gets to see of it (`tool`).

#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod cgroup;
pub mod environment;
mod freeze;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "macos")]
mod macos;
mod output;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod prepare;
mod probe;
#[cfg(target_os = "linux")]
mod reexec;
mod running;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use freeze::{Changed, Frozen, freeze};
pub use output::{Chunk, Kept, Stream};
pub use probe::Sandbox;
pub use running::{Ended, Reason, Running, start};

/// How one launch shall run. What runs is in [`Frozen`].
#[derive(Debug, Clone)]
pub struct Launch {
    /// `None`: with limits alone.
    pub confined: Option<Confinement>,
    pub limits: Limits,
    /// The command gets a terminal of its own, and stdout and stderr are one stream.
    pub terminal: bool,
}

/// What a confined command can reach besides the folders of the system. All paths are absolute and canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    pub workspace: PathBuf,
    /// A folder for temporary files, which is there; its home as well. [`Sandbox::tmp`] says whether it also stands at
    /// the command's `/tmp`.
    pub temp: PathBuf,
    /// TCP and UDP; never sockets of this machine's programs.
    pub network: bool,
    /// Granted besides.
    pub writes: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub timeout: Duration,
    /// Kept of its output: half from its beginning, half from its end.
    pub output_bytes: usize,
    /// Of all its processes together.
    pub memory_bytes: u64,
    pub processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(120), output_bytes: 1 << 20, memory_bytes: 4 << 30, processes: 512 }
    }
}

/// What keeps a command in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Mechanism {
    Bubblewrap,
    Landlock,
    /// Nothing but limits.
    Plain,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("nothing on this machine can isolate a command, and this one may only run isolated")]
    NotIsolated,
    #[error("{} cannot be used: {error}", path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("{} is not visible in the sandbox, so no command can run there", .0.display())]
    Outside(PathBuf),
    #[error("{} belongs to the gateway, and no command may see it", .0.display())]
    Hidden(PathBuf),
    #[error("{0}")]
    Failed(String),
    #[error("the command could not be started: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Whether `main` has called [`enter`]: only then can this binary be started again as a guard.
static ENTERED: AtomicBool = AtomicBool::new(cfg!(test));

/// The first thing in every `main` that runs a gateway. Where this process is not a gateway but a guard or a stage, it lives
/// that life and gives the code to exit with.
#[must_use]
pub fn enter() -> Option<ExitCode> {
    ENTERED.store(true, Ordering::Relaxed);
    entered().map(ExitCode::from)
}

/// Whether a path lies in a folder of the system, which every confined command may read.
pub fn is_of_system(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return system::holds(path);
    #[cfg(target_os = "macos")]
    return macos::READABLE.iter().any(|folder| path.starts_with(folder));
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    return false;
}

fn entered() -> Option<u8> {
    #[cfg(target_os = "linux")]
    match reexec::role() {
        Some(reexec::GUARD) => return Some(guard::run()),
        Some(reexec::STAGE) => return Some(stage::run()),
        _ => {}
    }
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
