//! What a person or a pipe gives on standard input.

use std::io::{BufRead as _, Read as _};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// The gateway takes no more in one message anyway.
const MAX_INPUT: u64 = simpleclaw_client::MAX_OUTGOING as u64;

/// The params of `call`: absent, given, or on standard input.
pub fn params(given: Option<String>) -> Result<Value, Failure> {
    let text = match given.as_deref() {
        None => return Ok(json!({})),
        Some("-") => all()?,
        Some(text) => text.to_owned(),
    };
    let params: Value =
        serde_json::from_str(&text).map_err(|error| Failure::usage(format!("the params are not JSON: {error}")))?;
    match params.is_object() {
        true => Ok(params),
        false => Err(Failure::usage("the params are not a JSON object")),
    }
}

/// All of standard input.
pub fn all() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
    Ok(text)
}

/// Lines of standard input until its end. A thread of its own, because a read that waits for a person cannot be
/// cancelled and would hold up the end of the runtime; the end of the process ends it.
pub fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock().take(MAX_INPUT);
        loop {
            let mut line = String::new();
            stdin.set_limit(MAX_INPUT);
            let more = matches!(stdin.read_line(&mut line), Ok(length) if length > 0);
            if !more || sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Ctrl-C from now on, also when pressed while nobody waits for it.
pub struct Interrupts(#[cfg(unix)] tokio::signal::unix::Signal, #[cfg(windows)] tokio::signal::windows::CtrlC);

impl Interrupts {
    pub fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        let listening = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
        #[cfg(windows)]
        let listening = tokio::signal::windows::ctrl_c();
        listening.map(Self).map_err(|error| Failure::internal(format!("cannot listen for Ctrl-C: {error}")))
    }

    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// SIGTERM from now on; never comes where the system has none.
pub struct Terminations(#[cfg(unix)] tokio::signal::unix::Signal);

impl Terminations {
    pub fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        let listening = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map(Self);
        #[cfg(not(unix))]
        let listening = Ok::<_, std::io::Error>(Self());
        listening.map_err(|error| Failure::internal(format!("cannot listen for SIGTERM: {error}")))
    }

    pub async fn next(&mut self) {
        #[cfg(unix)]
        self.0.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}
