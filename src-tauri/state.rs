//! What is known of the gateway, and what icon and tooltip say about it: pure, so that every case stands in a table
//! (`state_tests`).
//!
//! Deliberately elsewhere: the menu's entries (`menu`), hearing the gateway (`connection`), drawing icon and menu (`tray`), acting on a click (`app`).

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use simpleclaw_client::EventFrame;
use simpleclaw_protocol::approval::Approval;
use simpleclaw_protocol::events::{
    AgentEvent, AgentStream, ApprovalResolvedEvent, LifecyclePhase, SessionChangedEvent,
};
use simpleclaw_protocol::health::{ChannelState, Health, SubsystemState};
use simpleclaw_protocol::message::SessionRow;

/// How many sessions the menu lists.
pub const RECENT_SESSIONS: usize = 8;
/// Runs beyond these are not followed; there is a window for approvals then anyway.
const MAY_ASK: usize = 256;
/// The provider of the guide, whose runs are not taken to ask before they call a tool: hardly any does.
const BUILTIN: &str = "builtin";

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
    /// Those that wait for an answer, oldest first; `None` where the gateway does not tell this client.
    pub approvals: Option<Vec<Approval>>,
    /// Runs that have tools, and so may ask.
    pub may_ask: BTreeSet<String>,
    /// The keys that stop all answers.
    pub stop_hotkey: Option<String>,
}

/// The icon; each has its own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Ready,
    Working,
    /// Somebody waits for an answer of the person.
    NeedsYou,
    Degraded,
    /// Paused, stopped, or not there yet.
    Paused,
}

impl State {
    pub fn new(phase: Phase) -> Self {
        Self {
            phase,
            endpoint: None,
            health: None,
            sessions: Vec::new(),
            approvals: None,
            may_ask: BTreeSet::new(),
            stop_hotkey: None,
        }
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
            "exec.approval.requested" => match event.parse::<Approval>() {
                Ok(approval) => self.put_approval(approval),
                Err(_) => return false,
            },
            "exec.approval.resolved" => match event.parse::<ApprovalResolvedEvent>() {
                Ok(outcome) => self.drop_approval(&outcome.id),
                Err(_) => return false,
            },
            "agent.event" => return event.parse::<AgentEvent>().is_ok_and(|event| self.note_run(event)),
            "shutdown" => self.phase = Phase::Stopping,
            _ => return false,
        }
        true
    }

    fn put_approval(&mut self, approval: Approval) {
        let waiting = self.approvals.get_or_insert_default();
        waiting.retain(|other| other.id != approval.id);
        waiting.push(approval);
        waiting.sort_by_key(|approval| approval.created_at);
    }

    fn drop_approval(&mut self, id: &str) {
        if let Some(waiting) = &mut self.approvals {
            waiting.retain(|approval| approval.id != id);
        }
    }

    /// Takes in what a run does; says whether there are runs that may ask where there were none, or the other way.
    fn note_run(&mut self, event: AgentEvent) -> bool {
        let before = self.may_ask.is_empty();
        match event.stream {
            AgentStream::Model { provider, .. } if provider == BUILTIN => {}
            AgentStream::Model { .. } | AgentStream::Tool(_) if self.may_ask.len() < MAY_ASK => {
                self.may_ask.insert(event.run_id);
            }
            AgentStream::Lifecycle { phase: LifecyclePhase::End | LifecyclePhase::Error } => {
                self.may_ask.remove(&event.run_id);
            }
            _ => {}
        }
        self.may_ask.is_empty() != before
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

    /// What waits for an answer and is known, oldest first.
    pub fn approvals(&self) -> &[Approval] {
        match &self.approvals {
            Some(waiting) if self.is_live() => waiting,
            _ => &[],
        }
    }

    /// How many approvals wait, also where they are not for this client to see.
    pub fn waiting(&self) -> usize {
        match &self.approvals {
            Some(_) => self.approvals().len(),
            None => self.live_health().map_or(0, |health| health.approvals.pending.try_into().unwrap_or(usize::MAX)),
        }
    }

    /// Whether a run goes on that may ask.
    pub fn may_ask(&self) -> bool {
        self.is_live() && !self.may_ask.is_empty()
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
            Some(_) if self.waiting() > 0 => Icon::NeedsYou,
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
            _ if self.waiting() > 0 => Some(approvals(self.waiting())),
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

/// `2 approvals waiting`
pub fn approvals(count: usize) -> String {
    format!("{count} {} waiting", if count == 1 { "approval" } else { "approvals" })
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
pub mod tests;
