//! One WebSocket: opening it, shaking hands, reading and writing frames. Reconnecting is the driver's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde_json::Value;
use simpleclaw_protocol::frame::{RequestFrame, RequestTag, Response};
use simpleclaw_protocol::handshake::{Auth, ConnectParams, HelloOk};
use simpleclaw_protocol::{Encoding, PROTOCOL, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, WireError, codec};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::error::ConnectError;
use crate::events::EventFrame;
use crate::options::Options;

/// The library's own default is 128 KiB each, allocated at once.
const BUFFER: usize = 16 << 10;
/// How long a goodbye may take; after it the socket is dropped.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
const CONNECT_ID: &str = "connect";

pub struct Socket {
    pub ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub hello: Arc<HelloOk>,
}

/// What a frame of the gateway is.
pub enum Incoming {
    Response(Response),
    Event(EventFrame),
    /// The challenge, which only a client with a device key answers, or a WebSocket ping.
    Nothing,
}

impl Socket {
    /// Connects and shakes hands within `options.handshake_timeout`.
    pub async fn open(options: &Options) -> Result<Self, ConnectError> {
        let limit = options.handshake_timeout;
        tokio::time::timeout(limit, Self::open_unlimited(options)).await.unwrap_or(Err(ConnectError::Timeout(limit)))
    }

    async fn open_unlimited(options: &Options) -> Result<Self, ConnectError> {
        let mut request = options.url.as_str().into_client_request().map_err(|error| failure(error, true))?;
        // Checked here: the library would first open a connection to whatever the port is.
        if request.uri().scheme_str() != Some("ws") {
            return Err(ConnectError::Url("it does not start with ws://".into()));
        }
        let subprotocol = match options.encoding {
            Encoding::Json => SUBPROTOCOL_JSON,
            Encoding::Msgpack => SUBPROTOCOL_MSGPACK,
        };
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(crate::MAX_INCOMING))
            .max_frame_size(Some(crate::MAX_INCOMING));
        let (mut ws, _) =
            connect_async_with_config(request, Some(config), true).await.map_err(|error| failure(error, true))?;

        let token = options.token.expose();
        let params = ConnectParams {
            min_protocol: PROTOCOL,
            max_protocol: PROTOCOL,
            client: options.client.clone(),
            role: options.role,
            scopes: options.scopes.clone(),
            caps: Vec::new(),
            commands: Vec::new(),
            permissions: Default::default(),
            device: None,
            auth: (!token.is_empty()).then(|| Auth { token: Some(token.to_owned()), device_token: None }),
            locale: None,
            user_agent: None,
        };
        let frame = RequestFrame { r#type: RequestTag::Req, id: CONNECT_ID, method: "connect", params };
        let connect = message(options.encoding, &frame).map_err(ConnectError::Protocol)?;
        // A gateway that drops us at once has often said why; its close frame or answer is read either way.
        let sent = ws.send(connect).await;
        loop {
            let next = ws.next().await;
            if next.is_none()
                && let Err(error) = sent
            {
                return Err(failure(error, false));
            }
            match read(next)? {
                Incoming::Response(response) if response.id == CONNECT_ID || !response.ok => {
                    let hello = hello(response)?;
                    return Ok(Self { ws, hello: Arc::new(hello) });
                }
                _ => {}
            }
        }
    }

    /// Says goodbye and waits briefly for the other side's.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.ws.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.ws.next().await {}
            }
        };
        let _ = tokio::time::timeout(CLOSE_WITHIN, goodbye).await;
    }
}

fn hello(response: Response) -> Result<HelloOk, ConnectError> {
    match outcome(response) {
        Err(error) => Err(ConnectError::Refused(error)),
        Ok(payload) => {
            let hello: HelloOk = serde_json::from_value(payload)
                .map_err(|error| ConnectError::Protocol(format!("hello-ok: {error}")))?;
            match hello.protocol {
                PROTOCOL => Ok(hello),
                other => Err(ConnectError::Protocol(format!("it chose version {other}"))),
            }
        }
    }
}

/// The result or the error that a response carries.
pub fn outcome(response: Response) -> Result<Value, WireError> {
    match (response.ok, response.error) {
        (true, _) => Ok(response.payload.unwrap_or_default()),
        (false, Some(error)) => Err(error),
        (false, None) => Err(WireError::new(simpleclaw_protocol::ErrorCode::Internal, "the gateway gave no reason")),
    }
}

/// One frame as a WebSocket message of the encoding.
pub fn message<T: Serialize>(encoding: Encoding, frame: &T) -> Result<Message, String> {
    let bytes = codec::encode(encoding, frame).map_err(|error| error.to_string())?;
    match encoding {
        Encoding::Msgpack => Ok(Message::binary(bytes)),
        Encoding::Json => String::from_utf8(bytes).map(Message::text).map_err(|error| error.to_string()),
    }
}

/// Reads what the stream gave next; the end of the stream is an error.
pub fn read(next: Option<Result<Message, WsError>>) -> Result<Incoming, ConnectError> {
    let (encoding, bytes) = match next {
        Some(Ok(Message::Text(text))) => (Encoding::Json, text.into()),
        Some(Ok(Message::Binary(bytes))) => (Encoding::Msgpack, bytes),
        Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
        Some(Ok(_)) => return Ok(Incoming::Nothing),
        Some(Err(error)) => return Err(failure(error, false)),
        None => return Err(closed(None)),
    };
    let value = codec::decode(encoding, &bytes).map_err(|error| ConnectError::Protocol(error.to_string()))?;
    frame(value).map_err(ConnectError::Protocol)
}

fn frame(value: Value) -> Result<Incoming, String> {
    let Value::Object(mut members) = value else {
        return Err("a frame that is no object".into());
    };
    let kind = match members.get_mut("type").map(Value::take) {
        Some(Value::String(kind)) => kind,
        _ => return Err("a frame without a type".into()),
    };
    match kind.as_str() {
        "event" => Ok(Incoming::Nothing),
        "res" => {
            members.insert("type".into(), kind.into());
            serde_json::from_value(Value::Object(members))
                .map(Incoming::Response)
                .map_err(|error| format!("a response: {error}"))
        }
        _ => {
            members.remove("type");
            EventFrame::read(kind, members).map(Incoming::Event)
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> ConnectError {
    let (code, reason) = match frame {
        Some(frame) => (Some(u16::from(frame.code)), Cow::from(frame.reason.to_string())),
        None => (None, Cow::from("without a word")),
    };
    let reason = match (code, reason.as_ref()) {
        (Some(code), "") => format!("code {code}"),
        (Some(code), reason) => format!("{reason} (code {code})"),
        (None, reason) => reason.to_owned(),
    };
    ConnectError::Closed { code, reason }
}

/// `opening` tells an address that is wrong from a peer that went away.
fn failure(error: WsError, opening: bool) -> ConnectError {
    match error {
        WsError::Url(error) => ConnectError::Url(error.to_string()),
        WsError::HttpFormat(error) => ConnectError::Url(error.to_string()),
        WsError::Http(response) => ConnectError::Upgrade(response.status().as_u16()),
        WsError::Io(error) => ConnectError::Unreachable(error.to_string()),
        WsError::ConnectionClosed | WsError::AlreadyClosed => closed(None),
        // A socket that is dropped without a close frame is a lost connection, not a broken protocol.
        WsError::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            closed(None)
        }
        other if opening => ConnectError::Protocol(format!("no WebSocket: {other}")),
        other => ConnectError::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_is_an_error_and_never_a_panic() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "[]",
            "5",
            "{\"type\":",
            "{\"seq\":1}",
            "{\"type\":5}",
            "{\"type\":\"tick\"}",
            "{\"type\":\"tick\",\"seq\":-1}",
            "{\"type\":\"res\",\"id\":5}",
            "{\"type\":\"res\",\"id\":\"1\"}",
            deep.as_str(),
        ] {
            let read = read(Some(Ok(Message::text(text))));
            assert!(matches!(read, Err(ConnectError::Protocol(_))), "{text:.40}");
        }
        for bytes in [&[0xc1][..], &[0xdd, 0xff, 0xff, 0xff, 0xff], &[0x81, 0x01, 0x01]] {
            let read = read(Some(Ok(Message::binary(bytes.to_vec()))));
            assert!(matches!(read, Err(ConnectError::Protocol(_))), "{bytes:?}");
        }
    }

    #[test]
    fn unknown_members_are_ignored() {
        let text = r#"{"type":"res","id":"1","ok":true,"payload":{"a":1},"later":true}"#;
        match read(Some(Ok(Message::text(text)))) {
            Ok(Incoming::Response(response)) => {
                assert_eq!(outcome(response), Ok(serde_json::json!({ "a": 1 })));
            }
            _ => panic!("a response"),
        }
    }
}
