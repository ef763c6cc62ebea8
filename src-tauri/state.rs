//! What is known of the gateway, and what icon and tooltip say about it: pure, so that every case stands in a table
//! (`state_tests`).
//!
//! Deliberately elsewhere: the menu's entries (`menu`), hearing the gateway (`connection`), drawing icon and menu (`tray`), acting on a click (`app`).

use std::path::PathBuf;

use serde::Serialize;
use simpleclaw_client::EventFrame;
use simpleclaw_protocol::events::SessionChangedEvent;
use simpleclaw_protocol::health::{ChannelState, Health, SubsystemState};
use simpleclaw_protocol::message::SessionRow;

/// How many sessions the menu lists.
pub const RECENT_SESSIONS: usize = 8;

/// Where the gateway is in its life, as far as this app knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Starting,
    /// The gateway runs in this process.
    Running,
    /// Another process has the state folder, and this app is its client.
    Attached {
        pid: u32,
    },
    /// The connection to that other process is gone.
    Lost {
        pid: u32,
    },
    Failed(Failure),
    Stopping,
    /// Somebody ended the gateway over the wire.
    Stopped,
}

/// A start that failed, as its window shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// A stable word: `PORT_TAKEN`, `CONFIG`, `LOCKED`, …
    pub code: &'static str,
    /// Names the owner or the place, and what to do.
    pub sentence: String,
    /// The configuration file, where there is one to open.
    pub config: Option<PathBuf>,
}

/// Where a client of this machine connects.
#[derive(Clone, Serialize)]
pub struct Endpoint {
    pub url: String,
    pub token: String,
}

/// Everything that icon, tooltip and menu depend on.
#[derive(Clone)]
pub struct State {
    pub phase: Phase,
    /// Present while there is a gateway to talk to.
    pub endpoint: Option<Endpoint>,
    pub health: Option<Health>,
    /// Newest first, at most [`RECENT_SESSIONS`].
    pub sessions: Vec<SessionRow>,
}

/// The icon; each has its own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Ready,
    Working,
    Degraded,
    /// Paused, stopped, or not there yet.
    Paused,
}

impl State {
    pub fn new(phase: Phase) -> Self {
        Self { phase, endpoint: None, health: None, sessions: Vec::new() }
    }

    /// Takes in one event; says whether anything that is shown here may be different.
    pub fn hear(&mut self, event: &EventFrame) -> bool {
        match event.name.as_str() {
            "health" => match event.parse::<Health>() {
                Ok(health) => self.health = Some(health),
                Err(_) => return false,
            },
            "gateway.paused" => self.set_paused(true),
            "gateway.resumed" => self.set_paused(false),
            "session.changed" => match event.parse::<SessionChangedEvent>() {
                Ok(changed) => self.put_session(changed.session),
                Err(_) => return false,
            },
            "shutdown" => self.phase = Phase::Stopping,
            _ => return false,
        }
        true
    }

    /// The newest comes first.
    fn put_session(&mut self, row: SessionRow) {
        self.sessions.retain(|other| other.key != row.key);
        if !row.archived {
            self.sessions.push(row);
        }
        self.sessions.sort_by_key(|row| std::cmp::Reverse(row.updated_at));
        self.sessions.truncate(RECENT_SESSIONS);
    }

    /// Takes in a pause or its end before the health snapshot tells it.
    fn set_paused(&mut self, paused: bool) {
        if let Some(health) = &mut self.health {
            health.paused = paused;
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Attached { .. })
    }

    fn live_health(&self) -> Option<&Health> {
        self.health.as_ref().filter(|_| self.is_live())
    }

    pub fn is_paused(&self) -> bool {
        self.live_health().is_some_and(|health| health.paused)
    }

    /// Where a browser finds the gateway; without the token. `localhost`, because the UI keeps its storage under it.
    pub fn web_address(&self) -> Option<String> {
        let url = &self.endpoint.as_ref()?.url;
        Some(url.replacen("ws://127.0.0.1:", "http://localhost:", 1).replacen("ws://", "http://", 1))
    }

    pub fn icon(&self) -> Icon {
        match self.live_health() {
            None => Icon::Paused,
            Some(health) if health.paused => Icon::Paused,
            Some(health) if trouble(health).is_some() => Icon::Degraded,
            Some(health) if health.runs.active > 0 => Icon::Working,
            Some(_) => Icon::Ready,
        }
    }

    /// The first line of the menu.
    pub fn status_line(&self) -> String {
        let mut line = format!("{} · {}", name_and_version(), self.words());
        if let Some(health) = self.live_health().filter(|health| !health.channels.is_empty()) {
            let connected = health.channels.values().filter(|state| **state == ChannelState::Connected).count();
            line += &format!(" · {connected} of {} channels", health.channels.len());
        }
        line
    }

    /// The status and what is wrong, for whoever points at the icon.
    pub fn tooltip(&self) -> String {
        let mut text = format!("SimpleClaw: {}", self.words());
        let detail = match &self.phase {
            Phase::Failed(failure) => Some(failure.sentence.clone()),
            _ => self.live_health().and_then(trouble),
        };
        if let Some(detail) = detail {
            text += &format!("\n{detail}");
        }
        text
    }

    fn words(&self) -> String {
        let state = match self.live_health() {
            Some(health) if health.paused => "paused".to_owned(),
            Some(health) if trouble(health).is_some() => "degraded".to_owned(),
            Some(health) if health.runs.active == 1 => "1 run active".to_owned(),
            Some(health) if health.runs.active > 1 => format!("{} runs active", health.runs.active),
            _ => "running".to_owned(),
        };
        match &self.phase {
            Phase::Starting => "starting…".to_owned(),
            Phase::Running => state,
            Phase::Attached { pid } => format!("{state} in process {pid}"),
            Phase::Lost { pid } => format!("lost the gateway in process {pid}"),
            Phase::Failed(_) => "not started".to_owned(),
            Phase::Stopping => "stopping…".to_owned(),
            Phase::Stopped => "stopped".to_owned(),
        }
    }
}

/// What is wrong, in words.
fn trouble(health: &Health) -> Option<String> {
    if let Some(problem) = &health.config_problem {
        return Some(format!("config.yaml, line {}: {}", problem.line, problem.message));
    }
    let bad = |state| matches!(state, SubsystemState::Degraded | SubsystemState::Failed);
    let (name, subsystem) = health.subsystems.iter().find(|(_, subsystem)| bad(subsystem.state))?;
    Some(match &subsystem.detail {
        Some(detail) => format!("{name}: {detail}"),
        None => name.clone(),
    })
}

/// `SimpleClaw 0.1`
fn name_and_version() -> String {
    concat!("SimpleClaw ", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR")).to_owned()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
