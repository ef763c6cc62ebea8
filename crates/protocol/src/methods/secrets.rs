//! `secrets.*`: secrets by name. They go in and never come out: no answer, event or error holds one.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{NoParams, resource};

resource! {
    SecretsList "secrets.list" Admin ReadOnly (NoParams) -> SecretsListResult;
    SecretsSet "secrets.set" Admin Optional (SecretsSetParams) -> SecretsSetResult;
    SecretsRemove "secrets.remove" Admin Optional (SecretsRemoveParams) -> SecretsRemoveResult;
}

/// Longest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// A secret on its way in. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn into_inner(self) -> String {
        self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_SECRET_BYTES })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretsSetParams {
    /// 1 to 64 of a-z 0-9 . _ - that start with a letter or digit; `{secret: name}` in the configuration.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// At most 64 KiB. Replaces the one that is there.
    pub value: SecretText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsSetResult {
    pub name: String,
    pub place: SecretPlace,
    /// JSON Pointers into the configuration.
    pub used_in: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretsRemoveParams {
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsRemoveResult {
    pub name: String,
    /// What is without its secret now: JSON Pointers into the configuration.
    pub used_in: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsListResult {
    /// By name; with those that the configuration names and that are nowhere.
    pub secrets: Vec<SecretRow>,
    /// Where a secret goes that is set now.
    pub place: SecretPlace,
    /// What is wrong, each with what mends it.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRow {
    pub name: String,
    /// Absent: there is none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SecretPlace>,
    /// JSON Pointers into the configuration.
    pub used_in: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretPlace {
    /// The key store of the operating system.
    KeyStore,
    /// `secrets.yaml` in the gateway's home.
    File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_show_no_secret() {
        let params = SecretsSetParams { name: "work".into(), value: SecretText::new("hunter2"), idempotency_key: None };
        let shown = format!("{params:?}");
        assert!(shown.contains("work") && !shown.contains("hunter2"), "{shown}");
        assert_eq!(serde_json::to_value(&params).expect("goes out")["value"], "hunter2");
    }
}
