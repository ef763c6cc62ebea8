//! Request, response and event frames. What a client sends is closed: an unknown member is an error that names it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::codec::{self, Encoding};
use crate::error::{Issue, WireError};

/// A call: `{type:"req", id, method, params?, traceparent?}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Chosen by the client, 1 to 128 characters, unique among its calls in flight.
    pub id: String,
    pub method: String,
    /// Always an object; absent `params` count as `{}`. Not yet validated against the method's schema.
    pub params: Value,
    /// W3C trace context, kept for the log.
    pub traceparent: Option<String>,
}

/// A frame that is no request: the error to answer, and the id where one could be read (`""` otherwise).
#[derive(Debug, Clone, PartialEq)]
pub struct BadFrame {
    pub id: String,
    pub error: WireError,
}

impl Request {
    /// Reads one WebSocket message. The method may be unknown; the params are not validated yet.
    pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Self, BadFrame> {
        match codec::decode(encoding, bytes) {
            Ok(value) => Self::from_value(value),
            Err(error) => Err(BadFrame {
                id: codec::salvage_id(encoding, bytes).unwrap_or_default(),
                error: WireError::issues("not a frame", vec![Issue::new("", error.0)]),
            }),
        }
    }

    fn from_value(value: Value) -> Result<Self, BadFrame> {
        let Value::Object(mut members) = value else {
            let error = WireError::issues("not a frame", vec![Issue::new("", "a frame is an object")]);
            return Err(BadFrame { id: String::new(), error });
        };
        let mut issues = Vec::new();
        if members.remove("type") != Some(Value::from("req")) {
            issues.push(Issue::new("/type", "must be \"req\""));
        }
        let id = take_string(&mut members, "id", &mut issues);
        let id = match id {
            Some(id) if codec::valid_id(&id) => id,
            Some(_) => {
                issues.push(Issue::new("/id", "must be 1 to 128 characters long"));
                String::new()
            }
            None => String::new(),
        };
        let method = take_string(&mut members, "method", &mut issues).unwrap_or_default();
        let params = members.remove("params").unwrap_or_else(|| Value::Object(Map::new()));
        if !params.is_object() {
            issues.push(Issue::new("/params", "must be an object"));
        }
        let traceparent = match members.contains_key("traceparent") {
            true => take_string(&mut members, "traceparent", &mut issues),
            false => None,
        };
        if traceparent.as_deref().is_some_and(|text| !codec::valid_id(text)) {
            issues.push(Issue::new("/traceparent", "must be 1 to 128 characters long"));
        }
        for member in members.keys() {
            issues.push(Issue::new(pointer(member), format!("unknown member {member:?}")));
        }
        if issues.is_empty() {
            Ok(Self { id, method, params, traceparent })
        } else {
            Err(BadFrame { id, error: WireError::issues("invalid frame", issues) })
        }
    }
}

fn take_string(members: &mut Map<String, Value>, name: &str, issues: &mut Vec<Issue>) -> Option<String> {
    match members.remove(name) {
        Some(Value::String(text)) => return Some(text),
        Some(_) => issues.push(Issue::new(pointer(name), "must be a string")),
        None => issues.push(Issue::new(pointer(name), "is required")),
    }
    None
}

/// The JSON Pointer of a top-level member, bounded.
fn pointer(member: &str) -> String {
    let short: String = member.chars().take(80).collect();
    format!("/{}", short.replace('~', "~0").replace('/', "~1"))
}

/// What clients write: a request, borrowed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RequestFrame<'a, P> {
    pub r#type: RequestTag,
    pub id: &'a str,
    pub method: &'a str,
    pub params: P,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequestTag {
    #[default]
    #[serde(rename = "req")]
    Req,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResponseTag {
    #[default]
    #[serde(rename = "res")]
    Res,
}

/// The answer to one request: `ok` with a payload, or not `ok` with an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response<P = Value> {
    pub r#type: ResponseTag,
    pub id: String,
    pub ok: bool,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub payload: Option<P>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}

fn none<P>() -> Option<P> {
    None
}

impl<P> Response<P> {
    pub fn new(id: impl Into<String>, outcome: Result<P, WireError>) -> Self {
        let (payload, error) = match outcome {
            Ok(payload) => (Some(payload), None),
            Err(error) => (None, Some(error)),
        };
        Self { r#type: ResponseTag::Res, id: id.into(), ok: error.is_none(), payload, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decode(text: &str) -> Result<Request, BadFrame> {
        Request::decode(Encoding::Json, text.as_bytes())
    }

    #[test]
    fn a_request_without_params_has_empty_params() {
        let request = decode(r#"{"type":"req","id":"1","method":"health"}"#).expect("valid");
        assert_eq!(request, Request { id: "1".into(), method: "health".into(), params: json!({}), traceparent: None });
    }

    #[test]
    fn each_mistake_is_named_with_its_place_and_the_id_is_kept() {
        let long = format!(r#"{{"type":"req","id":"{}","method":"health"}}"#, "x".repeat(129));
        for (text, id, path) in [
            (r#"{"type":"res","id":"1","method":"m"}"#, "1", "/type"),
            (r#"{"type":"req","method":"m"}"#, "", "/id"),
            (r#"{"type":"req","id":1,"method":"m"}"#, "", "/id"),
            (r#"{"type":"req","id":"","method":"m"}"#, "", "/id"),
            (long.as_str(), "", "/id"),
            (r#"{"type":"req","id":"1"}"#, "1", "/method"),
            (r#"{"type":"req","id":"1","method":"m","params":[]}"#, "1", "/params"),
            (r#"{"type":"req","id":"1","method":"m","params":null}"#, "1", "/params"),
            (r#"{"type":"req","id":"1","method":"m","parms":{}}"#, "1", "/parms"),
            (r#"{"type":"req","id":"1","method":"m","traceparent":5}"#, "1", "/traceparent"),
            (r#"{"type":"req","id":"1","method":"m","params":{"a":1,"a":1}}"#, "1", ""),
            ("[]", "", ""),
            ("{", "", ""),
        ] {
            let bad = decode(text).expect_err(text);
            assert_eq!(bad.id, id, "{text}");
            let issues = bad.error.details.as_ref().map(|details| details["issues"].clone()).unwrap_or_default();
            assert_eq!(issues[0]["path"], path, "{text}: {issues}");
        }
    }
}
