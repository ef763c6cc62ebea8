//! Which models a server offers: one request, and the three shapes of the answer.
//!
//! Deliberately elsewhere: prices and what the gateway knows about models by itself.

use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::timeout;

use super::error::{Origin, ProviderError, ProviderErrorKind};
use super::genai::Api;
use super::http::{failure, join, read_bounded};
use super::{Modality, Model};

const TIME_LIMIT: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 4 * 1024 * 1024;
const MAX_MODELS: usize = 1000;
/// Longest model id, in bytes; a longer one is nothing that anybody would call.
const MAX_ID: usize = 256;
/// Models in a list that answer no chat, by parts of their names.
const NOT_FOR_CHAT: [&str; 5] = ["embed", "whisper", "tts-", "dall-e", "moderation"];

/// Asks the server.
pub(super) async fn list(client: &Client, api: Api, base: &Url, origin: &Origin) -> Result<Vec<Model>, ProviderError> {
    match timeout(TIME_LIMIT, ask(client, api, base, origin)).await {
        Ok(models) => models,
        Err(_) => {
            let text = format!("{} did not list its models within ten seconds. Try again.", origin.server);
            Err(origin.error(ProviderErrorKind::Timeout, &text))
        }
    }
}

async fn ask(client: &Client, api: Api, base: &Url, origin: &Origin) -> Result<Vec<Model>, ProviderError> {
    let mut url = join(base, "models");
    // Both give pages of a few dozen unless asked for more.
    let page_size = match api {
        Api::Anthropic => Some("limit"),
        Api::Gemini => Some("pageSize"),
        Api::OpenAi | Api::Ollama => None,
    };
    if let Some(name) = page_size {
        url.query_pairs_mut().append_pair(name, &MAX_MODELS.to_string());
    }
    let mut call = client.get(url);
    let key = origin.key.as_ref().map(|key| key.expose());
    call = match (api, key) {
        (Api::OpenAi | Api::Ollama, Some(key)) => call.bearer_auth(key),
        (Api::Anthropic, Some(key)) => call.header("x-api-key", key),
        (Api::Gemini, Some(key)) => call.header("x-goog-api-key", key),
        (_, None) => call,
    };
    if api == Api::Anthropic {
        call = call.header("anthropic-version", "2023-06-01");
    }
    let response = call.send().await.map_err(|error| origin.transport(&error, false))?;
    if !response.status().is_success() {
        return Err(failure(origin, response).await);
    }
    let body = read_bounded(response, MAX_BODY).await.map_err(|error| origin.transport(&error, true))?;
    let body = body.ok_or_else(|| origin.garbage("a list of models longer than 4 MiB"))?;
    let json: Value = serde_json::from_slice(&body).map_err(|_| origin.garbage("a list of models that is not JSON"))?;
    parse(api, &json).ok_or_else(|| origin.garbage("something that is not a list of models"))
}

/// The models in a server's answer; `None` if it is no such answer.
pub(super) fn parse(api: Api, json: &Value) -> Option<Vec<Model>> {
    let (list, read): (&str, fn(&Value) -> Option<Model>) = match api {
        Api::OpenAi | Api::Ollama => ("data", openai),
        Api::Anthropic => ("data", anthropic),
        Api::Gemini => ("models", gemini),
    };
    let entries = json.get(list)?.as_array()?;
    Some(entries.iter().filter_map(read).filter(usable).take(MAX_MODELS).collect())
}

fn usable(model: &Model) -> bool {
    let id = model.id.to_ascii_lowercase();
    !id.is_empty() && id.len() <= MAX_ID && !NOT_FOR_CHAT.iter().any(|part| id.contains(part))
}

fn openai(entry: &Value) -> Option<Model> {
    let id = entry.get("id")?.as_str()?;
    // None of these is part of the shape; each is what one family of servers adds.
    let window = ["/context_length", "/max_model_len", "/max_context_length", "/meta/n_ctx", "/meta/n_ctx_train"];
    let input = entry.pointer("/architecture/input_modalities").and_then(Value::as_array);
    Some(Model {
        name: entry.get("name").and_then(Value::as_str).unwrap_or(id).to_owned(),
        context_window: window.iter().find_map(|path| tokens(entry.pointer(path)?)),
        input: input.map(|kinds| modalities(kinds.iter().any(|kind| kind == "image"))),
        ..named(id)
    })
}

fn anthropic(entry: &Value) -> Option<Model> {
    let id = entry.get("id")?.as_str()?;
    Some(Model {
        name: entry.get("display_name").and_then(Value::as_str).unwrap_or(id).to_owned(),
        context_window: entry.get("max_input_tokens").and_then(tokens),
        // Every model this API offers reads images and calls tools.
        input: Some(modalities(true)),
        tool_use: Some(true),
        ..named(id)
    })
}

fn gemini(entry: &Value) -> Option<Model> {
    let id = entry.get("name")?.as_str()?;
    let id = id.strip_prefix("models/").unwrap_or(id);
    let methods = entry.get("supportedGenerationMethods").and_then(Value::as_array)?;
    if !methods.iter().any(|method| method == "generateContent") {
        return None;
    }
    Some(Model {
        name: entry.get("displayName").and_then(Value::as_str).unwrap_or(id).to_owned(),
        context_window: entry.get("inputTokenLimit").and_then(tokens),
        input: Some(modalities(true)),
        reasoning: entry.get("thinking").and_then(Value::as_bool),
        ..named(id)
    })
}

/// A model of which nothing is known but its id.
pub(super) fn named(id: &str) -> Model {
    Model { id: id.to_owned(), name: id.to_owned(), context_window: None, input: None, reasoning: None, tool_use: None }
}

pub(super) fn modalities(images: bool) -> Vec<Modality> {
    if images { vec![Modality::Text, Modality::Image] } else { vec![Modality::Text] }
}

pub(super) fn tokens(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
}
