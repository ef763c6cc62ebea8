//! One provider as the catalogue holds it: built from the configuration, from what was found on this machine, or from
//! a draft; and what is known of its models.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simpleclaw_adapters::provider::genai::{Api as AdapterApi, GenaiOptions, GenaiProvider};
use simpleclaw_adapters::provider::{ApiKey, Modality, Model, Provider, ProviderError, ProviderErrorKind};
use simpleclaw_protocol::methods::models::ModelRow;
use tokio::time::Instant;

use super::known;
use super::price::Price;
use crate::config::{Api, ModelInput, ProviderConfig, Secret};

/// How long an answer of a provider's model list is believed.
const LIST_KEPT: Duration = Duration::from_secs(60);

/// When a provider was last asked for its models, and what it said; `None`: it was not yet.
type Asked = Option<(Instant, Result<Vec<Model>, ProviderError>)>;

/// A provider that could be built, or why it could not. Clones share what it said of its models.
#[derive(Clone)]
pub struct Source {
    pub id: String,
    pub provider: Result<Arc<dyn Provider>, String>,
    /// The models that the configuration lists, or that detection saw.
    pub listed: Vec<Model>,
    /// The models that detection saw; the sign by which a change is noticed.
    pub seen: Vec<String>,
    /// Whom the address names; by it the models are known.
    host: Option<String>,
    /// Input and output, as the configuration says.
    prices: BTreeMap<String, (f64, f64)>,
    /// Nothing it does costs money.
    free: bool,
    /// `None` where it is not of the configuration.
    made_of: Option<MadeOf>,
    asked: Arc<Mutex<Asked>>,
}

/// What a provider was built from, by which it is known again in another configuration.
#[derive(Clone, PartialEq)]
struct MadeOf {
    /// Without the key: where that is kept is no matter.
    config: ProviderConfig,
    /// The provider's own, not a copy.
    key: Option<ApiKey>,
}

impl MadeOf {
    fn new(config: &ProviderConfig, key: Option<ApiKey>) -> Self {
        Self { config: ProviderConfig { api_key: None, ..config.clone() }, key }
    }
}

impl Source {
    /// As the configuration has it, whose models it lists where it lists any. `key` is what its `apiKey` stands for, or
    /// why that is not to be had.
    pub fn configured(id: &str, config: &ProviderConfig, key: Result<Option<Secret>, String>) -> Self {
        let key = key.map(|key| key.as_ref().map(api_key));
        let made_of = key.clone().ok().map(|key| MadeOf::new(config, key));
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
        let prices = config.models.iter().filter_map(|model| {
            let cost = model.cost.as_ref()?;
            Some((model.id.clone(), (cost.input, cost.output)))
        });
        let spoken = Spoken { api: config.api, base_url: config.base_url.as_deref() };
        let mut source = Self::build(id, &spoken, key, models.collect());
        source.prices = prices.collect();
        source.made_of = made_of;
        source
    }

    /// Whether [`Self::configured`] would make the same again. What could not be built is worth another try.
    pub fn is_made_of(&self, id: &str, config: &ProviderConfig, key: &Result<Option<Secret>, String>) -> bool {
        let (Ok(key), true) = (key, self.id == id && self.provider.is_ok()) else { return false };
        self.made_of == Some(MadeOf::new(config, key.as_ref().map(api_key)))
    }

    /// One that is not saved.
    pub fn draft(id: &str, spoken: &Spoken<'_>, key: Result<Option<Secret>, String>) -> Self {
        Self::build(id, spoken, key.map(|key| key.as_ref().map(api_key)), vec![])
    }

    /// A server that was found on this machine.
    pub fn found(id: &str, base_url: String, models: Vec<Model>) -> Self {
        let seen = models.iter().map(|model| model.id.clone()).collect();
        let options = GenaiOptions {
            id: id.to_owned(),
            api: AdapterApi::OpenAi,
            base_url: Some(base_url),
            api_key: None,
            models: models.clone(),
        };
        Self { seen, listed: models, ..Self::unbuilt(id, made(options)) }
    }

    /// The guide, which is always there.
    pub fn built_in(id: &str, provider: Arc<dyn Provider>) -> Self {
        Self { free: true, ..Self::unbuilt(id, Ok(provider)) }
    }

    fn build(id: &str, spoken: &Spoken<'_>, key: Result<Option<ApiKey>, String>, models: Vec<Model>) -> Self {
        let api_key = match key {
            Ok(key) => key,
            Err(why) => return Self::unbuilt(id, Err(format!("{id}: {why}"))),
        };
        let options = GenaiOptions {
            id: id.to_owned(),
            api: match spoken.api {
                Api::Openai => AdapterApi::OpenAi,
                Api::Anthropic => AdapterApi::Anthropic,
                Api::Gemini => AdapterApi::Gemini,
                Api::Ollama => AdapterApi::Ollama,
            },
            base_url: spoken.base_url.map(str::to_owned),
            api_key,
            models: models.clone(),
        };
        let mut source = Self { host: spoken.host(), ..Self::unbuilt(id, made(options)) };
        source.listed = source.complete(models);
        source
    }

    fn unbuilt(id: &str, provider: Result<Arc<dyn Provider>, String>) -> Self {
        Self {
            id: id.to_owned(),
            provider,
            listed: vec![],
            seen: vec![],
            host: None,
            prices: BTreeMap::new(),
            free: false,
            made_of: None,
            asked: Arc::default(),
        }
    }

    /// Its models, asked for where its last word is old. A failure is remembered as well.
    pub async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        let provider = self.built("")?;
        if let Some((at, list)) = &*self.asked()
            && at.elapsed() < LIST_KEPT
        {
            return list.clone();
        }
        let list = provider.models().await.map(|models| self.complete(models));
        *self.asked() = Some((Instant::now(), list.clone()));
        list
    }

    /// What it last said of its models, however long ago.
    pub fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is known of these models to what the server said of them.
    pub fn complete(&self, mut models: Vec<Model>) -> Vec<Model> {
        if let Some(host) = &self.host {
            for model in &mut models {
                if let Some(known) = known::find(host, &model.id) {
                    known.complete(model);
                }
            }
        }
        models
    }

    /// What is known of a model that no list was asked for.
    pub fn known(&self, model: &str) -> Option<Model> {
        let known = known::find(self.host.as_deref()?, model)?;
        let mut model = Model {
            id: model.to_owned(),
            name: model.to_owned(),
            context_window: None,
            input: None,
            reasoning: None,
            tool_use: None,
        };
        known.complete(&mut model);
        Some(model)
    }

    /// The configuration's word, else the known price, else nobody knows.
    pub fn price(&self, model: &str) -> Option<Price> {
        if self.free {
            return Some(Price::FREE);
        }
        let known = self.host.as_deref().and_then(|host| known::find(host, model)?.cost);
        match self.prices.get(model) {
            Some((input, output)) => Some(Price::written(*input, *output, known.as_ref())),
            None => known,
        }
    }

    /// A model as lists show it.
    pub fn row(&self, model: &Model) -> ModelRow {
        // Where the server does not say, text is what is sure.
        let input = model.input.as_deref().unwrap_or(&[Modality::Text]).iter().map(|modality| match modality {
            Modality::Text => "text".to_owned(),
            Modality::Image => "image".to_owned(),
        });
        ModelRow {
            id: format!("{}/{}", self.id, model.id),
            name: model.name.clone(),
            provider: self.id.clone(),
            context_window: model.context_window,
            input: input.collect(),
            reasoning: model.reasoning,
            tool_use: model.tool_use,
            cost: self.price(&model.id).map(Into::into),
            available: true,
            reason: None,
            cooldown_ms: None,
        }
    }

    /// The provider itself, as one row that says why it has none.
    pub fn unavailable(&self, reason: String) -> ModelRow {
        ModelRow {
            id: format!("{}/*", self.id),
            name: self.id.clone(),
            provider: self.id.clone(),
            context_window: None,
            input: vec![],
            reasoning: None,
            tool_use: None,
            cost: None,
            available: false,
            reason: Some(reason),
            cooldown_ms: None,
        }
    }

    /// The provider ready to be asked, or why it cannot be.
    pub fn built(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        self.provider.clone().map_err(|why| no_provider(&self.id, model, why))
    }
}

/// Where a provider is, and what it speaks.
#[derive(Debug, Clone, Copy)]
pub struct Spoken<'a> {
    pub api: Api,
    pub base_url: Option<&'a str>,
}

impl Spoken<'_> {
    fn host(&self) -> Option<String> {
        match self.base_url {
            Some(url) => Some(url.parse::<http::Uri>().ok()?.host()?.to_ascii_lowercase()),
            None => match self.api {
                Api::Openai => Some("api.openai.com".to_owned()),
                Api::Anthropic => Some("api.anthropic.com".to_owned()),
                Api::Gemini => Some("generativelanguage.googleapis.com".to_owned()),
                Api::Ollama => None,
            },
        }
    }
}

fn api_key(key: &Secret) -> ApiKey {
    ApiKey::new(key.expose())
}

fn made(options: GenaiOptions) -> Result<Arc<dyn Provider>, String> {
    match GenaiProvider::new(options) {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(error) => Err(error.message),
    }
}

/// An error of ours about a provider that was never asked.
pub fn no_provider(provider: &str, model: &str, message: String) -> ProviderError {
    ProviderError {
        provider: provider.to_owned(),
        model: (!model.is_empty()).then(|| model.to_owned()),
        kind: ProviderErrorKind::Request,
        message,
        http_status: None,
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelConfig, ModelCost};

    #[test]
    fn a_price_is_the_persons_else_the_known_one_else_none() {
        let model = |id: &str, cost| ModelConfig { id: id.to_owned(), cost, ..ModelConfig::default() };
        let config = |base_url: Option<&str>| ProviderConfig {
            api: Api::Openai,
            base_url: base_url.map(str::to_owned),
            api_key: None,
            models: vec![
                model("gpt-4o", None),
                model("gpt-4o-mini", Some(ModelCost { input: 0.3, output: 1.0 })),
                model("own", None),
            ],
        };
        let prices = |base_url| {
            let source = Source::configured("work", &config(base_url), Ok(None));
            ["gpt-4o", "gpt-4o-mini", "own"]
                .map(|model| source.price(model).map(|price| (price.input, price.cache_read)))
        };
        let own = Some((0.3, Some(0.075 / 0.15 * 0.3)));
        assert_eq!(prices(None), [Some((2.5, Some(1.25))), own, None]);
        assert_eq!(prices(Some("https://API.openai.com/v1")), prices(None));
        assert_eq!(prices(Some("https://llm.example/v1")), [None, Some((0.3, None)), None]);
        let listed = Source::configured("work", &config(None), Ok(None)).listed;
        assert_eq!(listed.first().and_then(|model| model.context_window), Some(128_000));
        assert_eq!(listed.last().and_then(|model| model.context_window), None);
    }
}
