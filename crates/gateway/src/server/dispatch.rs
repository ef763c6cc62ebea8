//! One request to one answer: method known, scope, implemented, params, handler, encoding. What methods do is `rpc`'s.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use simpleclaw_protocol::methods::{self, Call, Lookup, MethodSpec};
use simpleclaw_protocol::{Encoding, ErrorCode, Request, Scope, WireError};

use super::auth::{Principal, forbidden};
use super::connection::response;
use super::validate;
use crate::events::Follower;
use crate::rpc;
use crate::runtime::Runtime;
use crate::supervisor::panic_words;

/// Largest frame that the gateway sends.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

/// Who calls.
#[derive(Clone)]
pub struct Caller {
    pub conn_id: String,
    /// As the client calls itself, where it does.
    pub instance_id: Option<String>,
    /// What kind of program it says it is.
    pub mode: String,
    pub principal: Principal,
    pub encoding: Encoding,
    pub follower: Arc<Follower>,
}

/// A frame to send, and what happens only once it is on its way.
pub struct Answer {
    pub frame: Bytes,
    pub then: Option<Then>,
}

/// Work that follows an answer, such as the events of a run that must not precede it.
pub type Then = Box<dyn FnOnce() + Send>;

/// What a handler gives back.
pub struct Reply<R> {
    pub result: R,
    pub then: Option<Then>,
}

impl<R> From<R> for Reply<R> {
    fn from(result: R) -> Self {
        Self { result, then: None }
    }
}

/// One validated request on its way to its handler.
pub struct Incoming {
    pub caller: Caller,
    pub id: String,
    /// Valid by the schema of the method.
    pub params: Value,
    index: usize,
    pub spec: &'static MethodSpec,
}

impl Incoming {
    /// Reads the params, runs the handler, encodes its answer.
    pub async fn run<M, H, F, R>(self, handler: H) -> Answer
    where
        M: Call,
        H: FnOnce(M::Params) -> F,
        F: Future<Output = Result<R, WireError>>,
        R: Into<Reply<M::Result>>,
    {
        let params: M::Params = match serde_json::from_value(self.params) {
            Ok(params) => params,
            Err(error) => {
                let error = WireError::invalid(format!("invalid params: {error}"));
                return Answer { frame: response::<()>(self.caller.encoding, &self.id, Err(error)), then: None };
            }
        };
        let (result, then) = match handler(params).await {
            Ok(reply) => {
                let reply = reply.into();
                (Ok(reply.result), reply.then)
            }
            Err(error) => (Err(error), None),
        };
        let result = match result {
            Ok(result) if cfg!(debug_assertions) => checked(self.index, self.spec, result),
            other => other,
        };
        let frame = response(self.caller.encoding, &self.id, result);
        if frame.len() > MAX_FRAME {
            let error = WireError::new(ErrorCode::TooLarge, "the answer is over 4 MiB: ask for less at once");
            return Answer { frame: response::<()>(self.caller.encoding, &self.id, Err(error)), then };
        }
        Answer { frame, then }
    }
}

/// Holds an answer against its schema.
fn checked<R: Serialize>(index: usize, spec: &MethodSpec, result: R) -> Result<R, WireError> {
    let value = serde_json::to_value(&result).map_err(|error| internal(&error.to_string()))?;
    match validate::result(index, spec, &value) {
        Ok(()) => Ok(result),
        Err(error) => Err(internal(&format!("{}: {}", spec.name, error.message))),
    }
}

/// `INTERNAL`, with an id that is in the log.
pub fn internal(words: &str) -> WireError {
    let id = uuid::Uuid::new_v4().to_string();
    tracing::error!(target: "diagnostic", source = "server", code = "internal", id, "{words}");
    WireError::new(ErrorCode::Internal, format!("the gateway made a mistake; the log has it under {id}"))
        .details(json!({ "id": id }))
}

/// Answers one request. Polled for the first time in the order of the requests, which is what keeps the sends of one
/// connection in order.
pub async fn dispatch(runtime: Arc<Runtime>, caller: Caller, request: Request) -> Answer {
    let (id, encoding) = (request.id.clone(), caller.encoding);
    let handled = AssertUnwindSafe(answer(&runtime, caller, request)).catch_unwind().await;
    let error = match handled {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => error,
        Err(panic) => internal(panic_words(&*panic)),
    };
    Answer { frame: response::<()>(encoding, &id, Err(error)), then: None }
}

async fn answer(runtime: &Arc<Runtime>, caller: Caller, request: Request) -> Result<Answer, WireError> {
    let Request { id, method, params, traceparent } = request;
    if let Some(traceparent) = &traceparent {
        tracing::debug!(traceparent, method, "request");
    }
    let Some(found) = methods::lookup(&method) else {
        let words = match method.as_str() {
            "connect" => "this connection has its `connect` behind it".to_owned(),
            _ => format!("there is no method {:?}", method.chars().take(80).collect::<String>()),
        };
        return Err(WireError::issues("invalid frame", vec![simpleclaw_protocol::Issue::new("/method", words)]));
    };
    if !caller.principal.allows(found.scope()) {
        return Err(forbidden(found.scope()));
    }
    let Lookup::Built { index, method, spec } = found else {
        return Err(WireError::not_built(&method, None));
    };
    let for_nodes = matches!(spec.scope, Scope::Node | Scope::WriteOrNode | Scope::ApprovalsOrRequester);
    if caller.principal.role == simpleclaw_protocol::handshake::ClientRole::Node && !for_nodes {
        return Err(forbidden(spec.scope));
    }
    validate::params(index, spec, &params)?;
    let incoming = Incoming { caller, id, params, index, spec };
    Ok(rpc::handle(runtime, method, incoming).await)
}
