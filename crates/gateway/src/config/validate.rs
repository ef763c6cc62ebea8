//! A tree against the schema: every wrong type and value is an error, every unknown key a warning, each at its place.
//!
//! An own walk, not a general validator: its words are for the person who wrote the file, name the nearest known key,
//! and never quote a value. Elsewhere: rules between keys (`check`).

use serde_json::Value;
use simpleclaw_protocol::methods::config::{ConfigIssue, IssueSeverity};

use super::issues::Issues;
use super::mask::shown_key;
use super::tree::{Key, Kind, Node, escape};

/// Farthest that an unknown key may be from a known one to be taken for a slip of the pen.
const MAX_DISTANCE: usize = 3;

pub fn validate(tree: &Node, schema: &Value, issues: &mut Issues) {
    node(tree, schema, "", issues);
}

/// The keys that nobody knows, as errors.
pub fn unknown_keys(tree: &Node, schema: &Value) -> Vec<ConfigIssue> {
    let mut issues = Issues::default();
    validate(tree, schema, &mut issues);
    // Its only warnings.
    let unknown = issues.into_list().into_iter().filter(|issue| issue.severity == IssueSeverity::Warning);
    unknown.map(|issue| ConfigIssue { severity: IssueSeverity::Error, ..issue }).collect()
}

fn node(node: &Node, schema: &Value, pointer: &str, issues: &mut Issues) {
    // A key without a value counts as absent.
    if node.kind == Kind::Null {
        return;
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        return any_of(node, choices, pointer, issues);
    }
    let allowed = choices(schema);
    if !allowed.is_empty() {
        let fits = matches!(&node.kind, Kind::Text(text) if allowed.contains(&text.as_str()));
        if !fits {
            issues.error(pointer, node.place, format!("must be one of {}", allowed.join(", ")));
        }
        return;
    }
    let expected = schema.get("type").and_then(Value::as_str);
    match (&node.kind, expected) {
        (_, None) | (Kind::Bool(_), Some("boolean")) => {}
        (Kind::Map(entries), Some("object")) => map(node, entries, schema, pointer, issues),
        (Kind::List(nodes), Some("array")) => list(node, nodes, schema, pointer, issues),
        (Kind::Number(number), Some("number")) => range(node, number.as_f64(), schema, pointer, issues),
        (Kind::Number(number), Some("integer")) if !number.is_f64() => {
            range(node, number.as_f64(), schema, pointer, issues);
        }
        (Kind::Text(text), Some("string")) => {
            bounds(node, text.chars().count(), schema, ["minLength", "maxLength"], "characters", pointer, issues);
        }
        (kind, Some(expected)) => issues.error(pointer, node.place, mismatch(kind, expected)),
    }
}

fn map(node: &Node, entries: &[(Key, Node)], schema: &Value, pointer: &str, issues: &mut Issues) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let any = schema.get("additionalProperties").filter(|any| **any != Value::Bool(false));
    for (key, value) in entries {
        let below = format!("{pointer}/{}", escape(&shown_key(&key.text)));
        match properties.and_then(|properties| properties.get(&key.text)).or(any) {
            Some(schema) => self::node(value, schema, &below, issues),
            None => {
                let known = properties.into_iter().flatten().map(|(known, _)| known.as_str());
                issues.warning(&below, key.place, unknown(&key.text, known));
            }
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        if !entries.iter().any(|(key, value)| key.text == name && value.kind != Kind::Null) {
            issues.error(pointer, node.place, format!("`{name}` is missing here"));
        }
    }
}

fn list(node: &Node, nodes: &[Node], schema: &Value, pointer: &str, issues: &mut Issues) {
    bounds(node, nodes.len(), schema, ["minItems", "maxItems"], "entries", pointer, issues);
    for (index, entry) in nodes.iter().enumerate() {
        let below = format!("{pointer}/{index}");
        match (&entry.kind, schema.get("items")) {
            (Kind::Null, _) => issues.error(&below, entry.place, "an entry without a value; remove it"),
            (_, Some(schema)) => self::node(entry, schema, &below, issues),
            (_, None) => {}
        }
    }
}

fn any_of(node: &Node, choices: &[Value], pointer: &str, issues: &mut Issues) {
    let fits = choices.iter().any(|choice| {
        let mut own = Issues::default();
        self::node(node, choice, pointer, &mut own);
        own.is_empty()
    });
    if !fits {
        let words: Vec<String> = choices.iter().map(choice_words).collect();
        issues.error(pointer, node.place, format!("must be {}{}", words.join(" or "), quotes(&node.kind)));
    }
}

fn choice_words(choice: &Value) -> String {
    let key = choice.pointer("/required/0").and_then(Value::as_str);
    match (key, choice.get("type").and_then(Value::as_str)) {
        (Some(key), _) => format!("{{{key}: …}}"),
        (None, Some(kind)) => type_words(kind).to_owned(),
        (None, None) => "something else".to_owned(),
    }
}

/// The words that an enumeration takes.
fn choices(schema: &Value) -> Vec<&str> {
    let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let word = schema.get("const").and_then(Value::as_str);
    let nested = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().flat_map(choices);
    words.chain(word).chain(nested).collect()
}

fn range(node: &Node, number: Option<f64>, schema: &Value, pointer: &str, issues: &mut Issues) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (min, max) = (limit("minimum"), limit("maximum"));
    let Some(number) = number else { return };
    if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
        issues.error(pointer, node.place, between(min, max, ""));
    }
}

fn bounds(
    node: &Node,
    size: usize,
    schema: &Value,
    [min, max]: [&str; 2],
    unit: &str,
    pointer: &str,
    issues: &mut Issues,
) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (min, max) = (limit(min), limit(max));
    let size = size as f64;
    if min.is_some_and(|min| size < min) || max.is_some_and(|max| size > max) {
        issues.error(pointer, node.place, between(min, max, unit));
    }
}

fn between(min: Option<f64>, max: Option<f64>, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match (min, max) {
        (Some(min), Some(max)) => format!("must be {min} to {max}{unit}"),
        (Some(min), None) => format!("must be at least {min}{unit}"),
        (None, Some(max)) => format!("must be at most {max}{unit}"),
        (None, None) => String::new(),
    }
}

fn mismatch(found: &Kind, expected: &str) -> String {
    let quotes = if expected == "string" { quotes(found) } else { "" };
    format!("must be {}, and this is {}{quotes}", type_words(expected), found_words(found))
}

fn quotes(found: &Kind) -> &'static str {
    match found {
        Kind::Number(_) | Kind::Bool(_) => "; put it in quotes",
        _ => "",
    }
}

fn type_words(expected: &str) -> &str {
    match expected {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map of keys",
        other => other,
    }
}

fn found_words(kind: &Kind) -> &'static str {
    match kind {
        Kind::Null => "nothing",
        Kind::Bool(_) => "true or false",
        Kind::Number(number) if number.is_f64() => "a number with a fraction",
        Kind::Number(_) => "a number",
        Kind::Text(_) => "text",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map of keys",
    }
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let shown = shown_key(key);
    // A long key is no slip of the pen, and comparing it would take long.
    let near = known
        .filter(|_| key.len() <= 64)
        .map(|known| (strsim::osa_distance(&key.to_lowercase(), &known.to_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance <= MAX_DISTANCE.min(known.len() / 2));
    match near {
        Some((_, near)) => format!("`{shown}` is not known here and does nothing; did you mean `{near}`?"),
        None => format!("`{shown}` is not known here and does nothing"),
    }
}
