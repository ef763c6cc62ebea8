//! `runs.*`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::runs::{
    Method, RunsAbort, RunsAbortParams, RunsAbortResult, RunsGet, RunsGetParams, RunsGetResult,
};

use super::Key;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};
use crate::session::Abort;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.principal.name.clone();
    match method {
        Method::RunsGet => incoming.run::<RunsGet, _, _, _>(|params| get(runtime, params)).await,
        Method::RunsAbort => incoming.run::<RunsAbort, _, _, _>(|params| abort(runtime, who, params)).await,
    }
}

async fn get(runtime: &Arc<Runtime>, params: RunsGetParams) -> Result<RunsGetResult, WireError> {
    let Some(run) = runtime.store.run(&params.run_id).await? else {
        return Err(WireError::not_found("there is no such run"));
    };
    let messages = runtime.store.messages_of_run(&run.id).await?;
    Ok(RunsGetResult {
        run_id: run.id,
        session_key: run.session_key,
        state: run.state,
        started_at: run.started_at.unwrap_or(run.created_at),
        ended_at: run.ended_at,
        error: run.error,
        message_ids: messages.into_iter().map(|message| message.id).collect(),
    })
}

async fn abort(runtime: &Arc<Runtime>, who: String, params: RunsAbortParams) -> Result<RunsAbortResult, WireError> {
    let config = runtime.config.current();
    if let Some(id) = &params.agent_id
        && !config.config.agents.entries.contains_key(id)
    {
        return Err(WireError::not_found(format!("there is no agent {id:?}: `agents.list` names them")));
    }
    let claim = Key::new((&who, RunsAbort::NAME), params.idempotency_key.as_deref(), &params)?;
    let keyed = params.idempotency_key.is_some();
    let wanted = params.agent_id.map_or(Abort::All, Abort::Agent);
    let sessions = runtime.sessions.clone();
    let stop = move || RunsAbortResult { run_ids: sessions.abort(&wanted) };
    // As for `chat.abort`: nothing to store, nothing to wait for.
    if !keyed {
        let stopped = stop();
        runtime.sessions.until_frozen().await;
        return Ok(stopped);
    }
    let now = runtime.clock.now_ms();
    let stopped = claim.once(&runtime.store, now, move |_| Box::pin(async move { Ok(Ok(stop())) })).await?.0;
    runtime.sessions.until_frozen().await;
    Ok(stopped)
}
