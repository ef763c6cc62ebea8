//! A cgroup of its own for a launch, where this user has been given some: everything in it stops, ends and is counted
//! at once, whatever sessions and parents it made for itself.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Limits;

/// What can be held with it on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// Our own; a launch gets a child of it.
    parent: PathBuf,
    pub memory: bool,
    pub processes: bool,
}

/// Tries it: makes a child, looks what it offers, and takes it away again.
pub fn available() -> Option<Available> {
    let parent = own()?;
    let launch = Cgroup::create(&parent).ok()?;
    let has = |name: &str| launch.path.join(name).exists();
    if !has("cgroup.freeze") || !has("cgroup.kill") || launch.procs().is_err() {
        return None;
    }
    Some(Available { memory: has("memory.max"), processes: has("pids.max"), parent })
}

/// The folder of this process in the second hierarchy; never the root, which is nobody's to divide.
fn own() -> Option<PathBuf> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = lines.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let mount = mount.into_iter().find(|mount| mount.join("cgroup.controllers").exists())?;
    (!path.is_empty()).then(|| mount.join(path))
}

/// Removed when dropped, at which time it is empty.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    fn create(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!("simpleclaw-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub fn of_launch(available: &Available, limits: &Limits) -> io::Result<Self> {
        let cgroup = Self::create(&available.parent)?;
        if available.memory {
            cgroup.write("memory.max", &limits.memory_bytes.to_string())?;
            // Otherwise it would fill the swap space first. Not there where the kernel counts no swap.
            let _ = cgroup.write("memory.swap.max", "0");
        }
        if available.processes {
            // With the guard's stage and bubblewrap's own.
            cgroup.write("pids.max", &limits.processes.saturating_add(3).to_string())?;
        }
        Ok(cgroup)
    }

    /// Whoever writes `0` to it is in.
    pub fn procs(&self) -> io::Result<File> {
        File::options().write(true).open(self.path.join("cgroup.procs"))
    }

    pub fn freeze(&self) -> io::Result<()> {
        self.write("cgroup.freeze", "1")
    }

    /// Whether everything in it has stopped since it was frozen.
    pub fn stands(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "frozen 1")
    }

    pub fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(name), value)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = self.kill();
        // The last process may need a moment; one that is left behind is empty, and goes with the gateway's own.
        for _ in 0..50 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::yield_now(),
                _ => return,
            }
        }
    }
}
