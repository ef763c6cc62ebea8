//! Programs that run until Ctrl-C, and are ended in order when it comes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cmd;

/// How long a program has to end by itself after it is asked to.
const GRACE: Duration = Duration::from_secs(20);

/// How often a program is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Hears Ctrl-C and a request to end, instead of dying of it and leaving programs behind. Once per process.
pub fn stop_requests() -> anyhow::Result<Receiver<()>> {
    let (sender, receiver) = channel();
    ctrlc::set_handler(move || {
        let _ = sender.send(());
    })
    .context("listening for Ctrl-C")?;
    Ok(receiver)
}

/// Starts a program in a process group of its own, so that Ctrl-C reaches this one alone.
pub fn start(command: &mut Command) -> anyhow::Result<Child> {
    let line = cmd::line(command);
    println!("$ {line}");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.spawn().with_context(|| format!("starting `{line}`"))
}

/// Starts the headless gateway with `--json`, and reads the line in which it says where it listens.
pub fn start_gateway(command: &mut Command, stop: &Receiver<()>) -> anyhow::Result<(Child, Value)> {
    let mut child = start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut lines = BufReader::new(child.stdout.take().context("the gateway's output")?);
    let (sender, receiver) = channel();
    // A thread, because what comes later must be read too: the gateway would block on a full pipe.
    std::thread::spawn(move || {
        let mut first = String::new();
        let _ = lines.read_line(&mut first);
        let _ = sender.send(first);
        lines.lines().map_while(Result::ok).for_each(|line| println!("{line}"));
    });
    let first = loop {
        match receiver.recv_timeout(POLL) {
            Ok(first) => break first,
            Err(_) if stop.try_recv().is_ok() => {
                end(&mut child)?;
                bail!("stopped before the gateway was up");
            }
            Err(_) => {}
        }
    };
    let Ok(first) = serde_json::from_str::<Value>(&first) else {
        let status = end(&mut child)?;
        bail!("the gateway did not say where it listens ({status}); its first line was {first:?}");
    };
    if let Some(error) = first.get("error") {
        end(&mut child)?;
        bail!("the gateway did not start: {}", error["message"].as_str().unwrap_or(&error.to_string()));
    }
    Ok((child, first))
}

/// Waits until the program ends by itself or a stop is asked for. A failure of its own is an error.
pub fn wait(child: &mut Child, stop: &Receiver<()>) -> anyhow::Result<()> {
    loop {
        if let Some(status) = child.try_wait().context("waiting for the program")? {
            return if status.success() { Ok(()) } else { bail!("the program ended with {status}") };
        }
        if stop.recv_timeout(POLL).is_ok() {
            end(child)?;
            return Ok(());
        }
    }
}

/// Asks a program to end, and makes it after [`GRACE`].
pub fn end(child: &mut Child) -> anyhow::Result<ExitStatus> {
    // On Windows Ctrl-C has reached it already: it shares our console.
    if cfg!(unix) && child.try_wait()?.is_none() {
        cmd::output(Command::new("kill").args(["-TERM", &child.id().to_string()]));
    }
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().context("ending the program")?;
    child.wait().context("waiting for the program")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    #[cfg_attr(not(unix), ignore = "needs a POSIX shell")]
    fn a_gateway_is_started_and_ended() {
        let script = r#"echo '{"event":"listening","url":"http://127.0.0.1:1"}'; exec sleep 60"#;
        let (_sender, stop) = channel();
        let (mut child, first) = start_gateway(&mut shell(script), &stop).unwrap();
        assert_eq!(first["url"], "http://127.0.0.1:1");
        let asked = Instant::now();
        assert!(!end(&mut child).unwrap().success());
        assert!(asked.elapsed() < GRACE, "it was asked, not killed");
    }

    #[test]
    #[cfg_attr(not(unix), ignore = "needs a POSIX shell")]
    fn a_gateway_that_does_not_start_says_why() {
        let script = r#"echo '{"event":"failed","error":{"code":"CONFLICT","message":"port 1 is taken"}}'; exit 75"#;
        let (sender, stop) = channel();
        let error = start_gateway(&mut shell(script), &stop).unwrap_err().to_string();
        assert_eq!(error, "the gateway did not start: port 1 is taken");
        let error = start_gateway(&mut shell("exit 3"), &stop).unwrap_err().to_string();
        assert!(error.starts_with("the gateway did not say where it listens (exit status: 3)"), "{error}");
        sender.send(()).unwrap();
        let error = start_gateway(&mut shell("exec sleep 60"), &stop).unwrap_err().to_string();
        assert_eq!(error, "stopped before the gateway was up");
    }

    #[test]
    #[cfg_attr(not(unix), ignore = "needs a POSIX shell")]
    fn waiting_ends_with_the_program_or_with_a_stop() {
        let (sender, stop) = channel();
        assert!(wait(&mut start(&mut shell("exit 0")).unwrap(), &stop).is_ok());
        assert!(wait(&mut start(&mut shell("exit 1")).unwrap(), &stop).is_err());
        sender.send(()).unwrap();
        assert!(wait(&mut start(&mut shell("exec sleep 60")).unwrap(), &stop).is_ok());
    }
}
