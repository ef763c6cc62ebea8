//! With a guard between.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Ended, Feed, PIECE, Reason};
use crate::sandbox::cgroup::Cgroup;
use crate::sandbox::output::{Chunk, Decoder, Kept, Stream};
use crate::sandbox::plan::{self, Over, Report};
use crate::sandbox::probe::Walls;
use crate::sandbox::{ENTERED, Frozen, Launch, LaunchError, prepare, reexec, tree};
use crate::supervisor::Supervisor;

/// A guard that has not started its command by then never will.
const PATIENCE: Duration = Duration::from_secs(20);
/// A process that has been told to stop does so when the system next looks at it.
const STILL_WITHIN: Duration = Duration::from_millis(1_000);
/// From `kill` to the end of every process: by the guard, then by force.
const KILL_WITHIN: Duration = Duration::from_millis(1_500);
const FORCE_WITHIN: Duration = Duration::from_millis(400);
/// How long output may still come when everything has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A command that runs. Dropped, it is stopped.
#[derive(Debug)]
pub struct Running {
    guard: i32,
    input: Option<pipe::Sender>,
    feed: Arc<Feed>,
    ended: watch::Receiver<Option<Ended>>,
    stop: CancellationToken,
    cgroup: Option<Arc<Cgroup>>,
}

pub async fn launch(
    walls: Walls,
    frozen: Frozen,
    launch: Launch,
    supervisor: &Supervisor,
) -> Result<Running, LaunchError> {
    if !ENTERED.load(Ordering::Relaxed) {
        return Err(LaunchError::Unsupported("this program has no guard for commands, so it can start none"));
    }
    let (ends, theirs) = Ends::open(launch.terminal)?;
    let limits = launch.limits;
    let prepared = tokio::task::spawn_blocking(move || -> Result<_, LaunchError> {
        let (mut plan, mut fds) = prepare::prepare(&walls, frozen, &launch, theirs)?;
        let cgroup = walls.cgroup.as_ref().map(|available| Cgroup::of_launch(available, &limits)).transpose()?;
        if let Some(cgroup) = &cgroup {
            plan.cgroup = Some(fds.len());
            fds.push(cgroup.procs()?.into());
        }
        Ok((plan, fds, cgroup.map(Arc::new)))
    });
    let (plan, fds, cgroup) = prepared.await.map_err(io::Error::other)??;

    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let mut command = Command::from(reexec::command(reexec::GUARD));
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    drop(command);
    let guard = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(|| io::Error::other("no guard"))?;
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
    plan::send(&ours, &plan, &borrowed)?;
    // The pipes' ends must be the command's alone, or we would never see the end.
    drop(fds);
    ours.set_nonblocking(true)?;
    let (reports, orders) = UnixStream::from_std(ours)?.into_split();
    let mut reports = BufReader::new(reports).lines();
    match timeout(PATIENCE, report(&mut reports)).await {
        Ok(Some(Report::Started)) => {}
        Ok(Some(Report::Failed(words))) => return Err(LaunchError::Failed(words)),
        // Whoever drops the socket ends the guard.
        _ => return Err(LaunchError::Failed("the guard of the command ended or hung".to_owned())),
    }
    let stop = supervisor.stopping().child_token();
    let (tell, ended) = watch::channel(None);
    let feed = Feed::new(limits.output_bytes);
    let follow = Follow {
        child,
        reports,
        orders,
        stdout: Some(ends.stdout),
        stderr: ends.stderr,
        stop: stop.clone(),
        feed: Arc::clone(&feed),
        kept: Kept::new(limits.output_bytes),
        until: Instant::now() + limits.timeout,
        cgroup: cgroup.clone(),
    };
    supervisor.spawn("command", follow.run(tell));
    Ok(Running { guard, input: ends.stdin, feed, ended, stop, cgroup })
}

async fn report(reports: &mut Lines<BufReader<OwnedReadHalf>>) -> Option<Report> {
    serde_json::from_str(&reports.next_line().await.ok()??).ok()
}

impl Running {
    /// The next piece of output; `None` once it has all come. What nobody takes in time is left out here, not in what is kept.
    pub async fn next_output(&mut self) -> Option<Chunk> {
        self.feed.next().await
    }

    /// Writes to its stdin; waits while the command does not read.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let input = self.input.as_mut().ok_or_else(closed)?;
        let mut ended = self.ended.clone();
        tokio::select! {
            written = input.write_all(bytes) => written,
            _ = ended.wait_for(Option::is_some) => Err(closed()),
        }
    }

    /// No more input: what reads to the end sees it.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Stops every process of it where it is, at once, and waits a moment until each stands: what it has asked the kernel
    /// for is done first. They only go on to their end: nothing lets them run again.
    pub async fn freeze(&self) {
        let cgroup = self.cgroup.as_ref().filter(|cgroup| cgroup.freeze().is_ok());
        let still = || match cgroup {
            Some(cgroup) => cgroup.stands(),
            None => {
                if !tree::signal_all(self.guard, Signal::STOP) {
                    // They multiply faster than they can be stopped.
                    tree::signal_all(self.guard, Signal::KILL);
                }
                tree::stands(self.guard)
            }
        };
        let until = Instant::now() + STILL_WITHIN;
        // Its number may be another's once it has ended.
        while self.ended.borrow().is_none() && !still() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Kills every process of it, children that left its group and session included; within 2 s.
    pub async fn kill(&self) {
        self.stop.cancel();
        if let Some(cgroup) = &self.cgroup {
            // The guard does the same, one by one.
            let _ = cgroup.kill();
        }
        let mut ended = self.ended.clone();
        if timeout(KILL_WITHIN, ended.wait_for(Option::is_some)).await.is_ok() {
            return;
        }
        tracing::warn!(guard = self.guard, "the guard of a command does not end it; killed by force");
        tree::signal_all(self.guard, Signal::KILL);
        if let Some(guard) = Pid::from_raw(self.guard) {
            let _ = rustix::process::kill_process(guard, Signal::KILL);
        }
        let _ = timeout(FORCE_WITHIN, ended.wait_for(Option::is_some)).await;
    }

    /// Waits for the end. May be asked again.
    pub async fn ended(&mut self) -> Ended {
        let lost = || Ended {
            reason: Reason::Failed("nobody knows how the command ended".to_owned()),
            code: None,
            signal: None,
            output: Kept::new(0),
        };
        self.ended.wait_for(Option::is_some).await.map_or_else(|_| lost(), |ended| ended.clone().unwrap_or_else(lost))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Our ends of the command's stdin, stdout and stderr.
struct Ends {
    stdin: Option<pipe::Sender>,
    stdout: pipe::Receiver,
    /// `None` on a terminal, where both are one.
    stderr: Option<pipe::Receiver>,
}

impl Ends {
    /// With the command's ends.
    fn open(terminal: bool) -> io::Result<(Self, Vec<OwnedFd>)> {
        if terminal {
            return Self::terminal();
        }
        let (stdin, their_stdin) = pipe::pipe()?;
        let (their_stdout, stdout) = pipe::pipe()?;
        let (their_stderr, stderr) = pipe::pipe()?;
        let theirs =
            vec![their_stdin.into_blocking_fd()?, their_stdout.into_blocking_fd()?, their_stderr.into_blocking_fd()?];
        Ok((Self { stdin: Some(stdin), stdout, stderr: Some(stderr) }, theirs))
    }

    fn terminal() -> io::Result<(Self, Vec<OwnedFd>)> {
        use rustix::fs::OFlags;
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        let size = rustix::termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size)?;
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let stdin = pipe::Sender::from_owned_fd_unchecked(master.try_clone()?)?;
        let stdout = pipe::Receiver::from_owned_fd_unchecked(master)?;
        let theirs = vec![slave.try_clone()?, slave.try_clone()?, slave];
        Ok((Self { stdin: Some(stdin), stdout, stderr: None }, theirs))
    }
}

/// Reads all there is to read, keeps the time, and sees the command to its end.
struct Follow {
    child: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    orders: OwnedWriteHalf,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    stop: CancellationToken,
    feed: Arc<Feed>,
    kept: Kept,
    until: Instant,
    /// Removed with the last who holds it.
    cgroup: Option<Arc<Cgroup>>,
}

impl Follow {
    async fn run(mut self, tell: watch::Sender<Option<Ended>>) {
        let (mut decoders, mut buffers) = ([Decoder::default(), Decoder::default()], [vec![0; PIECE], vec![0; PIECE]]);
        let (mut asked, mut why) = (false, None);
        // The last report, and when no more output is waited for.
        let mut said: Option<(Option<Report>, Instant)> = None;
        loop {
            let [out, err] = &mut buffers;
            let last_words = said.as_ref().map_or(self.until, |(_, until)| *until);
            tokio::select! {
                read = read(&mut self.stdout, out) => {
                    self.took(Stream::Stdout, read.unwrap_or_default(), out, &mut decoders[0]);
                }
                read = read(&mut self.stderr, err) => {
                    self.took(Stream::Stderr, read.unwrap_or_default(), err, &mut decoders[1]);
                }
                report = report(&mut self.reports), if said.is_none() => {
                    said = Some((report, Instant::now() + LAST_WORDS));
                }
                () = self.stop.cancelled(), if !asked => {
                    (asked, why) = (true, Some(Reason::Stopped));
                    self.order_the_end();
                }
                () = sleep_until(self.until), if !asked && said.is_none() => {
                    (asked, why) = (true, Some(Reason::Timeout));
                    self.order_the_end();
                }
                () = sleep_until(last_words), if said.is_some() => break,
            }
            if said.is_some() && self.stdout.is_none() && self.stderr.is_none() {
                break;
            }
        }
        let (reason, code, signal) = outcome(said.and_then(|(report, _)| report), why);
        self.feed.close();
        // Told before the guard is reaped: until then its number is nobody else's.
        tell.send_replace(Some(Ended { reason, code, signal, output: self.kept }));
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
        }
        drop(self.cgroup);
    }

    /// Nothing read is the end.
    fn took(&mut self, stream: Stream, count: usize, buffer: &[u8], decoder: &mut Decoder) {
        let text = match buffer.get(..count).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => decoder.push(bytes),
            None => {
                match stream {
                    Stream::Stdout => self.stdout = None,
                    Stream::Stderr => self.stderr = None,
                }
                decoder.finish().unwrap_or_default().to_owned()
            }
        };
        self.kept.push(&text);
        self.feed.push(Chunk { stream, text });
    }

    fn order_the_end(&self) {
        // A guard that is gone has nothing to end.
        let _ = self.orders.try_write(b"k");
    }
}

/// Waits for ever where there is nothing to read from. A terminal says with an error that nobody is at its other end.
async fn read(from: &mut Option<pipe::Receiver>, buffer: &mut [u8]) -> io::Result<usize> {
    match from {
        Some(from) => from.read(buffer).await,
        None => std::future::pending().await,
    }
}

fn outcome(report: Option<Report>, why: Option<Reason>) -> (Reason, Option<i32>, Option<i32>) {
    match report {
        Some(Report::Ended { code, signal, over }) => {
            let over = over.map(|over| match over {
                Over::Time => Reason::Timeout,
                Over::Memory => Reason::Memory,
                Over::Processes => Reason::Processes,
            });
            (over.or(why).unwrap_or(Reason::Exited), code, signal)
        }
        Some(Report::Failed(words)) => (Reason::Failed(words), None, None),
        Some(Report::Started) | None => {
            let words = "the guard of the command ended before it said how the command did";
            (why.unwrap_or_else(|| Reason::Failed(words.to_owned())), None, None)
        }
    }
}
