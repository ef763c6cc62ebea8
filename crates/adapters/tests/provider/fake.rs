//! The fake server, and short ways to drive a provider against it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use simpleclaw_adapters::provider::genai::{Api, GenaiOptions, GenaiProvider};
use simpleclaw_adapters::provider::{
    ApiKey, ChatEnd, ChatMessage, ChatPiece, ChatRequest, Part, Provider, ProviderError,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub const KEY: &str = "sk-secret-0123456789";

/// What one step of an answer's body does.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Breaks the connection off.
    Break,
    /// Keeps the connection open and says nothing more.
    Hang,
    /// Sends 64 KiB of `x` again and again.
    Flood,
}

#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Before the head of the answer.
    pub delay: Duration,
    pub steps: Vec<Step>,
}

impl Reply {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            delay: Duration::ZERO,
            steps: vec![Step::Send(body.into())],
        }
    }

    pub fn json(status: u16, body: Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn sse(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/event-stream", body)
    }

    pub fn steps(steps: Vec<Step>) -> Self {
        Self { steps, ..Self::sse("") }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query: `POST /v1/chat/completions`.
    pub line: String,
    pub headers: HeaderMap,
    /// Null if it is not JSON.
    pub body: Value,
}

pub struct Fake {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Told when the body of an answer is dropped: it was sent, or the client went away.
    pub gone: Arc<Notify>,
}

impl Fake {
    /// A server that gives every request the same answer.
    pub async fn always(reply: Reply) -> Self {
        Self::routes(move |_| reply.clone()).await
    }

    pub async fn routes(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let gone = Arc::new(Notify::new());
        let (answer, log, told) = (Arc::new(answer), seen.clone(), gone.clone());
        let app = Router::new().fallback(move |request: Request| {
            let (answer, log, told) = (answer.clone(), log.clone(), told.clone());
            async move {
                let seen = read(request).await;
                let reply = answer(&seen);
                log.lock().expect("log").push(seen);
                tokio::time::sleep(reply.delay).await;
                respond(reply, Gone(told))
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, seen, gone }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("log").clone()
    }

    /// The only request.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "exactly one request: {seen:?}");
        seen[0].clone()
    }
}

struct Gone(Arc<Notify>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn read(request: Request) -> Seen {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 8 << 20).await.unwrap_or_default();
    Seen {
        line: format!("{} {}", head.method, head.uri),
        headers: head.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

fn respond(reply: Reply, gone: Gone) -> Response {
    let steps = stream::unfold((reply.steps.into_iter(), gone), |(mut steps, gone)| async move {
        loop {
            match steps.next()? {
                Step::Send(bytes) => return Some((Ok(Bytes::from(bytes)), (steps, gone))),
                Step::Wait(time) => tokio::time::sleep(time).await,
                // A moment, so that what was sent before is not lost with the connection.
                Step::Break => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Some((Err(std::io::Error::other("broken off")), (steps, gone)));
                }
                Step::Hang => std::future::pending().await,
                Step::Flood => {
                    let more = vec![Step::Flood].into_iter();
                    return Some((Ok(Bytes::from(vec![b'x'; 1 << 16])), (more, gone)));
                }
            }
        }
    });
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from_stream(steps)).expect("a response")
}

pub fn provider_of(api: Api, base: &str, key: Option<&str>) -> GenaiProvider {
    GenaiProvider::new(GenaiOptions {
        id: "fake".to_owned(),
        api,
        base_url: Some(base.to_owned()),
        api_key: key.map(ApiKey::new),
        models: Vec::new(),
    })
    .expect("valid options")
}

/// An OpenAI-compatible provider with a key.
pub fn openai(fake: &Fake) -> GenaiProvider {
    provider_of(Api::OpenAi, &fake.base(), Some(KEY))
}

pub fn user(text: &str) -> ChatMessage {
    ChatMessage::User { parts: vec![Part::Text(text.to_owned())] }
}

pub fn request() -> ChatRequest {
    ChatRequest {
        model: "m-1".to_owned(),
        system: None,
        messages: vec![user("hi")],
        tools: Vec::new(),
        max_tokens: None,
        thinking: None,
        first_byte_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
    }
}

/// A whole answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub text: String,
    pub thinking: String,
    pub end: ChatEnd,
}

pub async fn ask(provider: &impl Provider, request: ChatRequest) -> Result<Answer, ProviderError> {
    let (pieces, error) = pieces(provider, request).await;
    if let Some(error) = error {
        return Err(error);
    }
    let mut answer = (String::new(), String::new());
    let mut end = None;
    for piece in pieces {
        assert!(end.is_none(), "nothing comes after the end");
        match piece {
            ChatPiece::Text(text) => answer.0.push_str(&text),
            ChatPiece::Thinking(text) => answer.1.push_str(&text),
            ChatPiece::End(last) => end = Some(last),
        }
    }
    Ok(Answer { text: answer.0, thinking: answer.1, end: end.expect("an end or an error") })
}

/// The pieces that came, and the error that ended them.
pub async fn pieces(provider: &impl Provider, request: ChatRequest) -> (Vec<ChatPiece>, Option<ProviderError>) {
    let mut stream = match provider.stream(request).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut pieces = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => pieces.push(piece),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (pieces, Some(error));
            }
        }
    }
    (pieces, None)
}

pub async fn error_of(provider: &impl Provider) -> ProviderError {
    ask(provider, request()).await.expect_err("an error")
}

/// The error that this answer is, with what every error has to be.
pub async fn error_from(reply: Reply) -> ProviderError {
    let fake = Fake::always(reply).await;
    let error = error_of(&openai(&fake)).await;
    assert_eq!(error.provider, "fake");
    assert_eq!(error.model.as_deref(), Some("m-1"));
    assert!(error.message.starts_with("fake/m-1: "), "{}", error.message);
    assert!(error.message.chars().count() <= 500, "{}", error.message);
    error
}

/// An error body with these words.
pub fn says(text: &str) -> Value {
    json!({"error": {"message": text, "type": "some_error"}})
}
