//! End to end, black box: a real gateway with a home of its own, spoken to like a stranger would.
#![allow(clippy::disallowed_methods, reason = "no gateway runs here whose clock or tasks these rules protect")]

mod approvals;
mod attachments;
mod chat;
mod clients;
mod config;
mod conformance;
mod durable;
mod failures;
mod frames;
mod generated;
mod handshake;
mod history;
mod house;
mod http;
mod idempotency;
mod operations;
mod provider_errors;
mod providers;
mod queue;
mod real_model;
mod reload;
mod replaces;
mod secrets;
mod sessions;
mod slow;
mod stop;
mod subscriptions;
mod tools;
mod usage;
