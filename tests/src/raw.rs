//! A client like a stranger would write it: a WebSocket, an encoder, and nothing of `simpleclaw-client`. It also
//! checks what every connection may rely on: one encoding, `seq` without gaps, frames of at most 4 MiB, events that
//! keep their schema.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::{DEADLINE, Encoding, schema, within};

/// No frame of the gateway may be larger.
const MAX_FRAME: usize = 4 * 1024 * 1024;

/// What the request for the upgrade says.
#[derive(Debug, Clone)]
pub struct Opening {
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Bytes that the kernel keeps for a client that does not read; absent: its default.
    pub receive_buffer: Option<u32>,
}

impl Default for Opening {
    fn default() -> Self {
        Self { path: "/ws".into(), headers: vec![], receive_buffer: None }
    }
}

/// One thing that came from the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    Frame(Value),
    /// The close frame, or the end of the socket without one.
    Closed(Option<u16>),
}

pub struct RawClient {
    ws: WebSocketStream<TcpStream>,
    /// What the upgrade was answered with.
    pub upgrade: Response<Option<Vec<u8>>>,
    pub encoding: Encoding,
    /// The payload of `hello-ok`.
    pub hello: Value,
    /// Events that came while an answer was waited for.
    waiting: VecDeque<Value>,
    last_seq: u64,
    next_id: u64,
    /// Whether events are held against their schema, which costs more than reading them.
    pub checks_events: bool,
}

impl RawClient {
    /// Asks for the upgrade. `Err` is the HTTP answer that refused it.
    pub async fn open(port: u16, encoding: Encoding, opening: &Opening) -> Result<Self, Response<Option<Vec<u8>>>> {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        if let Some(size) = opening.receive_buffer {
            socket.set_recv_buffer_size(size).expect("a buffer size");
        }
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a TCP option");
        let mut request = Request::get(format!("ws://127.0.0.1:{port}{}", opening.path))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if !opening.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", format!("127.0.0.1:{port}"));
        }
        for (name, value) in &opening.headers {
            request = request.header(name, value);
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
        let upgrade = client_async_with_config(request.body(()).expect("a request"), stream, Some(config));
        match within(DEADLINE, "upgrade", upgrade).await {
            Ok((ws, upgrade)) => Ok(Self {
                ws,
                upgrade,
                encoding,
                hello: Value::Null,
                waiting: VecDeque::new(),
                last_seq: 0,
                next_id: 0,
                checks_events: true,
            }),
            Err(Error::Http(response)) => Err(*response),
            Err(error) => panic!("no HTTP answer to the upgrade: {error}"),
        }
    }

    /// Reads the challenge, sends `connect`, reads its answer.
    pub async fn handshake(&mut self, params: Value) -> Value {
        let challenge = self.frame().await;
        assert_eq!(challenge["event"], "connect.challenge", "{challenge}");
        self.send(&json!({ "type": "req", "id": "connect", "method": "connect", "params": params })).await;
        let answer = self.frame().await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!("res"), &json!("connect")), "{answer}");
        self.hello = answer["payload"].clone();
        answer
    }

    pub async fn send(&mut self, frame: &Value) {
        self.send_message(encode(self.encoding, frame)).await;
    }

    pub async fn send_message(&mut self, message: Message) {
        within(DEADLINE, "room to write", self.ws.send(message)).await.expect("the gateway takes a frame");
    }

    /// Like [`Self::send_message`] for a peer that may close while it is being written to.
    pub async fn try_send(&mut self, message: Message) -> bool {
        within(DEADLINE, "room to write", self.ws.send(message)).await.is_ok()
    }

    /// The next frame or the end.
    pub async fn receive(&mut self) -> Received {
        self.receive_within(DEADLINE).await
    }

    pub async fn receive_within(&mut self, limit: Duration) -> Received {
        loop {
            let message = within(limit, "frame", self.ws.next()).await;
            let (encoding, value) = match message {
                Some(Ok(Message::Text(text))) => (Encoding::Json, serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Binary(bytes))) => {
                    (Encoding::Msgpack, rmp_serde::from_slice(&bytes).expect("MessagePack"))
                }
                Some(Ok(Message::Close(frame))) => return Received::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(Error::Capacity(error))) => panic!("a frame over 4 MiB: {error}"),
                Some(Err(_)) | None => return Received::Closed(None),
            };
            self.check(encoding, &value);
            return Received::Frame(value);
        }
    }

    fn check(&mut self, encoding: Encoding, frame: &Value) {
        if frame["event"] == "connect.challenge" {
            return;
        }
        assert_eq!(encoding, self.encoding, "the encoding of the connect: {frame}");
        if frame["type"] == "res" {
            return;
        }
        let seq = frame["seq"].as_u64().unwrap_or_else(|| panic!("an event without seq: {frame}"));
        assert_eq!(seq, self.last_seq + 1, "a gap in seq before {frame}");
        self.last_seq = seq;
        if self.checks_events {
            schema::check_event(frame);
        }
    }

    /// The next message as it came, unchecked.
    pub async fn message(&mut self) -> Message {
        within(DEADLINE, "message", self.ws.next()).await.expect("the connection stays").expect("a message")
    }

    /// Bytes below the WebSocket, for what no library would send.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        within(DEADLINE, "room to write", self.ws.get_mut().write_all(bytes)).await.expect("the gateway reads");
    }

    /// The next frame; the end of the connection is a failure.
    pub async fn frame(&mut self) -> Value {
        match self.receive().await {
            Received::Frame(frame) => frame,
            Received::Closed(code) => panic!("closed with {code:?}"),
        }
    }

    /// Reads until the connection ends; the close code.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Received::Closed(code) = self.receive().await {
                return code;
            }
        }
    }

    /// Sends a request without waiting for its answer; its id.
    pub async fn start(&mut self, method: &str, params: Value) -> String {
        self.next_id += 1;
        let id = self.next_id.to_string();
        self.send(&json!({ "type": "req", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The answer to a request; events that come before it are kept for [`Self::event`].
    pub async fn answer(&mut self, id: &str) -> Value {
        loop {
            let frame = self.frame().await;
            match frame["type"] == "res" {
                true if frame["id"] == id => return frame,
                true => panic!("the answer to another request: {frame}"),
                false => self.waiting.push_back(frame),
            }
        }
    }

    /// The next answer, whoever asked; events are kept.
    pub async fn frame_of_any_answer(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            match frame["type"] == "res" {
                true => return frame,
                false => self.waiting.push_back(frame),
            }
        }
    }

    /// Takes this many refusals, then makes a request that succeeds.
    pub async fn ok_after_errors(&mut self, count: usize) {
        for _ in 0..count {
            let answer = self.frame_of_any_answer().await;
            assert_eq!(answer["ok"], false, "{answer}");
        }
        self.ok("health", json!({})).await;
    }

    /// A request and its answer, whichever it is.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params).await;
        self.answer(&id).await
    }

    /// A request that is to succeed; its payload.
    pub async fn ok(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        answer["payload"].take()
    }

    /// A request that is to fail; its error.
    pub async fn err(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert_eq!(answer["ok"], false, "{method} was to fail: {answer}");
        schema::check("error.json", "", &answer["error"]);
        answer["error"].take()
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        if let Some(event) = self.waiting.pop_front() {
            return event;
        }
        let frame = self.frame().await;
        assert_ne!(frame["type"], "res", "an answer that nobody asked for: {frame}");
        frame
    }

    /// The next event of this name; others are passed over.
    pub async fn event_named(&mut self, name: &str) -> Value {
        self.event_where(name, |event| event["type"] == name).await
    }

    /// The next event that fits; others are passed over.
    pub async fn event_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let event = self.event().await;
                if fits(&event) {
                    return event;
                }
            }
        };
        within(DEADLINE, what, search).await
    }

    /// Every event that the gateway sent before it answered a request made now.
    pub async fn events_so_far(&mut self) -> Vec<Value> {
        self.ok("health", json!({})).await;
        self.waiting.drain(..).collect()
    }

    /// The events of a run up to and with its terminal one.
    pub async fn run_to_end(&mut self, run_id: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event_where("the run's end", |event| event["runId"] == run_id && is_chat(event)).await;
            let ends = is_terminal(&event);
            events.push(event);
            if ends {
                return events;
            }
        }
    }

    /// Closes politely.
    pub async fn close(mut self) {
        let _ = self.ws.close(None).await;
        while let Some(Ok(_)) = within(DEADLINE, "goodbye", self.ws.next()).await {}
    }
}

pub fn is_chat(event: &Value) -> bool {
    event["type"] == "chat.event"
}

pub fn is_terminal(event: &Value) -> bool {
    is_chat(event) && matches!(event["state"].as_str(), Some("final" | "aborted" | "error"))
}

/// One frame as a WebSocket message.
pub fn encode(encoding: Encoding, frame: &Value) -> Message {
    match encoding {
        Encoding::Json => Message::text(frame.to_string()),
        Encoding::Msgpack => Message::binary(rmp_serde::to_vec_named(frame).expect("a value encodes")),
    }
}
