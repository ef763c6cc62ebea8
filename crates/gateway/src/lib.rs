//! The SimpleClaw gateway: the runtime behind the tray app and the headless service.
//!
//! This file shows only the façade. `ARCHITECTURE.md` draws the house; the module list below is its ground floor.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]

mod agent;
mod approval;
mod attachments;
pub mod backup;
mod catalog;
mod clock;
pub mod config;
mod control;
pub mod doctor;
pub mod events;
mod gateway;
mod health;
mod home;
mod inbox;
pub mod logging;
mod maintenance;
pub mod offline;
mod presence;
mod process;
mod rebuild;
mod reload;
mod rpc;
mod runtime;
pub mod sandbox;
mod secrets;
mod server;
mod session;
mod startup;
mod store;
mod supervisor;
#[cfg(feature = "testing")]
pub mod testing;
mod tool;
mod turn;
mod usage;

pub use control::StopReason;
pub use gateway::{Gateway, Options, StartError};
pub use home::{Home, HomeError, HomeLock, LockError, LockFile, Token};
