//! The options of bubblewrap: a root of its own with system folders to read, folders to write, and nothing else of this
//! machine in sight.
//!
//! They go through a descriptor, not the command line: the environment is in them, and bubblewrap itself must not see it
//! (`LD_PRELOAD` would be loaded outside of the walls that it is about to build).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::plan::{Arg, Plan, Program};
use super::system;
use crate::approval::command::TMP;

/// Where it may be: never a folder that this user can write.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

/// Sealed copies appear below it; nobody outside can reach the place.
pub const COPIES: &str = "/run/simpleclaw";

pub fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The descriptors that bubblewrap itself needs; it closes them before the command runs.
pub fn descriptors(plan: &Plan) -> Vec<usize> {
    let mut all: Vec<usize> = plan.writable.iter().chain(&plan.copies).map(|opened| opened.fd).collect();
    all.extend(plan.tmp);
    all.extend(plan.status);
    all
}

/// What follows `--`. A program gets the path that bubblewrap starts as its first word, since not every bubblewrap takes
/// another for it; so `prepare` gives the path the name that the program is called by.
pub fn argv(plan: &Plan) -> io::Result<Vec<OsString>> {
    let Program::Path(program) = &plan.program else { return Err(io::Error::other("no path")) };
    let mut argv = vec![program.clone().into_os_string()];
    for arg in plan.argv.iter().skip(1) {
        let Arg::Text(text) = arg else { return Err(io::Error::other("a descriptor among the arguments")) };
        argv.push(text.into());
    }
    Ok(argv)
}

/// Every option, ended by a NUL each. `number` gives the number of an open descriptor.
pub fn options(plan: &Plan, filter: RawFd, number: impl Fn(usize) -> RawFd) -> io::Result<Vec<u8>> {
    let mut options = Options::default();
    for option in ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"] {
        options.add(&[option]);
    }
    if !plan.network {
        options.add(&["--unshare-net"]);
    }
    options.add(&["--die-with-parent", "--cap-drop", "ALL", "--hostname", "sandbox"]);
    if !plan.terminal {
        options.add(&["--new-session"]);
    }
    for folder in system::FOLDERS {
        let path = Path::new(folder);
        match path.read_link() {
            Ok(target) => options.add(&["--symlink".as_ref(), target.as_os_str(), path.as_os_str()]),
            Err(_) if path.is_dir() => options.add(&["--ro-bind", folder, folder]),
            Err(_) => {}
        }
    }
    options.add(&["--proc", "/proc", "--dev", "/dev", "--dir", "/run", "--dir", "/var/tmp"]);
    match plan.tmp {
        // Nothing more is mounted below it; see `Walls::tmp`.
        Some(fd) => options.add(&["--bind-fd", number(fd).to_string().as_str(), TMP]),
        None => options.add(&["--tmpfs", TMP]),
    }
    if plan.network {
        options.add(&["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"]);
    }
    // Outer folders first, so that what lies inside of one comes to lie over it.
    let writable = plan.writable.iter().map(|opened| (&opened.path, Some(opened.fd)));
    let granted = |path: &Path| plan.writable.iter().any(|opened| path.starts_with(&opened.path));
    let seen = |path: &Path| granted(path) || system::holds(path);
    let hidden = plan.hidden.iter().filter(|path| seen(path)).map(|path| (path, None));
    let mut places: Vec<(&PathBuf, Option<usize>)> = writable.chain(hidden).collect();
    places.sort_by_key(|(path, _)| path.components().count());
    for (path, fd) in &places {
        match fd {
            Some(fd) => {
                let fd = number(*fd).to_string();
                options.add(&["--bind-fd".as_ref(), fd.as_ref(), path.as_os_str()]);
            }
            None => options.add(&["--tmpfs".as_ref(), path.as_os_str()]),
        }
    }
    for (path, _) in places.iter().filter(|(_, fd)| fd.is_none()) {
        options.add(&["--remount-ro".as_ref(), path.as_os_str()]);
    }
    for (target, link) in &plan.links {
        options.add(&["--symlink".as_ref(), target.as_os_str(), link.as_os_str()]);
    }
    for copy in &plan.copies {
        let fd = number(copy.fd).to_string();
        options.add(&["--perms", "0555", "--ro-bind-data", fd.as_str()]);
        options.add(&[copy.path.as_os_str()]);
    }
    options.add(&["--remount-ro", "/"]);
    // By its name, once the walls stand. Bound to its place by the descriptor it would be the very folder; but bubblewrap
    // takes the name of a place, and of what is put there, through the links that another command puts on the way meanwhile:
    // out of the workspace, or over a folder of the system.
    options.add(&["--chdir".as_ref(), plan.cwd.path.as_os_str()]);
    options.add(&["--seccomp", filter.to_string().as_str()]);
    if let Some(status) = plan.status {
        options.add(&["--json-status-fd", number(status).to_string().as_str()]);
    }
    options.add(&["--clearenv"]);
    for (name, value) in &plan.env {
        options.add(&["--setenv", name.as_str(), value.as_str()]);
    }
    Ok(options.0)
}

#[derive(Default)]
struct Options(Vec<u8>);

impl Options {
    fn add<T: AsRef<OsStr> + ?Sized>(&mut self, words: &[&T]) {
        for word in words {
            self.0.extend_from_slice(word.as_ref().as_bytes());
            self.0.push(0);
        }
    }
}
