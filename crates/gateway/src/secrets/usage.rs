//! Where the configuration names secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::MASK;
use crate::config::tree::escape;

/// Most places that are told of one name.
const MAX_PLACES: usize = 100;

/// The JSON Pointers of every `{secret: name}`, by name. `value` is the effective, masked one, in which a map of that
/// form that is no reference holds a mask.
pub fn uses(value: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, pointer: String, found: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(map) => {
            if let (Some(Value::String(name)), 1) = (map.get("secret"), map.len())
                && name != MASK
            {
                let places = found.entry(name.clone()).or_default();
                if places.len() < MAX_PLACES {
                    places.push(pointer);
                }
                return;
            }
            for (key, value) in map {
                collect(value, format!("{pointer}/{}", escape(key)), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                collect(value, format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_found_with_its_place() {
        let value = serde_json::json!({
            "models": {"providers": {"a": {"apiKey": {"secret": "work"}}, "b/c": {"apiKey": {"secret": "work"}}}},
            "channels": {"x": [{"token": {"secret": "telegram"}}, {"token": {"env": "A"}}]},
            "webhook": {"secret": MASK},
            "secret": {"other": {"secret": 5}},
        });
        let expected = BTreeMap::from([
            ("telegram".to_owned(), vec!["/channels/x/0/token".to_owned()]),
            (
                "work".to_owned(),
                vec!["/models/providers/a/apiKey".to_owned(), "/models/providers/b~1c/apiKey".to_owned()],
            ),
        ]);
        assert_eq!(uses(&value), expected);
    }
}
