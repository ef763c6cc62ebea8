//! What a connection is opened with.

use std::fmt;
use std::time::Duration;

use simpleclaw_protocol::Encoding;
use simpleclaw_protocol::handshake::{ClientInfo, ClientRole};

/// Everything that [`crate::Client::connect`] needs. Start from [`Options::new`] and change members.
#[derive(Debug, Clone)]
pub struct Options {
    /// `ws://host:port`, with an optional path.
    pub url: String,
    pub token: Token,
    /// Who we are, as presence shows it.
    pub client: ClientInfo,
    /// How frames are written; MessagePack unless told otherwise.
    pub encoding: Encoding,
    pub role: ClientRole,
    /// Scopes to ask for; none: all that the token holds.
    pub scopes: Vec<String>,
    /// Whether a lost connection is opened again.
    pub reconnect: bool,
    /// Longest time for TCP, the upgrade and `connect` together. Default 10 s.
    pub handshake_timeout: Duration,
    /// Longest time for one call. Default 30 s; [`crate::Client::with_timeout`] changes it for some calls.
    pub call_timeout: Duration,
    /// A connection is given up when nothing at all came for so long. Default 45 s, three ticks.
    pub silence_timeout: Duration,
    /// How many events a slow subscriber may fall behind before it loses the oldest. Default 1024.
    pub event_buffer: usize,
}

impl Options {
    pub fn new(url: impl Into<String>, token: Token) -> Self {
        Self {
            url: url.into(),
            token,
            client: ClientInfo {
                id: "simpleclaw-client".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                platform: std::env::consts::OS.into(),
                mode: "program".into(),
                display_name: None,
                instance_id: None,
            },
            encoding: Encoding::Msgpack,
            role: ClientRole::Operator,
            scopes: Vec::new(),
            reconnect: true,
            handshake_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(45),
            event_buffer: 1024,
        }
    }
}

/// A credential. Neither `Debug` nor any error shows it.
#[derive(Clone, Default)]
pub struct Token(String);

impl Token {
    /// Takes the text of a token file; white space around it is not part of the token.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
