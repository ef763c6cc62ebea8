//! How a command ends when it does not end well: one exit code, one word for programs, one sentence for people.

use serde_json::{Map, Value, json};
use simpleclaw_client::{CallError, ConnectError};
use simpleclaw_protocol::{ErrorCode, WireError};

pub const ERROR: u8 = 1;
pub const USAGE: u8 = 2;
pub const UNREACHABLE: u8 = 3;
pub const AUTH: u8 = 4;
/// The home is locked, or the port is taken.
pub const TAKEN: u8 = 75;
/// The configuration is bad, or would be.
pub const CONFIG: u8 = 78;
pub const INTERRUPTED: u8 = 130;

/// The exit code, and the `error` object that `--json` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub exit: u8,
    pub code: String,
    pub message: String,
    /// What a person can do about it.
    pub remedy: Option<&'static str>,
    /// Members of the error beside `code` and `message`.
    pub more: Map<String, Value>,
    /// Standard output has it already: an event with the error, under `--json`.
    pub told: bool,
}

impl Failure {
    pub fn new(exit: u8, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), remedy: None, more: Map::new(), told: false }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, "USAGE", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ERROR, "INTERNAL", message)
    }

    pub fn interrupted() -> Self {
        Self::new(INTERRUPTED, "INTERRUPTED", "interrupted")
    }

    #[must_use]
    pub fn remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// `{code, message, …}`
    pub fn error(&self) -> Value {
        let mut error = self.more.clone();
        error.insert("code".into(), json!(self.code));
        error.insert("message".into(), json!(self.message));
        Value::Object(error)
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        let refused = matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::Forbidden);
        let remedy = match error.code {
            ErrorCode::Unauthenticated => {
                Some("Give the gateway's token with --token-file; `simpleclaw token` prints it where the gateway runs.")
            }
            _ => None,
        };
        let more = match serde_json::to_value(&error) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let code = more.get("code").and_then(Value::as_str).unwrap_or("INTERNAL").to_owned();
        Self { exit: if refused { AUTH } else { ERROR }, code, message: error.message, remedy, more, told: false }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(error) => error.into(),
            ConnectError::Url(_) => Self::usage(error.to_string()),
            ConnectError::Closed { code: Some(4001), .. } => Self::new(AUTH, "UNAUTHENTICATED", error.to_string()),
            _ => Self::new(UNREACHABLE, "UNREACHABLE", error.to_string())
                .remedy("Start it with `simpleclaw gateway run`, or name another with --url."),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(error) | CallError::Refused(error) => error.into(),
            CallError::TooLarge { .. } => Self::new(ERROR, "TOO_LARGE", error.to_string()),
            CallError::Timeout(_) => Self::new(UNREACHABLE, "TIMEOUT", error.to_string()),
            CallError::Disconnected | CallError::Stopped => Self::new(UNREACHABLE, "UNREACHABLE", error.to_string()),
            CallError::Shape(_) => Self::internal(error.to_string())
                .remedy("The gateway and this command are of different versions; use the same."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let wire = |code| WireError::new(code, "no");
        let cases: [(Failure, u8, &str); 7] = [
            (wire(ErrorCode::NotFound).into(), 1, "NOT_FOUND"),
            (wire(ErrorCode::Forbidden).into(), 4, "FORBIDDEN"),
            (ConnectError::Refused(wire(ErrorCode::Unauthenticated)).into(), 4, "UNAUTHENTICATED"),
            (ConnectError::Unreachable("no".into()).into(), 3, "UNREACHABLE"),
            (ConnectError::Url("no".into()).into(), 2, "USAGE"),
            (CallError::Disconnected.into(), 3, "UNREACHABLE"),
            (CallError::Invalid(wire(ErrorCode::InvalidRequest)).into(), 1, "INVALID_REQUEST"),
        ];
        for (failure, exit, code) in cases {
            assert_eq!((failure.exit, failure.code.as_str()), (exit, code), "{failure:?}");
            assert_eq!(failure.error()["code"], code);
        }
    }

    #[test]
    fn an_error_answer_keeps_its_details() {
        let wire = WireError::at("/limit", "too small");
        let failure = Failure::from(CallError::Refused(wire));
        assert_eq!(failure.error()["details"]["issues"][0]["path"], "/limit");
    }
}
