//! `chat.*`: sending to a session, stopping, reading back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource;
use crate::message::{Message, RunState};
use crate::time::Timestamp;

resource! {
    ChatSend "chat.send" Write Required (ChatSendParams) -> ChatSendResult;
    ChatAbort "chat.abort" Write Optional (ChatAbortParams) -> ChatAbortResult;
    ChatHistory "chat.history" Read ReadOnly (ChatHistoryParams) -> ChatHistoryResult;
    ChatInject "chat.inject" Admin Optional (ChatInjectParams) -> ChatInjectResult;
    ChatMessageGet "chat.message.get" Read ReadOnly (ChatMessageGetParams) -> ChatMessageGetResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatSendParams {
    /// `main`, or a full key; a client's own key is created by its first message.
    #[schemars(length(min = 1, max = 512))]
    pub session_key: String,
    pub message: String,
    /// Becomes the run's id. The same key again answers with the same run.
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: String,
    #[serde(flatten)]
    pub options: SendOptions,
}

/// What `chat.send` and `sessions.send` take beside the message.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendOptions {
    /// A message with attachments may have an empty text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub attachments: Vec<Attachment>,
    /// `provider/model` for this turn only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_mode: Option<QueueMode>,
    /// Also send the reply to the session's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver: Option<bool>,
    /// Id of a user's message of this conversation that this one replaces: it and what followed leave the history, and
    /// what still answers them is stopped. Its attachments are not carried over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub replaces: Option<String>,
    /// Longest time that the run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// To show, never a path: without `/`, `\` and control characters.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// `type/subtype`; `application/octet-stream` where nothing better is known. What says `image/…` and is no PNG, JPEG,
    /// GIF or WebP is taken as a file.
    #[schemars(length(min = 1, max = 128))]
    pub mime_type: String,
    /// Standard base64 with padding of 1 byte to 16 MiB, or to what `attachments.maxMb` allows; MessagePack may carry the
    /// bytes themselves.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    Off,
    Low,
    Medium,
    High,
}

/// What input does that meets a run of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueueMode {
    /// Waits its turn.
    Followup,
    /// Joins the run at its next tool boundary.
    Steer,
    /// Is merged with other waiting input into one turn.
    Collect,
    /// Stops the run, and what waits behind it, and starts.
    Interrupt,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatSendResult {
    pub run_id: String,
    pub status: SendStatus,
    /// Of the user's message.
    pub message_id: String,
    /// Canonical.
    pub session_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SendStatus {
    /// Nothing stood in the way.
    Started,
    Queued,
    /// On a repeated key: still running.
    InFlight,
    Ok,
    Error,
    Aborted,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatAbortParams {
    #[schemars(length(min = 1, max = 512))]
    pub session_key: String,
    /// Absent: every run of the session, the waiting ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatAbortResult {
    pub aborted: bool,
    pub run_ids: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatHistoryParams {
    #[schemars(length(min = 1, max = 512))]
    pub session_key: String,
    /// Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// A message id or a cursor: the page that ends before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub before: Option<String>,
    /// A message id or a cursor: the page that starts after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub after: Option<String>,
}

/// Oldest message first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatHistoryResult {
    pub session_key: String,
    pub session_id: String,
    pub messages: Vec<Message>,
    /// In the direction asked for.
    pub has_more: bool,
    /// Goes into `before` (or `after`) for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight_run: Option<InFlightRun>,
}

/// The text so far of a run that writes now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InFlightRun {
    pub run_id: String,
    pub message_id: String,
    pub text: String,
    /// The last `chat.event` index that `text` contains.
    pub index: u64,
    pub started_at: Timestamp,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatInjectParams {
    #[schemars(length(min = 1, max = 512))]
    pub session_key: String,
    #[schemars(length(min = 1))]
    pub message: String,
    #[serde(default)]
    pub role: InjectRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InjectRole {
    #[default]
    System,
    Assistant,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatInjectResult {
    pub message_id: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatMessageGetParams {
    #[schemars(length(min = 1, max = 512))]
    pub session_key: String,
    #[schemars(length(min = 1, max = 128))]
    pub message_id: String,
    /// In bytes of the message's text, where the last part ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// One part of a message's text, and the message itself with its text cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessageGetResult {
    pub message: Message,
    /// From `offset` on, at most 256 KiB.
    pub text: String,
    pub offset: u64,
    pub total_bytes: u64,
    /// Present where more follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
}

/// What a run came to, for [`RunState`] in the words of `chat.send`.
impl From<RunState> for SendStatus {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Queued => Self::Queued,
            RunState::Running | RunState::WaitingApproval => Self::InFlight,
            RunState::Ok => Self::Ok,
            RunState::Error => Self::Error,
            RunState::Aborted => Self::Aborted,
        }
    }
}
