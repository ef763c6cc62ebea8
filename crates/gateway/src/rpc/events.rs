//! `events.subscribe`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::events::{EVENTS, PLANNED_EVENTS};
use simpleclaw_protocol::methods::NoParams;
use simpleclaw_protocol::methods::events::{EventsSubscribe, EventsSubscribeParams, Method, Selection};
use simpleclaw_protocol::session::SessionKey;

use crate::events::{Follower, names};
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let follower = incoming.caller.follower.clone();
    match method {
        Method::EventsSubscribe => {
            incoming
                .run::<EventsSubscribe, _, _, _>(|params| async move { subscribe(runtime, &follower, params) })
                .await
        }
    }
}

/// Takes effect between two events. A session that does not exist yet may be named.
fn subscribe(runtime: &Runtime, follower: &Follower, params: EventsSubscribeParams) -> Result<NoParams, WireError> {
    if let Some(Selection::Only(events)) = &params.events {
        for (index, name) in events.iter().enumerate() {
            let known = EVENTS.iter().any(|spec| spec.name == name) || PLANNED_EVENTS.contains(&name.as_str());
            if !known {
                return Err(WireError::at(&format!("/events/{index}"), "is no event"));
            }
        }
    }
    let given = match &params.sessions {
        Some(Selection::Only(keys)) => keys.clone(),
        _ => vec![],
    };
    let mut sessions = names(params.sessions);
    if let Some(keys) = sessions.take() {
        let config = runtime.config.current();
        let default = &config.config.agents.default;
        let canonical = keys.iter().map(|key| {
            let parsed = SessionKey::parse(key, default);
            parsed.map(|key| key.to_string()).map_err(|error| {
                let index = given.iter().position(|other| other == key).unwrap_or_default();
                WireError::at(&format!("/sessions/{index}"), error.to_string())
            })
        });
        sessions = Some(canonical.collect::<Result<_, _>>()?);
    }
    follower.set_filter(sessions, names(params.events));
    Ok(NoParams {})
}
