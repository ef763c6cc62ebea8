//! What the end-to-end tests share: the real gateway as a child process, a client that helps with nothing, fakes of
//! the world outside. The tests themselves are in `tests/all`.
#![allow(clippy::disallowed_methods, reason = "no gateway runs here whose clock or tasks these rules protect")]

pub mod binary;
pub mod canary;
pub mod fakes;
pub mod gateway;
pub mod http;
pub mod raw;
pub mod real_model;
pub mod schema;

use std::time::Duration;

pub use binary::prepared;
pub use gateway::Gateway;
pub use raw::{RawClient, Received};
pub use simpleclaw_protocol::Encoding;

/// Past it, whatever was waited for is not coming. Long, because the machine may be busy; no test waits for it to pass.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a future, and fails with what was waited for where it does not end.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("no {what} within {limit:?}"),
    }
}
