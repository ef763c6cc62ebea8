//! The health snapshot: gathered when something changed, at most once a second, and every minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use simpleclaw_protocol::Event;
use simpleclaw_protocol::handshake::StateVersion;
use simpleclaw_protocol::health::{
    Health as Snapshot, Pending, ProcessFigures, RunCounts, Sandbox, StartupStep, StoreSize, Subsystem, SubsystemState,
    TodayUsage,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::approval::Approvals;
use crate::clock::Clock;
use crate::config::ConfigHandle;
use crate::control::Control;
use crate::events::Events;
use crate::presence::Presence;
use crate::session::Sessions;
use crate::store::{Store, StoreError};
use crate::usage::Ledger;

const REFRESH_EVERY: Duration = Duration::from_secs(60);
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Names of the subsystems, in the order in which they are shown.
const SUBSYSTEMS: [&str; 11] = [
    "config",
    "plugins",
    "models",
    "channels",
    "server",
    "maintenance",
    "discovery",
    "agents",
    "cron",
    "nodes",
    "store",
];

/// Clones share it.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    started: Instant,
    subsystems: Mutex<BTreeMap<&'static str, Subsystem>>,
    startup: Mutex<Vec<StartupStep>>,
    changed: Notify,
    cached: RwLock<Option<Snapshot>>,
}

/// Where the facts come from.
#[derive(Clone)]
pub struct Sources {
    pub config: ConfigHandle,
    pub store: Store,
    pub sessions: Sessions,
    pub presence: Presence,
    pub control: Control,
    pub events: Events,
    pub ledger: Ledger,
    pub sandbox: Arc<crate::sandbox::Sandbox>,
    pub approvals: Approvals,
}

impl Health {
    pub fn new(clock: Clock) -> Self {
        let since = clock.now();
        let starting = Subsystem { state: SubsystemState::Starting, since, detail: None };
        let subsystems = SUBSYSTEMS.into_iter().map(|name| (name, starting.clone())).collect();
        let shared = Shared {
            clock,
            started: Instant::now(),
            subsystems: Mutex::new(subsystems),
            startup: Mutex::default(),
            changed: Notify::new(),
            cached: RwLock::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Says how a subsystem is.
    pub fn set(&self, name: &'static str, state: SubsystemState, detail: Option<String>) {
        let mut subsystems = self.shared.subsystems.lock().unwrap_or_else(PoisonError::into_inner);
        let before = subsystems.get(name);
        if before.is_some_and(|before| before.state == state && before.detail == detail) {
            return;
        }
        subsystems.insert(name, Subsystem { state, since: self.shared.clock.now(), detail });
        drop(subsystems);
        self.change();
    }

    /// Notes a finished step of the start.
    pub fn step(&self, step: StartupStep) {
        self.shared.startup.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    /// Something that the snapshot shows is different now.
    pub fn change(&self) {
        self.shared.changed.notify_one();
    }

    /// The cached snapshot, with the clock of now.
    pub fn cached(&self) -> Option<Snapshot> {
        let cached = self.shared.cached.read().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = cached.clone()?;
        snapshot.ts = self.shared.clock.now_ms();
        snapshot.uptime_ms = self.uptime_ms();
        Some(snapshot)
    }

    pub fn version(&self) -> u64 {
        let cached = self.shared.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().map_or(0, |snapshot| snapshot.state_version.health)
    }

    /// Gathers anew; tells everyone where a client would see a difference.
    pub async fn refresh(&self, sources: &Sources) -> Snapshot {
        let mut fresh = self.gather(sources).await;
        let mut cached = self.shared.cached.write().unwrap_or_else(PoisonError::into_inner);
        let differs = cached.as_ref().is_none_or(|before| !before.same_but_clock(&fresh));
        let version = cached.as_ref().map_or(0, |before| before.state_version.health) + u64::from(differs);
        fresh.state_version.health = version;
        *cached = Some(fresh.clone());
        drop(cached);
        if differs {
            sources.events.publish(Event::Health(fresh.clone()));
        }
        fresh
    }

    /// Keeps the snapshot fresh for as long as the gateway lives.
    pub async fn keep_fresh(self, sources: Sources) {
        loop {
            // Either is a reason to look again.
            let _ = tokio::time::timeout(REFRESH_EVERY, self.shared.changed.notified()).await;
            self.refresh(&sources).await;
            tokio::time::sleep(AT_MOST_EVERY).await;
        }
    }

    async fn gather(&self, sources: &Sources) -> Snapshot {
        let loaded = sources.config.current();
        let subsystems: BTreeMap<String, Subsystem> = {
            let subsystems = self.shared.subsystems.lock().unwrap_or_else(PoisonError::into_inner);
            subsystems.iter().map(|(name, subsystem)| ((*name).to_owned(), subsystem.clone())).collect()
        };
        let (active, queued) = sources.sessions.counts();
        let (_, presence) = sources.presence.snapshot();
        let (size_bytes, wal_bytes) = sources.store.sizes();
        let now = self.shared.clock.now_ms();
        let today = async {
            let today_runs = sources.store.runs_since(sources.ledger.today().starts_ms).await?;
            Ok::<_, StoreError>(TodayUsage { today_cost_usd: sources.ledger.today_usd().await?, today_runs })
        };
        let usage = match today.await {
            Ok(usage) => usage,
            Err(error) => {
                self.set("store", SubsystemState::Degraded, Some(error.to_string()));
                TodayUsage::default()
            }
        };
        Snapshot {
            ok: subsystems.values().all(|subsystem| !matches!(subsystem.state, SubsystemState::Failed)),
            ts: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.uptime_ms(),
            channels: BTreeMap::new(),
            agents: loaded.config.agents.entries.keys().cloned().collect(),
            cron_jobs: 0,
            connected_nodes: 0,
            state_version: StateVersion { presence, health: 0 },
            paused: sources.control.paused(),
            subsystems,
            startup: self.shared.startup.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            accounts: vec![],
            runs: RunCounts { active, queued },
            approvals: Pending { pending: sources.approvals.pending() as u64 },
            pairings: Pending::default(),
            usage,
            sandbox: Sandbox { kind: sources.sandbox.kind().to_owned(), enforced: sources.sandbox.enforces().to_vec() },
            config_problem: loaded.problem.clone(),
            store: StoreSize { size_bytes, wal_bytes },
            process: ProcessFigures {
                rss_bytes: crate::process::rss_bytes(),
                connections: sources.presence.connections() as u64,
            },
        }
    }
}
