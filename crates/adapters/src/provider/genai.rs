//! The configured provider: one server, its key, and the shape it speaks.
//!
//! Deliberately elsewhere: the OpenAI-compatible shape (`openai`), Anthropic's and Gemini's
//! through the `genai` crate (`vendor`), the list of models (`models`).

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use genai::adapter::AdapterKind;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url};

use super::error::{Origin, ProviderError, ProviderErrorKind};
use super::{ApiKey, ChatRequest, ChatStream, Model, Provider, http, models, openai, vendor};

/// The shape a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    OpenAi,
    Anthropic,
    Gemini,
    /// The OpenAI-compatible side of Ollama; a base URL without a path gets its `/v1`.
    Ollama,
}

impl Api {
    fn default_base_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
            Self::Ollama => "http://127.0.0.1:11434/v1",
        }
    }
}

/// A provider as the configuration describes it.
#[derive(Debug, Clone)]
pub struct GenaiOptions {
    pub id: String,
    pub api: Api,
    /// With or without a slash at its end; `None` is the vendor's own address.
    pub base_url: Option<String>,
    /// `None` sends no header for one.
    pub api_key: Option<ApiKey>,
    /// The provider's list of models; empty asks the server.
    pub models: Vec<Model>,
}

/// A model server, local or hosted.
pub struct GenaiProvider {
    origin: Origin,
    api: Api,
    base: Url,
    models: Vec<Model>,
    client: Client,
    genai: genai::Client,
}

/// Without the base URL: it may hold a password.
impl fmt::Debug for GenaiProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenaiProvider").field("origin", &self.origin).field("api", &self.api).finish_non_exhaustive()
    }
}

impl GenaiProvider {
    /// # Errors
    /// `Request` if the base URL is not an http or https address, `Auth` if the key cannot be
    /// sent, `Network` if no HTTP client can be made. Nothing is sent here.
    pub fn new(options: GenaiOptions) -> Result<Self, ProviderError> {
        let mut origin = Origin {
            provider: options.id,
            model: None,
            server: "the server".to_owned(),
            key: options.api_key.filter(|key| !key.expose().is_empty()),
        };
        let written = options.base_url.as_deref().unwrap_or_else(|| options.api.default_base_url());
        let parsed = Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(mut base) = parsed else {
            let text = "its baseUrl is not an address that starts with http:// or https://. Correct baseUrl.";
            return Err(origin.error(ProviderErrorKind::Request, text));
        };
        if origin.key.as_ref().is_some_and(|key| HeaderValue::from_str(key.expose()).is_err()) {
            let text = "its apiKey has characters that no key has. Set the provider's apiKey anew.";
            return Err(origin.error(ProviderErrorKind::Auth, text));
        }
        if options.api == Api::Ollama && base.path() == "/" {
            base.set_path("/v1");
        }
        // The origin only: the rest of the address may hold a password.
        origin.server = base.origin().ascii_serialization();
        let client = http::client(&base).map_err(|error| {
            let text = format!("no HTTP client can be made: {}.", error.without_url());
            origin.error(ProviderErrorKind::Network, &text)
        })?;
        let genai = genai::Client::builder().with_reqwest(client.clone()).build().map_err(|_| {
            origin.error(ProviderErrorKind::Network, "no HTTP client can be made. Restart the gateway.")
        })?;
        Ok(Self { origin, api: options.api, base, models: options.models, client, genai })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let origin = Origin { model: Some(request.model.clone()), ..self.origin.clone() };
        match self.api {
            Api::OpenAi | Api::Ollama => openai::stream(&self.client, &self.base, origin, request).await,
            Api::Anthropic => vendor::stream(&self.genai, AdapterKind::Anthropic, &self.base, origin, request).await,
            Api::Gemini => vendor::stream(&self.genai, AdapterKind::Gemini, &self.base, origin, request).await,
        }
    }
}

impl Provider for GenaiProvider {
    fn id(&self) -> &str {
        &self.origin.provider
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, ProviderError>> {
        async move {
            if self.models.is_empty() {
                models::list(&self.client, self.api, &self.base, &self.origin).await
            } else {
                Ok(self.models.clone())
            }
        }
        .boxed()
    }

    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ProviderError>> {
        self.chat(request).boxed()
    }
}
