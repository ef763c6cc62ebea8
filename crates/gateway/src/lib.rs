//! The runtime.
pub mod clock;
pub mod store;
