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
/// The port behind it goes before the configured one, as for `simpleclaw gateway run`; 0 is any free one. What a taken
/// port is answered with names it.
const PORT: &str = "--port";

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
    let port = match wanted_port(std::env::args()) {
        Ok(port) => port,
        Err(words) => {
            eprintln!("simpleclaw-desktop: {words}");
            return ExitCode::FAILURE;
        }
    };
    let logs = logging::init(LogOptions { home: &home, stderr: true, level: "info", json: false });
    match app::run(home, port, logs) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!(%error, "the app could not be made");
            ExitCode::FAILURE
        }
    }
}

fn wanted_port(mut arguments: impl Iterator<Item = String>) -> Result<Option<u16>, String> {
    let value = loop {
        match arguments.next() {
            None => return Ok(None),
            Some(argument) if argument == PORT => break arguments.next().unwrap_or_default(),
            Some(argument) => {
                if let Some(value) = argument.strip_prefix("--port=") {
                    break value.to_owned();
                }
            }
        }
    };
    value.parse().map(Some).map_err(|_| format!("{PORT} wants a number up to 65535 behind it, and {value:?} is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_arguments() {
        let port = |arguments: &[&str]| wanted_port(arguments.iter().map(|argument| (*argument).to_owned()));
        assert_eq!(port(&["app", "--hidden"]), Ok(None));
        assert_eq!(port(&["app", "--port", "0"]), Ok(Some(0)));
        assert_eq!(port(&["app", "--hidden", "--port=18790"]), Ok(Some(18790)));
        for wrong in [&["app", "--port"][..], &["app", "--port", "--hidden"], &["app", "--port=65536"]] {
            assert!(port(wrong).is_err(), "{wrong:?}");
        }
    }
}
