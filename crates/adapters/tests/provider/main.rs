//! Providers against real HTTP on loopback: a fake server that speaks each shape, misbehaves on
//! demand, and keeps what it was sent so that a test can check the caller.

#![expect(clippy::disallowed_methods, reason = "a test has no supervisor")]

mod answers;
mod detect;
mod failures;
mod fake;
mod guide;
mod models;
mod requests;
mod streams;
mod vendors;
