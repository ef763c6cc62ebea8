//! Reconnecting client of the SimpleClaw gateway, for the CLI, the tray app, tests, benchmarks and other programs.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use simpleclaw_client::{Client, Options, Token};
//! use simpleclaw_protocol::methods::{NoParams, gateway::Status};
//!
//! let token = Token::new(std::fs::read_to_string("token")?);
//! let client = Client::connect(Options::new("ws://127.0.0.1:18789", token)).await?;
//! let status = client.call::<Status>(&NoParams {}).await?;
//! println!("{} sessions", status.sessions);
//! # Ok(()) }
//! ```
//!
//! One connection carries every call and every event. When it is lost it is opened again with back-off, unless the
//! gateway refused us for good. Calls in flight then fail with [`CallError::Disconnected`] and are not repeated here:
//! only the caller knows whether a repeat is wanted, and its idempotency key makes one safe.
//!
//! Elsewhere: what the frames are (`simpleclaw_protocol`), where the gateway and its token are found (the program).
//! There is no TLS; reach a gateway on another machine through a tunnel.

mod client;
mod driver;
mod error;
mod events;
mod live;
mod options;
mod socket;
mod validate;

pub use client::Client;
pub use error::{CallError, ConnectError};
pub use events::{ClientEvent, EventFrame, Events};
pub use options::{Options, Token};

/// Largest message that is sent, in bytes; the gateway's `policy.maxPayload` may be smaller.
pub const MAX_OUTGOING: usize = 25 << 20;
/// Largest message that is read, in bytes: twice what a gateway sends.
pub const MAX_INCOMING: usize = 8 << 20;
