//! The façade: start a gateway, follow it, stop it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use simpleclaw_protocol::Scope;
use tokio::sync::watch;

use crate::config::ConfigError;
use crate::control::StopReason;
use crate::events::{Filter, Follower};
use crate::home::{Home, HomeError, LockError, Token};
use crate::logging::LogHandle;
use crate::server::AddressError;
use crate::startup::{self, Started};
use crate::store::StoreError;

/// How to start.
pub struct Options {
    pub home: Home,
    /// Instead of the configuration's; 0 is any free one.
    pub port: Option<u16>,
    /// Instead of the configuration's.
    pub bind: Option<String>,
    /// From [`crate::logging::init`]; absent: nothing is logged.
    pub logs: Option<LogHandle>,
}

impl Options {
    /// As the configuration of this home says.
    pub fn new(home: Home) -> Self {
        Self { home, port: None, bind: None, logs: None }
    }
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("the lock file could not be written: {0}")]
    Lock(std::io::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl StartError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Home(_) | Self::Lock(_) => "HOME",
            Self::Locked(_) => "LOCKED",
            Self::Config(_) | Self::Address(AddressError::Exposed(_)) => "CONFIG",
            Self::Store(_) => "STORE",
            Self::Address(AddressError::Taken(_)) => "PORT_TAKEN",
        }
    }

    /// The exit code of `simpleclaw gateway run`.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Locked(_) | Self::Address(AddressError::Taken(_)) => 75,
            Self::Config(_) | Self::Address(AddressError::Exposed(_)) => 78,
            Self::Home(_) | Self::Lock(_) | Self::Store(_) => 1,
        }
    }
}

/// A running gateway. Dropping it without [`Gateway::shutdown`] leaves its tasks to the end of the runtime.
pub struct Gateway {
    started: Started,
}

impl Gateway {
    /// Starts in the current tokio runtime; returns once connections are accepted.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        Ok(Self { started: startup::start(options).await? })
    }

    /// Where clients of this machine connect now: `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.started.runtime.url.borrow().clone()
    }

    /// Tells when the configuration moves it.
    pub fn moves(&self) -> watch::Receiver<String> {
        self.started.runtime.url.subscribe()
    }

    /// The token of the owner.
    pub fn token(&self) -> &Token {
        &self.started.token
    }

    /// Follows every event from inside the process; at most `max_bytes` may wait.
    pub fn subscribe(&self, max_bytes: usize) -> Arc<Follower> {
        let scopes: HashSet<Scope> = Scope::ALL.into();
        let follower = Follower::new(None, max_bytes, Filter::all(scopes));
        self.started.runtime.events.follow(&follower, || {});
        follower
    }

    /// Waits until somebody asks over the wire for an end or a restart.
    pub async fn stopped(&self) -> StopReason {
        self.started.runtime.control.until_asked_to_stop().await
    }

    /// How it is, in one line gathered from its parts, the writer of the store among them: where one of them is stuck, no
    /// line comes.
    pub async fn pulse(&self) -> String {
        let runtime = &self.started.runtime;
        // An empty unit of work writes nothing. A refusal is an answer as well.
        let _ = runtime.store.write(|_| Box::pin(async { Ok::<(), StoreError>(()) })).await;
        let (active, queued) = runtime.sessions.counts();
        let connections = runtime.presence.connections();
        let paused = if runtime.control.paused() { ", paused" } else { "" };
        format!("{active} runs active, {queued} waiting, {connections} connections{paused}")
    }

    /// Ends gracefully within about `deadline`.
    pub async fn shutdown(self, deadline: Duration) {
        let reason = self.started.runtime.control.stopping().unwrap_or(StopReason::Shutdown);
        startup::stop(self.started, reason, deadline).await;
    }
}
