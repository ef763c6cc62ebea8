//! `models`: providers, and what is known of their models.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::schema::ordered;
use crate::config::secret::SecretRef;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<ModelsConfig>)]
pub struct ModelsConfig {
    /// The providers, by an id that stands before the `/` in `provider/model`.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Looks for model servers on this machine (Ollama, llama-server, LM Studio).
    pub detect: bool,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self { providers: BTreeMap::new(), detect: true }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<ProviderConfig>)]
pub struct ProviderConfig {
    /// What the provider speaks.
    pub api: Api,
    /// Where it is; the provider's public address where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), example = &"https://llm.example/v1")]
    pub base_url: Option<String>,
    /// Absent: requests carry no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
    /// The models; where empty, the provider is asked for its list.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub models: Vec<ModelConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// OpenAI, and everything that speaks its chat completions.
    Openai,
    Anthropic,
    Gemini,
    Ollama,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<ModelConfig>)]
pub struct ModelConfig {
    /// As the provider calls it.
    #[schemars(length(min = 1, max = 256))]
    pub id: String,
    /// What people see; the id where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<u32>,
    /// What a message to it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Vec<ModelInput>>,
    /// Whether it can show its thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Whether it can call tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_use: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<ModelCost>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelInput {
    Text,
    Image,
}

impl ModelInput {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
        }
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<ModelCost>)]
pub struct ModelCost {
    /// What the model reads.
    #[schemars(range(min = 0))]
    pub input: f64,
    /// What it writes.
    #[schemars(range(min = 0))]
    pub output: f64,
}
