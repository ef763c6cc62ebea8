//! `sessions.*`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::events::SessionChange;
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::sessions::{
    Method, SessionsGet, SessionsGetParams, SessionsGetResult, SessionsList, SessionsListParams, SessionsListResult,
    SessionsReset, SessionsResetParams, SessionsResetResult, SessionsSend, SessionsSendParams,
};

use super::chat::PAGE_BYTES;
use super::send::{Sending, send};
use super::{Key, no_session, session_key};
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming, Reply};
use crate::session::Abort;
use crate::store::{self, SessionsQuery, Window};

const DEFAULT_LIMIT: u32 = 100;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.principal.name.clone();
    match method {
        Method::SessionsList => incoming.run::<SessionsList, _, _, _>(|params| list(runtime, params)).await,
        Method::SessionsGet => incoming.run::<SessionsGet, _, _, _>(|params| get(runtime, params)).await,
        Method::SessionsReset => incoming.run::<SessionsReset, _, _, _>(|params| reset(runtime, who, params)).await,
        Method::SessionsSend => {
            incoming
                .run::<SessionsSend, _, _, _>(|params| {
                    let SessionsSendParams { key, message, idempotency_key, options } = params;
                    send(runtime, who, Sending { key, path: "/key", message, idempotency_key, options })
                })
                .await
        }
    }
}

async fn list(runtime: &Arc<Runtime>, params: SessionsListParams) -> Result<SessionsListResult, WireError> {
    let after = match params.cursor.as_deref() {
        None => None,
        Some(cursor) => match cursor.split_once(' ').map(|(time, key)| (time.parse(), key.to_owned())) {
            Some((Ok(time), key)) => Some((time, key)),
            _ => return Err(WireError::at("/cursor", "is no `nextCursor` of this method")),
        },
    };
    let minutes = params.active_minutes.map(|minutes| i64::try_from(minutes).unwrap_or(i64::MAX / 60_000));
    let query = SessionsQuery {
        agent_id: params.agent_id,
        channel: params.channel,
        updated_since: minutes.map(|minutes| runtime.clock.now_ms() - minutes * 60_000),
        search: params.search,
        archived: params.archived.unwrap_or(false),
        after,
        limit: params.limit.unwrap_or(DEFAULT_LIMIT),
    };
    let page = runtime.store.sessions(&query).await?;
    let next_cursor =
        page.sessions.last().filter(|_| page.more).map(|last| format!("{} {}", last.updated_at.0, last.key));
    let sessions = page.sessions.into_iter().map(|record| runtime.sessions.row(record)).collect();
    Ok(SessionsListResult { sessions, next_cursor, total: page.total })
}

async fn get(runtime: &Arc<Runtime>, params: SessionsGetParams) -> Result<SessionsGetResult, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.key, &config.config.agents.default, "/key")?;
    let Some(record) = runtime.store.session(&key.to_string()).await? else { return Err(no_session(&key)) };
    let mut messages = match params.messages.unwrap_or(0) {
        0 => vec![],
        limit => {
            let page = runtime.store.history(&record.session_id, &Window::Newest, limit, PAGE_BYTES).await?;
            page.map(|page| page.messages).unwrap_or_default()
        }
    };
    messages.iter_mut().for_each(store::message::cut);
    Ok(SessionsGetResult { session: runtime.sessions.row(record), messages })
}

async fn reset(
    runtime: &Arc<Runtime>,
    who: String,
    mut params: SessionsResetParams,
) -> Result<Reply<SessionsResetResult>, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.key, &config.config.agents.default, "/key")?;
    params.key = key.to_string();
    let claim = Key::new((&who, SessionsReset::NAME), params.idempotency_key.as_deref(), &params)?;
    let (now, reason, target) = (runtime.clock.now_ms(), params.reason, key.clone());
    let sessions = runtime.sessions.clone();
    let place = runtime.inbox.order.place(&params.key, false).await;
    let (result, fresh) = claim
        .once(&runtime.store, now, move |tx| {
            Box::pin(async move {
                // What runs belongs to the conversation that ends here; its last words join the archive.
                sessions.abort(&Abort::Session { key: target.to_string(), run_id: None });
                Ok(match store::session::reset(tx, &target.to_string(), reason.as_deref(), now).await? {
                    Some(session_id) => Ok(SessionsResetResult { key: target.to_string(), session_id }),
                    None => Err(no_session(&target)),
                })
            })
        })
        .await?;
    drop(place);
    let runtime = Arc::clone(runtime);
    let then = move || {
        let sessions = runtime.sessions.clone();
        runtime.supervisor.spawn("session reset", async move {
            sessions.publish_changed(&key.to_string(), SessionChange::Reset).await;
        });
    };
    Ok(Reply { result, then: if fresh { Some(Box::new(then)) } else { None } })
}
