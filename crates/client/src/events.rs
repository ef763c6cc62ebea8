//! What a subscriber sees: the gateway's events, and what happens to the connection between them.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use simpleclaw_protocol::events::ChatEvent;
use simpleclaw_protocol::handshake::HelloOk;
use tokio::sync::broadcast;

use crate::error::ConnectError;

/// One entry of [`Events`]. Cheap to clone.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// A connection stands and, where one was asked for, the subscription was sent again. `seq` starts anew: whatever
    /// happened in between was missed, so refetch.
    Connected(Arc<HelloOk>),
    Event(Arc<EventFrame>),
    /// Events were lost on the way; refetch. Comes before the event that has `got`.
    Gap {
        expected: u64,
        got: u64,
    },
    /// This subscriber was too slow and lost so many entries; refetch.
    Lagged(u64),
    /// The connection is gone or could not be opened; the next attempt starts in `retry_in`.
    Disconnected {
        error: Arc<ConnectError>,
        retry_in: Duration,
    },
    /// The end: the gateway refused us for good, or `reconnect` is off. No call will succeed any more.
    Stopped(Arc<ConnectError>),
}

/// An event of the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct EventFrame {
    pub name: String,
    /// Counts from 1 on each connection.
    pub seq: u64,
    /// The event's members; for `chat.event`, which is flat on the wire, all of its own members.
    pub payload: Value,
}

impl EventFrame {
    /// Takes an event apart; `type` is already out of `members`.
    pub(crate) fn read(name: String, mut members: Map<String, Value>) -> Result<Self, String> {
        let seq =
            members.remove("seq").and_then(|seq| seq.as_u64()).ok_or_else(|| format!("event {name:?} without seq"))?;
        let payload = match name.as_str() {
            "chat.event" => Value::Object(members),
            _ => members.remove("payload").unwrap_or_default(),
        };
        Ok(Self { name, seq, payload })
    }

    /// The session that the event belongs to.
    pub fn session_key(&self) -> Option<&str> {
        let member = match self.name.as_str() {
            "session.changed" => "key",
            _ => "sessionKey",
        };
        self.payload.get(member)?.as_str()
    }

    /// The payload as its type in `simpleclaw_protocol::events`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.payload)
    }

    /// The payload of a `chat.event`; `None` for any other event, and for one that this version cannot read.
    pub fn chat(&self) -> Option<ChatEvent> {
        match self.name.as_str() {
            "chat.event" => self.parse().ok(),
            _ => None,
        }
    }
}

/// A subscriber's own place in the stream. It keeps neither the client nor the connection alive.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<ClientEvent>);

impl Events {
    /// Waits for the next entry; `None` once the client has stopped. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(ClientEvent::Lagged(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
