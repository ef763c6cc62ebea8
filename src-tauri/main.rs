//! SimpleClaw in the tray: the gateway, its menu and its windows.
//!
//! The app holds no decisions about agents, channels or what is allowed: those are the gateway's, and every other
//! client could do what the menu does. Deliberately not here: a mode without a display (`simpleclaw gateway run`).

#![cfg_attr(windows, windows_subsystem = "windows")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod action;
mod app;
mod asking;
mod commands;
mod connection;
mod gateway;
mod hotkey;
mod menu;
mod platform;
mod question;
mod state;
mod tray;
mod windows;

use std::process::ExitCode;

use simpleclaw_gateway::Home;
use simpleclaw_gateway::logging::{self, LogOptions};

/// Given by the entry that starts the app at login: no window until somebody asks for one.
pub const HIDDEN: &str = "--hidden";

fn main() -> ExitCode {
    if let Some(code) = simpleclaw_gateway::sandbox::enter() {
        return code;
    }
    #[cfg(target_os = "linux")]
    if platform::hand_over() {
        return ExitCode::SUCCESS;
    }
    if !platform::has_display() {
        eprintln!(
            "simpleclaw-desktop: there is no display to show a tray icon or a window on. \
             `simpleclaw gateway run` runs the gateway without one."
        );
        return ExitCode::FAILURE;
    }
    let home = match Home::resolve(None) {
        Ok(home) => home,
        Err(error) => {
            eprintln!("simpleclaw-desktop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let logs = logging::init(LogOptions { home: &home, stderr: true, level: "info", json: false });
    match app::run(home, logs) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!(%error, "the app could not be made");
            ExitCode::FAILURE
        }
    }
}
