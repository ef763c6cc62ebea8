//! The tray app from outside: over D-Bus, in its real windows, on the wire. Each test has its own display, message bus
//! and home, and leaves nothing behind.
//!
//! Only on Linux, where a display, a tray host and a driver for the windows can be had without a person.

#![cfg(target_os = "linux")]

mod desktop;
