//! `secrets.*`: names go both ways, secrets only in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::secrets::{
    Method, SecretRow, SecretsList, SecretsListResult, SecretsRemove, SecretsRemoveParams, SecretsRemoveResult,
    SecretsSet, SecretsSetParams, SecretsSetResult,
};
use simpleclaw_protocol::{ErrorCode, WireError};

use super::Key;
use crate::config::Secret;
use crate::rebuild;
use crate::runtime::Runtime;
use crate::secrets::{Failed, uses};
use crate::server::dispatch::{Answer, Incoming};

/// When a key store that does not answer may do so.
const RETRY_MS: u64 = 5_000;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.principal.name.clone();
    match method {
        Method::SecretsList => incoming.run::<SecretsList, _, _, _>(|_| list(runtime)).await,
        Method::SecretsSet => incoming.run::<SecretsSet, _, _, _>(|params| set(runtime, who, params)).await,
        Method::SecretsRemove => incoming.run::<SecretsRemove, _, _, _>(|params| remove(runtime, who, params)).await,
    }
}

async fn list(runtime: &Arc<Runtime>) -> Result<SecretsListResult, WireError> {
    let listing = runtime.secrets.list().await;
    let mut rows: BTreeMap<String, SecretRow> = BTreeMap::new();
    for (name, place) in listing.places {
        rows.insert(name.clone(), SecretRow { name, place: Some(place), used_in: vec![] });
    }
    for (name, used_in) in uses(&runtime.config.current().value) {
        rows.entry(name.clone()).or_insert(SecretRow { name, place: None, used_in: vec![] }).used_in = used_in;
    }
    let secrets = rows.into_values().collect();
    Ok(SecretsListResult { secrets, place: listing.place, problems: listing.problems })
}

async fn set(runtime: &Arc<Runtime>, who: String, params: SecretsSetParams) -> Result<SecretsSetResult, WireError> {
    let SecretsSetParams { name, value, idempotency_key } = params;
    let secret = Secret::new(value.into_inner());
    // A repeat is known by a hash that says nothing without a key that the database does not hold.
    let body = match &idempotency_key {
        Some(_) => {
            let hash = runtime.secrets.hash(&secret).await.map_err(refused)?;
            json!({ "name": name, "value": hash })
        }
        None => Value::Null,
    };
    let claim = Key::new((&who, SecretsSet::NAME), idempotency_key.as_deref(), &body)?;
    let alone = runtime.secrets.one_writer().await;
    if let Some(answer) = claim.answered(&runtime.store).await? {
        return Ok(answer);
    }
    let place = runtime.secrets.set(&name, secret).await.map_err(refused)?;
    tracing::info!(target: "diagnostic", source = "secrets", code = "secrets.set", name, by = who, "a secret was set");
    let result = SecretsSetResult { place, used_in: used_in(runtime, &name), name };
    let kept = claim.keep(&runtime.store, &result, runtime.clock.now_ms()).await;
    drop(alone);
    after(runtime, &result.used_in).await;
    kept.map(|()| result)
}

async fn remove(
    runtime: &Arc<Runtime>,
    who: String,
    params: SecretsRemoveParams,
) -> Result<SecretsRemoveResult, WireError> {
    let claim = Key::new((&who, SecretsRemove::NAME), params.idempotency_key.as_deref(), &params)?;
    let name = params.name;
    let alone = runtime.secrets.one_writer().await;
    if let Some(answer) = claim.answered(&runtime.store).await? {
        return Ok(answer);
    }
    runtime.secrets.remove(&name).await.map_err(refused)?;
    tracing::info!(target: "diagnostic", source = "secrets", code = "secrets.removed", name, by = who, "a secret was removed");
    let result = SecretsRemoveResult { used_in: used_in(runtime, &name), name };
    let kept = claim.keep(&runtime.store, &result, runtime.clock.now_ms()).await;
    drop(alone);
    after(runtime, &result.used_in).await;
    kept.map(|()| result)
}

fn used_in(runtime: &Runtime, name: &str) -> Vec<String> {
    uses(&runtime.config.current().value).remove(name).unwrap_or_default()
}

/// The next answer of a provider is with the key of now.
async fn after(runtime: &Arc<Runtime>, used_in: &[String]) {
    if used_in.iter().any(|pointer| pointer.starts_with("/models/")) {
        rebuild::providers(runtime).await;
    }
}

fn refused(failed: Failed) -> WireError {
    let words = failed.to_string();
    match failed {
        Failed::Name => WireError::at("/name", words),
        Failed::Value(_) => WireError::at("/value", words),
        Failed::TooLong => WireError { code: ErrorCode::TooLarge, ..WireError::at("/value", words) },
        Failed::TooMany => WireError::new(ErrorCode::TooLarge, words),
        Failed::NoSuch(_) => WireError::not_found(words),
        Failed::KeyStore { .. } => WireError::unavailable(words, RETRY_MS),
        Failed::Disk(_) => WireError::new(ErrorCode::Unavailable, words),
    }
}
