//! Secrets in the configuration: by reference, or as text.
//!
//! Elsewhere: hiding them in what is shown (`mask`). Not here yet: the key store of the system.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::mask::MASK;
use super::{read, tree};
use crate::logging;

/// Largest secret that is read from a file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

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

/// Where a secret is: text in the file, `{secret: name}` in `secrets.yaml`, `{env: NAME}`, or `{file: path}`.
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
                reference("secret", "By name, in `secrets.yaml`."),
                reference("env", "In an environment variable."),
                reference("file", "In a file; a relative path starts in the home."),
            ],
        })
    }
}

impl SecretRef {
    /// Fetches the secret. `home` is the gateway's folder. An error says what is missing and how to put it right, and
    /// never holds the value. What is found is kept out of the logs from then on.
    pub fn resolve(&self, home: &Path) -> Result<Secret, String> {
        let text = match self {
            Self::Literal(secret) => secret.0.clone(),
            Self::Secret { secret } => from_secrets_file(&home.join("secrets.yaml"), secret)?,
            Self::Env { env } => match std::env::var(env) {
                Ok(text) if !text.is_empty() => text,
                _ => return Err(format!("the environment variable {env} is not set; set it for the gateway")),
            },
            Self::File { file } => from_file(&home.join(file))?,
        };
        logging::register_secret(&text);
        Ok(Secret(text))
    }
}

fn from_file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty; put the secret into it", path.display())),
        _ if text.len() as u64 > MAX_SECRET_BYTES => Err(format!("{} is too large for a secret", path.display())),
        secret => Ok(secret.to_owned()),
    }
}

fn from_secrets_file(path: &Path, name: &str) -> Result<String, String> {
    let remedy = || format!("write `{name}: …` into {} and give it mode 0600", path.display());
    let source = read::source(path)
        .map_err(|bad| format!("cannot read {}: {}", path.display(), bad.mistake.words))?
        .ok_or_else(|| format!("there is no secret `{name}`; {}", remedy()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let open = path.metadata().is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
        if open {
            return Err(format!("other users may read {0}; run `chmod 600 {0}`", path.display()));
        }
    }
    let tree = tree::parse(&source.text)
        .map_err(|at| format!("{}:{}:{}: {}", path.display(), at.line, at.column, at.words))?;
    match tree.value().get(name) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(format!("`{name}` in {} is no text; put it in quotes", path.display())),
        None => Err(format!("there is no secret `{name}`; {}", remedy())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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

    #[test]
    fn found_or_missing_in_words_without_the_value() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path();
        let resolve = |yaml: &str| reference(yaml).resolve(home).map(|secret| secret.expose().to_owned());
        assert_eq!(resolve("plain").as_deref(), Ok("plain"));
        fs::write(home.join("key"), "from-file\n").expect("writes");
        fs::write(home.join("none"), "\n").expect("writes");
        assert_eq!(resolve("{file: key}").as_deref(), Ok("from-file"));
        assert_eq!(resolve("{env: CARGO_PKG_NAME}").as_deref(), Ok("simpleclaw-gateway"));
        for (yaml, words) in [
            ("{file: none}", "is empty"),
            ("{file: absent}", "cannot read the secret in"),
            ("{file: .}", "cannot read the secret in"),
            ("{env: SIMPLECLAW_SURELY_NOT_SET}", "SIMPLECLAW_SURELY_NOT_SET is not set"),
            ("{secret: work}", "there is no secret `work`; write `work: …` into"),
        ] {
            let error = resolve(yaml).expect_err(yaml);
            assert!(error.contains(words), "{yaml}: {error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn secrets_yaml_must_be_private_and_hold_text() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.yaml");
        let with = |text: &str, mode: u32| {
            fs::write(&path, text).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
            reference("{secret: work}").resolve(folder.path()).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(with("work: hunter2-abc\n", 0o600).as_deref(), Ok("hunter2-abc"));
        for (text, mode, words) in [
            ("work: hunter2-abc\n", 0o640, "chmod 600"),
            ("work: 42\n", 0o600, "put it in quotes"),
            ("other: x\n", 0o600, "there is no secret `work`"),
            ("work: 'hunter2-abc\n", 0o600, "this quote is never closed"),
            ("- hunter2-abc\n", 0o600, "there is no secret `work`"),
        ] {
            let error = with(text, mode).expect_err(text);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
