//! What a running gateway makes of another configuration. Whoever asks for a value finds the new one from then on;
//! here is done what nobody asks for: the log's level, main sessions of new agents, the providers.
//!
//! Keys that only a start reads are marked `x-reload: restart` in the schema.

use std::sync::Arc;

use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::ConfigChangedEvent;
use simpleclaw_protocol::health::SubsystemState;

use crate::config::Loaded;
use crate::runtime::Runtime;
use crate::{rebuild, session};

/// `restart` are the keys that wait for the next start.
pub async fn apply(runtime: &Arc<Runtime>, loaded: Loaded, by: &str, restart: &[String]) {
    let before = runtime.config.current();
    runtime.config.replace(loaded);
    let after = runtime.config.current();
    let (old, new) = (&before.config, &after.config);
    if old.logging != new.logging {
        runtime.logs.set_level(&new.logging.level);
    }
    tracing::info!(target: "diagnostic", source = "config", code = "config.changed", by, hash = after.hash, "the configuration was changed");
    if !restart.is_empty() {
        let keys = restart.join(", ");
        tracing::warn!(target: "diagnostic", source = "config", code = "config.restart_needed", keys, "the next start applies these keys");
    }
    let agents: Vec<String> =
        new.agents.entries.keys().filter(|id| !old.agents.entries.contains_key(*id)).cloned().collect();
    if !agents.is_empty()
        && let Err(error) = session::ensure_mains(&runtime.store, runtime.clock, agents).await
    {
        tracing::error!(target: "diagnostic", source = "config", code = "config.no_main_session", %error, "a new agent has no main session until the next start");
    }
    if old.models != new.models {
        rebuild::providers(runtime).await;
    }
    runtime.health.set("config", SubsystemState::Ok, None);
    runtime.health.change();
    runtime.events.publish(Event::ConfigChanged(ConfigChangedEvent { hash: after.hash.clone() }));
}
