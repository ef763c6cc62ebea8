//! Results as a person reads them.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;
use simpleclaw_protocol::health::{ChannelState, Health, SubsystemState};
use simpleclaw_protocol::methods::gateway::StatusResult;

use crate::failure::Failure;
use crate::output::{Colour, paint};

/// Any result, indented.
pub fn any(value: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::internal(error.to_string()))
}

/// The figures of `status`, one a line.
pub fn status(value: &Value) -> Result<String, Failure> {
    let status: StatusResult = read(value)?;
    let mut rows = vec![
        ("gateway", format!("running, version {}", status.version)),
        ("pid", status.pid.to_string()),
        ("uptime", duration(status.uptime_ms)),
        ("memory", format!("{:.1} MB", status.rss_bytes as f64 / 1e6)),
        ("connections", status.connections.to_string()),
        ("runs", format!("{} active, {} queued", status.runs.active, status.runs.queued)),
        ("sessions", status.sessions.to_string()),
    ];
    let waiting: Vec<_> = status.queues.iter().filter(|(_, depth)| **depth > 0).collect();
    if !waiting.is_empty() {
        let depths: Vec<_> = waiting.iter().map(|(name, depth)| format!("{name} {depth}")).collect();
        rows.push(("queues", depths.join(", ")));
    }
    Ok(table(rows))
}

/// The snapshot of `health`: one word for the whole, then each part that is switched on.
pub fn health(value: &Value) -> Result<String, Failure> {
    let health: Health = read(value)?;
    let overall = match (health.ok, health.paused) {
        (true, true) => paint("paused", Colour::Yellow),
        (true, false) => paint("healthy", Colour::Green),
        (false, _) => paint("in trouble", Colour::Red),
    };
    let mut rows = vec![("gateway".to_owned(), overall)];
    for (name, subsystem) in &health.subsystems {
        let mut words = match subsystem.state {
            SubsystemState::Ok => paint("ok", Colour::Green),
            SubsystemState::Starting => paint("starting", Colour::Grey),
            SubsystemState::Off => paint("off", Colour::Grey),
            SubsystemState::Degraded => paint("degraded", Colour::Yellow),
            SubsystemState::Failed => paint("failed", Colour::Red),
        };
        if let Some(detail) = &subsystem.detail {
            let _ = write!(words, ": {detail}");
        }
        rows.push((name.clone(), words));
    }
    for (name, state) in &health.channels {
        let words = match state {
            ChannelState::Connected => paint("connected", Colour::Green),
            ChannelState::Connecting => paint("connecting", Colour::Grey),
            ChannelState::Disconnected => paint("disconnected", Colour::Yellow),
            ChannelState::Failed => paint("failed", Colour::Red),
            ChannelState::Stopped => paint("stopped", Colour::Grey),
            ChannelState::LoggedOut => paint("logged out", Colour::Yellow),
        };
        rows.push((format!("channel {name}"), words));
    }
    if let Some(problem) = &health.config_problem {
        let place = format!("line {}: {}", problem.line, problem.message);
        rows.push(("configuration".to_owned(), paint(&place, Colour::Yellow)));
    }
    Ok(table(rows))
}

/// A result as its type.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| simpleclaw_client::CallError::Shape(error.to_string()).into())
}

/// Two aligned columns.
pub fn table<N: AsRef<str>>(rows: Vec<(N, String)>) -> String {
    let width = rows.iter().map(|(name, _)| name.as_ref().len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("{:width$}  {value}", name.as_ref()));
    lines.collect::<Vec<_>>().join("\n")
}

/// The two largest units.
fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        for (ms, text) in [
            (999, "0 s"),
            (59_000, "59 s"),
            (61_000, "1 min 1 s"),
            (11_520_000, "3 h 12 min"),
            (100_000_000, "1 d 3 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn status_is_a_table_and_names_only_queues_that_wait() {
        let value = json!({
            "version": "0.1.0", "bootId": "b", "pid": 7, "uptimeMs": 61_000, "rssBytes": 18_400_000,
            "connections": 2, "runs": { "active": 1, "queued": 0 }, "sessions": 3,
            "queues": { "inbox": 0, "outbox": 4 }
        });
        let text = status(&value).expect("a status");
        let expected = "\
gateway      running, version 0.1.0
pid          7
uptime       1 min 1 s
memory       18.4 MB
connections  2
runs         1 active, 0 queued
sessions     3
queues       outbox 4";
        assert_eq!(text, expected);
    }
}
