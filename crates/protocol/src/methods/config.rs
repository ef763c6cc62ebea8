//! `config.*`: the configuration file, its value, its schema. Secrets are masked everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource;

resource! {
    ConfigGet "config.get" Read ReadOnly (ConfigGetParams) -> ConfigGetResult;
    ConfigSchema "config.schema" Read ReadOnly (ConfigSchemaParams) -> ConfigSchemaResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigGetParams {
    /// Dotted, or a JSON Pointer where it starts with `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigGetResult {
    pub path: String,
    /// SHA-256 of the file's text, hex; of the empty text where there is no file.
    pub hash: String,
    /// The file's text, masked.
    pub raw: String,
    /// Effective, with defaults.
    pub value: Value,
    pub valid: bool,
    pub issues: Vec<ConfigIssue>,
    pub schema_version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigIssue {
    /// JSON Pointer.
    pub path: String,
    /// From 1; 0 where the place is unknown.
    pub line: u64,
    pub column: u64,
    pub message: String,
    pub severity: IssueSeverity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssueSeverity {
    Warning,
    Error,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigSchemaParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSchemaResult {
    pub schema: Value,
    /// By JSON Pointer: `{order?, advanced?, secret?, reload}`.
    pub ui_hints: Value,
    pub version: u32,
}
