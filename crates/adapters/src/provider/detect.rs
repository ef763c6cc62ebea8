//! Finding the model servers that run on this machine.
//!
//! A port says nothing about who listens there, so every one is known by the shape of its
//! answers. Only 127.0.0.1 is ever asked, and only with GET.

use std::time::Duration;

use futures_util::future::{join_all, join4};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::{error::Elapsed, timeout};

use super::Model;
use super::genai::Api;
use super::http::{client, read_bounded};
use super::models::{self, modalities, named, tokens};

const TIME_LIMIT: Duration = Duration::from_millis(400);
const MAX_BODY: usize = 1024 * 1024;
const MAX_MODELS: usize = 200;

/// A port on 127.0.0.1 to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub port: u16,
}

impl Candidate {
    /// Where the known servers listen unless told otherwise.
    pub fn defaults() -> Vec<Self> {
        [11434, 8080, 1234].into_iter().map(|port| Self { port }).collect()
    }
}

/// A kind of local model server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalServer {
    Ollama,
    LlamaServer,
    LmStudio,
}

impl LocalServer {
    /// The provider id it gets.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::LlamaServer => "llama-server",
            Self::LmStudio => "lm-studio",
        }
    }
}

/// A model server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: LocalServer,
    /// The OpenAI-compatible base URL, such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// What it can chat with now; empty if nothing is installed or loaded.
    pub models: Vec<Model>,
}

/// Asks all candidates at once, for at most 400 ms each, and gives those that are a known
/// model server, in the order asked. Anything else there is left alone and not reported.
///
/// `before` is what the last look found: a server that is too busy to answer in time, as one
/// is whose model keeps the processor, is still there.
pub async fn detect(candidates: &[Candidate], before: &[Found]) -> Vec<Found> {
    let Some(client) = Url::parse("http://127.0.0.1").ok().and_then(|url| client(&url).ok()) else {
        return Vec::new();
    };
    let found = join_all(candidates.iter().map(|candidate| probe(&client, *candidate, before))).await;
    found.into_iter().flatten().collect()
}

async fn probe(client: &Client, candidate: Candidate, before: &[Found]) -> Option<Found> {
    let base = Url::parse(&format!("http://127.0.0.1:{}", candidate.port)).ok()?;
    let base_url = format!("http://127.0.0.1:{}/v1", candidate.port);
    let get = |path| get(client, &base, path);
    let answers: [_; 4] = join4(get("v1/models"), get("props"), get("api/v0/models"), get("api/tags")).await.into();
    if answers.iter().any(Result::is_err)
        && let Some(known) = before.iter().find(|found| found.base_url == base_url)
    {
        return Some(known.clone());
    }
    let said = answers.map(|answer| answer.ok().flatten());
    recognise(base_url, said.each_ref().map(Option::as_ref))
}

/// By what it answered under `/v1/models`, `/props`, `/api/v0/models` and `/api/tags`.
fn recognise(base_url: String, [list, props, studio, tags]: [Option<&Value>; 4]) -> Option<Found> {
    // llama-server also answers Ollama's path, so it comes first.
    let (kind, models) = llama_server(list, props)
        .map(|models| (LocalServer::LlamaServer, models))
        .or_else(|| Some((LocalServer::LmStudio, lm_studio(list, studio)?)))
        .or_else(|| Some((LocalServer::Ollama, ollama(tags?)?)))?;
    Some(Found { kind, base_url, models: models.into_iter().take(MAX_MODELS).collect() })
}

/// What is there, if it is JSON of a size to be read; an error where the time was too short to tell.
async fn get(client: &Client, base: &Url, path: &str) -> Result<Option<Value>, Elapsed> {
    let ask = async {
        let response = client.get(super::http::join(base, path)).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let body = read_bounded(response, MAX_BODY).await.ok()??;
        serde_json::from_slice(&body).ok()
    };
    timeout(TIME_LIMIT, ask).await
}

/// Whether any entry of an OpenAI list has this owner.
fn owned_by(list: &Value, owner: &str) -> bool {
    let entries = list.get("data").and_then(Value::as_array);
    entries.is_some_and(|entries| entries.iter().any(|entry| entry.get("owned_by").is_some_and(|by| by == owner)))
}

/// `/props` tells what the server was started with: the window it really has, and whether
/// it sees images.
fn llama_server(list: Option<&Value>, props: Option<&Value>) -> Option<Vec<Model>> {
    let list = list?;
    let settings = props.and_then(|props| props.get("default_generation_settings"));
    if !owned_by(list, "llamacpp") && settings.is_none() {
        return None;
    }
    let window = settings.and_then(|settings| tokens(settings.get("n_ctx")?));
    let images = props.and_then(|props| props.pointer("/modalities/vision")?.as_bool());
    let models = models::parse(Api::OpenAi, list)?.into_iter().map(|model| Model {
        // The id is the path of the model's file.
        name: file_stem(&model.id),
        context_window: window.or(model.context_window),
        input: images.map(modalities),
        ..model
    });
    Some(models.collect())
}

fn file_stem(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.strip_suffix(".gguf").unwrap_or(name).to_owned()
}

/// Its own list says more; versions before it had one only give the OpenAI list.
fn lm_studio(list: Option<&Value>, studio: Option<&Value>) -> Option<Vec<Model>> {
    let entries = studio.and_then(|studio| studio.get("data")?.as_array());
    let Some(entries) = entries.filter(|entries| entries.iter().all(is_lm_studio_model)) else {
        return list
            .filter(|list| owned_by(list, "organization_owner"))
            .and_then(|list| models::parse(Api::OpenAi, list));
    };
    let chat = entries.iter().filter(|entry| entry.get("type").is_none_or(|kind| kind != "embeddings"));
    let models = chat.filter_map(|entry| {
        let capabilities = entry.get("capabilities").and_then(Value::as_array);
        Some(Model {
            context_window: entry.get("max_context_length").and_then(tokens),
            input: entry.get("type").map(|kind| modalities(kind == "vlm")),
            tool_use: capabilities.map(|all| all.iter().any(|one| one == "tool_use")),
            ..named(entry.get("id")?.as_str()?)
        })
    });
    Some(models.collect())
}

fn is_lm_studio_model(entry: &Value) -> bool {
    ["id", "type", "state"].iter().all(|field| entry.get(field).is_some_and(Value::is_string))
}

fn ollama(tags: &Value) -> Option<Vec<Model>> {
    let entries = tags.get("models")?.as_array()?;
    let names: Option<Vec<&str>> = entries.iter().map(|entry| entry.get("name")?.as_str()).collect();
    let models = entries.iter().zip(names?).filter_map(|(entry, name)| {
        let families = entry.pointer("/details/families").and_then(Value::as_array);
        let any = |part: &str| {
            families.is_some_and(|all| all.iter().filter_map(Value::as_str).any(|family| family.contains(part)))
        };
        // Of the families, `bert` only embeds, and `clip` and `mllama` see; of others some models do.
        let sees = any("clip") || any("mllama");
        (!any("bert")).then(|| Model { input: sees.then(|| modalities(true)), ..named(name) })
    });
    Some(models.collect())
}
