//! `providers.*`: whether a model provider answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::models::ModelRow;
use super::resource;

resource! {
    ProvidersTest "providers.test" Admin Optional (ProvidersTestParams) -> ProvidersTestResult;
}

/// Either `provider` or `draft`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvidersTestParams {
    /// The id of one that is configured, or that was found on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub provider: Option<String>,
    /// One that is not saved. Its key is used for this test alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<ProviderDraft>,
    /// Is asked for one short answer, which is a call like any other: booked, and held against the caps. Absent: the
    /// first model that the configuration lists for the provider; where it lists none, the provider is only asked for
    /// its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// Taken as by every method of this scope. A test changes nothing, so nothing is kept under it: a repeat tests anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

/// As it would stand under `models.providers.<id>`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderDraft {
    /// For the words of errors; `draft` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub id: Option<String>,
    pub api: DraftApi,
    /// The provider's public address where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub base_url: Option<String>,
    /// Absent: requests carry no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<DraftKey>,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DraftApi {
    /// OpenAI, and everything that speaks its chat completions.
    Openai,
    Anthropic,
    Gemini,
    Ollama,
}

/// A key, or where it is.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum DraftKey {
    /// The key itself.
    Text(#[schemars(length(min = 1))] String),
    /// By name, from the gateway's secrets.
    Secret { secret: String },
    /// In an environment variable of the gateway.
    Env { env: String },
    /// In a file; a relative path starts in the home.
    File { file: String },
}

/// Without the key.
impl std::fmt::Debug for DraftKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DraftKey(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvidersTestResult {
    pub ok: bool,
    /// What was tried, and proved where `ok`: some servers give their list to anybody, and only an answer proves a key.
    /// Absent where nothing could be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<ProviderCheck>,
    /// Until the list was there, or the first piece of the answer; absent where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// `provider/model` that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the provider offers, as in `models.list`; absent where it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ProviderTestError>,
}

/// Why a test failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderTestError {
    /// As `provider.kind` of a run's error, such as `auth`; or `cap`: what may be spent is spent.
    pub kind: String,
    /// Who failed, why, and what to do.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderCheck {
    /// Its list of models.
    Models,
    /// An answer of one of them.
    Answer,
}
