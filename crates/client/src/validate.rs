//! Params are checked before they are sent, against the same schemas that the gateway checks them against.

use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde_json::Value;
use simpleclaw_protocol::methods::{self, Lookup, lookup};
use simpleclaw_protocol::{Issue, WireError, schema};

/// The gateway reports no more either.
const MAX_ISSUES: usize = 16;

/// One place per built method, in the table's order; compiled when first used, because a CLI call needs one of them.
static VALIDATORS: LazyLock<Vec<OnceLock<Option<Validator>>>> =
    LazyLock::new(|| methods::built().map(|_| OnceLock::new()).collect());

/// Checks params against the method's schema. A method that this version does not know (a plugin's, a planned one) is
/// the gateway's to judge.
pub fn params(method: &str, params: &Value) -> Result<(), WireError> {
    let Some(Lookup::Built { index, spec, .. }) = lookup(method) else {
        return Ok(());
    };
    let validator = VALIDATORS.get(index).and_then(|place| {
        // A schema that does not compile would be a mistake of the table; its own test finds it.
        place.get_or_init(|| jsonschema::options().build(&schema::params(spec)).ok()).as_ref()
    });
    let Some(validator) = validator else {
        return Ok(());
    };
    if validator.is_valid(params) {
        return Ok(());
    }
    let issues = validator.iter_errors(params).take(MAX_ISSUES).map(|error| {
        let path = error.instance_path().to_string();
        Issue::new(path, error.masked().to_string())
    });
    Err(WireError::issues("invalid params", issues.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_schema_compiles() {
        for (_, spec) in methods::built() {
            let built = jsonschema::options().build(&schema::params(spec));
            assert!(built.is_ok(), "{}: {:?}", spec.name, built.err());
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (method, value, path) in [
            ("chat.history", json!({ "sessionKey": "main", "limit": 0 }), "/limit"),
            ("chat.history", json!({}), ""),
            ("status", json!({ "x": 1 }), ""),
        ] {
            let error = params(method, &value).expect_err(method);
            let details = error.details.unwrap_or_default();
            assert_eq!(details["issues"][0]["path"], path, "{method}: {details}");
        }
        assert_eq!(params("chat.history", &json!({ "sessionKey": "main" })), Ok(()));
        assert_eq!(params("some.plugin", &json!({ "any": 1 })), Ok(()));
    }
}
