//! The listener: one port for HTTP and WebSocket. Takes connections, guards them, and hands upgraded ones to
//! `connection`.

mod address;
pub mod auth;
mod connection;
pub mod dispatch;
#[cfg(feature = "testing")]
mod echo;
mod guard;
mod handshake;
mod http;
mod listen;
mod socket;
pub mod validate;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::{PresenceEvent, TickEvent};
use simpleclaw_protocol::handshake::StateVersion;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::StopReason;
use crate::runtime::Runtime;
pub use address::{AddressError, open};
use auth::Auth;
use connection::Close;
use guard::Guard;
pub use listen::{bind, free_above};

/// Connections that may exist before they show a credential; past it the oldest goes.
const MAX_STRANGERS: usize = 32;
/// The kernel's share of what a slow reader may have waiting.
const SEND_BUFFER: usize = 256 * 1024;
pub const TICK_EVERY: Duration = Duration::from_secs(15);
/// However many come and go: each of these events goes to everybody and names everybody.
const PRESENCE_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// Time for a stranger to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// What every connection shares.
pub struct Server {
    pub runtime: Arc<Runtime>,
    auth: Auth,
    /// The one address that the listener is bound to, where there is one.
    bound: RwLock<Option<IpAddr>>,
    strangers: Strangers,
    closing: watch::Sender<Option<StopReason>>,
}

impl Server {
    pub fn new(runtime: Arc<Runtime>, token: crate::home::Token) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            auth: Auth::new(token),
            bound: RwLock::default(),
            strangers: Strangers::default(),
            closing: watch::Sender::new(None),
        })
    }

    /// What is let in, as the configuration says now.
    fn guard(&self) -> Guard {
        let config = &self.runtime.config.current().config;
        let mut allowed_hosts = config.gateway.allowed_hosts.clone();
        if let Some(ip) = *self.bound.read().unwrap_or_else(PoisonError::into_inner) {
            allowed_hosts.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        }
        Guard { allowed_origins: config.gateway.allowed_origins.clone(), allowed_hosts }
    }

    /// Tells everybody what time it is, and who is there.
    pub fn keep_telling(self: &Arc<Self>) {
        let server = Arc::clone(self);
        self.runtime.supervisor.spawn_until_stop("tick", async move {
            loop {
                tokio::time::sleep(TICK_EVERY).await;
                server.runtime.events.publish(Event::Tick(TickEvent { ts: server.runtime.clock.now_ms() }));
            }
        });
        let server = Arc::clone(self);
        self.runtime.supervisor.spawn_until_stop("presence", async move {
            loop {
                server.runtime.presence.changed().await;
                server.publish_presence();
                tokio::time::sleep(PRESENCE_AT_MOST_EVERY).await;
            }
        });
    }

    fn publish_presence(&self) {
        let (presence, version) = self.runtime.presence.snapshot();
        let state_version = StateVersion { presence: version, health: self.runtime.health.version() };
        self.runtime.events.publish(Event::Presence(PresenceEvent { presence, state_version }));
    }

    async fn accept_from(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let server = Arc::clone(&self);
                    self.runtime.supervisor.spawn("connection", async move { server.serve(stream, peer).await });
                }
                Err(error) => {
                    // Out of files, most likely: a moment later one may be free.
                    tracing::warn!(target: "diagnostic", source = "server", code = "accept.failed", "{error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let socket = socket2::SockRef::from(&stream);
        // Both are improvements only; a socket without them works.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let _ = stream.set_nodelay(true);
        let stranger = self.strangers.enter();
        let evicted = stranger.evicted.clone();
        let server = Arc::clone(&self);
        let service = service_fn(move |request| {
            let (server, stranger) = (Arc::clone(&server), stranger.clone());
            async move { Ok::<_, Infallible>(server.request(request, peer, stranger).await) }
        });
        let http = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stopping = self.runtime.supervisor.stopping().clone();
        tokio::select! {
            // An error here is a client that went away or spoke no HTTP.
            _ = http => {}
            () = evicted.cancelled() => {}
            () = stopping.cancelled() => {}
        }
    }

    async fn request(
        self: Arc<Self>,
        request: Request<Body>,
        peer: SocketAddr,
        stranger: Stranger,
    ) -> Response<http::Body> {
        let (parts, body) = request.into_parts();
        if let Err(reason) = self.guard().check(&parts) {
            tracing::warn!(target: "diagnostic", source = "server", code = "request.refused", %peer, "{reason}");
            return http::refused(StatusCode::FORBIDDEN, "forbidden");
        }
        let request = Request::from_parts(parts, body);
        match http::upgrade(&request) {
            http::Upgrade::None => http::respond(&self.runtime, &request),
            http::Upgrade::Refused(response) => response,
            http::Upgrade::WebSocket { response, msgpack } => {
                let server = Arc::clone(&self);
                #[cfg(feature = "testing")]
                let echoes = request.uri().path() == echo::PATH;
                self.runtime.supervisor.spawn("websocket", async move {
                    // The peer went away between request and upgrade.
                    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
                    #[cfg(feature = "testing")]
                    if echoes {
                        return echo::serve(TokioIo::new(upgraded)).await;
                    }
                    let evicted = stranger.evicted.clone();
                    let serve =
                        connection::serve(server, TokioIo::new(upgraded), peer, msgpack, move || stranger.admit());
                    tokio::select! {
                        () = serve => {}
                        () = evicted.cancelled() => {}
                    }
                });
                response
            }
        }
    }

    /// Tells every connection to say goodbye.
    pub fn close_all(&self, reason: StopReason) {
        self.closing.send_replace(Some(reason));
    }

    async fn until_closing(&self) -> Close {
        let mut closing = self.closing.subscribe();
        loop {
            match *closing.borrow_and_update() {
                Some(StopReason::Restart) => return Close::new(1012, "the gateway restarts"),
                Some(StopReason::Shutdown) => return Close::new(1013, "the gateway stops"),
                None => {}
            }
            if closing.changed().await.is_err() {
                return Close::new(1013, "the gateway stops");
            }
        }
    }
}

/// Connections without a credential so far, oldest first.
#[derive(Default)]
struct Strangers {
    waiting: Arc<Mutex<VecDeque<(u64, CancellationToken)>>>,
    next: std::sync::atomic::AtomicU64,
}

/// One of them; leaves when its last clone goes.
#[derive(Clone)]
struct Stranger {
    evicted: CancellationToken,
    place: Arc<Place>,
}

struct Place {
    id: u64,
    waiting: Arc<Mutex<VecDeque<(u64, CancellationToken)>>>,
}

impl Strangers {
    fn enter(&self) -> Stranger {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let evicted = CancellationToken::new();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_STRANGERS
            && let Some((_, oldest)) = waiting.pop_front()
        {
            oldest.cancel();
        }
        waiting.push_back((id, evicted.clone()));
        drop(waiting);
        let place = Place { id, waiting: Arc::clone(&self.waiting) };
        Stranger { evicted, place: Arc::new(place) }
    }
}

impl Stranger {
    /// It showed a credential: it no longer counts, and nobody may push it out.
    fn admit(self) {
        self.place.leave();
    }
}

impl Place {
    fn leave(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
