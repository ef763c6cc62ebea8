//! The events that a connection may see, one row each: name, scope, payload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::{Approval, ApprovalDecision, ApprovalState, DecidedBy};
use crate::handshake::{PresenceEntry, StateVersion};
use crate::health::Health;
use crate::message::{Message, RunError, SessionRow, Usage};
use crate::methods::Scope;
use crate::time::Timestamp;

/// Declares [`Event`] and the table of event names.
macro_rules! events {
    ($($variant:ident $name:literal $scope:ident ($payload:ty)),* $(,)?) => {
        /// One event as it goes to every surface. `chat.event` is written flat, all others under `payload`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($variant($payload)),*
        }

        impl Event {
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }

            /// What a connection must hold to see it.
            pub fn scope(&self) -> Scope {
                match self { $(Self::$variant(_) => Scope::$scope),* }
            }

            /// The payload alone, in the encoding of `serializer`.
            pub fn serialize_payload<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(payload) => payload.serialize(serializer)),* }
            }
        }

        /// Every event that is built.
        pub const EVENTS: &[EventSpec] = &[
            $(EventSpec { name: $name, scope: Scope::$scope, payload: |generator| generator.subschema_for::<$payload>() }),*
        ];
    };
}

/// One row of the event table.
pub struct EventSpec {
    pub name: &'static str,
    pub scope: Scope,
    pub payload: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

events! {
    Chat "chat.event" Read (ChatEvent),
    Agent "agent.event" Read (AgentEvent),
    SessionMessage "session.message" Read (SessionMessageEvent),
    SessionChanged "session.changed" Read (SessionChangedEvent),
    ApprovalRequested "exec.approval.requested" Approvals (Approval),
    ApprovalResolved "exec.approval.resolved" Approvals (ApprovalResolvedEvent),
    Presence "presence" Read (PresenceEvent),
    Health "health" None (Health),
    ConfigChanged "config.changed" Read (ConfigChangedEvent),
    ModelsChanged "models.changed" Read (ModelsChangedEvent),
    Diagnostic "diagnostic.event" Read (DiagnosticEvent),
    GatewayPaused "gateway.paused" None (GatewayPausedEvent),
    GatewayResumed "gateway.resumed" None (GatewayResumedEvent),
    Shutdown "shutdown" None (ShutdownEvent),
    Tick "tick" None (TickEvent),
}

/// Names of the contract that no part of this version sends yet; a client may subscribe to them.
pub const PLANNED_EVENTS: &[&str] = &[
    "channel.status",
    "channels.pairing.requested",
    "channels.pairing.resolved",
    "plugins.changed",
    "agents.changed",
    "cron.event",
    "node.event",
    "node.invoke.request",
    "node.pair.requested",
    "node.pair.resolved",
    "device.pair.requested",
    "device.pair.resolved",
];

impl Event {
    /// The session that the event belongs to, for the filter of `events.subscribe`.
    pub fn session_key(&self) -> Option<&str> {
        match self {
            Self::Chat(event) => Some(&event.session_key),
            Self::Agent(event) => Some(&event.session_key),
            Self::SessionMessage(event) => Some(&event.session_key),
            Self::SessionChanged(event) => Some(&event.key),
            Self::ApprovalRequested(approval) => Some(&approval.session_key),
            Self::ApprovalResolved(event) => Some(&event.session_key),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatState {
    Queued,
    Started,
    Delta,
    Final,
    Aborted,
    Error,
}

impl ChatState {
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Final | Self::Aborted | Self::Error)
    }
}

/// A run's life, flat in the frame. Exactly one terminal state per run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatEvent {
    pub run_id: String,
    pub session_key: String,
    pub state: ChatState,
    /// Per run over every `chat.event`, from 0, +1 each.
    pub index: u64,
    /// On a merged delta: the first index that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_from: Option<u64>,
    /// The assistant message that this belongs to; a run with tools writes several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// On a run that takes up an interrupted one: that one's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
}

impl ChatEvent {
    pub fn new(run_id: &str, session_key: &str, state: ChatState, index: u64) -> Self {
        Self {
            run_id: run_id.to_owned(),
            session_key: session_key.to_owned(),
            state,
            index,
            index_from: None,
            message_id: None,
            delta: None,
            message: None,
            usage: None,
            error: None,
            resumes: None,
        }
    }
}

/// What an agent does beside writing text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentEvent {
    pub run_id: String,
    pub session_key: String,
    pub agent_id: String,
    /// Per run over every `agent.event`, from 0.
    pub index: u64,
    /// Milliseconds since the epoch.
    pub ts: i64,
    #[serde(flatten)]
    pub stream: AgentStream,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "stream", content = "data", rename_all = "lowercase")]
pub enum AgentStream {
    Lifecycle {
        phase: LifecyclePhase,
    },
    Thinking {
        delta: String,
    },
    /// From the run's start to its first text, and between tools.
    Typing {
        active: bool,
    },
    Model {
        provider: String,
        model: String,
        reason: String,
    },
    Tool(ToolPhase),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LifecyclePhase {
    Start,
    End,
    Error,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ToolPhase {
    Start {
        tool_call_id: String,
        name: String,
        args: Value,
    },
    /// A person is asked.
    WaitingApproval {
        tool_call_id: String,
        name: String,
        approval_id: String,
    },
    /// What it prints, as it comes; not all of it where there is much.
    Output {
        tool_call_id: String,
        name: String,
        chunk: String,
    },
    Result {
        tool_call_id: String,
        name: String,
        result: String,
        is_error: bool,
        duration_ms: u64,
    },
}

/// A message entered a session, from wherever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionMessageEvent {
    pub session_key: String,
    pub message: Message,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionChangedEvent {
    pub key: String,
    pub reason: SessionChange,
    pub session: SessionRow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionChange {
    Message,
    Run,
    Reset,
    /// A message was replaced: it and what followed are no longer in the history. Read it again; the new message
    /// follows.
    Branched,
}

/// What became of an approval; it is no longer to be answered anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalResolvedEvent {
    pub id: String,
    pub session_key: String,
    pub agent_id: String,
    pub state: ApprovalState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ApprovalDecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    pub decided_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresenceEvent {
    pub presence: Vec<PresenceEntry>,
    pub state_version: StateVersion,
}

/// Refetch `config.get`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigChangedEvent {
    pub hash: String,
}

/// Refetch `models.list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelsChangedEvent {
    pub hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Something an operator should know, with a stable code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticEvent {
    /// Milliseconds since the epoch.
    pub ts: i64,
    pub level: Level,
    pub source: String,
    pub code: String,
    pub message: String,
    pub fields: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayPausedEvent {
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayResumedEvent {
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownEvent {
    pub reason: String,
    /// Present where the gateway comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_expected_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TickEvent {
    /// Milliseconds since the epoch.
    pub ts: i64,
}
