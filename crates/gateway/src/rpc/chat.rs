//! `chat.*` but for the sending itself, which is `send`'s.

use std::sync::Arc;

use simpleclaw_protocol::events::{SessionChange, SessionMessageEvent};
use simpleclaw_protocol::message::{Origin, Role};
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::chat::{
    ChatAbort, ChatAbortParams, ChatAbortResult, ChatHistory, ChatHistoryParams, ChatHistoryResult, ChatInject,
    ChatInjectParams, ChatInjectResult, ChatMessageGet, ChatMessageGetParams, ChatMessageGetResult, ChatSend,
    ChatSendParams, InFlightRun, InjectRole, Method,
};
use simpleclaw_protocol::{ErrorCode, Event, WireError};

use super::send::{Sending, refused, send};
use super::{Key, no_session, session_key};
use crate::inbox::Refused;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming, MAX_FRAME, Reply};
use crate::session::Abort;
use crate::store::{self, NewMessage, Window};

const DEFAULT_LIMIT: u32 = 200;
/// Texts of one page, in bytes; the rest of a frame is for a run's text so far, and for names and numbers.
pub const PAGE_BYTES: usize = MAX_FRAME * 3 / 8;
/// Of one part of a long text: with the message beside it below the limit even where JSON writes six bytes for one.
const PART_BYTES: usize = 256 * 1024;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.principal.name.clone();
    match method {
        Method::ChatSend => {
            incoming
                .run::<ChatSend, _, _, _>(|params| {
                    let ChatSendParams { session_key, message, idempotency_key, options } = params;
                    send(
                        runtime,
                        who,
                        Sending { key: session_key, path: "/sessionKey", message, idempotency_key, options },
                    )
                })
                .await
        }
        Method::ChatAbort => incoming.run::<ChatAbort, _, _, _>(|params| abort(runtime, who, params)).await,
        Method::ChatHistory => incoming.run::<ChatHistory, _, _, _>(|params| history(runtime, params)).await,
        Method::ChatInject => incoming.run::<ChatInject, _, _, _>(|params| inject(runtime, who, params)).await,
        Method::ChatMessageGet => incoming.run::<ChatMessageGet, _, _, _>(|params| message(runtime, params)).await,
    }
}

async fn abort(runtime: &Arc<Runtime>, who: String, mut params: ChatAbortParams) -> Result<ChatAbortResult, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.session_key, &config.config.agents.default, "/sessionKey")?;
    params.session_key = key.to_string();
    if runtime.store.session(&key.to_string()).await?.is_none() {
        return Err(no_session(&key));
    }
    let claim = Key::new((&who, ChatAbort::NAME), params.idempotency_key.as_deref(), &params)?;
    let keyed = params.idempotency_key.is_some();
    let sessions = runtime.sessions.clone();
    let wanted = Abort::Session { key: key.to_string(), run_id: params.run_id };
    let stop = move || {
        let run_ids = sessions.abort(&wanted);
        ChatAbortResult { aborted: !run_ids.is_empty(), run_ids }
    };
    // A stop without a key has nothing to store, and does not wait behind what does.
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

async fn history(runtime: &Arc<Runtime>, params: ChatHistoryParams) -> Result<ChatHistoryResult, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.session_key, &config.config.agents.default, "/sessionKey")?;
    let (window, path) = match (params.before, params.after) {
        (Some(_), Some(_)) => return Err(WireError::at("/after", "goes without `before`")),
        (Some(id), None) => (Window::Before(id), "/before"),
        (None, Some(id)) => (Window::After(id), "/after"),
        (None, None) => (Window::Newest, ""),
    };
    let Some(record) = runtime.store.session(&key.to_string()).await? else { return Err(no_session(&key)) };
    // Looked at first: what ends between the two reads then stands in the messages.
    let live = runtime.sessions.live(&record.key);
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    let Some(page) = runtime.store.history(&record.session_id, &window, limit, PAGE_BYTES).await? else {
        return Err(WireError::at(path, "names no message of this session"));
    };
    let mut messages = page.messages;
    messages.iter_mut().for_each(store::message::cut);
    let edge = if matches!(window, Window::After(_)) { messages.last() } else { messages.first() };
    let next_cursor = edge.filter(|_| page.more).map(|message| message.id.clone());
    let in_flight_run = live.map(|live| {
        let text = live.text();
        InFlightRun {
            run_id: live.run_id().to_owned(),
            message_id: text.message_id,
            text: text.text,
            index: text.index,
            started_at: text.started_at,
        }
    });
    // Over before its text was read: the message is in the history, or about to be announced.
    let in_flight_run = in_flight_run.filter(|run| !messages.iter().any(|message| message.id == run.message_id));
    Ok(ChatHistoryResult {
        session_key: record.key,
        session_id: record.session_id,
        messages,
        has_more: page.more,
        next_cursor,
        in_flight_run,
    })
}

async fn inject(
    runtime: &Arc<Runtime>,
    who: String,
    mut params: ChatInjectParams,
) -> Result<Reply<ChatInjectResult>, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.session_key, &config.config.agents.default, "/sessionKey")?;
    params.session_key = key.to_string();
    if !config.config.agents.entries.contains_key(key.agent()) {
        return Err(refused(Refused::NoAgent(key.agent().to_owned())));
    }
    let claim = Key::new((&who, ChatInject::NAME), params.idempotency_key.as_deref(), &params)?;
    let role = match params.role {
        InjectRole::System => Role::System,
        InjectRole::Assistant => Role::Assistant,
    };
    let origin = Origin { channel: "webchat".to_owned(), sender: who, label: params.label };
    let message = NewMessage { origin: Some(origin), ..NewMessage::text(role, params.message) };
    let (inbox, now, target) = (runtime.inbox.clone(), runtime.clock.now_ms(), key.clone());
    let id = message.id.clone();
    let place = runtime.inbox.order.place(&params.session_key, false).await;
    let (result, fresh) = claim
        .once(&runtime.store, now, move |tx| {
            Box::pin(async move {
                Ok(match inbox.note(tx, &target, message, now).await? {
                    Some(message) => Ok(ChatInjectResult { message_id: message.id }),
                    None => Err(no_session(&target)),
                })
            })
        })
        .await?;
    drop(place);
    if !fresh {
        return Ok(result.into());
    }
    let key = key.to_string();
    let Some(record) = runtime.store.session(&key).await? else { return Ok(result.into()) };
    let stored = runtime.store.message(&record.session_id, &id).await?;
    let runtime = Arc::clone(runtime);
    let then = move || {
        if let Some(mut message) = stored {
            store::message::cut(&mut message);
            runtime.events.publish(Event::SessionMessage(SessionMessageEvent { session_key: key.clone(), message }));
        }
        let sessions = runtime.sessions.clone();
        runtime
            .supervisor
            .spawn("session changed", async move { sessions.publish_changed(&key, SessionChange::Message).await });
    };
    Ok(Reply { result, then: Some(Box::new(then)) })
}

async fn message(runtime: &Arc<Runtime>, params: ChatMessageGetParams) -> Result<ChatMessageGetResult, WireError> {
    let config = runtime.config.current();
    let key = session_key(&params.session_key, &config.config.agents.default, "/sessionKey")?;
    let Some(record) = runtime.store.session(&key.to_string()).await? else { return Err(no_session(&key)) };
    let Some(mut message) = runtime.store.message(&record.session_id, &params.message_id).await? else {
        return Err(WireError::new(ErrorCode::NotFound, "this session has no such message"));
    };
    let text = message.text();
    let offset = params.offset.unwrap_or(0);
    let start = usize::try_from(offset).ok().filter(|start| text.is_char_boundary(*start));
    let Some(start) = start else {
        return Err(WireError::at("/offset", "is no place where a part of this text ended"));
    };
    let end = text.floor_char_boundary(start.saturating_add(PART_BYTES));
    store::message::cut(&mut message);
    Ok(ChatMessageGetResult {
        message,
        text: text.get(start..end).unwrap_or_default().to_owned(),
        offset,
        total_bytes: text.len() as u64,
        next_offset: (end < text.len()).then_some(end as u64),
    })
}
