//! The error shape of every answer, and the closed list of codes that a client may branch on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What went wrong, in the one word that a client branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The frame or its params are not what the schema says; `details.issues[]` names each place.
    InvalidRequest,
    /// No credential, or a wrong one.
    Unauthenticated,
    /// The credential does not carry the scope in `details.missingScope`.
    Forbidden,
    NotFound,
    /// A stale hash, a lost race, or an idempotency key reused for another body; details say which.
    Conflict,
    RateLimited,
    TooLarge,
    /// Stopping or full (`retryable`), or not built yet (not `retryable`).
    Unavailable,
    Timeout,
    /// A run that a crash or a stop of the gateway cut off.
    Interrupted,
    /// The model provider failed; `provider` on the error says how.
    ProviderError,
    /// A mistake of the gateway itself; `details.id` is in the log.
    Internal,
}

/// One violation of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// JSON Pointer into the validated value (`params`, or the frame itself); `""` is the whole of it.
    pub path: String,
    pub message: String,
}

impl Issue {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// `{code, message, details?, retryable, retryAfterMs?}`: the `error` of a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct WireError {
    pub code: ErrorCode,
    /// A sentence that a person can act on.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl WireError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: false, retry_after_ms: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// `INVALID_REQUEST` whose message repeats the first issue, so that a person sees the place at once.
    pub fn issues(what: &str, issues: Vec<Issue>) -> Self {
        let message = match issues.first() {
            Some(issue) if issue.path.is_empty() => format!("{what}: {}", issue.message),
            Some(issue) => format!("{what}: {} at {}", issue.message, issue.path),
            None => what.to_owned(),
        };
        Self::invalid(message).details(json!({ "issues": issues }))
    }

    /// `INVALID_REQUEST` with one issue at one member of the params.
    pub fn at(path: &str, message: impl Into<String>) -> Self {
        Self::issues("invalid params", vec![Issue::new(path, message)])
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// Part of the contract, but not built in this version: not retryable.
    pub fn not_built(what: &str, member: Option<&str>) -> Self {
        let error = Self::new(ErrorCode::Unavailable, format!("{what} is not available in this version"));
        match member {
            Some(member) => error.details(json!({ "member": member })),
            None => error,
        }
    }

    pub fn unavailable(message: impl Into<String>, retry_after_ms: u64) -> Self {
        let mut error = Self::new(ErrorCode::Unavailable, message);
        error.retryable = true;
        error.retry_after_ms = Some(retry_after_ms);
        error
    }

    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}
