//! The configuration's JSON Schema, made from the types, and what the forms need to know besides: order, secrets,
//! what is for experts, what needs a restart.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde::de::{self, Deserialize, Deserializer, Visitor, value::Error};
use serde_json::{Map, Value, json};

use super::Config;
use super::mask::is_secret_key;
use super::tree::escape;

/// Grows by one when a key changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The schema of the whole file, without references.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let mut settings = simpleclaw_protocol::schema::generator().settings().clone();
        settings.inline_subschemas = true;
        let mut schema = settings.into_generator().into_root_schema_for::<Config>();
        Named::default().transform(&mut schema);
        schema.to_value()
    });
    &SCHEMA
}

/// By JSON Pointer into the value, `*` for any key or index: `{order, advanced?, secret?, reload}`.
pub fn ui_hints() -> &'static Value {
    static HINTS: LazyLock<Value> = LazyLock::new(|| {
        let mut hints = Map::new();
        collect_hints(schema(), "", &mut hints);
        Value::Object(hints)
    });
    &HINTS
}

/// The part of the schema for one path (see [`super::path_parts`]); `None` where no such key can be.
pub fn schema_at(path: &str) -> Option<Value> {
    schema_of(&super::path_parts(path)).cloned()
}

pub fn schema_of(path: &[String]) -> Option<&'static Value> {
    path.iter().try_fold(schema(), |schema, part| below(schema, part))
}

/// The schema of one key or index.
fn below<'a>(schema: &'a Value, part: &str) -> Option<&'a Value> {
    let property = schema.get("properties").and_then(|properties| properties.get(part));
    property
        .or_else(|| schema.get("additionalProperties"))
        .or_else(|| schema.get("items").filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
        .filter(|found| **found != Value::Bool(false))
}

fn collect_hints(schema: &Value, pointer: &str, hints: &mut Map<String, Value>) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (key, property) in properties {
            let pointer = format!("{pointer}/{}", escape(key));
            let mut hint = Map::new();
            for name in ["order", "advanced", "secret", "reload"] {
                if let Some(value) = property.get(format!("x-{name}")) {
                    hint.insert(name.to_owned(), value.clone());
                }
            }
            if hint.contains_key("order") {
                collect_hints(property, &pointer, hints);
                hints.insert(pointer, Value::Object(hint));
            }
        }
    }
    for any in ["additionalProperties", "items"] {
        if let Some(schema @ Value::Object(_)) = schema.get(any) {
            collect_hints(schema, &format!("{pointer}/*"), hints);
        }
    }
}

/// Gives each property of a struct's schema its place in the struct as `x-order`, from 0. A schema's own properties
/// are sorted by name.
pub fn ordered<T: for<'de> Deserialize<'de>>(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (order, name) in fields::<T>().iter().enumerate() {
        if let Some(Value::Object(property)) = properties.get_mut(*name) {
            property.insert("x-order".to_owned(), json!(order));
        }
    }
}

/// The names of a struct's fields as serde knows them, in order. Derived code tells them to the deserializer it is
/// given; this one only listens.
fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Listener<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Listener<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(de::Error::custom("only structs have fields"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields: &'static [&'static str] = &[];
    // It always ends with the listener's own error.
    let _ = T::deserialize(Listener(&mut fields));
    fields
}

/// Gives every property a title, what follows from its name, and where it applies.
#[derive(Default)]
struct Named {
    /// Whether what is around needs a restart, and so what is inside.
    restart: bool,
}

impl Transform for Named {
    fn transform(&mut self, schema: &mut Schema) {
        let around = self.restart;
        self.restart |= schema.get("x-reload").is_some_and(|reload| reload == "restart");
        let inherited = if self.restart { "restart" } else { "live" };
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for (key, property) in properties {
                if !property.is_object() {
                    *property = json!({});
                }
                let Value::Object(property) = property else { continue };
                property.insert("title".to_owned(), title(key).into());
                property.entry("x-reload").or_insert(inherited.into());
                if is_secret_key(key) && property.contains_key("x-order") {
                    property.insert("x-secret".to_owned(), true.into());
                }
            }
        }
        transform_subschemas(self, schema);
        self.restart = around;
    }
}

/// `maxConcurrentRuns` → `Max concurrent runs`
fn title(key: &str) -> String {
    let mut title = String::new();
    for c in key.chars() {
        match title.is_empty() {
            true => title.extend(c.to_uppercase()),
            false if c.is_uppercase() => {
                title.push(' ');
                title.extend(c.to_lowercase());
            }
            false => title.push(c),
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_a_form_needs() {
        fn look(schema: &Value, pointer: &str, seen: &mut usize) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let pointer = format!("{pointer}/{key}");
                assert!(property["title"].is_string(), "{pointer}: {property}");
                assert!(property["x-reload"] == "live" || property["x-reload"] == "restart", "{pointer}");
                assert!(property["x-order"].is_u64(), "{pointer}");
                *seen += 1;
                look(property, &pointer, seen);
            }
            for any in ["additionalProperties", "items"] {
                if schema[any].is_object() {
                    look(&schema[any], &format!("{pointer}/*"), seen);
                }
            }
        }
        let mut seen = 0;
        look(schema(), "", &mut seen);
        assert!(seen > 70, "{seen}");
        assert!(!schema().to_string().contains("$ref"));
        assert_eq!(ui_hints().as_object().map(Map::len), Some(seen));
    }

    #[test]
    fn hints_and_parts_by_path() {
        let expected = json!({"order": 2, "secret": true, "reload": "live"});
        assert_eq!(ui_hints()["/models/providers/*/apiKey"], expected);
        assert_eq!(ui_hints()["/gateway/mode"], json!({"order": 0, "reload": "restart"}));
        assert_eq!(ui_hints()["/runs/idleSeconds"], json!({"order": 2, "advanced": true, "reload": "live"}));
        for path in ["gateway.port", "/gateway/port"] {
            let part = schema_at(path).expect(path);
            assert_eq!(
                (&part["maximum"], &part["default"], &part["title"]),
                (&json!(65535), &json!(18789), &json!("Port"))
            );
        }
        assert!(schema_at("agents.entries.anyone.model").is_some());
        assert!(schema_at("bindings.0.match.peer.id").is_some());
        assert_eq!(schema_at("").as_ref(), Some(schema()));
        for path in ["gateway.nothing", "bindings.x", "/gateway/port/x", "gateway."] {
            assert_eq!(schema_at(path), None, "{path}");
        }
    }
}
