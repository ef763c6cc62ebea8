//! From a plan to a command: descriptors, session, limits, walls, and then the program itself in this process's place.
//!
//! Whatever cannot be put on ends it here: no command runs with less than its plan says.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::plan::{self, Arg, Plan, Program, STDERR, STDIN, STDOUT};
use super::seccomp::{self, Filter};
use super::{Mechanism, bubblewrap, landlock, tree};

/// The largest file that a command may write, and how many it may have open.
const FILE_BYTES: u64 = 16 << 30;
const OPEN_FILES: u64 = 4096;

/// Comes back only with a failure, which goes to the guard in words; a socket that closes in silence says that all is well.
pub fn run() -> u8 {
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else { return 70 };
    let mut socket = UnixStream::from(socket);
    let Err(error) = become_command(&socket);
    let _ = socket.write_all(error.to_string().as_bytes());
    70
}

enum Never {}

fn become_command(socket: &UnixStream) -> io::Result<Never> {
    let (plan, fds) = plan::receive(socket)?;
    let fd = |number: usize| fds.get(number).ok_or_else(|| io::Error::other("a descriptor is missing"));
    rustix::stdio::dup2_stdin(fd(STDIN)?)?;
    rustix::stdio::dup2_stdout(fd(STDOUT)?)?;
    rustix::stdio::dup2_stderr(fd(STDERR)?)?;
    rustix::process::setsid()?;
    if plan.terminal {
        rustix::process::ioctl_tiocsctty(fd(STDIN)?)?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(cgroup) = plan.cgroup {
        File::from(fd(cgroup)?.try_clone()?).write_all(b"0")?;
    }
    limits(&plan)?;
    // Open until the program is another one.
    let mut ours: Vec<File> = Vec::new();
    let mut command = match plan.mechanism {
        Mechanism::Bubblewrap => {
            let filter = Filter { network: plan.network, signals_held: true, ipc_held: true };
            let filter = seccomp::bytes(&seccomp::program(filter).map_err(io::Error::other)?);
            let filter = plan::sealed("filter", |file| file.write_all(&filter))?;
            keep(&filter)?;
            for used in bubblewrap::descriptors(&plan) {
                keep(fd(used)?)?;
            }
            let number = |number: usize| fds.get(number).map_or(-1, |fd| fd.as_raw_fd());
            let options = bubblewrap::options(&plan, filter.as_raw_fd(), number)?;
            let options = plan::sealed("options", |file| file.write_all(&options))?;
            keep(&options)?;
            let mut command = Command::new(plan.bubblewrap.as_ref().ok_or_else(|| io::Error::other("no bubblewrap"))?);
            command.env_clear().arg("--args").arg(options.as_raw_fd().to_string()).arg("--");
            command.args(bubblewrap::argv(&plan)?);
            ours.extend([filter, options]);
            command
        }
        Mechanism::Landlock | Mechanism::Plain => {
            let Program::Descriptor(program) = plan.program else { return Err(io::Error::other("no program")) };
            let path = kept_path(fd(program)?)?;
            let mut command = Command::new(path);
            command.env_clear().envs(&plan.env);
            for (place, arg) in plan.argv.iter().enumerate() {
                let text = match arg {
                    Arg::Text(text) => text.clone(),
                    Arg::Descriptor(number) => kept_path(fd(*number)?)?,
                };
                if place == 0 {
                    command.arg0(text)
                } else {
                    command.arg(text)
                };
            }
            rustix::process::fchdir(fd(plan.cwd.fd)?)?;
            command
        }
    };
    if plan.mechanism == Mechanism::Landlock {
        landlock::restrict(&plan, &fds)?;
        drop_capabilities();
        let filter = Filter { network: plan.network, signals_held: plan.signal_scope, ipc_held: false };
        let program = seccomp::program(filter).map_err(io::Error::other)?;
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    let error = command.exec();
    drop(ours);
    Err(io::Error::other(format!("the program could not be started: {error}")))
}

/// Stays open in the program that comes next.
fn keep(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
}

fn kept_path(fd: &OwnedFd) -> io::Result<String> {
    keep(fd)?;
    Ok(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn limits(plan: &Plan) -> io::Result<()> {
    let user = tree::threads_of_user();
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, FILE_BYTES),
        (Resource::Nofile, OPEN_FILES),
        // Private memory that can be written, of each process; the guard adds up what all of them use. Not the address
        // space, of which some runtimes reserve a hundred times what they need.
        (Resource::Data, plan.limits.memory_bytes),
        // Counted by the kernel over everything of this user, and not at all for root; the guard counts as well.
        (Resource::Nproc, user.saturating_add(plan.limits.processes)),
    ];
    for (resource, limit) in limits {
        let now = rustix::process::getrlimit(resource);
        let limit = now.maximum.map_or(limit, |most| limit.min(most));
        rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// Only root has any to drop.
fn drop_capabilities() {
    for capability in CapabilitySet::all().iter() {
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    let _ =
        rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none });
}
