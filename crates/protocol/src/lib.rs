//! The wire of the SimpleClaw gateway, protocol 1: frames, methods, events and errors as types.
//!
//! Everything here is data: no I/O, no runtime, no policy. The transport (limits, queues, sequence numbers) lives in
//! the gateway's `server`, the meaning of each method in its `rpc`. JSON Schemas and TypeScript types are generated
//! from these types by `cargo xtask schemas`.

pub mod approval;
pub mod codec;
pub mod error;
pub mod events;
pub mod frame;
pub mod handshake;
pub mod health;
pub mod message;
pub mod methods;
pub mod schema;
pub mod session;
pub mod time;

pub use codec::Encoding;
pub use error::{ErrorCode, Issue, WireError};
pub use events::Event;
pub use frame::Request;
pub use methods::{Idempotency, Lookup, Method, Scope};
pub use time::Timestamp;

/// The one protocol version that this crate speaks.
pub const PROTOCOL: u32 = 1;
/// The TCP port of a gateway that was not told another.
pub const DEFAULT_PORT: u16 = 18789;
/// WebSocket subprotocol that gets every frame, the challenge included, as MessagePack.
pub const SUBPROTOCOL_MSGPACK: &str = "simpleclaw.v1+msgpack";
/// WebSocket subprotocol of the JSON encoding, which is also what a client without a subprotocol gets.
pub const SUBPROTOCOL_JSON: &str = "simpleclaw.v1+json";
/// Longest request id and idempotency key, in characters.
pub const MAX_ID_CHARS: usize = 128;
/// Deepest nesting of a frame; the frame's own object is level 1.
pub const MAX_DEPTH: usize = 64;
