//! `providers.*`

use std::sync::Arc;

use simpleclaw_adapters::provider::ProviderError;
use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::providers::{
    DraftApi, DraftKey, Method, ProviderDraft, ProviderTestError, ProvidersTest, ProvidersTestParams,
    ProvidersTestResult,
};

use crate::catalog::{Probe, Probed, Source, Spoken, Used};
use crate::config::{Api, MASK, Secret, SecretRef};
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};
use crate::store::CallOutcome;
use crate::usage::{Call, Refused};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::ProvidersTest => incoming.run::<ProvidersTest, _, _, _>(|params| test(runtime, params)).await,
    }
}

async fn test(runtime: &Arc<Runtime>, params: ProvidersTestParams) -> Result<ProvidersTestResult, WireError> {
    let probe = match (params.provider, params.draft) {
        (Some(id), None) => runtime.catalog.probe(&id).ok_or_else(|| {
            WireError::not_found(format!("there is no provider {id:?}: `models.list` shows the ones there are"))
        })?,
        (None, Some(draft)) => drafted(runtime, draft).await?,
        _ => return Err(WireError::at("/provider", "give either `provider` or `draft`")),
    };
    let model = params.model.map(|model| own_id(probe.id(), &model)).or_else(|| probe.first_listed());
    let asked = model.as_ref().map(|model| format!("{}/{model}", probe.id()));
    let price = model.as_ref().and_then(|model| probe.price(model));
    if model.is_some() {
        match runtime.ledger.check(price).await {
            Ok(()) => {}
            Err(Refused::Capped(message)) => {
                let kind = "cap".to_owned();
                let error = Some(ProviderTestError { kind, message, http_status: None, retry_after_ms: None });
                let (checked, latency_ms, models) = (None, None, vec![]);
                return Ok(ProvidersTestResult { ok: false, checked, latency_ms, model: asked, models, error });
            }
            Err(Refused::Store(error)) => return Err(error.into()),
        }
    }
    let provider = probe.id().to_owned();
    let Probed { outcome, models, checked, used } = probe.run(model.as_deref()).await;
    if let (Some(model), Some(Used { tokens, estimated })) = (model, used) {
        let ended = if outcome.is_ok() { CallOutcome::Ok } else { CallOutcome::Failed };
        let call = Call { provider, model, price, owner: None, outcome: ended, tokens, estimated };
        runtime.ledger.book(call).await;
        runtime.health.change();
    }
    let (latency_ms, error) = match outcome {
        Ok(latency) => (Some(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)), None),
        Err(error) => (None, Some(test_error(error))),
    };
    Ok(ProvidersTestResult { ok: error.is_none(), checked, latency_ms, model: asked, models, error })
}

fn test_error(error: ProviderError) -> ProviderTestError {
    ProviderTestError {
        kind: error.kind.as_str().to_owned(),
        message: error.message,
        http_status: error.http_status,
        retry_after_ms: error.retry_after_ms,
    }
}

/// A model may be named as everywhere else, with its provider before it.
fn own_id(provider: &str, model: &str) -> String {
    match model.split_once('/') {
        Some((before, own)) if before == provider && !own.is_empty() => own.to_owned(),
        _ => model.to_owned(),
    }
}

/// Builds a provider of a draft. Its key goes into the calls of this test and nowhere else; from here on the logs hide
/// it wherever it might turn up.
async fn drafted(runtime: &Runtime, draft: ProviderDraft) -> Result<Probe, WireError> {
    let ProviderDraft { id, api, base_url, api_key } = draft;
    if matches!(&api_key, Some(DraftKey::Text(key)) if key == MASK) {
        let words = "this hides a key and is none; leave it out and test the saved provider, or give the key itself";
        return Err(WireError::at("/draft/apiKey", words));
    }
    let api_key = api_key.map(|key| match key {
        DraftKey::Text(key) => SecretRef::Literal(Secret::new(key)),
        DraftKey::Secret { secret } => SecretRef::Secret { secret },
        DraftKey::Env { env } => SecretRef::Env { env },
        DraftKey::File { file } => SecretRef::File { file },
    });
    let api = match api {
        DraftApi::Openai => Api::Openai,
        DraftApi::Anthropic => Api::Anthropic,
        DraftApi::Gemini => Api::Gemini,
        DraftApi::Ollama => Api::Ollama,
    };
    let key = match &api_key {
        None => Ok(None),
        Some(reference) => runtime.secrets.resolve(reference).await.map(Some).map_err(|why| why.words),
    };
    let spoken = Spoken { api, base_url: base_url.as_deref() };
    Ok(Probe::of(Source::draft(id.as_deref().unwrap_or("draft"), &spoken, key)))
}
