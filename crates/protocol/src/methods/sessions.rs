//! `sessions.*`: lists, single sessions, reset, and sending to a session by its key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chat::{ChatSendResult, SendOptions};
use super::resource;
use crate::message::{Message, SessionRow};

resource! {
    SessionsList "sessions.list" Read ReadOnly (SessionsListParams) -> SessionsListResult;
    SessionsGet "sessions.get" Read ReadOnly (SessionsGetParams) -> SessionsGetResult;
    SessionsReset "sessions.reset" Write Optional (SessionsResetParams) -> SessionsResetResult;
    SessionsSend "sessions.send" Write Required (SessionsSendParams) -> ChatSendResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionsListParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub channel: Option<String>,
    /// Only sessions that changed within so many minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5_256_000))]
    pub active_minutes: Option<u64>,
    /// In key, label and title, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub search: Option<String>,
    /// Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub cursor: Option<String>,
    /// Default false: only sessions that are not archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsListResult {
    pub sessions: Vec<SessionRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// That match, over all pages.
    pub total: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionsGetParams {
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// How many of the newest messages to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub messages: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsGetResult {
    pub session: SessionRow,
    pub messages: Vec<Message>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionsResetParams {
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsResetResult {
    pub key: String,
    /// The new, empty one.
    pub session_id: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionsSendParams {
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    pub message: String,
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: String,
    #[serde(flatten)]
    pub options: SendOptions,
}
