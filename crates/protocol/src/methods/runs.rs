//! `runs.*`: what one run came to, and Stop all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource;
use crate::message::{RunError, RunState};
use crate::time::Timestamp;

resource! {
    RunsGet "runs.get" Read ReadOnly (RunsGetParams) -> RunsGetResult;
    RunsAbort "runs.abort" Write Optional (RunsAbortParams) -> RunsAbortResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunsGetParams {
    #[schemars(length(min = 1, max = 128))]
    pub run_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsGetResult {
    pub run_id: String,
    pub session_key: String,
    pub state: RunState,
    /// When it was accepted, until it starts.
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// The user's message first, then what the run wrote.
    pub message_ids: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunsAbortParams {
    /// Absent: every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsAbortResult {
    pub run_ids: Vec<String>,
}
