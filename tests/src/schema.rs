//! The committed JSON Schemas, as any client may use them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

/// A file under `schemas/`.
pub fn read(file: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a schema is JSON")
}

fn validator(file: &str, part: &str) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let content = read(file);
        let schema = if part.is_empty() { &content } else { &content[part] };
        Arc::new(jsonschema::validator_for(schema).expect("a schema compiles"))
    };
    Arc::clone(known.entry(format!("{file} {part}")).or_insert_with(make))
}

/// Why a value breaks its schema; empty where it does not.
pub fn faults(file: &str, part: &str, value: &Value) -> Vec<String> {
    let validator = validator(file, part);
    validator.iter_errors(value).map(|error| format!("{} at {:?}", error, error.instance_path().as_str())).collect()
}

/// Fails where a value breaks its schema.
pub fn check(file: &str, part: &str, value: &Value) {
    let faults = faults(file, part, value);
    assert!(faults.is_empty(), "against {file} {part}: {faults:?}\n{value}");
}

/// Holds an event frame against the schema of its name.
pub fn check_event(frame: &Value) {
    let name = frame["type"].as_str().unwrap_or_else(|| panic!("no event: {frame}"));
    let file = format!("events/{name}.json");
    if name != "chat.event" {
        return check(&file, "payload", &frame["payload"]);
    }
    let mut flat = frame.clone();
    let members = flat.as_object_mut().expect("an object");
    members.remove("type");
    members.remove("seq");
    check(&file, "payload", &flat);
}
