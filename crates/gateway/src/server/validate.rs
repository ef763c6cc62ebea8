//! JSON Schema validators, compiled when first used, and their findings in words. The one place that knows the
//! validating library.

use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use simpleclaw_protocol::handshake::ConnectParams;
use simpleclaw_protocol::methods::{self, MethodSpec};
use simpleclaw_protocol::{Issue, WireError, schema};

/// Findings told at most.
const MAX_ISSUES: usize = 20;

struct Compiled {
    params: OnceLock<Option<Validator>>,
    result: OnceLock<Option<Validator>>,
}

/// In the order of the method table.
static METHODS: LazyLock<Vec<Compiled>> =
    LazyLock::new(|| methods::built().map(|_| Compiled { params: OnceLock::new(), result: OnceLock::new() }).collect());

static CONNECT: LazyLock<Option<Validator>> = LazyLock::new(|| compile("connect", &schema::of::<ConnectParams>()));

fn compile(name: &str, schema: &Value) -> Option<Validator> {
    match jsonschema::validator_for(schema) {
        Ok(validator) => Some(validator),
        Err(error) => {
            // A test compiles every schema; in the field the typed reading still stands.
            tracing::error!(name, %error, "a schema that does not compile");
            None
        }
    }
}

/// Checks the params of a built method; `index` is its place in the table.
pub fn params(index: usize, spec: &MethodSpec, params: &Value) -> Result<(), WireError> {
    let Some(compiled) = METHODS.get(index) else { return Ok(()) };
    let validator = compiled.params.get_or_init(|| compile(spec.name, &schema::params(spec)));
    check("invalid params", validator.as_ref(), params)
}

/// Checks what a handler is about to answer. Debug builds only: clients may rely on it.
pub fn result(index: usize, spec: &MethodSpec, result: &Value) -> Result<(), WireError> {
    let Some(compiled) = METHODS.get(index) else { return Ok(()) };
    let validator = compiled.result.get_or_init(|| compile(spec.name, &schema::result(spec)));
    check("an answer against its schema", validator.as_ref(), result)
}

/// Checks the params of `connect`.
pub fn connect(params: &Value) -> Result<(), WireError> {
    check("invalid params", CONNECT.as_ref(), params)
}

fn check(what: &str, validator: Option<&Validator>, value: &Value) -> Result<(), WireError> {
    let Some(validator) = validator else { return Ok(()) };
    if validator.is_valid(value) {
        return Ok(());
    }
    let mut issues = Vec::new();
    for error in validator.iter_errors(value).take(MAX_ISSUES) {
        let place = error.instance_path().as_str().to_owned();
        match error.kind() {
            // The place of a member that is too much, or is missing, is that member.
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                for name in unexpected.iter().take(MAX_ISSUES) {
                    let name = short(name, 80);
                    issues.push(Issue::new(join(&place, &name), format!("unknown member {name:?}")));
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                issues.push(Issue::new(join(&place, name), "is required"));
            }
            // Where no member is allowed at all, the library names none.
            ValidationErrorKind::FalseSchema if value.pointer(&place).is_some_and(Value::is_object) => {
                let object = value.pointer(&place).and_then(Value::as_object);
                for name in object.into_iter().flat_map(|object| object.keys()).take(MAX_ISSUES) {
                    let name = short(name, 80);
                    issues.push(Issue::new(join(&place, &name), format!("unknown member {name:?}")));
                }
            }
            // Masked: what a client sends may be a secret, and an error goes to logs and screens.
            _ => issues.push(Issue::new(place, short(&error.masked().to_string(), 240))),
        }
    }
    Err(WireError::issues(what, issues))
}

fn join(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The start of a text that a stranger may have chosen.
fn short(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_schema_compiles() {
        for (path, content) in schema::files() {
            for part in ["params", "result", "payload"] {
                if let Some(schema) = content.get(part) {
                    assert!(compile(&path, schema).is_some(), "{path} {part}");
                }
            }
        }
    }

    #[test]
    fn findings_name_their_place() {
        let Some(methods::Lookup::Built { index, spec, .. }) = methods::lookup("chat.history") else { panic!("built") };
        for (value, path, words) in [
            (json!({}), "/sessionKey", "is required"),
            (json!({"sessionKey": "main", "limt": 5}), "/limt", "unknown member"),
            (json!({"sessionKey": "main", "limit": 0}), "/limit", "minimum"),
            (json!({"sessionKey": "main", "limit": 1.5}), "/limit", "integer"),
            (json!({"sessionKey": 5}), "/sessionKey", "string"),
            (json!({"sessionKey": "main", "before": null}), "/before", "string"),
        ] {
            let error = params(index, spec, &value).expect_err("invalid");
            let issue = &error.details.as_ref().expect("details")["issues"][0];
            assert_eq!(issue["path"], path, "{value}");
            assert!(issue["message"].as_str().is_some_and(|text| text.contains(words)), "{issue}");
        }
        assert_eq!(params(index, spec, &json!({"sessionKey": "main", "limit": 1000})), Ok(()));
    }

    #[test]
    fn findings_quote_no_value() {
        let Some(methods::Lookup::Built { index, spec, .. }) = methods::lookup("secrets.set") else { panic!("built") };
        for value in [json!("hunter2".repeat(20_000)), json!(["hunter2"]), json!({"hunter2": "hunter2"})] {
            let error = params(index, spec, &json!({"name": "work", "value": value})).expect_err("invalid");
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
    }
}
