//! A gateway in a few lines that is strict with its caller: subprotocol, encoding, handshake and every request frame
//! are checked through `simpleclaw_protocol`, and a mistake panics the test's task. Each test scripts what it answers.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use simpleclaw_protocol::handshake::{ChallengeFrame, ConnectParams};
use simpleclaw_protocol::{Encoding, PROTOCOL, Request, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, codec};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response as Upgraded};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

pub const TOKEN: &str = "0123456789abcdef";

pub struct Fake {
    listener: TcpListener,
    pub url: String,
}

/// One accepted connection.
pub struct Peer {
    ws: WebSocketStream<TcpStream>,
    encoding: Encoding,
    seq: u64,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("ws://{}", listener.local_addr().expect("bound"));
        Self { listener, url }
    }

    /// Accepts a connection up to the upgrade; the challenge is sent.
    pub async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.expect("a connection");
        let mut encoding = None;
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let choose = |upgrade: &Upgrade, mut upgraded: Upgraded| -> Result<Upgraded, ErrorResponse> {
            let offered = upgrade.headers().get("sec-websocket-protocol").cloned();
            encoding = match offered.as_ref().and_then(|name| name.to_str().ok()) {
                Some(SUBPROTOCOL_MSGPACK) => Some(Encoding::Msgpack),
                Some(SUBPROTOCOL_JSON) => Some(Encoding::Json),
                other => panic!("unknown subprotocol {other:?}"),
            };
            if let Some(name) = offered {
                upgraded.headers_mut().insert("sec-websocket-protocol", name);
            }
            Ok(upgraded)
        };
        let ws = accept_hdr_async(stream, choose).await.expect("an upgrade");
        let encoding = encoding.expect("the callback ran");
        let mut peer = Peer { ws, encoding, seq: 0 };
        peer.send(&serde_json::to_value(ChallengeFrame::new("nonce".into(), 1)).expect("JSON")).await;
        peer
    }

    /// Accepts and greets a client that has the right token.
    pub async fn greet(&self) -> Peer {
        let mut peer = self.accept().await;
        let connect = peer.connect().await;
        assert_eq!(connect.auth.and_then(|auth| auth.token).as_deref(), Some(TOKEN));
        peer.answer("connect", hello()).await;
        peer
    }
}

impl Peer {
    /// Reads the first request, which must be a valid `connect`.
    pub async fn connect(&mut self) -> ConnectParams {
        let request = self.request().await.expect("a first frame");
        assert_eq!(request.method, "connect");
        assert_eq!(request.id, "connect");
        serde_json::from_value(request.params).expect("valid connect params")
    }

    /// The next request; `None` when the client has closed.
    pub async fn request(&mut self) -> Option<Request> {
        loop {
            let (encoding, bytes) = match self.ws.next().await?.ok()? {
                Message::Text(text) => (Encoding::Json, text.into()),
                Message::Binary(bytes) => (Encoding::Msgpack, bytes),
                Message::Close(_) => return None,
                _ => continue,
            };
            assert_eq!(encoding, self.encoding, "a frame in the other encoding");
            return Some(Request::decode(encoding, &bytes).expect("a valid request frame"));
        }
    }

    pub async fn answer(&mut self, id: &str, payload: Value) {
        self.send(&json!({ "type": "res", "id": id, "ok": true, "payload": payload })).await;
    }

    pub async fn refuse(&mut self, id: &str, code: &str, message: &str) {
        let error = json!({ "code": code, "message": message, "retryable": false });
        self.send(&json!({ "type": "res", "id": id, "ok": false, "error": error })).await;
    }

    /// Sends an event with the next `seq`.
    pub async fn event(&mut self, name: &str, payload: Value) {
        self.seq += 1;
        let mut frame = json!({ "type": name, "seq": self.seq });
        match (name, payload) {
            ("chat.event", Value::Object(members)) => {
                frame.as_object_mut().expect("an object").extend(members);
            }
            (_, payload) => frame["payload"] = payload,
        }
        self.send(&frame).await;
    }

    /// Loses the next `count` events.
    #[allow(dead_code, reason = "the CLI's tests share this file")]
    pub fn skip(&mut self, count: u64) {
        self.seq += count;
    }

    pub async fn send(&mut self, frame: &Value) {
        let bytes = codec::encode(self.encoding, frame).expect("any value encodes");
        let message = match self.encoding {
            Encoding::Json => Message::text(String::from_utf8(bytes).expect("JSON is UTF-8")),
            Encoding::Msgpack => Message::binary(bytes),
        };
        self.raw(message).await;
    }

    pub async fn raw(&mut self, message: Message) {
        // The client may be gone already; its own assertions say whether it should be.
        let _ = self.ws.send(message).await;
    }

    pub async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        let _ = self.ws.close(Some(frame)).await;
        while let Some(Ok(_)) = self.ws.next().await {}
    }
}

/// A complete `hello-ok` that lets 256 requests be in flight.
pub fn hello() -> Value {
    json!({
        "type": "hello-ok",
        "protocol": PROTOCOL,
        "server": { "version": "9.9.9", "connId": "c1", "bootId": "b1" },
        "features": { "methods": ["health"], "events": ["tick"], "capabilities": [] },
        "snapshot": {
            "presence": [],
            "health": health(),
            "stateVersion": { "presence": 1, "health": 1 },
            "uptimeMs": 5,
            "sessionDefaults": {
                "defaultAgentId": "main", "mainKey": "main", "mainSessionKey": "agent:main:main"
            },
        },
        "auth": { "role": "operator", "scopes": ["operator.admin"] },
        "policy": {
            "maxPayload": 26_214_400, "maxFrame": 4_194_304, "maxBufferedBytes": 8_388_608,
            "tickIntervalMs": 15_000, "maxRequestsInFlight": 256
        },
    })
}

/// A complete health snapshot with one subsystem in trouble.
pub fn health() -> Value {
    json!({
        "ok": true, "ts": 1, "version": "9.9.9", "uptimeMs": 5,
        "channels": { "telegram": "connected" }, "agents": ["main"], "cronJobs": 0, "connectedNodes": 0,
        "stateVersion": { "presence": 1, "health": 1 }, "paused": false,
        "subsystems": {
            "config": { "state": "ok", "since": "2026-11-22T13:01:57.040Z" },
            "models": { "state": "degraded", "since": "2026-11-22T13:01:57.040Z", "detail": "no model found" }
        },
        "startup": [], "accounts": [], "runs": { "active": 0, "queued": 0 },
        "approvals": { "pending": 0 }, "pairings": { "pending": 0 },
        "usage": { "todayCostUsd": 0.0, "todayRuns": 0 }, "sandbox": { "kind": "none", "enforced": [] },
        "store": { "sizeBytes": 1, "walBytes": 0 }, "process": { "rssBytes": 1, "connections": 1 },
    })
}
