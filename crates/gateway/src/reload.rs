//! What a running gateway makes of another configuration. Whoever asks for a value finds the new one from then on;
//! here is done what nobody asks for: the log's level, main sessions of new agents, the providers.
//!
//! The file is looked at once a second, which costs one `stat` and works where a watcher of the system does not: on
//! network file systems, in containers, behind links. What it says runs as soon as it stays the same for a second; a
//! text with errors changes nothing but what is told of it.
//!
//! Keys that only a start reads are marked `x-reload: restart` in the schema.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::ConfigChangedEvent;
use simpleclaw_protocol::health::SubsystemState;
use simpleclaw_protocol::methods::config::{ConfigIssue, IssueSeverity};

use crate::config::{self, Loaded};
use crate::runtime::Runtime;
use crate::{rebuild, session};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Most warnings about one text that are told of; `config.get` has them all.
const MAX_WARNINGS: usize = 20;

/// By what a file is known to be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sign {
    changed: Option<SystemTime>,
    size: u64,
}

impl Sign {
    /// `None`: there is no file.
    async fn of(path: &Path) -> Option<Self> {
        let about = tokio::fs::metadata(path).await.ok()?;
        Some(Self { changed: about.modified().ok(), size: about.len() })
    }
}

/// Applies what is written into the file by hand, for ever.
pub async fn follow_file(runtime: Arc<Runtime>) {
    let path = runtime.home.config_path();
    let (mut last, mut taken) = (None, None);
    loop {
        let now = Sign::of(&path).await;
        // Half written where it still changes.
        if last.as_ref() == Some(&now) && taken.as_ref() != Some(&now) {
            take_file(&runtime).await;
            taken = Some(now.clone());
        }
        last = Some(now);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn take_file(runtime: &Arc<Runtime>) {
    let _alone = runtime.config.one_writer().await;
    let running = runtime.config.current();
    let home = runtime.home.clone();
    let read = move || match config::load(&home) {
        Ok(loaded) if loaded.valid => loaded,
        // Also where no version of it was ever good.
        _ => config::inspect(&home),
    };
    let file = match tokio::task::spawn_blocking(read).await {
        Ok(file) => file,
        Err(error) => {
            tracing::error!(target: "diagnostic", source = "config", code = "config.not_read", %error, "config.yaml could not be read, and what ran before runs on; the log says more");
            return;
        }
    };
    if file.hash == running.hash {
        return;
    }
    if file.valid {
        let restart = config::restart_paths_between(&running.value, &file.value);
        apply(runtime, file, "hand", &restart).await;
        return;
    }
    let place = file.problem.as_ref().map(|problem| format!("line {}: {}", problem.line, problem.message));
    let words = format!("config.yaml has errors, and what ran before runs on: {}", place.unwrap_or_default());
    tracing::warn!(target: "diagnostic", source = "config", code = "config.invalid", hash = file.hash, "{words}");
    let hash = file.hash.clone();
    runtime.config.replace(Loaded { config: Arc::clone(&running.config), value: running.value.clone(), ..file });
    runtime.health.set("config", SubsystemState::Degraded, Some(words));
    runtime.health.change();
    runtime.events.publish(Event::ConfigChanged(ConfigChangedEvent { hash }));
}

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
    tell_of_warnings(&before.issues, &after.issues);
    let held = runtime.config.overridden();
    let held: Vec<_> = held.iter().filter(|key| said(&before, key) != said(&after, key)).copied().collect();
    if !held.is_empty() {
        let keys = held.join(", ");
        tracing::warn!(target: "diagnostic", source = "config", code = "config.overridden", keys, "the command line that started the gateway says otherwise: its {keys} stays until it is started without");
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

/// What is unwise or does nothing in the configuration, and was not told of before.
pub fn tell_of_warnings(before: &[ConfigIssue], now: &[ConfigIssue]) {
    let is_told =
        |issue: &ConfigIssue| before.iter().any(|old| (&old.path, &old.message) == (&issue.path, &issue.message));
    let warnings = now.iter().filter(|issue| issue.severity == IssueSeverity::Warning && !is_told(issue));
    for ConfigIssue { path, line, message, .. } in warnings.take(MAX_WARNINGS) {
        tracing::warn!(target: "diagnostic", source = "config", code = "config.warning", path, line, "config.yaml, line {line}: {message}");
    }
}

/// What the configuration itself says, whatever holds instead.
fn said<'a>(loaded: &'a Loaded, key: &str) -> Option<&'a serde_json::Value> {
    loaded.value.pointer("/gateway")?.get(key)
}
