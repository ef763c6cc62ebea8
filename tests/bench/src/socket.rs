//! A raw client: frames in MessagePack, built once and sent many times, answers hardly looked at. The project's own
//! client would be measured with the gateway otherwise.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use simpleclaw_protocol::{Encoding, codec};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::target::Target;

pub struct Socket {
    pub ws: WebSocketStream<TcpStream>,
    next_id: u64,
}

impl Socket {
    /// Upgrades and nothing more.
    pub async fn bare(url: &str) -> anyhow::Result<Self> {
        let address = url.strip_prefix("ws://").context("a ws:// address")?.trim_end_matches('/');
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // Small, because a thousand of them are held at once.
        let config = WebSocketConfig::default().read_buffer_size(16 * 1024).write_buffer_size(4 * 1024);
        let (ws, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        Ok(Self { ws, next_id: 1 })
    }

    /// Up to `hello-ok`.
    pub async fn open(target: &Target) -> anyhow::Result<Self> {
        let mut socket = Self::bare(&target.url).await?;
        let client = json!({ "id": "bench", "version": "1", "platform": "rust", "mode": "bench" });
        let connect =
            json!({ "minProtocol": 1, "maxProtocol": 1, "client": client, "auth": { "token": target.token } });
        socket.call("connect", connect).await?;
        Ok(socket)
    }

    /// Up to `hello-ok`, with these events only.
    pub async fn open_for(target: &Target, events: &[&str]) -> anyhow::Result<Self> {
        let mut socket = Self::open(target).await?;
        socket.call("events.subscribe", json!({ "events": events })).await?;
        Ok(socket)
    }

    /// The payload of the answer; events before it are dropped.
    pub async fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.send(method, params).await?;
        loop {
            let mut frame = self.next().await?;
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                if frame["ok"] == true {
                    return Ok(frame["payload"].take());
                }
                bail!("{method}: {}", frame["error"]);
            }
        }
    }

    /// Sends a request; its id.
    pub async fn send(&mut self, method: &str, params: Value) -> anyhow::Result<String> {
        let id = format!("{:08}", self.next_id);
        self.next_id += 1;
        self.ws.send(Message::Binary(request(&id, method, &params)?)).await?;
        Ok(id)
    }

    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            // The challenge is text, since we offer no subprotocol.
            if let Message::Binary(bytes) = self.ws.next().await.context("closed")?? {
                return codec::decode(Encoding::Msgpack, &bytes).map_err(Into::into);
            }
        }
    }

    /// The next binary message as it is.
    pub async fn next_bytes(&mut self) -> anyhow::Result<Bytes> {
        loop {
            match self.ws.next().await.context("closed")?? {
                Message::Binary(bytes) => return Ok(bytes),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Until the run's terminal event, whose payload it is.
    pub async fn until_end(&mut self, run: &str) -> anyhow::Result<Value> {
        loop {
            let frame = self.next().await?;
            let terminal = matches!(frame["state"].as_str(), Some("final" | "error" | "aborted"));
            if frame["type"] == "chat.event" && frame["runId"] == run && terminal {
                return Ok(frame);
            }
        }
    }
}

/// One request as bytes.
pub fn request(id: &str, method: &str, params: &Value) -> anyhow::Result<Bytes> {
    let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
    Ok(codec::encode(Encoding::Msgpack, &frame)?.into())
}

/// Params of `chat.send` with a fresh key, which is the run's id.
pub fn message(session: &str, text: &str) -> (String, Value) {
    let run = uuid::Uuid::new_v4().to_string();
    let params = json!({ "sessionKey": session, "message": text, "idempotencyKey": run });
    (run, params)
}
