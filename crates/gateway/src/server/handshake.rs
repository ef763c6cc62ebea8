//! From the challenge to `hello-ok`: the only part of a conversation that a stranger can reach.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rand::RngExt as _;
use simpleclaw_protocol::events::EVENTS;
use simpleclaw_protocol::frame::BadFrame;
use simpleclaw_protocol::handshake::{
    ChallengeFrame, ConnectParams, Features, Granted, HelloOk, HelloTag, Policy, ServerInfo, SessionDefaults, Snapshot,
    StateVersion,
};
use simpleclaw_protocol::{Encoding, Issue, PROTOCOL, Request, Scope, WireError, codec, methods};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::auth::Principal;
use super::connection::{Close, MAX_BUFFERED, MAX_IN_FLIGHT, MAX_PAYLOAD, Ws, close_for, response};
use super::dispatch::{Caller, MAX_FRAME};
use super::socket::Meter;
use super::{Server, TICK_EVERY, validate};

const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A client that may stay.
pub struct Welcome {
    pub request_id: String,
    pub params: ConnectParams,
    pub principal: Principal,
    /// Of its `connect`, and so of every frame to it.
    pub encoding: Encoding,
    pub conn_id: String,
}

/// Sends the challenge and takes the `connect`. `Err` says how to close; `None` where the peer is gone.
pub async fn shake<S>(
    server: &Server,
    ws: &mut Ws<S>,
    meter: &Meter,
    peer: IpAddr,
    subprotocol_msgpack: bool,
) -> Result<Welcome, Option<Close>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let first = if subprotocol_msgpack { Encoding::Msgpack } else { Encoding::Json };
    let shake = async {
        challenge(server, ws, first).await?;
        let (encoding, bytes) = first_message(ws, meter).await?;
        match admit(server, encoding, &bytes, peer).await {
            Ok(welcome) => Ok(welcome),
            Err(Refusal { id, error, close, delay }) => {
                tokio::time::sleep(delay).await;
                let frame = response::<()>(encoding, &id, Err(error));
                ws.send(in_encoding(encoding, frame.into())).await.map_err(|_| None)?;
                Err(Some(close))
            }
        }
    };
    match tokio::time::timeout(TIME_LIMIT, shake).await {
        Ok(shaken) => shaken,
        Err(_) => Err(Some(Close::new(1008, "no connect within 10 s"))),
    }
}

async fn challenge<S>(server: &Server, ws: &mut Ws<S>, encoding: Encoding) -> Result<(), Option<Close>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let nonce: [u8; 16] = rand::rng().random();
    let nonce = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let frame = ChallengeFrame::new(nonce, server.runtime.clock.now_ms());
    let bytes = codec::encode(encoding, &frame).map_err(|_| Some(Close::new(1011, "internal")))?;
    ws.send(in_encoding(encoding, bytes)).await.map_err(|_| None)
}

fn in_encoding(encoding: Encoding, bytes: Vec<u8>) -> Message {
    match encoding {
        Encoding::Msgpack => Message::Binary(bytes.into()),
        Encoding::Json => Message::Text(Utf8Bytes::from(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

async fn first_message<S>(ws: &mut Ws<S>, meter: &Meter) -> Result<(Encoding, bytes::Bytes), Option<Close>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match ws.next().await {
            Some(Ok(Message::Text(text))) => return Ok((Encoding::Json, text.into())),
            Some(Ok(Message::Binary(bytes))) => return Ok((Encoding::Msgpack, bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(None),
            Some(Err(Error::Io(_))) if meter.too_large() => {
                return Err(Some(Close::new(1009, "a message over 64 KiB before authentication")));
            }
            Some(Err(error)) => return Err(close_for(&error)),
        }
    }
}

/// An answer to a bad `connect`, and the close after it.
struct Refusal {
    id: String,
    error: WireError,
    close: Close,
    delay: Duration,
}

impl Refusal {
    fn new(id: &str, error: WireError, close: Close) -> Self {
        Self { id: id.to_owned(), error, close, delay: Duration::ZERO }
    }
}

const HANDSHAKE: Close = Close::new(1008, "the handshake failed");

async fn admit(server: &Server, encoding: Encoding, bytes: &[u8], peer: IpAddr) -> Result<Welcome, Refusal> {
    let request =
        Request::decode(encoding, bytes).map_err(|BadFrame { id, error }| Refusal::new(&id, error, HANDSHAKE))?;
    let id = request.id.as_str();
    if request.method != "connect" {
        let issue = Issue::new("/method", "the first request is `connect`");
        return Err(Refusal::new(id, WireError::issues("invalid frame", vec![issue]), HANDSHAKE));
    }
    validate::connect(&request.params).map_err(|error| Refusal::new(id, error, HANDSHAKE))?;
    let params: ConnectParams = serde_json::from_value(request.params)
        .map_err(|error| Refusal::new(id, WireError::invalid(format!("invalid params: {error}")), HANDSHAKE))?;
    if !(params.min_protocol..=params.max_protocol).contains(&PROTOCOL) {
        let asked = (params.min_protocol, params.max_protocol);
        let words = format!("this gateway speaks protocol {PROTOCOL}, the client {} to {}", asked.0, asked.1);
        let error =
            WireError::invalid(words).details(serde_json::json!({ "reason": "protocol", "protocol": PROTOCOL }));
        return Err(Refusal::new(id, error, Close::new(1002, "protocol version")));
    }
    if params.device.is_some() {
        return Err(Refusal::new(id, WireError::not_built("a device key", Some("device")), HANDSHAKE));
    }
    if params.auth.as_ref().is_some_and(|auth| auth.device_token.is_some()) {
        return Err(Refusal::new(id, WireError::not_built("a device token", Some("auth.deviceToken")), HANDSHAKE));
    }
    match server.auth.check(&params, peer, std::time::Instant::now()) {
        Ok(principal) => {
            let conn_id = uuid::Uuid::new_v4().to_string();
            Ok(Welcome { request_id: id.to_owned(), params, principal, encoding, conn_id })
        }
        Err(refused) => {
            tracing::warn!(target: "diagnostic", source = "server", code = "auth.refused", %peer, client = %params.client.id, "a connection without the right token was refused");
            let close = Close::new(1008, "not authenticated");
            Err(Refusal { delay: refused.delay, ..Refusal::new(id, refused.error, close) })
        }
    }
}

/// The answer to a good `connect`; absent before the first health snapshot.
pub fn hello(server: &Server, caller: &Caller) -> Option<HelloOk> {
    let runtime = &server.runtime;
    let health = runtime.health.cached()?;
    let may_read = caller.principal.allows(Scope::Read);
    let (presence, presence_version) = runtime.presence.snapshot();
    let state_version = StateVersion { presence: presence_version, health: health.state_version.health };
    let config = runtime.config.current();
    let default_agent_id = config.config.agents.default.clone();
    let mut names: Vec<String> = methods::built().map(|(_, spec)| spec.name.to_owned()).collect();
    names.sort_unstable();
    Some(HelloOk {
        r#type: HelloTag::HelloOk,
        protocol: PROTOCOL,
        server: ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            conn_id: caller.conn_id.clone(),
            boot_id: runtime.boot.0.clone(),
        },
        features: Features {
            methods: names,
            events: EVENTS.iter().map(|spec| spec.name.to_owned()).collect(),
            capabilities: vec!["msgpack".to_owned()],
        },
        snapshot: Snapshot {
            presence: if may_read { presence } else { vec![] },
            uptime_ms: health.uptime_ms,
            health,
            state_version,
            session_defaults: SessionDefaults {
                main_key: "main".to_owned(),
                main_session_key: format!("agent:{default_agent_id}:main"),
                default_agent_id,
            },
        },
        auth: Granted {
            role: caller.principal.role,
            scopes: caller.principal.granted.iter().map(|scope| scope.name().to_owned()).collect(),
            device_token: None,
        },
        policy: Policy {
            max_payload: MAX_PAYLOAD as u64,
            max_frame: MAX_FRAME as u64,
            max_buffered_bytes: MAX_BUFFERED as u64,
            tick_interval_ms: u64::try_from(TICK_EVERY.as_millis()).unwrap_or(u64::MAX),
            max_requests_in_flight: MAX_IN_FLIGHT as u32,
        },
    })
}
