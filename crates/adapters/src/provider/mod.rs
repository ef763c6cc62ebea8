//! What a model provider is: one trait, and the provider-neutral form of a model call.
//!
//! Deliberately elsewhere: the store's and the wire's form of the same messages; retries and
//! the choice of a model, which belong to the gateway.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde_json::Value;

pub mod detect;
mod error;
pub mod genai;
pub mod guide;
mod http;
mod models;
mod openai;
mod sse;
mod vendor;

pub use error::{ProviderError, ProviderErrorKind};
pub use http::ApiKey;

/// Somebody who answers model calls.
pub trait Provider: Send + Sync + 'static {
    /// Provider id as in the configuration (`models.providers.<id>`), or `builtin`.
    fn id(&self) -> &str;
    /// The models this provider offers now. Asks the server unless the configuration lists
    /// them; takes at most ten seconds and gives at most 1000.
    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, ProviderError>>;
    /// Starts one model call. Dropping the future or the stream cancels the call at once.
    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ProviderError>>;
}

/// The pieces of one answer. [`ChatPiece::End`] comes exactly once and last, or else the last
/// item is an error; an answer that just stops is [`ProviderErrorKind::Cut`].
pub type ChatStream = BoxStream<'static, Result<ChatPiece, ProviderError>>;

/// One piece of an answer, in order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatPiece {
    /// More of the answer's text; never empty.
    Text(String),
    /// More of the model's reasoning; never empty.
    Thinking(String),
    /// The answer is complete.
    End(ChatEnd),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatEnd {
    /// The calls the model wants made, in its order.
    pub tool_calls: Vec<ToolCall>,
    /// `None` where the server counts nothing.
    pub usage: Option<Usage>,
    pub stop: Stop,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It had said what it wanted to say.
    End,
    /// It waits for the results of its tool calls.
    ToolCalls,
    /// It ran into the limit on output tokens: the answer is incomplete.
    Length,
    /// Anything else, in the server's own word, such as `content_filter`.
    Other(String),
}

/// One call of a tool by the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The server's id, or one made here (`call_0`) if it gave none.
    pub id: String,
    pub name: String,
    /// A JSON object from a model that follows the schema; any other JSON value, or the raw
    /// text as a string, from one that does not.
    pub arguments: Value,
}

/// Tokens of one model call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input tokens, those read from a cache included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// The part of `input_tokens` that was read from the provider's cache.
    pub cached_tokens: u64,
    /// The part of `input_tokens` that was written to it, where the provider charges for that.
    pub cache_write_tokens: u64,
}

/// One model call.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// Model id without the provider prefix.
    pub model: String,
    pub system: Option<String>,
    pub messages: Vec<ChatMessage>,
    pub tools: Vec<ToolSpec>,
    /// Limit on output tokens; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// How much the model should reason; `None` leaves it to the provider.
    pub thinking: Option<Thinking>,
    /// From the start of the call to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Longest silence inside the answer; a keep-alive counts as a sign of life.
    pub idle_timeout: Duration,
}

/// How much a model reasons before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    Low,
    Medium,
    High,
}

/// One message of the conversation so far.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatMessage {
    User {
        parts: Vec<Part>,
    },
    Assistant {
        text: String,
        tool_calls: Vec<ToolCall>,
    },
    /// Follows the assistant message whose call it answers.
    ToolResult {
        call_id: String,
        name: String,
        content: String,
        is_error: bool,
    },
}

/// A part of a user's message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// The user's own words.
    Text(String),
    /// What stands in text for an attached file: its name, or all of it. To a model it is text like any other.
    Attached(String),
    /// An image file as it is, such as the bytes of a PNG with `image/png`.
    Image { mime_type: String, bytes: Arc<[u8]>, name: String },
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments, an object schema.
    pub schema: Value,
}

/// A model that a provider offers. `None` means that the server does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Id without the provider prefix, as the server wants it.
    pub id: String,
    /// A name to show.
    pub name: String,
    /// Tokens of input and output together.
    pub context_window: Option<u32>,
    /// What it reads.
    pub input: Option<Vec<Modality>>,
    pub reasoning: Option<bool>,
    pub tool_use: Option<bool>,
}

/// A kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    Text,
    Image,
}

/// Tool calls past which an answer is none.
const MAX_TOOL_CALLS: usize = 128;
/// What all tool calls of one answer may hold together, in bytes.
const MAX_ARGUMENTS: usize = 4 * 1024 * 1024;

/// The arguments as a JSON object, which is what servers insist on when a call is sent back
/// to them as history, even if the model itself wrote something else.
fn arguments_object(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        other => serde_json::json!({ "arguments": other }),
    }
}

/// The arguments a model wrote. A call without any is often written as nothing at all.
fn parse_arguments(text: String) -> Value {
    if text.trim().is_empty() {
        return serde_json::json!({});
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// The text of a tool's result; most wire formats have no field for a failure.
fn result_text(content: String, is_error: bool) -> String {
    if is_error { format!("Error: {content}") } else { content }
}
