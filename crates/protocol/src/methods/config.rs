//! `config.*`: the configuration file, its value, its schema. Secrets are masked everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{NoParams, resource};
use crate::time::Timestamp;

resource! {
    ConfigGet "config.get" Read ReadOnly (ConfigGetParams) -> ConfigGetResult;
    ConfigSchema "config.schema" Read ReadOnly (ConfigSchemaParams) -> ConfigSchemaResult;
    ConfigSet "config.set" Admin Optional (ConfigSetParams) -> ConfigChangeResult;
    ConfigPatch "config.patch" Admin Optional (ConfigPatchParams) -> ConfigChangeResult;
    ConfigHistory "config.history" Read ReadOnly (NoParams) -> ConfigHistoryResult;
    ConfigRestore "config.restore" Admin Optional (ConfigRestoreParams) -> ConfigChangeResult;
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
    /// What runs, with defaults.
    pub value: Value,
    /// Whether the file has no errors; else what ran before goes on.
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

/// One value (`path` and `value`), or the whole file (`raw` and `baseHash`). A mask in either leaves the stored secret
/// as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigSetParams {
    /// Dotted, or a JSON Pointer where it starts with `/`; empty is everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
    /// `null` removes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Value>,
    /// The whole text of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_048_576))]
    pub raw: Option<String>,
    /// `hash` of the text that the change starts from; where the file has another, the answer is CONFLICT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub base_hash: Option<String>,
    /// Answers what would happen, and writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

/// `null` is a value here, and not the same as none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigPatchParams {
    /// JSON Merge Patch (RFC 7396): `null` removes, lists are replaced.
    pub patch: serde_json::Map<String, Value>,
    /// As in `config.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub base_hash: Option<String>,
    /// As in `config.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigRestoreParams {
    /// Of `config.history`: the file becomes what it was before that change.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// As in `config.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub base_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigChangeResult {
    /// Of the file as it is now; with `dryRun`, as it would be.
    pub hash: String,
    /// JSON Pointers of what differs in the file; at most 200.
    pub changed_paths: Vec<String>,
    pub applied: Applied,
    /// JSON Pointers of the changed keys that the next start applies.
    pub restart_paths: Vec<String>,
    /// What `config.get` says at the path now, masked; `null` where there is nothing any more. Everything where the
    /// change had no one path.
    pub value: Value,
    /// Unified, masked, cut at 32 KiB; empty where the text is the same.
    pub diff: String,
    /// What is unwise in the file, though no error.
    pub issues: Vec<ConfigIssue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// All of it, now.
    Live,
    /// Some of it at the next start; `restartPaths` says what.
    Restart,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigHistoryResult {
    /// The last 50 changes, newest first.
    pub versions: Vec<ConfigVersion>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigVersion {
    /// Names the file as it was before the change.
    pub id: String,
    pub at: Timestamp,
    /// Who changed it.
    pub by: String,
    /// What the change did: unified, masked, cut at 32 KiB.
    pub diff: String,
}
