//! Who is connected, one entry per device, else instance, else connection. In memory only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use simpleclaw_protocol::handshake::{ConnectParams, PresenceEntry, PresenceReason};
use simpleclaw_protocol::time::Timestamp;
use tokio::sync::Notify;

/// Entries shown at most, newest kept; connections themselves are bounded elsewhere.
const MAX_SHOWN: usize = 200;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    shared: Arc<Mutex<Shared>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By connection id.
    connections: BTreeMap<String, PresenceEntry>,
    version: u64,
}

impl Presence {
    pub fn join(&self, conn_id: &str, params: &ConnectParams, user: &str, now: Timestamp) {
        let client = &params.client;
        let entry = PresenceEntry {
            instance_id: client.instance_id.clone().unwrap_or_else(|| conn_id.to_owned()),
            conn_id: Some(conn_id.to_owned()),
            role: params.role,
            mode: client.mode.clone(),
            client_id: client.id.clone(),
            version: client.version.clone(),
            platform: client.platform.clone(),
            display_name: client.display_name.clone(),
            user: Some(user.to_owned()),
            since: now,
            last_activity_at: now,
            reason: PresenceReason::Connect,
        };
        let mut shared = self.lock();
        shared.connections.insert(conn_id.to_owned(), entry);
        shared.version += 1;
        self.changed.notify_one();
    }

    pub fn leave(&self, conn_id: &str) {
        let mut shared = self.lock();
        if shared.connections.remove(conn_id).is_some() {
            shared.version += 1;
            self.changed.notify_one();
        }
    }

    /// The program at the other end of a connection.
    pub fn client_of(&self, conn_id: &str) -> Option<String> {
        self.lock().connections.get(conn_id).map(|entry| entry.client_id.clone())
    }

    /// Waits for a change since the last wait; for one waiter.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Marks a connection as active; not worth an event.
    pub fn touch(&self, conn_id: &str, now: Timestamp) {
        if let Some(entry) = self.lock().connections.get_mut(conn_id) {
            entry.last_activity_at = now;
        }
    }

    /// Entries and their version.
    pub fn snapshot(&self) -> (Vec<PresenceEntry>, u64) {
        let shared = self.lock();
        let mut by_instance: BTreeMap<&str, &PresenceEntry> = BTreeMap::new();
        for entry in shared.connections.values() {
            let known = by_instance.entry(&entry.instance_id).or_insert(entry);
            if entry.last_activity_at > known.last_activity_at {
                *known = entry;
            }
        }
        let mut entries: Vec<_> = by_instance.into_values().cloned().collect();
        entries.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.instance_id.cmp(&b.instance_id)));
        entries.truncate(MAX_SHOWN);
        (entries, shared.version)
    }

    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
