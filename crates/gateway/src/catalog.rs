//! Models and the providers that serve them: the configured ones, the servers found on this machine, the guide.
//! Speaking to a provider is `adapters`'.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use simpleclaw_adapters::provider::detect::{self, Candidate};
use simpleclaw_adapters::provider::genai::{Api as AdapterApi, GenaiOptions, GenaiProvider};
use simpleclaw_adapters::provider::guide::Guide;
use simpleclaw_adapters::provider::{ApiKey, Modality, Model, Provider, ProviderError, ProviderErrorKind};
use simpleclaw_protocol::methods::models::{ModelCost, ModelRow};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Api, Config, ModelInput, ProviderConfig, Secret};
use crate::secrets::Secrets;

/// How long a turn of an `auto` agent waits for the first look around.
const AUTO_WAIT: Duration = Duration::from_millis(500);
/// How long an answer of a provider's model list is believed.
const LIST_KEPT: Duration = Duration::from_secs(60);
/// How long a turn waits for keys that the key store of the system has.
const KEYS_WAIT: Duration = Duration::from_secs(5);
/// How often the machine is looked over for model servers.
const DETECT_EVERY: Duration = Duration::from_secs(30);

/// The guide's provider and model ids.
const GUIDE: (&str, &str) = ("builtin", "guide");

/// A provider and one of its models, ready to be asked.
#[derive(Clone)]
pub struct Resolved {
    pub provider: Arc<dyn Provider>,
    /// Without the provider.
    pub model: String,
    /// Why this one: `requested`, `configured`, `fallback` or `auto`.
    pub reason: &'static str,
    pub info: Option<Model>,
    pub cost: Option<ModelCost>,
}

impl Resolved {
    /// `provider/model`
    pub fn id(&self) -> String {
        format!("{}/{}", self.provider.id(), self.model)
    }

    /// Whether the model reads images; `None` where nobody says.
    pub fn reads_images(&self) -> Option<bool> {
        Some(self.info.as_ref()?.input.as_ref()?.contains(&Modality::Image))
    }
}

/// Clones share it.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    /// As the configuration has them now; whoever resolves takes a copy.
    configured: RwLock<Arc<Vec<Source>>>,
    keys: watch::Sender<Keys>,
    guide: Arc<dyn Provider>,
    /// Whether the machine is looked over.
    detect: watch::Sender<bool>,
    found: watch::Sender<Option<Vec<Source>>>,
    lists: Mutex<Lists>,
}

/// What is known of the keys of the configured providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// The start has left some to the key store of the system; their providers are not there yet.
    Waited,
    Known,
    /// The key store does not answer.
    Unanswered,
}

/// When each provider was last asked for its models, and what it said.
type Lists = BTreeMap<String, (Instant, Result<Vec<Model>, ProviderError>)>;

/// A provider that could be built, or why it could not.
#[derive(Clone)]
struct Source {
    id: String,
    provider: Result<Arc<dyn Provider>, String>,
    costs: BTreeMap<String, ModelCost>,
    /// The models that the configuration lists, or that detection saw.
    listed: Vec<Model>,
    /// The models that detection saw; the sign by which a change is noticed.
    seen: Vec<String>,
}

impl Catalog {
    /// Builds every configured provider whose key is at hand; [`Self::configure`] has to follow where one is not. One
    /// that cannot be built is listed with its reason.
    pub fn new(config: &Config, secrets: &Secrets) -> Self {
        let mut keys = Keys::Known;
        let mut built = Vec::new();
        for (id, provider) in &config.models.providers {
            match provider.api_key.as_ref().map(|key| secrets.resolve_now(key)) {
                None => built.push(configured(id, provider, Ok(None))),
                Some(Some(key)) => built.push(configured(id, provider, key.map(Some).map_err(|why| why.words))),
                Some(None) => keys = Keys::Waited,
            }
        }
        let shared = Shared {
            configured: RwLock::new(Arc::new(built)),
            keys: watch::Sender::new(keys),
            guide: Arc::new(Guide::new()),
            detect: watch::Sender::new(config.models.detect),
            found: watch::Sender::new(None),
            lists: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Builds the configured providers anew. A turn that has its provider keeps it.
    pub async fn configure(&self, config: &Config, secrets: &Secrets) {
        let mut keys = Keys::Known;
        let mut built = Vec::new();
        for (id, provider) in &config.models.providers {
            let key = match &provider.api_key {
                None => Ok(None),
                Some(reference) => secrets.resolve(reference).await.map(Some),
            };
            if key.as_ref().is_err_and(|why| why.later) {
                keys = Keys::Unanswered;
            }
            built.push(configured(id, provider, key.map_err(|why| why.words)));
        }
        *self.shared.configured.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(built);
        self.lock().clear();
        self.shared.detect.send_replace(config.models.detect);
        self.shared.keys.send_replace(keys);
    }

    /// Returns when [`Self::configure`] may find keys that are not here.
    pub async fn until_keys_may_be_there(&self, secrets: &Secrets) {
        let mut keys = self.shared.keys.subscribe();
        // Never an error: this holds the sender.
        let _ = keys.wait_for(|keys| *keys != Keys::Known).await;
        let unanswered = *keys.borrow() == Keys::Unanswered;
        if unanswered {
            secrets.until_the_key_store_may_answer().await;
        }
    }

    /// Past the time, what is known by then decides.
    async fn until_keys_are_known(&self) {
        let mut keys = self.shared.keys.subscribe();
        let _ = tokio::time::timeout(KEYS_WAIT, keys.wait_for(|keys| *keys != Keys::Waited)).await;
    }

    /// Which configured providers cannot be used, in words.
    pub fn trouble(&self) -> Option<String> {
        let configured = self.configured();
        let broken: Vec<_> = configured.iter().filter(|source| source.provider.is_err()).collect();
        let ids = || broken.iter().map(|source| source.id.as_str()).collect::<Vec<_>>().join(", ");
        (!broken.is_empty()).then(|| format!("these providers cannot be used: {}", ids()))
    }

    fn configured(&self) -> Arc<Vec<Source>> {
        Arc::clone(&self.shared.configured.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the first provider for its models, so that what `auto` stands for is known before the next turn.
    pub async fn ask_first(&self) {
        self.until_keys_are_known().await;
        if let Some(first) = self.configured().iter().find(|source| source.provider.is_ok()) {
            // A failure is remembered as well, and told to whoever asks.
            let _ = self.models(first).await;
        }
    }

    /// Looks for model servers on this machine, again and again; `changed` is told what differs.
    pub async fn watch_machine(self, changed: impl Fn(&str) + Send) {
        self.ask_first().await;
        let mut wanted = self.shared.detect.subscribe();
        loop {
            let look = *wanted.borrow_and_update();
            let found = if look { detect::detect(&Candidate::defaults()).await } else { vec![] };
            let mut sources = Vec::new();
            for server in found {
                let id = server.kind.id().to_owned();
                if self.configured().iter().any(|source| source.id == id) {
                    continue;
                }
                let seen = server.models.iter().map(|model| model.id.clone()).collect();
                let options = GenaiOptions {
                    id,
                    api: AdapterApi::OpenAi,
                    base_url: Some(server.base_url),
                    api_key: None,
                    models: server.models,
                };
                sources.push(source(options, BTreeMap::new(), seen));
            }
            let sign = |sources: &[Source]| {
                sources
                    .iter()
                    .map(|source| format!("{}:{}", source.id, source.seen.join(",")))
                    .collect::<Vec<_>>()
                    .join(";")
            };
            let before = self.shared.found.borrow().as_deref().map(sign).unwrap_or_default();
            let after = sign(&sources);
            self.shared.found.send_replace(Some(sources));
            if before != after {
                changed(&after);
            }
            // Sooner where the configuration says otherwise.
            let _ = tokio::time::timeout(DETECT_EVERY, wanted.changed()).await;
        }
    }

    /// The provider for a `provider/model`, or for `auto`.
    pub async fn resolve(&self, wanted: &str, reason: &'static str) -> Result<Resolved, ProviderError> {
        self.until_keys_are_known().await;
        if wanted != "auto" {
            let (provider, model) = wanted.split_once('/').unwrap_or((wanted, ""));
            return self.named(provider, model, reason).await;
        }
        for source in self.configured().iter() {
            if source.provider.is_ok() {
                return self.first_model(source).await;
            }
        }
        let mut found = self.shared.found.subscribe();
        // An error or a time-out: what is known by now decides.
        let _ = tokio::time::timeout(AUTO_WAIT, found.wait_for(Option::is_some)).await;
        let local =
            found.borrow().as_ref().and_then(|sources| sources.iter().find(|source| !source.seen.is_empty()).cloned());
        match local {
            Some(source) => self.first_model(&source).await,
            None => Ok(self.guide("auto")),
        }
    }

    /// What `auto` stands for by what is known now, without asking anyone.
    pub fn resolved_now(&self, primary: &str) -> String {
        if primary != "auto" {
            return primary.to_owned();
        }
        if let Some(source) = self.configured().iter().find(|source| source.provider.is_ok()) {
            let known = self.lock().get(&source.id).and_then(|(_, list)| list.as_ref().ok()?.first().cloned());
            return format!("{}/{}", source.id, known.map_or_else(|| "auto".to_owned(), |model| model.id));
        }
        let found = self.shared.found.borrow();
        let local = found.iter().flatten().find_map(|source| Some(format!("{}/{}", source.id, source.seen.first()?)));
        local.unwrap_or_else(|| format!("{}/{}", GUIDE.0, GUIDE.1))
    }

    /// Every model of every provider; a provider that fails is one row with its reason.
    pub async fn list(&self) -> Vec<ModelRow> {
        self.until_keys_are_known().await;
        let found = self.shared.found.borrow().clone().unwrap_or_default();
        let sources: Vec<_> = self.configured().iter().cloned().chain(found).collect();
        let lists = futures_util::future::join_all(sources.iter().map(|source| self.models(source))).await;
        let mut rows = Vec::new();
        for (source, list) in sources.iter().zip(lists) {
            match list {
                Ok(models) => rows.extend(models.iter().map(|model| row(source, model))),
                Err(reason) => rows.push(unavailable(&source.id, reason)),
            }
        }
        let guide = Source {
            id: GUIDE.0.into(),
            provider: Ok(Arc::clone(&self.shared.guide)),
            costs: BTreeMap::new(),
            listed: vec![],
            seen: vec![],
        };
        if let Ok(models) = self.shared.guide.models().await {
            rows.extend(models.iter().map(|model| row(&guide, model)));
        }
        rows
    }

    async fn named(&self, provider: &str, model: &str, reason: &'static str) -> Result<Resolved, ProviderError> {
        if (provider, model) == GUIDE {
            return Ok(self.guide(reason));
        }
        let found = self.shared.found.borrow().clone().unwrap_or_default();
        let configured = self.configured();
        let Some(source) = configured.iter().chain(&found).find(|source| source.id == provider) else {
            return Err(no_provider(
                provider,
                model,
                format!(
                    "there is no provider {provider:?}: add it under models.providers, or choose a model that `models.list` shows"
                ),
            ));
        };
        let built = source.provider.clone().map_err(|why| no_provider(provider, model, why))?;
        if model.is_empty() {
            return self.first_model(source).await;
        }
        // Only what is known already: a turn does not wait for a list that it does not need.
        let find = |models: &[Model]| models.iter().find(|known| known.id == model).cloned();
        let info = find(&source.listed)
            .or_else(|| self.lock().get(&source.id).and_then(|(_, list)| find(list.as_ref().ok()?)));
        let cost = source.costs.get(model).copied();
        Ok(Resolved { provider: built, model: model.to_owned(), reason, info, cost })
    }

    async fn first_model(&self, source: &Source) -> Result<Resolved, ProviderError> {
        let provider = source.provider.clone().map_err(|why| no_provider(&source.id, "", why))?;
        let models = match self.models_of(source, &provider).await {
            Ok(models) => models,
            Err(error) => return Err(error),
        };
        let Some(first) = models.first().cloned() else {
            return Err(no_provider(
                &source.id,
                "",
                format!("{} offers no model: load one there, or name one in the configuration", source.id),
            ));
        };
        let cost = source.costs.get(&first.id).copied();
        Ok(Resolved { provider, model: first.id.clone(), reason: "auto", info: Some(first), cost })
    }

    fn guide(&self, reason: &'static str) -> Resolved {
        let info = Some(Guide::model());
        Resolved { provider: Arc::clone(&self.shared.guide), model: GUIDE.1.to_owned(), reason, info, cost: None }
    }

    async fn models(&self, source: &Source) -> Result<Vec<Model>, String> {
        match &source.provider {
            Ok(provider) => self.models_of(source, provider).await.map_err(|error| error.message),
            Err(why) => Err(why.clone()),
        }
    }

    async fn models_of(&self, source: &Source, provider: &Arc<dyn Provider>) -> Result<Vec<Model>, ProviderError> {
        if let Some((at, list)) = self.lock().get(&source.id)
            && at.elapsed() < LIST_KEPT
        {
            return list.clone();
        }
        let list = provider.models().await;
        self.lock().insert(source.id.clone(), (Instant::now(), list.clone()));
        list
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lists> {
        self.shared.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configured(id: &str, config: &ProviderConfig, key: Result<Option<Secret>, String>) -> Source {
    let key = match key {
        Ok(key) => key,
        Err(why) => {
            let costs = BTreeMap::new();
            return Source { id: id.to_owned(), provider: Err(why), costs, listed: vec![], seen: vec![] };
        }
    };
    let models = config.models.iter().map(|model| Model {
        id: model.id.clone(),
        name: model.name.clone().unwrap_or_else(|| model.id.clone()),
        context_window: model.context_window,
        input: model.input.as_ref().map(|input| match input.contains(&ModelInput::Image) {
            true => vec![Modality::Text, Modality::Image],
            false => vec![Modality::Text],
        }),
        reasoning: model.reasoning,
        tool_use: model.tool_use,
    });
    let costs = config.models.iter().filter_map(|model| {
        model.cost.as_ref().map(|cost| (model.id.clone(), ModelCost { input: cost.input, output: cost.output }))
    });
    let api = match config.api {
        Api::Openai => AdapterApi::OpenAi,
        Api::Anthropic => AdapterApi::Anthropic,
        Api::Gemini => AdapterApi::Gemini,
        Api::Ollama => AdapterApi::Ollama,
    };
    let options = GenaiOptions {
        id: id.to_owned(),
        api,
        base_url: config.base_url.clone(),
        api_key: key.map(|key| ApiKey::new(key.expose())),
        models: models.collect(),
    };
    source(options, costs.collect(), vec![])
}

fn source(options: GenaiOptions, costs: BTreeMap<String, ModelCost>, seen: Vec<String>) -> Source {
    let (id, listed) = (options.id.clone(), options.models.clone());
    let provider = match GenaiProvider::new(options) {
        Ok(provider) => Ok(Arc::new(provider) as Arc<dyn Provider>),
        Err(error) => Err(error.message),
    };
    Source { id, provider, costs, listed, seen }
}

fn no_provider(provider: &str, model: &str, message: String) -> ProviderError {
    ProviderError {
        provider: provider.to_owned(),
        model: (!model.is_empty()).then(|| model.to_owned()),
        kind: ProviderErrorKind::Request,
        message,
        http_status: None,
        retry_after_ms: None,
    }
}

fn row(source: &Source, model: &Model) -> ModelRow {
    // Where the server does not say, text is what is sure.
    let input = model.input.as_deref().unwrap_or(&[Modality::Text]).iter().map(|modality| match modality {
        Modality::Text => "text".to_owned(),
        Modality::Image => "image".to_owned(),
    });
    ModelRow {
        id: format!("{}/{}", source.id, model.id),
        name: model.name.clone(),
        provider: source.id.clone(),
        context_window: model.context_window,
        input: input.collect(),
        reasoning: model.reasoning,
        tool_use: model.tool_use,
        cost: source.costs.get(&model.id).copied(),
        available: true,
        reason: None,
    }
}

fn unavailable(id: &str, reason: String) -> ModelRow {
    ModelRow {
        id: format!("{id}/*"),
        name: id.to_owned(),
        provider: id.to_owned(),
        context_window: None,
        input: vec![],
        reasoning: None,
        tool_use: None,
        cost: None,
        available: false,
        reason: Some(reason),
    }
}
