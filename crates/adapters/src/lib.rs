//! Code that talks to the world: model providers now, chat channels later.
//!
//! Deliberately elsewhere: which provider a turn uses, retries and failover (the gateway's
//! catalog), the stored form of messages (the gateway's store), and the wire's form
//! (`simpleclaw-protocol`). Nothing here knows of a session, a run or a client.

pub mod provider;

/// Makes `ring` the process's TLS implementation. Safe to call more than once.
///
/// An HTTP client cannot be built without it; constructors in this crate call it themselves,
/// so a caller needs it only for TLS of its own.
pub fn install_tls() {
    // The error only says that one is installed already, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
