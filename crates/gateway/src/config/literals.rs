//! Secrets that stand in the file as text and could stand elsewhere: where, what, and a name for each.

use std::collections::BTreeSet;

use serde_json::Value;
use simpleclaw_protocol::session::valid_name;

use super::mask::{MASK, is_reference_map, is_secret_key, shown_key};
use super::substitute::has_variable;
use super::tree::{self, Kind, Node, escape, unescape};
use super::{Change, Secret, edit, history, path_parts, read, schema_at};
use crate::home::Home;

/// Parts of a path that say nothing of whose secret it is.
const GENERAL: [&str; 9] =
    ["models", "providers", "channels", "accounts", "default", "gateway", "users", "plugins", "entries"];
/// Longest name that is made up, so that a number still fits.
const MAX_NAME: usize = 48;

/// A secret that `{secret: name}` can take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// JSON Pointer.
    pub path: String,
    /// Of its own, and of none of those that are taken.
    pub name: String,
    pub secret: Secret,
}

/// Every secret of the file of a home that can be moved; `taken` are names that are in use. No file has none; one that
/// cannot be read is an error in words.
pub fn literals(home: &Home, taken: impl IntoIterator<Item = String>) -> Result<Vec<Literal>, String> {
    let path = home.config_path();
    let source = read::source(&path).map_err(|bad| format!("{}: {}", path.display(), bad.mistake.words))?;
    let Some(source) = source else { return Ok(vec![]) };
    let tree = tree::parse(&source.text)
        .map_err(|at| format!("{}:{}:{}: {}", path.display(), at.line, at.column, at.words))?;
    Ok(named(&tree, taken))
}

/// The same of a text that reads as `tree`.
pub fn named(tree: &Node, taken: impl IntoIterator<Item = String>) -> Vec<Literal> {
    let mut found = Vec::new();
    collect(tree, "", false, &mut found);
    let mut names: BTreeSet<String> = taken.into_iter().collect();
    let literals = found.into_iter().map(|(path, secret)| {
        let name = fresh_name(&path, &names);
        names.insert(name.clone());
        Literal { path, name, secret }
    });
    literals.collect()
}

/// The secrets of the file of a home in whose place a change puts `{secret: name}`, each with that name. Whether the
/// name is one of the same secret is not known here.
pub fn referred(home: &Home, change: &Change) -> Vec<Literal> {
    let (at, value) = match change {
        Change::Set { path, value } => {
            let at: String = path_parts(path).iter().map(|part| format!("/{}", escape(part))).collect();
            (at, value.clone())
        }
        Change::Patch(patch) => (String::new(), Value::Object(patch.clone())),
        Change::Raw(text) => (String::new(), said(text)),
        Change::Restore(id) => {
            let former = history::text(home, id).ok().flatten().unwrap_or_default();
            (String::new(), said(&String::from_utf8_lossy(&former)))
        }
    };
    let with_its_name = |literal: Literal| {
        let reference = value.pointer(literal.path.strip_prefix(&at)?)?.as_object()?;
        let name = reference.get("secret").filter(|_| reference.len() == 1)?.as_str()?.to_owned();
        Some(Literal { name, ..literal })
    };
    literals(home, []).unwrap_or_default().into_iter().filter_map(with_its_name).collect()
}

fn said(text: &str) -> Value {
    tree::parse(text).map(|tree| edit::document(&tree)).unwrap_or_default()
}

/// The secret in a text that stands right at a secret's key, where a reference could stand instead.
pub fn movable(pointer: &str, text: &str) -> Option<Secret> {
    let literal = !text.trim().is_empty() && text != MASK && !has_variable(text);
    // `$${` stands for `${` in this file alone.
    (literal && takes_reference(pointer)).then(|| Secret::new(text.replace("$${", "${")))
}

/// `secret`: the node stands below a secret's key.
fn collect(node: &Node, pointer: &str, secret: bool, found: &mut Vec<(String, Secret)>) {
    match &node.kind {
        Kind::Map(entries) if secret && is_reference_map(entries) => {}
        Kind::Map(entries) => {
            for (key, node) in entries {
                let pointer = format!("{pointer}/{}", escape(&key.text));
                match &node.kind {
                    Kind::Text(text) if is_secret_key(&key.text) => {
                        if let Some(secret) = movable(&pointer, text) {
                            found.push((pointer, secret));
                        }
                    }
                    _ => collect(node, &pointer, secret || is_secret_key(&key.text), found),
                }
            }
        }
        Kind::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                collect(node, &format!("{pointer}/{index}"), secret, found);
            }
        }
        _ => {}
    }
}

/// Where the schema says nothing, any value may stand.
fn takes_reference(pointer: &str) -> bool {
    schema_at(pointer).is_none_or(|schema| schema.get("anyOf").is_some() || schema.get("type").is_none())
}

fn fresh_name(pointer: &str, taken: &BTreeSet<String>) -> String {
    // A name is shown, and a key may hold a secret.
    let shown = |part: &str| shown_key(&unescape(part)).into_owned();
    let parts: Vec<String> = pointer.split('/').skip(1).map(shown).collect();
    let (key, above) = match parts.split_last() {
        Some((key, above)) => (key.as_str(), above),
        None => ("secret", parts.as_slice()),
    };
    let own: Vec<&str> = above.iter().map(String::as_str).filter(|part| !GENERAL.contains(part)).collect();
    let said = if own.is_empty() { key.to_owned() } else { own.join("-") };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = said.chars().map(plain).take(MAX_NAME).collect();
    let name = name.trim_matches('-');
    let name = if valid_name(name) { name } else { "secret" };
    let numbered = (2_u64..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    // The numbers never end.
    all.find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, taken: &[&str]) -> Vec<(String, String, String)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("config.yaml"), text).expect("writes");
        let literals = literals(&Home::at(folder.path()), taken.iter().map(|name| (*name).to_owned()));
        let literals = literals.expect(text).into_iter();
        literals.map(|literal| (literal.path, literal.name, literal.secret.expose().to_owned())).collect()
    }

    #[test]
    fn what_can_be_moved_and_its_name() {
        for (text, path, name, secret) in [
            (
                "models: {providers: {anthropic: {api: anthropic, apiKey: sk-1}}}\n",
                "/models/providers/anthropic/apiKey",
                "anthropic",
                "sk-1",
            ),
            ("channels: {telegram: {token: 't'}}\n", "/channels/telegram/token", "telegram", "t"),
            (
                "channels:\n  slack:\n    accounts:\n      default: {botToken: a}\n",
                "/channels/slack/accounts/default/botToken",
                "slack",
                "a",
            ),
            ("channels: {Slack/1: {token: a}}\n", "/channels/Slack~11/token", "slack-1", "a"),
            ("channels: {'': {apiKey: a}}\n", "/channels//apiKey", "secret", "a"),
            ("channels: {x: [{token: 'a$${B}'}]}\n", "/channels/x/0/token", "x-0", "a${B}"),
            ("webhook: {secret: b}\n", "/webhook/secret", "webhook", "b"),
            ("channels: {'token:hunter2': {apiKey: b}}\n", "/channels/token:hunter2/apiKey", "masked", "b"),
        ] {
            let expected = (path.to_owned(), name.to_owned(), secret.to_owned());
            assert_eq!(found(text, &[]), [expected], "{text}");
        }
        let two = "channels: {x: {token: a, password: b}}\n";
        let names: Vec<_> = found(two, &["x"]).into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(names, ["x-2", "x-3"]);
    }

    #[test]
    fn what_a_change_refers_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::at(folder.path());
        let text = "models: {providers: {a: {api: openai, apiKey: one}, b/c: {api: openai, apiKey: two}}}\n";
        std::fs::write(home.config_path(), text).expect("writes");
        let set = |path: &str, value: Value| Change::Set { path: path.to_owned(), value };
        let reference = |name: &str| serde_json::json!({ "apiKey": { "secret": name } });
        for (change, expected) in [
            (set("models.providers.a.apiKey", serde_json::json!({"secret": "n"})), &[("n", "one")][..]),
            (set("/models/providers/b~1c", reference("n")), &[("n", "two")]),
            (
                set("models.providers", serde_json::json!({"a": reference("n"), "b/c": reference("m")})),
                &[("n", "one"), ("m", "two")],
            ),
            (set("models.providers.a.apiKey", serde_json::json!({"env": "N"})), &[]),
            (set("models.providers.a.apiKey", serde_json::json!({"secret": "n", "x": 1})), &[]),
            (set("models.providers.a.apiKey", serde_json::json!("three")), &[]),
            (set("models.providers.b", reference("n")), &[]),
            (Change::Raw(text.replace("two", "{secret: m}")), &[("m", "two")]),
            (Change::Raw("models: [\n".to_owned()), &[]),
            (Change::Restore("0".to_owned()), &[]),
        ] {
            let found = referred(&home, &change);
            let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.secret.expose())).collect();
            assert_eq!(found, expected, "{change:?}");
        }
        let Value::Object(patch) = serde_json::json!({"models": {"providers": {"a": reference("n")}}}) else {
            panic!()
        };
        assert_eq!(referred(&home, &Change::Patch(patch)).len(), 1);
    }

    #[test]
    fn what_stays() {
        for text in [
            "",
            "models: {providers: {x: {api: openai, apiKey: {secret: a}}}}\n",
            "models: {providers: {x: {api: openai, apiKey: {env: A}}}}\n",
            "models: {providers: {x: {api: openai, apiKey: '${A}'}}}\n",
            "channels: {x: {token: __masked__}}\n",
            "channels: {x: {token: ''}}\n",
            "channels: {x: {token: 5}}\n",
            "channels: {x: {url: 'https://h/?token=abc'}}\n",
        ] {
            assert!(found(text, &[]).is_empty(), "{text}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(literals(&Home::at(folder.path()), []), Ok(vec![]));
        std::fs::write(folder.path().join("config.yaml"), "token: 'hunter2\n").expect("writes");
        let error = literals(&Home::at(folder.path()), []).expect_err("is no YAML");
        assert!(error.contains("config.yaml:1:") && !error.contains("hunter2"), "{error}");
    }
}
