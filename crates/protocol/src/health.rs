//! The health snapshot: the payload of the `health` event and method, and part of `hello-ok`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handshake::StateVersion;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub ok: bool,
    /// Milliseconds since the epoch.
    pub ts: i64,
    pub version: String,
    pub uptime_ms: u64,
    /// The worst state of each channel's accounts, by channel id.
    pub channels: BTreeMap<String, ChannelState>,
    /// Agent ids.
    pub agents: Vec<String>,
    pub cron_jobs: u64,
    pub connected_nodes: u64,
    pub state_version: StateVersion,
    pub paused: bool,
    pub subsystems: BTreeMap<String, Subsystem>,
    pub startup: Vec<StartupStep>,
    pub accounts: Vec<ChannelAccount>,
    pub runs: RunCounts,
    pub approvals: Pending,
    pub pairings: Pending,
    pub usage: TodayUsage,
    pub sandbox: Sandbox,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_problem: Option<ConfigProblem>,
    pub store: StoreSize,
    pub process: ProcessFigures,
}

impl Health {
    /// Whether a client would see a difference, apart from what changes by itself.
    pub fn same_but_clock(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.ts = self.ts;
        other.uptime_ms = self.uptime_ms;
        other.process = self.process;
        other.state_version = self.state_version;
        *self == other
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChannelState {
    Connected,
    Connecting,
    Disconnected,
    Failed,
    Stopped,
    LoggedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubsystemState {
    Starting,
    Ok,
    Degraded,
    Failed,
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subsystem {
    pub state: SubsystemState,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartupStep {
    pub step: String,
    pub started_at: Timestamp,
    pub duration_ms: f64,
    /// `ok`, `off`, `degraded: …` or `failed: …`
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelAccount {
    pub account_id: String,
    pub state: ChannelState,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_inbound_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outbound_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    pub reconnect_attempts: u32,
    pub queued: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunCounts {
    pub active: u64,
    pub queued: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    pub pending: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TodayUsage {
    pub today_cost_usd: f64,
    pub today_runs: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    pub kind: String,
    pub enforced: Vec<String>,
}

/// Where the configuration file is wrong; the last good version runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigProblem {
    /// From 1; 0 where the place is unknown.
    pub line: u64,
    pub column: u64,
    pub message: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreSize {
    pub size_bytes: u64,
    pub wal_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessFigures {
    pub rss_bytes: u64,
    pub connections: u64,
}
