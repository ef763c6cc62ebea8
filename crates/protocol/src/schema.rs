//! JSON Schemas of the wire, made from the types. `cargo xtask schemas` writes them to `schemas/`; the gateway
//! compiles its validators from the same values.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::events::{EVENTS, EventSpec};
use crate::methods::{self, MethodSpec};

/// The schema of one type, complete with its `$defs`.
pub fn of<T: JsonSchema>() -> Value {
    complete(|generator| generator.subschema_for::<T>())
}

/// The schema of a row's params.
pub fn params(spec: &MethodSpec) -> Value {
    complete(spec.params)
}

/// The schema of a row's result.
pub fn result(spec: &MethodSpec) -> Value {
    complete(spec.result)
}

/// The schema of an event's payload.
pub fn event(spec: &EventSpec) -> Value {
    complete(spec.payload)
}

/// Every generated file under `schemas/`: relative path and content.
pub fn files() -> Vec<(String, Value)> {
    let methods = methods::built().map(|(_, spec)| {
        let content = json!({
            "method": spec.name,
            "scope": spec.scope.name(),
            "idempotency": spec.idempotency,
            "params": params(spec),
            "result": result(spec),
        });
        (format!("methods/{}.json", spec.name), content)
    });
    let events = EVENTS.iter().map(|spec| {
        let content = json!({ "event": spec.name, "scope": spec.scope.name(), "payload": event(spec) });
        (format!("events/{}.json", spec.name), content)
    });
    let connect = json!({
        "method": "connect",
        "scope": "none",
        "params": of::<crate::handshake::ConnectParams>(),
        "result": of::<crate::handshake::HelloOk>(),
    });
    let error = ("error.json".to_owned(), of::<crate::error::WireError>());
    methods.chain(events).chain([("connect.json".to_owned(), connect), error]).collect()
}

/// A generator as all schemas of the project use it.
pub fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with_transform(PlainOptions).into_generator()
}

fn complete(subschema: fn(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = generator();
    let mut root = subschema(&mut generator);
    let mut definitions = generator.take_definitions(true);
    // The type itself stands at the top, not behind a reference, so that a validator's paths are short.
    if let Some(name) =
        root.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")).map(str::to_owned)
        && let Some(definition) = definitions.remove(&name)
        && let Ok(mut schema) = Schema::try_from(definition)
    {
        schema.insert("title".into(), name.into());
        root = schema;
    }
    PlainOptions.transform(&mut root);
    if !definitions.is_empty() {
        root.insert("$defs".into(), Value::Object(definitions));
    }
    root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    root.to_value()
}

/// An optional member is absent or has its type; `null` is not a second way to say absent.
#[derive(Debug, Clone, Copy)]
struct PlainOptions;

impl Transform for PlainOptions {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut() {
            drop_null(object);
        }
    }
}

fn drop_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice != &json!({ "type": "null" }));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            schema.entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schema_takes_null_and_params_are_closed_objects() {
        for (path, content) in files() {
            let text = content.to_string();
            assert!(!text.contains("\"null\""), "{path}: {text}");
            if path.starts_with("methods/") {
                let closed = &content["params"];
                assert_eq!(closed["type"], "object", "{path}: {closed}");
                let flat = closed.get("additionalProperties").or(closed.get("unevaluatedProperties"));
                assert_eq!(flat, Some(&Value::Bool(false)), "{path}: {closed}");
            }
        }
    }
}
