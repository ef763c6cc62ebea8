//! Models and the providers that serve them: the configured ones, the servers found on this machine, the guide.
//! Speaking to a provider is `adapters`'.
//!
//! `source` is one provider, `known` what is known without asking, `price` what a call costs, `cooldown` who failed a
//! moment ago, `probe` whether a provider answers.

mod cooldown;
mod known;
mod price;
mod probe;
mod source;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use simpleclaw_adapters::provider::detect::{self, Candidate};
use simpleclaw_adapters::provider::guide::Guide;
use simpleclaw_adapters::provider::{Modality, Model, Provider, ProviderError, ProviderErrorKind};
use simpleclaw_protocol::methods::models::ModelRow;
use tokio::sync::watch;

use crate::config::Config;
use crate::secrets::Secrets;

use cooldown::Cooldowns;
pub use price::Price;
pub use probe::{Probe, Probed, Used};
use source::no_provider;
pub use source::{Source, Spoken};

/// How long a turn of an `auto` agent waits for the first look around.
const AUTO_WAIT: Duration = Duration::from_millis(500);
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
    /// `None`: nobody knows.
    pub price: Option<Price>,
}

impl Resolved {
    /// `provider/model`
    pub fn id(&self) -> String {
        format!("{}/{}", self.provider.id(), self.model)
    }

    /// Whether the provider is somebody else; the guide is part of the gateway.
    pub fn is_asked(&self) -> bool {
        self.provider.id() != GUIDE.0
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
    cooldowns: Cooldowns,
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

impl Catalog {
    /// Builds every configured provider whose key is at hand; [`Self::configure`] has to follow where one is not. One
    /// that cannot be built is listed with its reason.
    pub fn new(config: &Config, secrets: &Secrets) -> Self {
        let mut keys = Keys::Known;
        let mut built = Vec::new();
        for (id, provider) in &config.models.providers {
            match provider.api_key.as_ref().map(|key| secrets.resolve_now(key)) {
                None => built.push(Source::configured(id, provider, Ok(None))),
                Some(Some(key)) => built.push(Source::configured(id, provider, key.map(Some).map_err(|why| why.words))),
                Some(None) => keys = Keys::Waited,
            }
        }
        let shared = Shared {
            configured: RwLock::new(Arc::new(built)),
            keys: watch::Sender::new(keys),
            guide: Arc::new(Guide::new()),
            detect: watch::Sender::new(config.models.detect),
            found: watch::Sender::new(None),
            cooldowns: Cooldowns::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Builds the providers whose configuration or key is another one now. The others stay, with their connections,
    /// their lists of models and their failures. A turn that has its provider keeps it.
    pub async fn configure(&self, config: &Config, secrets: &Secrets) {
        let mut keys = Keys::Known;
        let mut resolved = Vec::new();
        for provider in config.models.providers.values() {
            let key = match &provider.api_key {
                None => Ok(None),
                Some(reference) => secrets.resolve(reference).await.map(Some),
            };
            if key.as_ref().is_err_and(|why| why.later) {
                keys = Keys::Unanswered;
            }
            resolved.push(key.map_err(|why| why.words));
        }
        // Only now: a key store may have taken its time.
        let before = self.configured();
        let mut others: BTreeSet<&str> = before.iter().map(|source| source.id.as_str()).collect();
        let mut built = Vec::new();
        for ((id, provider), key) in config.models.providers.iter().zip(resolved) {
            if let Some(same) = before.iter().find(|source| source.is_made_of(id, provider, &key)) {
                others.remove(id.as_str());
                built.push(same.clone());
            } else {
                // Also where a server that was found had this name.
                others.insert(id);
                built.push(Source::configured(id, provider, key));
            }
        }
        *self.shared.configured.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(built);
        for id in others {
            self.shared.cooldowns.forget(id);
        }
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
            let _ = first.models().await;
        }
    }

    /// Looks for model servers on this machine, again and again; `changed` is told what differs.
    pub async fn watch_machine(self, changed: impl Fn(&str) + Send) {
        self.ask_first().await;
        let mut wanted = self.shared.detect.subscribe();
        let mut found = Vec::new();
        loop {
            let look = *wanted.borrow_and_update();
            found = if look { detect::detect(&Candidate::defaults(), &found).await } else { vec![] };
            let mut sources = Vec::new();
            for server in &found {
                let id = server.kind.id();
                if !self.configured().iter().any(|source| source.id == id) {
                    sources.push(Source::found(id, server.base_url.clone(), server.models.clone()));
                }
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
            // Sooner where the configuration says otherwise, or one that was found failed.
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
                return first_model(source).await;
            }
        }
        let mut found = self.shared.found.subscribe();
        // An error or a time-out: what is known by now decides.
        let _ = tokio::time::timeout(AUTO_WAIT, found.wait_for(Option::is_some)).await;
        let local =
            found.borrow().as_ref().and_then(|sources| sources.iter().find(|source| !source.seen.is_empty()).cloned());
        match local {
            Some(source) => first_model(&source).await,
            None => Ok(self.guide("auto")),
        }
    }

    /// What `auto` stands for by what is known now, without asking anyone.
    pub fn resolved_now(&self, primary: &str) -> String {
        if primary != "auto" {
            return primary.to_owned();
        }
        if let Some(source) = self.configured().iter().find(|source| source.provider.is_ok()) {
            let known = source.asked().as_ref().and_then(|(_, list)| list.as_ref().ok()?.first().cloned());
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
        let lists = futures_util::future::join_all(sources.iter().map(|source| source.models())).await;
        let mut rows = Vec::new();
        for (source, list) in sources.iter().zip(lists) {
            match list {
                Ok(models) => rows.extend(models.iter().map(|model| source.row(model))),
                Err(error) => rows.push(source.unavailable(error.message)),
            }
        }
        for row in &mut rows {
            let left = self.shared.cooldowns.left(&row.id);
            row.cooldown_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        }
        rows.push(self.guide_source().row(&Guide::model()));
        rows
    }

    /// Notes that a model failed: for a while it is asked after others. Where it was of a server on this machine, that
    /// may be gone, and the next message should not have to find out.
    pub fn failed(&self, error: &ProviderError) {
        self.shared.cooldowns.failed(error);
        let was_found = || self.shared.found.borrow().iter().flatten().any(|source| source.id == error.provider);
        if error.kind == ProviderErrorKind::Network && was_found() {
            self.shared.detect.send_modify(|_| ());
        }
    }

    pub fn succeeded(&self, resolved: &Resolved) {
        self.shared.cooldowns.succeeded(resolved.provider.id(), &resolved.model);
    }

    /// How long what is asked for (`provider/model` or `auto`) still counts as failing.
    pub fn cooling(&self, wanted: &str) -> Option<Duration> {
        self.shared.cooldowns.left(&self.resolved_now(wanted))
    }

    /// A provider to be tested; `None`: there is none of this id.
    pub fn probe(&self, provider: &str) -> Option<Probe> {
        if provider == GUIDE.0 {
            return Some(Probe::of(self.guide_source()));
        }
        let found = self.shared.found.borrow();
        let configured = self.configured();
        let mut sources = configured.iter().chain(found.iter().flatten());
        sources.find(|source| source.id == provider).cloned().map(Probe::of)
    }

    fn guide_source(&self) -> Source {
        Source::built_in(GUIDE.0, Arc::clone(&self.shared.guide))
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
        let built = source.built(model)?;
        if model.is_empty() {
            return first_model(source).await;
        }
        // Only what is known already: a turn does not wait for a list that it does not need.
        let find = |models: &[Model]| models.iter().find(|known| known.id == model).cloned();
        let info = find(&source.listed)
            .or_else(|| source.asked().as_ref().and_then(|(_, list)| find(list.as_ref().ok()?)))
            .or_else(|| source.known(model));
        Ok(Resolved { provider: built, model: model.to_owned(), reason, info, price: source.price(model) })
    }

    fn guide(&self, reason: &'static str) -> Resolved {
        let (info, price) = (Some(Guide::model()), Some(Price::FREE));
        Resolved { provider: Arc::clone(&self.shared.guide), model: GUIDE.1.to_owned(), reason, info, price }
    }
}

/// A provider with the first model that it offers.
async fn first_model(source: &Source) -> Result<Resolved, ProviderError> {
    let provider = source.built("")?;
    let Some(first) = source.models().await?.first().cloned() else {
        return Err(no_provider(
            &source.id,
            "",
            format!("{} offers no model: load one there, or name one in the configuration", source.id),
        ));
    };
    let price = source.price(&first.id);
    Ok(Resolved { provider, model: first.id.clone(), reason: "auto", info: Some(first), price })
}

#[cfg(all(test, unix))]
mod tests;
