//! Secrets in the configuration: by reference, or as text.
//!
//! Elsewhere: hiding them in what is shown (`mask`), fetching them (`secrets`).

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::mask::MASK;

/// A secret's text. `Debug` and `Serialize` show nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Where a secret is: text in the file, `{secret: name}`, `{env: NAME}`, or `{file: path}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SecretRef {
    Literal(Secret),
    Secret { secret: String },
    Env { env: String },
    File { file: String },
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let reference = |key: &str, description: &str| {
            json_schema!({
                "type": "object",
                "description": description,
                "properties": { key: { "type": "string", "minLength": 1, "maxLength": 4096 } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "The secret itself. Better kept outside of this file." },
                reference("secret", "By name, as `simpleclaw secrets` knows it."),
                reference("env", "In an environment variable."),
                reference("file", "In a file; a relative path starts in the home."),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn reference(yaml: &str) -> SecretRef {
        serde_json::from_value(tree::parse(yaml).expect("is YAML").value()).expect("is a reference")
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let literal = reference("hunter2");
        assert_eq!(format!("{literal:?}"), "Literal(Secret(…))");
        assert_eq!(serde_json::to_value(&literal).expect("serializes"), MASK);
        let named = reference("{secret: a}");
        assert_eq!(serde_json::to_value(&named).expect("serializes"), serde_json::json!({"secret": "a"}));
    }
}
