//! One WebSocket from upgrade to end: handshake, then frames in and frames out until one side closes.
//!
//! Handlers run inside the connection's own task, in the order in which their requests came, and are finished even
//! where the socket is gone. What a request means is `dispatch`'s.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use simpleclaw_protocol::frame::{BadFrame, Response};
use simpleclaw_protocol::handshake::HelloOk;
use simpleclaw_protocol::{Encoding, Request, WireError, codec};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::dispatch::{self, Caller};
use super::socket::{Meter, Socket};
use super::{Server, handshake};
use crate::events::{Ended, Filter, Follower, Item};

/// Largest message that a client may send.
pub const MAX_PAYLOAD: usize = 25 * 1024 * 1024;
/// Unsent bytes past which a slow reader is closed.
pub const MAX_BUFFERED: usize = 8 * 1024 * 1024;
/// Requests of one connection that are worked on at once; the next ones wait in the socket.
pub const MAX_IN_FLIGHT: usize = 256;
/// Their bytes, past which the next ones wait as well: files come in requests.
const MAX_BYTES_IN_FLIGHT: usize = 32 * 1024 * 1024;
/// Frames in a row that are none, after which the connection is closed.
const MAX_BAD_FRAMES: u32 = 10;
const PING_EVERY: Duration = Duration::from_secs(25);
/// How long a reader may take nothing while bytes wait for it.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How long a closed connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Items written between two looks at the socket.
const WRITE_BATCH: usize = 256;

pub type Ws<S> = WebSocketStream<Socket<S>>;

/// Why a connection ends, in the words of the close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: &'static str,
}

impl Close {
    pub const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// The WebSocket over an upgraded stream, and what is counted below it.
pub async fn websocket<S>(stream: S) -> (Ws<S>, Arc<Meter>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (socket, meter) = Socket::new(stream);
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(MAX_PAYLOAD))
        .max_frame_size(Some(MAX_PAYLOAD));
    (WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await, meter)
}

/// Serves one upgraded stream to its end.
pub async fn serve<S>(
    server: Arc<Server>,
    stream: S,
    peer: SocketAddr,
    subprotocol_msgpack: bool,
    admitted: impl FnOnce() + Send,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut ws, meter) = websocket(stream).await;
    let shaken = tokio::select! {
        shaken = handshake::shake(&server, &mut ws, &meter, peer.ip(), subprotocol_msgpack) => shaken,
        close = server.until_closing() => Err(Some(close)),
    };
    match shaken {
        Ok(welcome) => {
            admitted();
            meter.set_authenticated();
            let close = converse(&server, &mut ws, &meter, welcome).await;
            say_goodbye(ws, close).await;
        }
        Err(close) => say_goodbye(ws, close).await,
    }
}

/// The part of a connection after `hello-ok`; why it ended.
async fn converse<S>(server: &Arc<Server>, ws: &mut Ws<S>, meter: &Meter, welcome: handshake::Welcome) -> Option<Close>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let handshake::Welcome { request_id, params, principal, encoding, conn_id } = welcome;
    let runtime = &server.runtime;
    let follower = Follower::new(Some(encoding), MAX_BUFFERED, Filter::all(principal.scopes.clone()));
    let caller = Caller {
        conn_id: conn_id.clone(),
        instance_id: params.client.instance_id.clone(),
        mode: params.client.mode.clone(),
        principal,
        encoding,
        follower: Arc::clone(&follower),
    };
    tracing::info!(conn = %conn_id, client = %params.client.id, version = %params.client.version, "connected");
    runtime.presence.join(&conn_id, &params, &caller.principal.name, runtime.clock.now());
    runtime.health.change();
    if runtime.health.cached().is_none() {
        runtime.health.refresh(&runtime.health_sources()).await;
    }
    runtime.events.follow(&follower, || {
        let outcome = handshake::hello(server, &caller).ok_or_else(|| WireError::unavailable("still starting", 200));
        if let Ok(hello) = &outcome {
            // It is in its own snapshot, and gets no event for itself.
            follower.knows_presence(hello.snapshot.state_version.presence);
        }
        follower.push_frame(response::<HelloOk>(encoding, &request_id, outcome));
    });
    let (sink, stream) = ws.split();
    let alive = Alive::default();
    let mut reader = Reader::new(Arc::clone(server), caller);
    let writer = write_loop(sink, &follower, meter, encoding, &alive);
    tokio::pin!(writer);
    let close = tokio::select! {
        close = reader.run(stream, &alive) => {
            // What was answered already still goes out.
            follower.close();
            let _ = tokio::time::timeout(GOODBYE, &mut writer).await;
            close
        }
        close = &mut writer => close,
        close = server.until_closing() => {
            follower.close();
            let _ = tokio::time::timeout(GOODBYE, &mut writer).await;
            Some(close)
        }
    };
    runtime.events.leave(&follower);
    follower.close();
    runtime.presence.leave(&conn_id);
    runtime.health.change();
    tracing::info!(conn = %conn_id, close = ?close, "disconnected");
    reader.finish(&server.runtime.supervisor);
    close
}

/// One encoded response.
pub fn response<P: serde::Serialize>(encoding: Encoding, id: &str, outcome: Result<P, WireError>) -> Bytes {
    match codec::encode(encoding, &Response::new(id, outcome)) {
        Ok(bytes) => bytes.into(),
        Err(error) => {
            tracing::error!(%error, "a response that cannot be encoded");
            let error = WireError::new(simpleclaw_protocol::ErrorCode::Internal, "the answer could not be encoded");
            codec::encode(encoding, &Response::<()>::new(id, Err(error))).unwrap_or_default().into()
        }
    }
}

/// Whether the peer answers pings.
#[derive(Default)]
struct Alive {
    awaiting_pong: AtomicBool,
}

/// The id of a request, its bytes, its answer.
type InFlight = futures_util::future::BoxFuture<'static, (String, usize, dispatch::Answer)>;

/// Reads frames and runs their handlers.
struct Reader {
    server: Arc<Server>,
    caller: Caller,
    in_flight: FuturesUnordered<InFlight>,
    bytes_in_flight: usize,
    ids: HashSet<String>,
    bad_frames: u32,
    touched: Instant,
}

impl Reader {
    fn new(server: Arc<Server>, caller: Caller) -> Self {
        Self {
            server,
            caller,
            in_flight: FuturesUnordered::new(),
            bytes_in_flight: 0,
            ids: HashSet::new(),
            bad_frames: 0,
            touched: Instant::now(),
        }
    }

    /// Until the peer closes or breaks the rules.
    async fn run<S>(&mut self, mut stream: SplitStream<&mut Ws<S>>, alive: &Alive) -> Option<Close>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let room = self.in_flight.len() < MAX_IN_FLIGHT && self.bytes_in_flight < MAX_BYTES_IN_FLIGHT;
            let message = tokio::select! {
                Some((id, bytes, answer)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.bytes_in_flight -= bytes;
                    self.answer(&id, answer);
                    continue;
                }
                message = stream.next(), if room => message,
            };
            let (encoding, bytes) = match message {
                Some(Ok(Message::Text(text))) => (Encoding::Json, Bytes::from(text)),
                Some(Ok(Message::Binary(bytes))) => (Encoding::Msgpack, bytes),
                Some(Ok(Message::Pong(_))) => {
                    alive.awaiting_pong.store(false, Ordering::Relaxed);
                    continue;
                }
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(error)) => return close_for(&error),
            };
            self.touch();
            if let Some(close) = self.take_frame(encoding, &bytes) {
                return Some(close);
            }
        }
    }

    fn take_frame(&mut self, encoding: Encoding, bytes: &[u8]) -> Option<Close> {
        let request = match Request::decode(encoding, bytes) {
            Ok(request) => request,
            Err(BadFrame { id, error }) => {
                self.refuse(&id, error);
                self.bad_frames += 1;
                return (self.bad_frames >= MAX_BAD_FRAMES).then_some(Close::new(1008, "too many invalid frames"));
            }
        };
        self.bad_frames = 0;
        if !self.ids.insert(request.id.clone()) {
            self.refuse(&request.id, WireError::conflict("a request with this id is still in flight"));
            return None;
        }
        let id = request.id.clone();
        let answer = dispatch::dispatch(Arc::clone(&self.server.runtime), self.caller.clone(), request);
        let size = bytes.len();
        self.bytes_in_flight += size;
        self.in_flight.push(Box::pin(async move { (id, size, answer.await) }));
        None
    }

    fn refuse(&self, id: &str, error: WireError) {
        self.caller.follower.push_frame(response::<()>(self.caller.encoding, id, Err(error)));
    }

    fn answer(&mut self, id: &str, answer: dispatch::Answer) {
        self.ids.remove(id);
        self.caller.follower.push_frame(answer.frame);
        if let Some(then) = answer.then {
            then();
        }
    }

    /// Presence shows the last activity; once a second is often enough.
    fn touch(&mut self) {
        if self.touched.elapsed() >= Duration::from_secs(1) {
            self.touched = Instant::now();
            self.server.runtime.presence.touch(&self.caller.conn_id, self.server.runtime.clock.now());
        }
    }

    /// Lets handlers that are under way reach their end: half of one must never happen.
    fn finish(mut self, supervisor: &crate::supervisor::Supervisor) {
        if self.in_flight.is_empty() {
            return;
        }
        supervisor.spawn("handlers of a closed connection", async move {
            while let Some((id, _, answer)) = self.in_flight.next().await {
                self.answer(&id, answer);
            }
        });
    }
}

/// Takes items from the queue, numbers the events and sends everything, until the queue ends or the peer stalls.
async fn write_loop<S>(
    mut sink: SplitSink<&mut Ws<S>, Message>,
    follower: &Follower,
    meter: &Meter,
    encoding: Encoding,
    alive: &Alive,
) -> Option<Close>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut seq = 0;
    // Grown by need: most connections never have a batch waiting.
    let mut items = Vec::new();
    let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let taken = tokio::select! {
            taken = follower.take(WRITE_BATCH, &mut items) => taken,
            _ = ping.tick() => {
                if alive.awaiting_pong.swap(true, Ordering::Relaxed) {
                    return Some(Close::new(1008, "no pong"));
                }
                match sent(sink.send(Message::Ping(Bytes::new())), meter, follower).await {
                    Ok(()) => continue,
                    Err(close) => return close,
                }
            }
        };
        match taken {
            Ok(()) => {}
            Err(Ended::Overflown) => return Some(Close::new(1008, "slow consumer")),
            Err(Ended::Closed) => return None,
        }
        let batch = async {
            for item in items.drain(..) {
                seq += u64::from(item.is_event());
                sink.feed(message(&item, encoding, seq)).await?;
            }
            sink.flush().await
        };
        if let Err(close) = sent(batch, meter, follower).await {
            return close;
        }
    }
}

fn message(item: &Item, encoding: Encoding, seq: u64) -> Message {
    let frame = item.frame(encoding, seq);
    match encoding {
        Encoding::Msgpack => Message::Binary(frame),
        Encoding::Json => match Utf8Bytes::try_from(frame) {
            Ok(text) => Message::Text(text),
            // Not reached: a serialiser of JSON writes UTF-8.
            Err(_) => Message::Text(Utf8Bytes::from_static("{}")),
        },
    }
}

/// Waits for a write for as long as the peer takes bytes at all and its queue stays within bounds.
async fn sent(
    write: impl Future<Output = Result<(), Error>>,
    meter: &Meter,
    follower: &Follower,
) -> Result<(), Option<Close>> {
    tokio::pin!(write);
    let (mut seen, mut since) = (meter.written(), Instant::now());
    loop {
        match tokio::time::timeout(Duration::from_millis(250), &mut write).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => return Err(None),
            Err(_) if follower.is_overflown() => return Err(Some(Close::new(1008, "slow consumer"))),
            Err(_) if meter.written() != seen => (seen, since) = (meter.written(), Instant::now()),
            Err(_) if since.elapsed() >= STALLED_AFTER => return Err(Some(Close::new(1008, "slow consumer"))),
            Err(_) => {}
        }
    }
}

/// The close that a broken socket deserves; `None` where nobody is left to read it.
pub fn close_for(error: &Error) -> Option<Close> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Close::new(1009, "a message over 25 MiB")),
        Error::Capacity(_) => Some(Close::new(1009, "a message too large")),
        Error::Utf8(_) => Some(Close::new(1007, "text that is not UTF-8")),
        Error::Protocol(_) => Some(Close::new(1002, "not a WebSocket frame")),
        _ => None,
    }
}

/// Sends the close frame and then listens, deaf to its content, until the peer has had time to read it: a socket
/// closed over unread bytes is reset, and the frame would be lost with it.
pub async fn say_goodbye<S>(mut ws: Ws<S>, close: Option<Close>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = close
        .map(|close| CloseFrame { code: CloseCode::from(close.code), reason: Utf8Bytes::from_static(close.reason) });
    let goodbye = async {
        // An error here: the peer is gone, and that is what this is about. The answer to a close of the peer waits in
        // the library until something is flushed, and after it no other close goes out.
        let _ = ws.flush().await;
        let _ = ws.close(frame).await;
        let mut socket = ws.into_inner().into_inner();
        let _ = socket.shutdown().await;
        let mut ignored = [0; 4096];
        while matches!(socket.read(&mut ignored).await, Ok(count) if count > 0) {}
    };
    // Past it the socket is simply closed.
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}
