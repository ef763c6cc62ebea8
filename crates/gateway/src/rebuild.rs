//! What a running gateway does when the configuration or a key of its providers has changed: those that it concerns are
//! built anew.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::ModelsChangedEvent;
use simpleclaw_protocol::health::SubsystemState;

use crate::home::hex;
use crate::runtime::Runtime;

/// Turns that have their provider keep it.
pub async fn providers(runtime: &Arc<Runtime>) {
    let loaded = runtime.config.current();
    runtime.catalog.configure(&loaded.config, &runtime.secrets).await;
    let trouble = runtime.catalog.trouble();
    let hash = hex(&Sha256::digest(format!("{} {trouble:?}", loaded.hash)));
    match trouble {
        None => runtime.health.set("models", SubsystemState::Ok, None),
        Some(words) => runtime.health.set("models", SubsystemState::Degraded, Some(words)),
    }
    let catalog = runtime.catalog.clone();
    runtime.supervisor.spawn("model list", async move { catalog.ask_first().await });
    runtime.events.publish(Event::ModelsChanged(ModelsChangedEvent { hash }));
}

/// Fetches what the start has left to the key store of the system, and what that did not answer.
pub async fn as_keys_come(runtime: Arc<Runtime>) {
    loop {
        runtime.catalog.until_keys_may_be_there(&runtime.secrets).await;
        providers(&runtime).await;
    }
}
