//! What the service manager is told: that the gateway is ready, how it is, that it lives, that it ends. Each is one datagram
//! to the socket that `NOTIFY_SOCKET` names, as sd_notify(3) describes; nothing where nobody asked.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::time::Duration;

use simpleclaw_gateway::Gateway;
use tokio::time::MissedTickBehavior;

/// How often it says how it is, where no watchdog wants to hear more often.
const EVERY: Duration = Duration::from_secs(60);
/// A manager that takes nothing for so long goes without: a gateway never waits for it.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<Socket>,
    /// How long the manager waits for a sign of life before it starts the gateway anew.
    watchdog: Option<Duration>,
}

#[cfg(unix)]
type Socket = std::os::unix::net::UnixDatagram;
#[cfg(not(unix))]
type Socket = Infallible;

impl Notify {
    /// As the environment says.
    pub fn from_env() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        // A watchdog that is meant for our parent is not ours.
        let pid = std::process::id().to_string();
        let ours = std::env::var("WATCHDOG_PID").ok().is_none_or(|meant| meant == pid);
        let usec = std::env::var("WATCHDOG_USEC").ok().filter(|_| ours).and_then(|usec| usec.parse::<u64>().ok());
        let watchdog = usec.filter(|usec| *usec > 0).map(Duration::from_micros);
        Self { socket: name.and_then(|name| open(&name)), watchdog }
    }

    pub fn ready(&self, url: &str) {
        self.say(&format!("READY=1\nSTATUS=listening on {url}"));
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=stopping, with a moment for what runs");
    }

    /// A line for people.
    pub fn status(&self, words: &str) {
        self.say(&format!("STATUS={}", one_line(words)));
    }

    /// Says again and again that the gateway lives, for as long as its parts answer. One that hangs says nothing more, and
    /// the manager starts it anew.
    pub async fn follow(&self, gateway: &Gateway) -> Infallible {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        // Twice in the time that is granted, as systemd asks for.
        let every = self.watchdog.map_or(EVERY, |watchdog| (watchdog / 2).min(EVERY));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Ok(words) = tokio::time::timeout(every, gateway.pulse()).await {
                self.say(&format!("WATCHDOG=1\nSTATUS=listening on {}: {}", gateway.url(), one_line(&words)));
            }
        }
    }

    fn say(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            // A manager that has gone needs no telling.
            let _ = socket.send(state.as_bytes());
        }
        #[cfg(not(unix))]
        let _ = state;
    }
}

/// A line break would begin another field.
fn one_line(words: &str) -> String {
    words.replace(['\n', '\r'], " ")
}

#[cfg(unix)]
fn open(name: &OsStr) -> Option<Socket> {
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::SocketAddr;
    let address = match name.as_bytes() {
        // A name without a file.
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(name),
    };
    let socket = Socket::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(socket)
}

#[cfg(not(unix))]
fn open(_: &OsStr) -> Option<Socket> {
    None
}
