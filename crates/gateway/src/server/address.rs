//! Where the gateway listens: opened at the start, moved when the configuration says so. Whoever is connected stays.
//!
//! A new port opens before the old one closes. Another address of the same port cannot open beside the old one: that one
//! closes first, and opens again where the new one cannot be had.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use simpleclaw_protocol::health::SubsystemState;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::listen::{self, BindError};
use crate::config::GatewayConfig;
use crate::home::{HomeLock, LockFile};

/// How long nobody gets in, where neither the new nor the old address can be had, before both are tried again.
const SHUT_FOR: Duration = Duration::from_secs(1);

/// Why the gateway does not listen where it should.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The configuration would show it to others in the clear.
    #[error("{0}")]
    Exposed(String),
    #[error(transparent)]
    Taken(#[from] BindError),
}

/// Listeners that nobody is let in by yet.
pub struct Opened {
    bind: String,
    /// As asked for; 0 is any free one.
    port: u16,
    listeners: Vec<TcpListener>,
    url: String,
}

/// Listeners that people are let in by.
pub struct Door {
    bind: String,
    port: u16,
    closing: CancellationToken,
    /// Ends when the last listener is closed.
    open: mpsc::Receiver<()>,
}

/// Opens what the configuration asks for.
///
/// # Errors
/// Where it must not or cannot listen there.
pub fn open(gateway: &GatewayConfig) -> Result<Opened, AddressError> {
    let exposed = match gateway.bind.parse::<IpAddr>() {
        Ok(ip) => !ip.is_loopback(),
        Err(_) => gateway.bind != "loopback",
    };
    if exposed && !gateway.behind_tls_proxy {
        return Err(AddressError::Exposed(format!(
            "gateway.bind is {:?}, which others can reach, and nothing encrypts: bind to loopback, or set gateway.behindTlsProxy to true where a proxy ends TLS in front",
            gateway.bind
        )));
    }
    let listeners = listen::bind(&gateway.bind, gateway.port)?;
    let url = match listeners.first().and_then(|listener| listener.local_addr().ok()) {
        Some(addr) if addr.ip().is_unspecified() => format!("ws://127.0.0.1:{}", addr.port()),
        Some(addr) => format!("ws://{addr}"),
        None => String::new(),
    };
    Ok(Opened { bind: gateway.bind.clone(), port: gateway.port, listeners, url })
}

impl Opened {
    /// Where clients of this machine connect.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Door {
    fn is_as(&self, gateway: &GatewayConfig) -> bool {
        !self.is_shut() && (self.bind.as_str(), self.port) == (gateway.bind.as_str(), gateway.port)
    }

    fn is_shut(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until the ports are free.
    async fn close(&mut self) {
        self.closing.cancel();
        while self.open.recv().await.is_some() {}
    }
}

impl Server {
    /// Lets people in.
    pub fn let_in(self: &Arc<Self>, opened: Opened) -> Door {
        let Opened { bind, port, listeners, url } = opened;
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = bind.parse().ok();
        self.runtime.url.send_replace(url);
        let closing = self.runtime.supervisor.stopping().child_token();
        let (held, open) = mpsc::channel(1);
        for listener in listeners {
            let (server, closing, held) = (Arc::clone(self), closing.clone(), held.clone());
            self.runtime.supervisor.spawn("listener", async move {
                closing.run_until_cancelled(server.accept_from(listener)).await;
                drop(held);
            });
        }
        Door { bind, port, closing, open }
    }

    /// Moves as the configuration changes, for as long as the gateway runs. `lock` tells clients of this machine where.
    pub async fn follow_address(self: Arc<Self>, mut door: Door, lock: Weak<HomeLock>) {
        let mut changes = self.runtime.config.changes();
        let mut told = String::new();
        loop {
            let changed = changes.changed();
            // Never an error: the runtime holds the sender. Behind a shut door the wait has an end.
            let changed =
                if door.is_shut() { timeout(SHUT_FOR, changed).await.unwrap_or(Ok(())) } else { changed.await };
            if changed.is_err() {
                return;
            }
            let wanted = changes.borrow_and_update().config.gateway.clone();
            if door.is_as(&wanted) {
                continue;
            }
            match self.moved(&mut door, &wanted).await {
                Ok(()) => {
                    told.clear();
                    self.publish(&lock);
                    self.runtime.health.set("server", SubsystemState::Ok, None);
                    let url = self.runtime.url.borrow().clone();
                    tracing::info!(target: "diagnostic", source = "server", code = "server.moved", url, "the gateway listens on {url} now; who is connected stays");
                }
                Err(error) => {
                    let words = match door.is_shut() {
                        true => format!("{error}; nobody gets in, and it is tried again"),
                        false => format!("{error}; {} goes on", self.runtime.url.borrow().as_str()),
                    };
                    // Tried every second, it is told of once.
                    if words == told {
                        continue;
                    }
                    told.clone_from(&words);
                    self.runtime.health.set("server", SubsystemState::Degraded, Some(words.clone()));
                    tracing::warn!(target: "diagnostic", source = "server", code = "server.not_moved", "{words}");
                }
            }
            self.runtime.health.change();
        }
    }

    async fn moved(self: &Arc<Self>, door: &mut Door, wanted: &GatewayConfig) -> Result<(), AddressError> {
        match open(wanted) {
            Ok(opened) => {
                let mut old = std::mem::replace(door, self.let_in(opened));
                old.close().await;
                return Ok(());
            }
            // Most likely by us. Where nobody gets in, the old address is as good.
            Err(AddressError::Taken(taken)) if door.is_shut() || wanted.port == door.port && taken.is_in_use() => {}
            Err(error) => return Err(error),
        }
        let before = GatewayConfig { bind: door.bind.clone(), port: door.port, ..wanted.clone() };
        door.close().await;
        let (opened, outcome) = match open(wanted) {
            Ok(opened) => (opened, Ok(())),
            Err(error) => (open(&GatewayConfig { behind_tls_proxy: true, ..before })?, Err(error)),
        };
        *door = self.let_in(opened);
        outcome
    }

    fn publish(&self, lock: &Weak<HomeLock>) {
        // None: the gateway ends.
        let Some(lock) = lock.upgrade() else { return };
        let (url, boot_id) = (self.runtime.url.borrow().clone(), self.runtime.boot.0.clone());
        if let Err(error) = lock.publish(&LockFile { pid: std::process::id(), url, boot_id }) {
            tracing::error!(target: "diagnostic", source = "server", code = "server.lock", %error, "programs of this machine are not told where the gateway is now");
        }
    }
}
