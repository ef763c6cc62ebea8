//! The gateway itself: health, status, presence, logs, pause, stop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{KeyOnlyParams, NoParams, resource};
use crate::events::{DiagnosticEvent, Level};
use crate::handshake::{PresenceEntry, StateVersion};
use crate::health::{Health as HealthSnapshot, RunCounts};

resource! {
    Health "health" None ReadOnly (HealthParams) -> HealthSnapshot;
    Status "status" Read ReadOnly (NoParams) -> StatusResult;
    SystemPresence "system-presence" Read ReadOnly (NoParams) -> SystemPresenceResult;
    LogsTail "logs.tail" Read ReadOnly (LogsTailParams) -> LogsTailResult;
    DiagnosticsList "diagnostics.list" Read ReadOnly (DiagnosticsListParams) -> DiagnosticsListResult;
    GatewayPause "gateway.pause" Admin Optional (KeyOnlyParams) -> GatewayPauseResult;
    GatewayResume "gateway.resume" Admin Optional (KeyOnlyParams) -> GatewayPauseResult;
    GatewayRestart "gateway.restart" Admin Optional (KeyOnlyParams) -> GatewayStopResult;
    GatewayShutdown "gateway.shutdown" Admin Optional (KeyOnlyParams) -> GatewayStopResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthParams {
    /// Probe now instead of answering from the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusResult {
    pub version: String,
    pub boot_id: String,
    pub pid: u32,
    pub uptime_ms: u64,
    pub rss_bytes: u64,
    pub connections: u64,
    pub runs: RunCounts,
    pub sessions: u64,
    /// Depth of each internal queue, by name.
    pub queues: std::collections::BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemPresenceResult {
    pub presence: Vec<PresenceEntry>,
    pub state_version: StateVersion,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogsTailParams {
    /// Absent: the newest lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub cursor: Option<String>,
    /// Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogsTailResult {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// Goes into `cursor` for what came since.
    pub next_cursor: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Milliseconds since the epoch.
    pub ts: i64,
    pub level: Level,
    pub target: String,
    pub message: String,
    pub fields: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiagnosticsListParams {
    /// `nextCursor` of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub after: Option<String>,
    /// Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticsListResult {
    /// Oldest first.
    pub events: Vec<DiagnosticEvent>,
    pub next_cursor: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayPauseResult {
    pub paused: bool,
    /// Runs that the pause stopped.
    pub run_ids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayStopResult {
    pub stopping: bool,
}
