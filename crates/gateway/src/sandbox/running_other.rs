//! Where there is no guard: macOS with `sandbox-exec`, in a process group of its own. What leaves the group is not found
//! again, and memory and processes are not counted; that is why `enforces` does not name them. Windows refuses: a job
//! object and a restricted token are not written yet, and without them no child would be stopped for sure.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Ended, Feed, PIECE, Reason};
use crate::sandbox::output::{Chunk, Decoder, Kept, Stream};
use crate::sandbox::probe::Walls;
use crate::sandbox::{Frozen, Launch, LaunchError};
use crate::supervisor::Supervisor;

/// A command that runs. Dropped, it is stopped.
#[derive(Debug)]
pub struct Running {
    group: Option<u32>,
    input: Option<ChildStdin>,
    feed: Arc<Feed>,
    ended: watch::Receiver<Option<Ended>>,
    stop: CancellationToken,
}

#[cfg(not(target_os = "macos"))]
fn command(_: &Walls, _: &Frozen, _: &Launch) -> Result<Command, LaunchError> {
    Err(LaunchError::Unsupported("commands cannot be run on this system yet: nothing here could stop all they start"))
}

/// The program is run by its path, which was compared a moment ago: macOS runs no open descriptor. What this user could
/// change in that moment is therefore refused where more than the sandbox was asked for.
#[cfg(target_os = "macos")]
fn command(walls: &Walls, frozen: &Frozen, launch: &Launch) -> Result<Command, LaunchError> {
    use crate::sandbox::{Mechanism, environment, macos};
    if frozen.program.copied || frozen.scripts.iter().any(|(_, held)| held.copied) {
        let asked = launch.confined.as_ref().is_none_or(|confined| confined.network || !confined.writes.is_empty());
        if asked {
            return Err(LaunchError::Unsupported(
                "on macOS a program or script that this user can change runs inside the sandbox alone",
            ));
        }
    }
    let mut command = match &launch.confined {
        Some(_) if walls.mechanism == Mechanism::Plain => return Err(LaunchError::NotIsolated),
        Some(confined) => {
            let profile = macos::profile(confined, &walls.hidden)
                .ok_or(LaunchError::Unsupported("a folder has a name that cannot stand in a sandbox profile"))?;
            let mut command = Command::new(macos::PROGRAM);
            command.arg("-p").arg(profile).arg(&frozen.program.path);
            command
        }
        None => {
            let mut command = Command::new(&frozen.program.path);
            if let Some(name) = frozen.argv.first() {
                command.arg0(name);
            }
            command
        }
    };
    let temp = launch.confined.as_ref().map(|confined| confined.temp.display().to_string());
    command.args(frozen.argv.iter().skip(1)).current_dir(&frozen.cwd.0).env_clear().process_group(0);
    command.envs(environment::fixed(temp.as_deref(), |name| std::env::var(name).ok())).envs(&frozen.env);
    Ok(command)
}

pub async fn launch(
    walls: Walls,
    frozen: Frozen,
    launch: Launch,
    supervisor: &Supervisor,
) -> Result<Running, LaunchError> {
    let mut command = command(&walls, &frozen, &launch)?;
    if launch.terminal {
        return Err(LaunchError::Unsupported("on this system a command gets no terminal yet"));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = child.id();
    let stop = supervisor.stopping().child_token();
    let feed = Feed::new(launch.limits.output_bytes);
    let (tell, ended) = watch::channel(None);
    let input = child.stdin.take();
    let until = Instant::now() + launch.limits.timeout;
    let kept = Kept::new(launch.limits.output_bytes);
    supervisor.spawn("command", follow(child, group, stop.clone(), Arc::clone(&feed), kept, until, tell));
    Ok(Running { group, input, feed, ended, stop })
}

async fn follow(
    mut child: Child,
    group: Option<u32>,
    stop: CancellationToken,
    feed: Arc<Feed>,
    mut kept: Kept,
    until: Instant,
    tell: watch::Sender<Option<Ended>>,
) {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut decoders, mut buffers) = ([Decoder::default(), Decoder::default()], [vec![0; PIECE], vec![0; PIECE]]);
    let (mut why, mut status) = (None, None);
    while status.is_none() || stdout.is_some() || stderr.is_some() {
        let [out, err] = &mut buffers;
        let (stream, count) = tokio::select! {
            read = read(&mut stdout, out) => (Stream::Stdout, read.unwrap_or_default()),
            read = read(&mut stderr, err) => (Stream::Stderr, read.unwrap_or_default()),
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.ok());
                signal_group(group, Order::Kill);
                continue;
            }
            () = stop.cancelled(), if why.is_none() => {
                why = Some(Reason::Stopped);
                signal_group(group, Order::Kill);
                continue;
            }
            () = sleep_until(until), if why.is_none() => {
                why = Some(Reason::Timeout);
                signal_group(group, Order::Kill);
                continue;
            }
        };
        let [first, second] = &mut decoders;
        let (buffer, decoder) = match stream {
            Stream::Stdout => (&*out, first),
            Stream::Stderr => (&*err, second),
        };
        let text = match buffer.get(..count).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => decoder.push(bytes),
            None => {
                match stream {
                    Stream::Stdout => stdout = None,
                    Stream::Stderr => stderr = None,
                }
                decoder.finish().unwrap_or_default().to_owned()
            }
        };
        kept.push(&text);
        feed.push(Chunk { stream, text });
    }
    let status = status.flatten();
    #[cfg(unix)]
    let signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
    #[cfg(not(unix))]
    let signal = None;
    let code = status.and_then(|status| status.code());
    feed.close();
    tell.send_replace(Some(Ended { reason: why.unwrap_or(Reason::Exited), code, signal, output: kept }));
}

async fn read(from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> io::Result<usize> {
    match from {
        Some(from) => from.read(buffer).await,
        None => std::future::pending().await,
    }
}

enum Order {
    Stop,
    Kill,
}

fn signal_group(group: Option<u32>, order: Order) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, killpg};
        let signal = match order {
            Order::Stop => Signal::SIGSTOP,
            Order::Kill => Signal::SIGKILL,
        };
        if let Some(group) = group.and_then(|group| i32::try_from(group).ok()) {
            let _ = killpg(nix::unistd::Pid::from_raw(group), signal);
        }
    }
    #[cfg(not(unix))]
    let _ = (group, matches!(order, Order::Stop | Order::Kill));
}

impl Running {
    /// The next piece of output; `None` once it has all come.
    pub async fn next_output(&mut self) -> Option<Chunk> {
        self.feed.next().await
    }

    /// Writes to its stdin; waits while the command does not read.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let input = self.input.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        input.write_all(bytes).await
    }

    /// No more input: what reads to the end sees it.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Stops every process of its group where it is.
    pub async fn freeze(&self) {
        if self.ended.borrow().is_none() {
            signal_group(self.group, Order::Stop);
        }
    }

    /// Kills its group.
    pub async fn kill(&self) {
        self.stop.cancel();
        let mut ended = self.ended.clone();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), ended.wait_for(Option::is_some)).await;
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
