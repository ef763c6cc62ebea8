//! The listener: one port for HTTP and WebSocket. Takes connections, guards them, and hands upgraded ones to
//! `connection`.

pub mod auth;
mod connection;
pub mod dispatch;
mod guard;
mod handshake;
mod http;
mod socket;
mod validate;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::TickEvent;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::StopReason;
use crate::runtime::Runtime;
use auth::Auth;
use connection::Close;
use guard::Guard;

/// Connections that may exist before they show a credential; past it the oldest goes.
const MAX_STRANGERS: usize = 32;
/// The kernel's share of what a slow reader may have waiting.
const SEND_BUFFER: usize = 256 * 1024;
pub const TICK_EVERY: Duration = Duration::from_secs(15);
/// Time for a stranger to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// What every connection shares.
pub struct Server {
    pub runtime: Arc<Runtime>,
    auth: Auth,
    guard: Guard,
    strangers: Strangers,
    closing: watch::Sender<Option<StopReason>>,
}

/// A port that could not be taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "{addr} is taken or may not be used ({error}): stop the program that has it, or choose another port with --port"
)]
pub struct BindError {
    pub addr: SocketAddr,
    #[source]
    pub error: io::Error,
}

/// Opens the listeners of an address. `loopback` is both 127.0.0.1 and, where the system has it, ::1.
pub fn bind(bind: &str, port: u16) -> Result<Vec<TcpListener>, BindError> {
    let at = |ip: IpAddr, port: u16| listen(SocketAddr::new(ip, port));
    let (v4, v6): (IpAddr, IpAddr) = match bind {
        "loopback" => (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        "all" => (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
        other => {
            let ip = other.parse().map_err(|_| BindError {
                addr: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
                error: io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{other:?} is neither loopback, all nor an address"),
                ),
            })?;
            return Ok(vec![at(ip, port)?]);
        }
    };
    let mut tries = 0;
    loop {
        let first = at(v4, port)?;
        let chosen = first.local_addr().map_or(port, |addr| addr.port());
        match at(v6, chosen) {
            Ok(second) => return Ok(vec![first, second]),
            // No IPv6 here.
            Err(BindError { error, .. })
                if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
                    || error.raw_os_error() == Some(97) =>
            {
                return Ok(vec![first]);
            }
            // A free port on one side may be taken on the other.
            Err(_) if port == 0 && tries < 16 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

fn listen(addr: SocketAddr) -> Result<TcpListener, BindError> {
    let open = || -> io::Result<TcpListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of a former life in TIME_WAIT do not hold the port; a listener does.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| BindError { addr, error })
}

impl Server {
    pub fn new(runtime: Arc<Runtime>, token: crate::home::Token) -> Arc<Self> {
        let config = &runtime.config.current().config;
        let mut allowed_hosts = config.gateway.allowed_hosts.clone();
        if let Ok(ip) = config.gateway.bind.parse::<IpAddr>() {
            allowed_hosts.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        }
        let guard = Guard { allowed_origins: config.gateway.allowed_origins.clone(), allowed_hosts };
        Arc::new(Self {
            runtime,
            auth: Auth::new(token),
            guard,
            strangers: Strangers::default(),
            closing: watch::Sender::new(None),
        })
    }

    /// Takes connections until the gateway stops.
    pub fn accept(self: &Arc<Self>, listeners: Vec<TcpListener>) {
        for listener in listeners {
            let server = Arc::clone(self);
            self.runtime.supervisor.spawn_until_stop("listener", async move { server.accept_from(listener).await });
        }
        let server = Arc::clone(self);
        self.runtime.supervisor.spawn_until_stop("tick", async move {
            loop {
                tokio::time::sleep(TICK_EVERY).await;
                server.runtime.events.publish(Event::Tick(TickEvent { ts: server.runtime.clock.now_ms() }));
            }
        });
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
        if let Err(reason) = self.guard.check(&parts) {
            tracing::warn!(target: "diagnostic", source = "server", code = "request.refused", %peer, "{reason}");
            return http::refused(StatusCode::FORBIDDEN, "forbidden");
        }
        let request = Request::from_parts(parts, body);
        match http::upgrade(&request) {
            http::Upgrade::None => http::respond(&self.runtime, &request),
            http::Upgrade::Refused(response) => response,
            http::Upgrade::WebSocket { response, msgpack } => {
                let server = Arc::clone(&self);
                self.runtime.supervisor.spawn("websocket", async move {
                    // The peer went away between request and upgrade.
                    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
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
