//! A model server in the OpenAI-compatible shape that says exactly what a test wrote for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The key that callers must show.
pub const KEY: &str = "fake-model-key";
pub const MODEL: &str = "scripted";

/// One thing that a streamed answer does.
#[derive(Clone)]
pub enum Step {
    Delta(String),
    Thinking(String),
    /// This event as it stands, behind `data: `.
    Raw(String),
    Pause(Duration),
    /// Waits until the test opens the gate.
    Wait(Gate),
    /// Never says anything again, and keeps the connection.
    Hang,
    /// Breaks the connection.
    Break,
    /// The usage and the end marker.
    Done,
}

/// What one call is answered with.
#[derive(Clone)]
pub enum Answer {
    Stream(Vec<Step>),
    Whole { status: u16, headers: Vec<(String, String)>, body: String },
}

impl Answer {
    /// These deltas, one event each, and a proper end.
    pub fn deltas<T: Into<String>>(deltas: impl IntoIterator<Item = T>) -> Self {
        let deltas = deltas.into_iter().map(|delta| Step::Delta(delta.into()));
        Self::Stream(deltas.chain([Step::Done]).collect())
    }

    /// One text, and what the server says that it used: input, output, and of the input what its cache had.
    pub fn counted(text: &str, input: u64, output: u64, cached: u64) -> Self {
        let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let details = json!({ "cached_tokens": cached });
        let usage = json!({ "prompt_tokens": input, "completion_tokens": output, "prompt_tokens_details": details });
        let usage = json!({ "choices": [], "usage": usage });
        let raw = [end.to_string(), usage.to_string(), "[DONE]".to_owned()].map(Step::Raw);
        Self::Stream(std::iter::once(Step::Delta(text.to_owned())).chain(raw).collect())
    }

    /// A call of a tool with these arguments as they stand, whether or not they are JSON.
    pub fn tool_call(name: &str, arguments: &str) -> Self {
        let call = json!({ "index": 0, "id": "call", "function": { "name": name, "arguments": arguments } });
        let delta = json!({ "tool_calls": [call] });
        let event = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": "tool_calls" }] });
        Self::Stream(vec![Step::Raw(event.to_string()), Step::Raw("[DONE]".to_owned())])
    }

    pub fn status(status: u16, body: &str) -> Self {
        Self::Whole { status, headers: vec![], body: body.to_owned() }
    }
}

/// Holds answers back until the test lets them go.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiter, or the next, through.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    pub fn step(&self) -> Step {
        Step::Wait(self.clone())
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Default)]
struct Inner {
    script: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Value>>,
    /// Streams that are being answered now.
    open: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

/// The running server.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
    pub port: u16,
}

impl Model {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let inner = Arc::new(Inner::default());
        let app = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/models", get(models))
            // Pictures come in the body.
            .layer(axum::extract::DefaultBodyLimit::max(64 * 1024 * 1024))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { inner, port }
    }

    /// What the next calls are answered with, one each; after them everything is answered with `Hello.`
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.inner.script).extend(answers);
    }

    /// The bodies of the calls so far.
    pub fn calls(&self) -> Vec<Value> {
        lock(&self.inner.calls).clone()
    }

    /// Streams whose reader has neither left nor been given the end.
    pub fn open_streams(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }

    /// What callers did that a real server would refuse.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.inner.faults).clone()
    }

    /// The key that it takes.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// A configuration that has this server as its only provider; `more` is further YAML.
    pub fn config(&self, more: &str) -> String {
        self.config_of(&format!("{{id: {MODEL}}}"), more)
    }

    /// The same with this YAML for its model.
    pub fn config_of(&self, model: &str, more: &str) -> String {
        format!(
            "models:\n  detect: false\n  providers:\n    fake:\n      api: openai\n      \
             baseUrl: http://127.0.0.1:{}/v1\n      apiKey: {KEY}\n      models: [{model}]\n{more}\n",
            self.port
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn models() -> Json<Value> {
    Json(json!({ "object": "list", "data": [{ "id": MODEL, "object": "model", "owned_by": "tests" }] }))
}

async fn chat(State(inner): State<Arc<Inner>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(fault) = fault(&headers, &body) {
        lock(&inner.faults).push(fault.clone());
        let error = json!({ "error": { "message": fault, "type": "invalid_request_error" } });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    lock(&inner.calls).push(body);
    let answer = lock(&inner.script).pop_front().unwrap_or_else(|| Answer::deltas(["Hel", "lo."]));
    match answer {
        Answer::Whole { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).expect("a response")
        }
        Answer::Stream(steps) => {
            let open = Open::new(inner);
            let chunks = stream::unfold((VecDeque::from(steps), open), |(mut steps, open)| async move {
                let chunk = next_chunk(&mut steps).await?;
                Some((chunk, (steps, open)))
            });
            let response = Response::builder().header("content-type", "text/event-stream");
            response.body(Body::from_stream(chunks)).expect("a response")
        }
    }
}

/// What a real server would refuse.
fn fault(headers: &HeaderMap, body: &Value) -> Option<String> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    if key != Some(&format!("Bearer {KEY}")) {
        return Some(format!("a wrong Authorization: {key:?}"));
    }
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Some("no messages".to_owned());
    };
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap_or("none")).collect();
    let roles = roles.strip_prefix(&["system"]).unwrap_or(&roles);
    if roles.first() != Some(&"user") || roles.windows(2).any(|pair| pair[0] == pair[1] && pair[0] != "tool") {
        return Some(format!("roles that do not alternate from a user's: {roles:?}"));
    }
    if body["model"] != MODEL || body["stream"] != true {
        return Some(format!("model {} and stream {}", body["model"], body["stream"]));
    }
    None
}

/// Counts a stream for as long as somebody reads it.
struct Open(Arc<Inner>);

impl Open {
    fn new(inner: Arc<Inner>) -> Self {
        inner.open.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn next_chunk(steps: &mut VecDeque<Step>) -> Option<Result<String, std::io::Error>> {
    loop {
        return match steps.pop_front()? {
            Step::Delta(text) => Some(Ok(event(&json!({ "content": text }), Value::Null))),
            Step::Thinking(text) => Some(Ok(event(&json!({ "reasoning_content": text }), Value::Null))),
            Step::Raw(text) => Some(Ok(format!("data: {text}\n\n"))),
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                continue;
            }
            Step::Wait(gate) => {
                gate.0.acquire().await.expect("a gate is never closed").forget();
                continue;
            }
            Step::Hang => std::future::pending::<Option<Result<String, std::io::Error>>>().await,
            Step::Break => Some(Err(std::io::Error::other("broken on purpose"))),
            Step::Done => {
                let end = event(&json!({}), "stop".into());
                let usage = json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 3 } });
                Some(Ok(format!("{end}data: {usage}\n\ndata: [DONE]\n\n")))
            }
        };
    }
}

fn event(delta: &Value, finish: Value) -> String {
    let event = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    format!("data: {event}\n\n")
}
