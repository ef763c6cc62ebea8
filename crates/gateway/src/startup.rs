//! The start, in seven steps that read like the list in the design:
//! config → plugins → models → channels → server → maintenance → discovery.
//!
//! What ends it: a home that cannot be used or belongs to another gateway, a configuration without any good version, a
//! database that is newer than this program or cannot be read, and the port. What has nothing to do yet says `off`.
//! Between the first two steps the database is opened (`database`).

mod database;

use std::sync::Arc;
use std::time::Duration;

use simpleclaw_protocol::events::{ModelsChangedEvent, SessionChange};
use simpleclaw_protocol::health::{StartupStep, SubsystemState};
use simpleclaw_protocol::{DEFAULT_PORT, Event};
use tokio::sync::watch;
use tokio::time::Instant;

use self::database::Database;
use crate::attachments::Attachments;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, ConfigHandle, Overrides};
use crate::control::Control;
use crate::events::Events;
use crate::gateway::{Options, StartError};
use crate::health::Health;
use crate::home::{HomeLock, LockFile, Token};
use crate::inbox::{Inbox, Order};
use crate::logging::LogHandle;
use crate::presence::Presence;
use crate::runtime::{BootId, Runtime};
use crate::sandbox::Sandbox;
use crate::secrets::Secrets;
use crate::server::{self, Server};
use crate::session::{Context, Sessions};
use crate::supervisor::Supervisor;
use crate::tool::{Children, Temp, Toolbox};
use crate::usage::Ledger;
use crate::{maintenance, process, rebuild, reload};

/// Everything that a running gateway holds.
pub struct Started {
    pub runtime: Arc<Runtime>,
    pub server: Arc<Server>,
    pub lock: Arc<HomeLock>,
    pub token: Token,
}

/// Times the steps and notes their outcome in `health` and the log.
struct Steps {
    health: Health,
    clock: Clock,
}

/// What a step came to.
enum Done {
    Ok,
    /// Nothing to do.
    Off,
    Degraded(String),
}

impl Steps {
    async fn run<T>(
        &self,
        name: &'static str,
        step: impl Future<Output = Result<(T, Done), StartError>>,
    ) -> Result<T, StartError> {
        let (started_at, began) = (self.clock.now(), Instant::now());
        let result = step.await;
        let duration_ms = began.elapsed().as_secs_f64() * 1e3;
        let (state, detail, outcome) = match &result {
            Ok((_, Done::Ok)) => (SubsystemState::Ok, None, "ok".to_owned()),
            Ok((_, Done::Off)) => (SubsystemState::Off, None, "off".to_owned()),
            Ok((_, Done::Degraded(why))) => (SubsystemState::Degraded, Some(why.clone()), format!("degraded: {why}")),
            Err(error) => (SubsystemState::Failed, Some(error.to_string()), format!("failed: {error}")),
        };
        tracing::info!(step = name, duration_ms, %outcome, "start");
        self.health.set(name, state, detail);
        self.health.step(StartupStep { step: name.to_owned(), started_at, duration_ms, outcome });
        result.map(|(value, _)| value)
    }
}

pub async fn start(options: Options) -> Result<Started, StartError> {
    let clock = Clock;
    let home = options.home;
    process::raise_open_files();
    home.create()?;
    let lock = home.lock()?;
    let token = home.token()?;
    let boot = BootId(uuid::Uuid::new_v4().to_string());
    let health = Health::new(clock);
    let steps = Steps { health: health.clone(), clock };
    let supervisor = Supervisor::default();
    let events = Events::default();
    let logs = options.logs.unwrap_or_else(LogHandle::detached);

    let overrides = Overrides { port: options.port, bind: options.bind, profile_port: None };
    let (config, chosen) = steps.run("config", async { load_config(&home, overrides) }).await?;
    logs.set_level(&config.current().config.logging.level);

    let opened = database::open(&home, &config, &events, &supervisor, clock).await.map_err(StartError::Store)?;
    let Database { store, paused, approvals, waiting, interrupted, damaged } = opened;
    let state = if damaged.is_some() { SubsystemState::Degraded } else { SubsystemState::Ok };
    health.set("store", state, damaged);

    steps.run("plugins", async { Ok(((), Done::Off)) }).await?;

    let secrets = Secrets::open(&home);
    let catalog = steps.run("models", async { Ok(models(&config, &secrets)) }).await?;

    let attachments = Attachments::new(&home);
    let control = Control::new(paused);
    let ledger = Ledger::new(clock, config.clone(), store.clone());
    let inbox = Inbox { store: store.clone(), clock, config: config.clone(), order: Order::default() };
    let sandbox = Arc::new(Sandbox::new(vec![home.path().to_owned()]));
    let context = Context {
        clock,
        config: config.clone(),
        home: home.clone(),
        store: store.clone(),
        attachments: attachments.clone(),
        events: events.clone(),
        catalog: catalog.clone(),
        control: control.clone(),
        supervisor: supervisor.clone(),
        ledger: ledger.clone(),
        approvals: approvals.clone(),
        inbox: inbox.clone(),
        tools: Toolbox::default(),
        children: Children::default(),
        sandbox: Arc::clone(&sandbox),
    };
    let sessions = Sessions::new(context);
    if interrupted > 0 {
        tracing::warn!(target: "diagnostic", source = "sessions", code = "runs.interrupted", count = interrupted, "runs that the last end cut off are marked as interrupted");
    }
    health.set("agents", SubsystemState::Ok, None);
    health.set("cron", SubsystemState::Off, None);
    health.set("nodes", SubsystemState::Off, None);

    steps.run("channels", async { Ok(((), Done::Off)) }).await?;

    let runtime = Arc::new(Runtime {
        boot,
        url: watch::Sender::default(),
        clock,
        home: home.clone(),
        inbox,
        config,
        logs: logs.clone(),
        store: store.clone(),
        attachments: attachments.clone(),
        events: events.clone(),
        supervisor: supervisor.clone(),
        control,
        presence: Presence::default(),
        secrets,
        catalog: catalog.clone(),
        sessions: sessions.clone(),
        health: health.clone(),
        ledger,
        sandbox,
        approvals,
    });
    let server = Server::new(Arc::clone(&runtime), token.clone());
    let opened = steps.run("server", async { Ok((server::open(&runtime.config.current().config.gateway)?, Done::Ok)) });
    let opened = opened.await?;
    if let Some(Err(error)) = chosen.map(|port| home.keep_port(port)) {
        tracing::warn!(%error, "the port of this profile could not be kept; the next start looks for one again");
    }
    // Before anyone can ask: a session with waiting input never shows as idle.
    for run in waiting {
        sessions.restore(run);
    }
    let url = opened.url().to_owned();
    let door = server.let_in(opened);
    server.keep_telling();
    lock.publish(&LockFile { pid: std::process::id(), url, boot_id: runtime.boot.0.clone() })
        .map_err(StartError::Lock)?;
    let lock = Arc::new(lock);
    let follow = Arc::clone(&server).follow_address(door, Arc::downgrade(&lock));
    supervisor.spawn_until_stop("address", follow);

    let temp = Temp::new(&home);
    steps
        .run("maintenance", async {
            supervisor.spawn_until_stop("maintenance", maintenance::keep(store, attachments, temp, clock));
            Ok(((), Done::Ok))
        })
        .await?;
    steps.run("discovery", async { Ok(((), Done::Off)) }).await?;

    // Whoever reads that it listens finds it ready.
    health.refresh(&runtime.health_sources()).await;
    after_start(&runtime, logs);
    Ok(Started { runtime, server, lock, token })
}

/// What goes on in the background from now on.
fn after_start(runtime: &Arc<Runtime>, logs: LogHandle) {
    let (health, supervisor, events) = (runtime.health.clone(), &runtime.supervisor, runtime.events.clone());
    let on_change = health.clone();
    runtime.sessions.on_change(Box::new(move || on_change.change()));
    runtime.approvals.on_change(Box::new(tell_of_questions(runtime)));
    supervisor.spawn_until_stop("approvals", runtime.approvals.clone().keep_deadlines());
    logs.on_diagnostic(Box::new(move |event| events.publish(Event::Diagnostic(event))));
    supervisor.spawn_until_stop("health", health.keep_fresh(runtime.health_sources()));
    let events = runtime.events.clone();
    let changed = move |sign: &str| {
        let hash = sign.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        events.publish(Event::ModelsChanged(ModelsChangedEvent { hash: format!("{hash:016x}") }));
    };
    // Some ten milliseconds, which no client waits for.
    let (sandbox, health) = (Arc::clone(&runtime.sandbox), runtime.health.clone());
    supervisor.spawn("sandbox", async move {
        sandbox.look().await;
        let (kind, enforces, missing) = (sandbox.kind(), sandbox.enforces().join(", "), sandbox.missing().join("; "));
        tracing::info!(kind, enforces, missing, "what isolates commands here");
        health.change();
    });
    supervisor.spawn_until_stop("config file", reload::follow_file(Arc::clone(runtime)));
    supervisor.spawn_until_stop("provider keys", rebuild::as_keys_come(Arc::clone(runtime)));
    supervisor.spawn_until_stop("model servers", runtime.catalog.clone().watch_machine(changed));
}

/// A session that waits for an answer, or no longer does, shows it; so does the count in `health`.
fn tell_of_questions(runtime: &Runtime) -> impl Fn(&str) + Send + Sync + use<> {
    let (health, sessions, supervisor) = (runtime.health.clone(), runtime.sessions.clone(), runtime.supervisor.clone());
    move |session_key| {
        health.change();
        let (sessions, key) = (sessions.clone(), session_key.to_owned());
        supervisor.spawn("session of an approval", async move {
            sessions.publish_changed(&key, SessionChange::Run).await;
        });
    }
}

/// The configuration with what the command line says instead, and the port that was chosen for a profile's first start.
fn load_config(
    home: &crate::home::Home,
    mut overrides: Overrides,
) -> Result<((ConfigHandle, Option<u16>), Done), StartError> {
    let loaded = config::load(home)?;
    reload::tell_of_warnings(&[], &loaded.issues);
    let done = match &loaded.problem {
        Some(problem) => Done::Degraded(format!("the last good version runs: {}", problem.message)),
        None => Done::Ok,
    };
    // The default port is the one of the home without a profile.
    let own = overrides.port.is_none() && home.is_profile() && !config::names_port(&loaded);
    let kept = home.kept_port().filter(|_| home.is_profile());
    let bound = overrides.bind.as_deref().unwrap_or(&loaded.config.gateway.bind);
    let chosen = if own && kept.is_none() { server::free_above(bound, DEFAULT_PORT) } else { None };
    overrides.profile_port = kept.or(chosen);
    Ok(((ConfigHandle::new(loaded, overrides), chosen), done))
}

fn models(config: &ConfigHandle, secrets: &Secrets) -> (Catalog, Done) {
    let catalog = Catalog::new(&config.current().config, secrets);
    let done = match catalog.trouble() {
        None => Done::Ok,
        Some(words) => Done::Degraded(words),
    };
    (catalog, done)
}

/// Ends a gateway: no new work, a moment for what runs, goodbye to every client, then the store.
pub async fn stop(started: Started, reason: crate::control::StopReason, deadline: Duration) {
    let Started { runtime, server, lock, .. } = started;
    let began = Instant::now();
    let left = || deadline.saturating_sub(began.elapsed());
    runtime.control.ask_to_stop(reason);
    let event = simpleclaw_protocol::events::ShutdownEvent {
        reason: match reason {
            crate::control::StopReason::Shutdown => "shutdown".to_owned(),
            crate::control::StopReason::Restart => "restart".to_owned(),
        },
        restart_expected_ms: (reason == crate::control::StopReason::Restart).then_some(2_000),
    };
    runtime.events.publish(Event::Shutdown(event));
    // Half of the time for answers under way to end by themselves; what is left is cut off and says so.
    let idle = tokio::time::timeout(left() / 2, runtime.sessions.until_idle()).await;
    // Those that wait for a person too: they are left waiting in the store.
    runtime.sessions.interrupt_all();
    if idle.is_err() {
        // Past it the next start marks them.
        let _ = tokio::time::timeout(left() / 2, runtime.sessions.until_idle()).await;
    }
    server.close_all(reason);
    let (supervisor, store) = (runtime.supervisor.clone(), runtime.store.clone());
    tokio::time::sleep(Duration::from_millis(1)).await;
    supervisor.stopping().cancel();
    store.close().await;
    if !supervisor.drain(left().max(Duration::from_millis(1_500))).await {
        tracing::warn!("some tasks had to be left behind");
    }
    tracing::info!("stopped");
    drop(lock);
}
