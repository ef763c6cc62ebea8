//! Handlers, one file per resource: the wire on one side, the domain on the other, and nothing decided in between.

mod agents;
mod approvals;
mod attachments;
mod channels;
mod chat;
pub mod config;
mod events;
mod gateway;
mod models;
mod providers;
mod runs;
mod secrets;
mod send;
mod sessions;
mod tools;
mod usage;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use simpleclaw_protocol::session::SessionKey;
use simpleclaw_protocol::{ErrorCode, Method, WireError};

use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming, internal};
use crate::store::{self, Claim, Store, StoreError, Tx};

/// Hands a validated request to its handler. A row of the table without one does not compile.
pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::Chat(method) => chat::handle(runtime, method, incoming).await,
        Method::Attachments(method) => attachments::handle(runtime, method, incoming).await,
        Method::Runs(method) => runs::handle(runtime, method, incoming).await,
        Method::Sessions(method) => sessions::handle(runtime, method, incoming).await,
        Method::Agents(method) => agents::handle(runtime, method, incoming).await,
        Method::Models(method) => models::handle(runtime, method, incoming).await,
        Method::Providers(method) => providers::handle(runtime, method, incoming).await,
        Method::Tools(method) => tools::handle(runtime, method, incoming).await,
        Method::Usage(method) => usage::handle(runtime, method, incoming).await,
        Method::Channels(method) => channels::handle(method, incoming).await,
        Method::Config(method) => config::handle(runtime, method, incoming).await,
        Method::Secrets(method) => secrets::handle(runtime, method, incoming).await,
        Method::Events(method) => events::handle(runtime, method, incoming).await,
        Method::Gateway(method) => gateway::handle(runtime, method, incoming).await,
        Method::Approvals(method) => approvals::handle(runtime, method, incoming).await,
    }
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full | StoreError::Disk(_) | StoreError::Closed => Self::unavailable(error.to_string(), 5_000),
            StoreError::Damaged(_) => {
                let words = format!("{error}; `simpleclaw doctor` says more");
                tracing::error!(target: "diagnostic", source = "store", code = "store.damaged", "{words}");
                Self::new(ErrorCode::Unavailable, words)
            }
            StoreError::Newer(_) | StoreError::Sql(_) | StoreError::Unreadable(_) | StoreError::File(_) => {
                internal(&error.to_string())
            }
        }
    }
}

/// Reads a session key of a request.
fn session_key(text: &str, default_agent: &str, path: &str) -> Result<SessionKey, WireError> {
    SessionKey::parse(text, default_agent).map_err(|error| WireError::at(path, error.to_string()))
}

fn no_session(key: &SessionKey) -> WireError {
    WireError::not_found(format!("there is no session {:?}: `sessions.list` names them", key.to_string()))
}

fn other_body() -> WireError {
    WireError::new(ErrorCode::Conflict, "this idempotency key was used for another request; take a new one")
}

/// The key of a changing call, and what it is compared by.
struct Key(Option<Claim>);

impl Key {
    fn none() -> Self {
        Self(None)
    }

    /// `params` without its key is the body; a session key in it is canonical, so that all its spellings are one body.
    fn new<P: Serialize>(incoming: (&str, &'static str), key: Option<&str>, params: &P) -> Result<Self, WireError> {
        let Some(key) = key else { return Ok(Self(None)) };
        let mut body = serde_json::to_value(params).map_err(|error| internal(&error.to_string()))?;
        if let Value::Object(members) = &mut body {
            members.remove("idempotencyKey");
        }
        let (principal, method) = incoming;
        let claim =
            Claim { principal: principal.to_owned(), method, key: key.to_owned(), body_hash: store::body_hash(body) };
        Ok(Self(Some(claim)))
    }

    /// A word for this request, the same at its repeat; none without a key.
    fn mark(&self) -> Option<String> {
        let Claim { principal, method, key, body_hash } = self.0.as_ref()?;
        let said = serde_json::json!([principal, method, key, body_hash]);
        Some(crate::home::hex(&store::body_hash(said)))
    }

    /// The first answer, where there was one. For an effect outside of the database; [`Self::keep`] follows it.
    async fn answered<R: DeserializeOwned + Send + 'static>(&self, store: &Store) -> Result<Option<R>, WireError> {
        let Some(claim) = self.0.clone() else { return Ok(None) };
        let found = store.write(move |tx| Box::pin(async move { store::idempotency::find(tx, &claim).await })).await?;
        match found {
            store::idempotency::Found::Nothing => Ok(None),
            store::idempotency::Found::Answer(answer) => {
                Ok(Some(serde_json::from_value(answer).map_err(|error| internal(&error.to_string()))?))
            }
            store::idempotency::Found::OtherBody => Err(other_body()),
        }
    }

    /// Keeps the first answer.
    async fn keep<R: Serialize>(self, store: &Store, result: &R, now: i64) -> Result<(), WireError> {
        let Some(claim) = self.0 else { return Ok(()) };
        let answer = serde_json::to_value(result).map_err(|error| internal(&error.to_string()))?;
        let kept = store
            .write(move |tx| Box::pin(async move { store::idempotency::keep(tx, &claim, &answer, now).await }))
            .await;
        Ok(kept?)
    }

    /// Runs `work` and keeps its answer in the same commit, or gives the first answer again. `true`: it was run.
    async fn once<R, F>(self, store: &Store, now: i64, work: F) -> Result<(R, bool), WireError>
    where
        R: Serialize + DeserializeOwned + Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> futures_util::future::BoxFuture<'c, Result<Result<R, WireError>, StoreError>>
            + Send
            + 'static,
    {
        let Self(claim) = self;
        store
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(claim) = &claim {
                        match store::idempotency::find(tx, claim).await? {
                            store::idempotency::Found::Nothing => {}
                            store::idempotency::Found::Answer(answer) => {
                                return Ok(Ok((serde_json::from_value(answer)?, false)));
                            }
                            store::idempotency::Found::OtherBody => return Ok(Err(other_body())),
                        }
                    }
                    match work(tx).await? {
                        Ok(result) => {
                            if let Some(claim) = &claim {
                                store::idempotency::keep(tx, claim, &serde_json::to_value(&result)?, now).await?;
                            }
                            Ok(Ok((result, true)))
                        }
                        Err(refusal) => Ok(Err(refusal)),
                    }
                })
            })
            .await?
    }
}
