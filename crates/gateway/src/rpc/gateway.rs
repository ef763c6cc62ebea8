//! The gateway itself: `health`, `status`, presence, logs, pause and stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use simpleclaw_protocol::events::{GatewayPausedEvent, GatewayResumedEvent};
use simpleclaw_protocol::handshake::StateVersion;
use simpleclaw_protocol::health::{Health as Snapshot, RunCounts};
use simpleclaw_protocol::methods::gateway::{
    DiagnosticsList, DiagnosticsListParams, DiagnosticsListResult, GatewayPause, GatewayPauseResult, GatewayRestart,
    GatewayResume, GatewayShutdown, GatewayStopResult, Health, HealthParams, LogsTail, LogsTailParams, LogsTailResult,
    Method, Status, StatusResult, SystemPresence, SystemPresenceResult,
};
use simpleclaw_protocol::methods::{Call as _, KeyOnlyParams};
use simpleclaw_protocol::{Event, WireError};

use super::Key;
use crate::control::StopReason;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming, Reply};
use crate::store::{self, SessionsQuery};

const DEFAULT_LIMIT: u32 = 200;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.principal.name.clone();
    match method {
        Method::Health => incoming.run::<Health, _, _, _>(|params| health(runtime, params)).await,
        Method::Status => incoming.run::<Status, _, _, _>(|_| status(runtime)).await,
        Method::SystemPresence => incoming.run::<SystemPresence, _, _, _>(|_| async { Ok(presence(runtime)) }).await,
        Method::LogsTail => incoming.run::<LogsTail, _, _, _>(|params| async { logs(runtime, params) }).await,
        Method::DiagnosticsList => {
            incoming.run::<DiagnosticsList, _, _, _>(|params| async { diagnostics(runtime, params) }).await
        }
        Method::GatewayPause => incoming.run::<GatewayPause, _, _, _>(|params| pause(runtime, who, params, true)).await,
        Method::GatewayResume => {
            incoming.run::<GatewayResume, _, _, _>(|params| pause(runtime, who, params, false)).await
        }
        Method::GatewayRestart => {
            incoming
                .run::<GatewayRestart, _, _, _>(|params| {
                    stop(runtime, who, GatewayRestart::NAME, params, StopReason::Restart)
                })
                .await
        }
        Method::GatewayShutdown => {
            incoming
                .run::<GatewayShutdown, _, _, _>(|params| {
                    stop(runtime, who, GatewayShutdown::NAME, params, StopReason::Shutdown)
                })
                .await
        }
    }
}

async fn health(runtime: &Arc<Runtime>, params: HealthParams) -> Result<Snapshot, WireError> {
    match runtime.health.cached() {
        Some(snapshot) if params.refresh != Some(true) => Ok(snapshot),
        _ => {
            // Whoever asks for the facts waits for the one that is found out a moment after the start.
            runtime.sandbox.look().await;
            Ok(runtime.health.refresh(&runtime.health_sources()).await)
        }
    }
}

async fn status(runtime: &Arc<Runtime>) -> Result<StatusResult, WireError> {
    let (active, queued) = runtime.sessions.counts();
    let (items, bytes) = runtime.events.backlog();
    let queues = BTreeMap::from([
        ("runs".to_owned(), queued),
        ("storeWrites".to_owned(), runtime.store.queued_writes() as u64),
        ("clientItems".to_owned(), items as u64),
        ("clientBytes".to_owned(), bytes as u64),
        ("tasks".to_owned(), runtime.supervisor.tasks() as u64),
    ]);
    let sessions = runtime.store.sessions(&SessionsQuery { limit: 1, ..SessionsQuery::default() }).await?.total;
    Ok(StatusResult {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: runtime.boot.0.clone(),
        pid: std::process::id(),
        uptime_ms: runtime.health.uptime_ms(),
        rss_bytes: crate::process::rss_bytes(),
        connections: runtime.presence.connections() as u64,
        runs: RunCounts { active, queued },
        sessions,
        queues,
    })
}

fn presence(runtime: &Runtime) -> SystemPresenceResult {
    let (presence, version) = runtime.presence.snapshot();
    SystemPresenceResult {
        presence,
        state_version: StateVersion { presence: version, health: runtime.health.version() },
    }
}

fn logs(runtime: &Runtime, params: LogsTailParams) -> Result<LogsTailResult, WireError> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT) as usize;
    match runtime.logs.tail(params.cursor.as_deref(), limit) {
        Some((lines, next_cursor)) => Ok(LogsTailResult { lines, next_cursor }),
        None => Err(WireError::at("/cursor", "is no `nextCursor` of this method")),
    }
}

fn diagnostics(runtime: &Runtime, params: DiagnosticsListParams) -> Result<DiagnosticsListResult, WireError> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT) as usize;
    match runtime.logs.diagnostics(params.after.as_deref(), limit) {
        Some((events, next_cursor)) => Ok(DiagnosticsListResult { events, next_cursor }),
        None => Err(WireError::at("/after", "is no `nextCursor` of this method")),
    }
}

/// The kill switch. Stored first, so that it survives whatever comes next.
async fn pause(
    runtime: &Arc<Runtime>,
    who: String,
    params: KeyOnlyParams,
    paused: bool,
) -> Result<Reply<GatewayPauseResult>, WireError> {
    let name = if paused { GatewayPause::NAME } else { GatewayResume::NAME };
    let claim = Key::new((&who, name), params.idempotency_key.as_deref(), &params)?;
    let before = runtime.control.paused();
    let (control, sessions) = (runtime.control.clone(), runtime.sessions.clone());
    let (result, fresh) = claim
        .once(&runtime.store, runtime.clock.now_ms(), move |tx| {
            Box::pin(async move {
                store::meta::set_paused(tx, paused).await?;
                control.set_paused(paused);
                let run_ids = if paused { sessions.abort_running() } else { vec![] };
                Ok(Ok(GatewayPauseResult { paused, run_ids }))
            })
        })
        .await?;
    if paused {
        runtime.sessions.until_frozen().await;
    }
    let runtime = Arc::clone(runtime);
    let then = move || {
        let at = runtime.clock.now();
        runtime.events.publish(match paused {
            true => Event::GatewayPaused(GatewayPausedEvent { at }),
            false => Event::GatewayResumed(GatewayResumedEvent { at }),
        });
        runtime.health.change();
    };
    let tell = fresh && before != paused;
    Ok(Reply { result, then: if tell { Some(Box::new(then)) } else { None } })
}

async fn stop(
    runtime: &Arc<Runtime>,
    who: String,
    name: &'static str,
    params: KeyOnlyParams,
    reason: StopReason,
) -> Result<Reply<GatewayStopResult>, WireError> {
    let claim = Key::new((&who, name), params.idempotency_key.as_deref(), &params)?;
    // A repeat after the restart that it asked for must not restart again.
    let (result, fresh) = claim
        .once(&runtime.store, runtime.clock.now_ms(), move |_| {
            Box::pin(async move { Ok(Ok(GatewayStopResult { stopping: true })) })
        })
        .await?;
    let control = runtime.control.clone();
    let then = move || control.ask_to_stop(reason);
    Ok(Reply { result, then: if fresh { Some(Box::new(then)) } else { None } })
}
