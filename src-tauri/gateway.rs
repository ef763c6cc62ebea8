//! The gateway in the background: starts it in this process, or attaches to the one that already has the state folder,
//! and keeps a [`State`] of what it says. One task owns all of it; everybody else sends a [`Request`].
//!
//! Either way this app talks to the gateway over its WebSocket like any other client, so that the two cases differ only
//! in who ends the gateway.
//!
//! Deliberately elsewhere: following it (`connection`), what the state means for icon and menu (`state`), windows (`windows`).

use std::time::Duration;

use simpleclaw_gateway::logging::LogHandle;
use simpleclaw_gateway::{Gateway, Home, LockFile, Options, StartError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::{self, Connection};
use crate::state::{Endpoint, Failure, Phase, State};

/// How long a gateway that starts or stops may keep the folder locked without saying where it is.
const OWNER_WITHIN: Duration = Duration::from_secs(10);
/// More clicks than this cannot wait.
const REQUESTS: usize = 32;

/// What the rest of the app can ask for.
#[derive(Debug)]
pub enum Request {
    /// Try again; with `any_port` on a free port instead of the configured one.
    Start {
        any_port: bool,
    },
    Restart,
    StopAll,
    Pause(bool),
    /// Answers an approval: once, or not at all.
    Decide {
        id: String,
        allow: bool,
    },
    /// End gracefully; answered when the state folder is free.
    Quit(oneshot::Sender<()>),
}

/// The handle of the background task.
pub struct Link {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<State>,
}

/// What follows a connection.
pub enum Next {
    Start { any_port: bool },
    Wait(Phase),
    Quit(oneshot::Sender<()>),
}

impl Link {
    /// Starts the background task. `port` goes before the configured one.
    pub fn start(home: Home, port: Option<u16>, logs: LogHandle) -> Self {
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let (state, watched) = watch::channel(State::new(Phase::Starting));
        tauri::async_runtime::spawn(run(home, port, logs, state, inbox));
        Self { requests, state: watched }
    }

    /// Asks; what does not fit any more is dropped and logged, because nobody waits for an answer.
    pub fn ask(&self, request: Request) {
        if let Err(error) = self.requests.try_send(request) {
            tracing::warn!(%error, "a request from the menu was dropped");
        }
    }

    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

async fn run(
    home: Home,
    port: Option<u16>,
    logs: LogHandle,
    state: watch::Sender<State>,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut any_port = false;
    let done = loop {
        state.send_replace(State::new(Phase::Starting));
        let next = match open(home.clone(), if any_port { Some(0) } else { port }, logs.clone()).await {
            Ok(connection) => connection.serve(&state, &mut requests).await,
            Err(failure) => {
                tracing::error!(code = failure.code, "the gateway did not start: {}", failure.sentence);
                Next::Wait(Phase::Failed(failure))
            }
        };
        let next = match next {
            Next::Wait(phase) => {
                state.send_replace(State::new(phase));
                wait(&mut requests).await
            }
            other => other,
        };
        match next {
            Next::Start { any_port: any } => any_port = any,
            Next::Quit(done) => break Some(done),
            Next::Wait(_) => break None,
        }
    };
    if let Some(done) = done {
        let _ = done.send(());
    }
}

/// Without a gateway only a new start or the end make sense.
async fn wait(requests: &mut mpsc::Receiver<Request>) -> Next {
    loop {
        match requests.recv().await {
            Some(Request::Start { any_port }) => return Next::Start { any_port },
            Some(Request::Restart) => return Next::Start { any_port: false },
            Some(Request::Quit(done)) => return Next::Quit(done),
            Some(Request::StopAll | Request::Pause(_) | Request::Decide { .. }) => {}
            None => return Next::Wait(Phase::Stopped),
        }
    }
}

/// Starts a gateway, or connects to the one that has the folder.
async fn open(home: Home, port: Option<u16>, logs: LogHandle) -> Result<Connection, Failure> {
    let deadline = tokio::time::Instant::now() + OWNER_WITHIN;
    loop {
        let options = Options { logs: Some(logs.clone()), port, ..Options::new(home.clone()) };
        let error = match Gateway::start(options).await {
            Ok(gateway) => {
                let (url, token) = (gateway.url(), gateway.token().expose().to_owned());
                return connection::connect(Some(gateway), std::process::id(), Endpoint { url, token }).await;
            }
            Err(error) => error,
        };
        let owner = match &error {
            StartError::Locked(lock) if lock.source.is_none() => lock.owner.clone(),
            _ => return Err(failure(&home, &error)),
        };
        match owner {
            Some(owner) => return attach(home, owner, error).await,
            // There is no event for a lock that is set free or gets its content.
            None if tokio::time::Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            None => return Err(failure(&home, &error)),
        }
    }
}

async fn attach(home: Home, owner: LockFile, error: StartError) -> Result<Connection, Failure> {
    let token = home.token().map_err(|error| failure(&home, &error.into()))?;
    let endpoint = Endpoint { url: owner.url, token: token.expose().to_owned() };
    connection::connect(None, owner.pid, endpoint).await.map_err(|unreachable| Failure {
        sentence: format!("{error}. {}", unreachable.sentence),
        ..failure(&home, &error)
    })
}

fn failure(home: &Home, error: &StartError) -> Failure {
    let config = Some(home.config_path()).filter(|path| path.exists());
    Failure { code: error.code(), sentence: sentence(&error.to_string()), config }
}

/// Errors begin in lower case, sentences do not.
pub fn sentence(error: &str) -> String {
    let mut rest = error.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect::<String>().trim_end_matches('.').to_owned() + ".",
        None => String::new(),
    }
}
