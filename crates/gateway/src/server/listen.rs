//! Taking the port: the addresses of a `bind`, and who is in the way where one is taken.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// How many of the next ports are looked at for one that is free.
const NEARBY: u16 = 100;
/// A free port on one side of the loopback may be taken on the other.
const TRIES: usize = 16;

/// A port that could not be taken.
#[derive(Debug)]
pub struct BindError {
    pub addr: SocketAddr,
    pub error: io::Error,
    /// Who has it: a program's name and process id, where the system tells.
    pub owner: Option<(String, u32)>,
    /// The next port that is free.
    pub free: Option<u16>,
}

impl BindError {
    /// Somebody has it.
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, error, owner, free } = self;
        if !self.is_in_use() {
            return write!(f, "{addr} cannot be used ({error}): choose another address or port");
        }
        match owner {
            Some((program, pid)) => write!(f, "{addr} is taken by {program} (process {pid}): stop it")?,
            None => write!(f, "{addr} is taken by another program: stop it")?,
        }
        match free {
            Some(port) => write!(f, ", or choose another port, such as {port}, which is free (--port {port})"),
            None => write!(f, ", or choose another port with --port"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Opens the listeners of an address. `loopback` is both 127.0.0.1 and, where the system has it, ::1.
///
/// # Errors
/// Where the address cannot be had; where it is taken, by whom.
pub fn bind(bind: &str, port: u16) -> Result<Vec<TcpListener>, BindError> {
    let (first, second): (IpAddr, Option<IpAddr>) = match bind {
        "loopback" => (Ipv4Addr::LOCALHOST.into(), Some(Ipv6Addr::LOCALHOST.into())),
        "all" => (Ipv4Addr::UNSPECIFIED.into(), Some(Ipv6Addr::UNSPECIFIED.into())),
        other => match other.parse() {
            Ok(ip) => (ip, None),
            Err(_) => {
                let words = format!("{other:?} is neither loopback, all nor an address");
                let error = io::Error::new(io::ErrorKind::InvalidInput, words);
                let addr = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
                return Err(BindError { addr, error, owner: None, free: None });
            }
        },
    };
    let mut tries = 0;
    loop {
        match both(first, second, port) {
            Err(_) if port == 0 && tries < TRIES => tries += 1,
            outcome => {
                return outcome.map_err(|(addr, error)| {
                    let taken = error.kind() == io::ErrorKind::AddrInUse;
                    let owner = Some(addr.port()).filter(|_| taken).and_then(owner);
                    let mut nearby = (port..port.saturating_add(NEARBY)).skip(1).filter(|_| taken);
                    let free = nearby.find(|port| both(first, second, *port).is_ok());
                    BindError { addr, error, owner, free }
                });
            }
        }
    }
}

/// The first port above `port` that is free on the addresses of `bind`.
pub fn free_above(address: &str, port: u16) -> Option<u16> {
    let next = port.checked_add(1)?;
    bind(address, next).map_or_else(|error| error.free, |_| Some(next))
}

type Failed = (SocketAddr, io::Error);

fn both(first: IpAddr, second: Option<IpAddr>, port: u16) -> Result<Vec<TcpListener>, Failed> {
    let first = listen(SocketAddr::new(first, port))?;
    let chosen = first.local_addr().map_or(port, |addr| addr.port());
    match second.map(|ip| listen(SocketAddr::new(ip, chosen))) {
        None => Ok(vec![first]),
        Some(Ok(second)) => Ok(vec![first, second]),
        Some(Err((_, error))) if has_no_ipv6(&error) => Ok(vec![first]),
        Some(Err(failed)) => Err(failed),
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    /// Linux's EAFNOSUPPORT, which has no kind of its own.
    const NO_SUCH_FAMILY: i32 = 97;
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

fn listen(addr: SocketAddr) -> Result<TcpListener, Failed> {
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
    open().map_err(|error| (addr, error))
}

fn owner(port: u16) -> Option<(String, u32)> {
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    // A name is whatever its program chose.
    Some((process.name.escape_debug().to_string(), process.pid))
}
