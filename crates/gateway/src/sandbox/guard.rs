//! Two small lives of our own binary, started anew for each command; see [`enter`](super::enter).
//!
//! The **guard** stands between the gateway and a command. It is the reaper of all that the command leaves behind, counts
//! processes and memory, ends everything when the gateway asks, when the gateway is gone, or when the command itself has
//! ended, and says how it went. The **stage** (`stage.rs`) is its child: it puts on limits and walls and becomes the command.
//!
//! Both do blocking calls; neither has a runtime.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::plan::{self, Over, Plan, Report};
use super::{Mechanism, reexec, tree};

/// How often processes and memory are counted.
const COUNT_EVERY: Duration = Duration::from_millis(250);
/// Processes of bubblewrap itself are not the command's.
const OF_SANDBOX: u64 = 2;
/// How often the dead are looked for while everything is being killed.
const KILL_EVERY: Duration = Duration::from_millis(5);
/// The gateway keeps the time; this is for one that hangs.
const GRACE: Duration = Duration::from_secs(2);

/// The guard's whole life; its result is the exit code of the process.
pub fn run() -> u8 {
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else { return 70 };
    let socket = UnixStream::from(socket);
    match guard(&socket) {
        Ok(()) => 0,
        Err(error) => {
            tell(&socket, &Report::Failed(error.to_string()));
            70
        }
    }
}

fn tell(mut socket: &UnixStream, report: &Report) {
    let Ok(mut line) = serde_json::to_vec(report) else { return };
    line.push(b'\n');
    // A gateway that is gone needs no report.
    let _ = socket.write_all(&line);
}

fn guard(socket: &UnixStream) -> io::Result<()> {
    let (mut plan, mut fds) = plan::receive(socket)?;
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))?;
    // A session of its own: no terminal of a person, and no signal that is meant for the gateway's group. It cannot be
    // had where this process leads a group already, and then it has one of its own.
    let _ = rustix::process::setsid();

    let status = match plan.mechanism {
        Mechanism::Bubblewrap => {
            let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            plan.status = Some(fds.len());
            fds.push(writer);
            Some(File::from(reader))
        }
        Mechanism::Landlock | Mechanism::Plain => None,
    };
    let child = match stage(&plan, fds)? {
        Ok(child) => child,
        Err(words) => {
            tree::signal_all(own.as_raw_pid(), Signal::KILL);
            tell(socket, &Report::Failed(words));
            return Ok(());
        }
    };
    tell(socket, &Report::Started);
    let (ended, over) = watch(socket, own, child, &plan);
    let report = match status.map(ran_inside) {
        Some(false) if over.is_none() && ended.is_some_and(|ended| ended.exit_status().is_some()) => {
            Report::Failed("bubblewrap could not set up the sandbox; what it said is in the output".to_owned())
        }
        _ => Report::Ended {
            code: ended.and_then(WaitStatus::exit_status),
            signal: ended.and_then(WaitStatus::terminating_signal),
            over,
        },
    };
    tell(socket, &report);
    Ok(())
}

/// Starts the stage; its process once it has become the command (or bubblewrap), else why not, in words.
fn stage(plan: &Plan, fds: Vec<OwnedFd>) -> io::Result<Result<Pid, String>> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = reexec::command(reexec::STAGE);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    drop(command);
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    plan::send(&ours, plan, &borrowed)?;
    // The ends of the pipes must be the command's alone, or their readers would never see the end.
    drop(fds);
    let mut words = String::new();
    (&ours).take(4096).read_to_string(&mut words)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(if words.is_empty() { Ok(pid) } else { Err(words) })
}

/// Waits until nothing is left below the guard. How the command itself ended, and the limit that ended it.
fn watch(socket: &UnixStream, own: Pid, child: Pid, plan: &Plan) -> (Option<WaitStatus>, Option<Over>) {
    let began = Instant::now();
    let until = plan.limits.timeout.saturating_add(GRACE);
    let handle = rustix::process::pidfd_open(child, PidfdFlags::empty()).ok();
    let (mut ended, mut over, mut stop, mut counted) = (None, None, false, Instant::now());
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == child => ended = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                // No child is left, so nothing is: orphans would be children of this process.
                Err(_) => return (ended, over),
            }
        }
        if ended.is_some() || stop {
            tree::signal_all(own.as_raw_pid(), Signal::KILL);
        } else if began.elapsed() > until {
            (over, stop) = (Some(Over::Time), true);
            continue;
        } else if counted.elapsed() >= COUNT_EVERY {
            counted = Instant::now();
            let (processes, bytes) = tree::census(own.as_raw_pid());
            over = match () {
                () if processes > plan.limits.processes.saturating_add(OF_SANDBOX) => Some(Over::Processes),
                () if bytes > plan.limits.memory_bytes => Some(Over::Memory),
                () => over,
            };
            stop = over.is_some();
            if stop {
                continue;
            }
        }
        let pause = if ended.is_some() || stop { KILL_EVERY } else { COUNT_EVERY };
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
        let mut ready = vec![];
        if !stop {
            ready.push(PollFd::new(socket, PollFlags::IN));
        }
        if let Some(handle) = handle.as_ref().filter(|_| ended.is_none()) {
            ready.push(PollFd::new(handle, PollFlags::IN));
        }
        if rustix::event::poll(&mut ready, Some(&pause)).is_err() {
            continue;
        }
        // A word from the gateway, or its end: either way everything ends here.
        stop = stop || ready.first().is_some_and(|socket| !socket.revents().is_empty());
    }
}

/// Whether bubblewrap got as far as running the command: only then it reports an exit code.
fn ran_inside(status: File) -> bool {
    let mut text = String::new();
    // Whoever could hold the other end is dead by now.
    let read = status.take(64 << 10).read_to_string(&mut text);
    read.is_ok() && text.contains("\"exit-code\"")
}
