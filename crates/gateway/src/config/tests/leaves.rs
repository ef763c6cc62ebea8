//! Every leaf of the schema, set on a file as people keep them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const REALISTIC: &str = include_str!("realistic.yaml");

/// The leaves of the schema as JSON Pointers with `*` for any key or index, each with its schema.
fn leaves(schema: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    let mut inner = false;
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        if schema["anyOf"].is_array() {
            break;
        }
        inner = true;
        leaves(property, &format!("{pointer}/{key}"), found);
    }
    for any in ["additionalProperties", "items"] {
        if schema[any].is_object() {
            inner = true;
            leaves(&schema[any], &format!("{pointer}/*"), found);
        }
    }
    if !inner {
        found.push((pointer.to_owned(), schema.clone()));
    }
}

/// Values that a leaf takes, none of which the realistic file has there.
fn values(pointer: &str, schema: &Value) -> Vec<Value> {
    let known = match pointer {
        "/gateway/mode" => vec![json!("local")],
        "/gateway/bind" => vec![json!("127.0.0.2"), json!("::1")],
        "/gateway/allowedOrigins/*" => vec![json!("https://b.example"), json!("http://[::1]:8080")],
        "/agents/default" => vec![json!("support")],
        "/agents/entries/*/model" | "/agents/entries/*/fallbacks/*" => vec![json!("a/b:c"), json!("other/x y")],
        "/models/providers/*/baseUrl" => vec![json!("http://127.0.0.1:1/v1#x"), json!("https://[::1]/")],
        "/channels" => vec![json!({"discord": {"accounts": {}, "groups": [1, "two"]}})],
        "/plugins/entries" => vec![json!({"weather": {"city": "Basel", "deep": [{"a": null}]}})],
        "/models/providers/*/apiKey" | "/gateway/users/*/token" => {
            vec![json!({"env": "OTHER"}), json!({"secret": "name"}), json!("a literal: one # really")]
        }
        _ => vec![],
    };
    if !known.is_empty() {
        return known;
    }
    let bound = |name: &str, other: i64| schema[name].as_i64().unwrap_or(other);
    match (words(schema), schema["type"].as_str()) {
        (words, _) if !words.is_empty() => words.into_iter().map(Value::from).collect(),
        (_, Some("boolean")) => vec![json!(true), json!(false)],
        (_, Some("integer")) => vec![json!(bound("minimum", 0)), json!(bound("maximum", 1_000_000))],
        (_, Some("number")) => vec![json!(0), json!(0.25), json!(7)],
        (_, Some("string")) => vec![json!("plain"), json!("yes"), json!("12"), json!("a: b # c"), json!("é ☃")],
        _ => panic!("{pointer}: say here what it takes"),
    }
}

/// The words of an enumeration.
fn words(schema: &Value) -> Vec<&str> {
    let own = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const")).filter_map(Value::as_str);
    own.chain(schema["oneOf"].as_array().into_iter().flatten().flat_map(words)).collect()
}

/// A place for each `*`: what the realistic file has.
fn concrete(pointer: &str) -> String {
    [
        ("/gateway/users/*", "/gateway/users/eve"),
        ("/agents/entries/*", "/agents/entries/main"),
        ("/models/providers/*", "/models/providers/work"),
        ("/session/identityLinks/*", "/session/identityLinks/eve"),
    ]
    .iter()
    .fold(pointer.to_owned(), |pointer, (any, one)| pointer.replace(any, one))
    .replace("/*", "/0")
}

fn everything_is_set(_: &str) -> Option<String> {
    Some("from-the-environment".to_owned())
}

/// A change to this text, saved and read again.
fn set(text: &str, path: &str, value: &Value) -> (String, Changed, Loaded) {
    let (_folder, home) = fresh();
    fs::write(home.config_path(), text).expect("writes");
    let running = load_with(&home, &everything_is_set).expect("loads");
    let request = Request {
        change: Change::Set { path: path.to_owned(), value: value.clone() },
        base_hash: Some(running.hash.clone()),
        dry_run: false,
        by: "a test".to_owned(),
        at: simpleclaw_protocol::Timestamp(1),
        mark: None,
        moved: vec![],
    };
    let changed = make(&home, request, &running, &everything_is_set)
        .unwrap_or_else(|why| panic!("{path} = {value}: {why:?}\n{text}"));
    let now = fs::read_to_string(home.config_path()).expect("is there");
    let loaded = load_with(&home, &everything_is_set).expect("loads again");
    (now, changed, loaded)
}

/// The lines that only one of the two has.
fn differing<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    (old[start..old.len() - end].to_vec(), new[start..new.len() - end].to_vec())
}

fn comments(text: &str) -> Vec<&str> {
    let all = text.lines().filter_map(|line| {
        line.find(" # ")
            .or(line.find("   #"))
            .or(line.trim_start().starts_with('#').then_some(0))
            .map(|at| line[at..].trim())
    });
    all.filter(|comment| !comment.contains("This is text")).collect()
}

fn shown(value: &Value, pointer: &str) -> Value {
    let mut all = json!({});
    let parts = path_parts(pointer);
    patch::set(&mut all, &parts, value.clone()).expect("a place");
    mask::mask_value(&mut all, &[]);
    all.pointer(pointer).cloned().expect("is there")
}

/// What `config.get` says, whole numbers as such.
fn got(loaded: &Loaded, path: &str) -> Value {
    let mut value = get(loaded, path).expect("is there");
    patch::whole_numbers(&mut value);
    value
}

#[test]
fn every_leaf_is_set_where_it_stands_and_only_its_line_changes() {
    let mut all = Vec::new();
    leaves(schema(), "", &mut all);
    assert!(all.len() > 65, "{}", all.len());
    let alone = REALISTIC.find("  users:").expect("is there")..REALISTIC.find("agents:\n  default").expect("is there");
    let without_users = REALISTIC.replace(&REALISTIC[alone], "");
    for (pattern, schema) in &all {
        let text = if pattern == "/gateway/mode" { &without_users } else { REALISTIC };
        let path = concrete(pattern);
        let before = tree::parse(text).expect("is YAML").value();
        let old = before.pointer(&path).unwrap_or_else(|| panic!("the file has no {path}"));
        for value in values(pattern, schema) {
            let expected = {
                let mut value = value.clone();
                patch::whole_numbers(&mut value);
                patch::without_nulls(&mut value);
                value
            };
            let (now, changed, loaded) = set(text, &path, &value);
            let said = tree::parse(&now).expect("is YAML").value();
            assert_eq!(said.pointer(&path), Some(&expected), "{path}\n{now}");
            let secret = shown(&expected, &path);
            assert_eq!(got(&loaded, &path), secret, "{path}");
            assert_eq!(changed.result.value, get(&loaded, &path).expect("is there"), "{path}");
            let mut all_else = said.clone();
            patch::set(&mut all_else, &path_parts(&path), old.clone()).expect("a place");
            assert_eq!(all_else, before, "{path}: nothing else");
            if *old == value {
                assert_eq!(now, text, "{path}");
                continue;
            }
            let (gone, came) = differing(text, &now);
            let single = !value.is_object() && !value.is_array() && !old.is_object();
            if single && !old.as_str().is_some_and(|old| old.contains('\n')) {
                assert_eq!((gone.len(), came.len()), (1, 1), "{path} = {value}: {gone:?} {came:?}");
            }
            for comment in comments(text) {
                let own = !single && gone.iter().any(|line| line.contains(comment));
                assert!(own || now.contains(comment), "{path} = {value}: lost {comment:?}\n{now}");
            }
        }
    }
}

/// On a file that has next to nothing: all that is there stays, and lines are only added.
#[test]
fn every_leaf_is_set_where_it_is_missing_and_lines_are_only_added() {
    let mut all = Vec::new();
    leaves(schema(), "", &mut all);
    for text in
        ["# only this comment\n", "", "# c\nmodels:\n  detect: false   # quiet\n# the end\n", "models: {detect: false}"]
    {
        for (pattern, schema) in &all {
            let path = concrete(pattern);
            for value in values(pattern, schema) {
                // What cannot stand alone: a key whose neighbours are required, or that depends on another.
                let alone =
                    !["/gateway/users", "/gateway/tls/enabled", "/agents/default", "/bindings", "/models/providers"]
                        .iter()
                        .any(|group| path.starts_with(group))
                        && !path.contains("/models/0");
                if !alone {
                    continue;
                }
                let (now, _, loaded) = set(text, &path, &value);
                let mut expected = value.clone();
                patch::whole_numbers(&mut expected);
                patch::without_nulls(&mut expected);
                let said = tree::parse(&now).expect("is YAML").value();
                let wrapped = said.pointer(&path);
                assert_eq!(wrapped, Some(&expected), "{path}\n{now}");
                assert_eq!(got(&loaded, &path), shown(&expected, &path), "{path}\n{now}");
                for line in text.lines().filter(|line| !path.starts_with("/models") || !line.contains("detect")) {
                    assert!(now.contains(line), "{path}: lost {line:?}\n{now}");
                }
            }
        }
    }
}

/// Every leaf can go again, and takes nothing with it.
#[test]
fn every_leaf_can_be_removed() {
    let mut all = Vec::new();
    leaves(schema(), "", &mut all);
    let needed = [
        "/agents/default",
        "/token",
        "/api",
        "/id",
        "/bindings/0/agent",
        "/channel",
        "/kind",
        "/cost/input",
        "/cost/output",
        "/gateway/mode",
    ];
    for (pattern, _) in &all {
        let path = concrete(pattern);
        if needed.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        let before = tree::parse(REALISTIC).expect("is YAML").value();
        let (now, ..) = set(REALISTIC, &path, &Value::Null);
        let mut expected = before.clone();
        patch::set(&mut expected, &path_parts(&path), Value::Null).expect("a place");
        assert_eq!(tree::parse(&now).expect("is YAML").value(), expected, "{path}\n{now}");
        let (gone, _) = differing(REALISTIC, &now);
        let kept: BTreeSet<&str> = comments(&now).into_iter().collect();
        for comment in comments(REALISTIC) {
            let own = gone.iter().any(|line| line.contains(comment));
            assert!(own || kept.contains(comment), "{path}: lost {comment:?}\n{now}");
        }
    }
}
