//! Hides secrets in everything that is shown of a configuration: its text, its value, its keys in messages.
//!
//! A secret is known by its key (`token`, `botToken`, `apiKey`, …), wherever that stands. What a secret's key holds
//! is hidden whole, unless it is a reference: `{secret: name}`, `{env: NAME}`, `{file: path}`. Where a file is no
//! YAML there are no keys, and lines are hidden by what they look like.

use std::borrow::Cow;

use serde_json::Value;

use super::substitute::has_variable;
use super::tree::{Key, Kind, Node};

/// Stands where a secret is not shown. Sent back in a change, it leaves the secret as it is.
pub const MASK: &str = "__masked__";

/// Ends of the keys whose values are secret, without capitals and separators.
const SECRET_KEYS: [&str; 13] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "authkey",
    "credentials",
    "authorization",
    "cookie",
];

/// A secret at least so long is hidden wherever it turns up: in a comment, in a copy under another key. A shorter one
/// only under its own key, since it may be an everyday word.
pub const LONG_SECRET_BYTES: usize = 12;

/// Whether a key's value is a secret.
pub fn is_secret_key(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    SECRET_KEYS.iter().any(|end| plain.ends_with(end))
}

/// A key for a message: short, without a secret that a forgotten space after `:` has made a part of it.
pub fn shown_key(key: &str) -> Cow<'_, str> {
    if holds_secret(key) {
        return MASK.into();
    }
    match key.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", key.get(..end).unwrap_or_default()).into(),
        None => key.into(),
    }
}

/// `token:abc` and `https://host?token=abc`: one word that names a secret and goes on.
pub fn holds_secret(text: &str) -> bool {
    let mut parts = text.split([':', '=']);
    let last = parts.next_back().unwrap_or_default();
    let names = |part: &str| {
        part.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().is_some_and(is_secret_key)
    };
    !text.contains(char::is_whitespace) && !last.is_empty() && parts.any(names)
}

/// The scalars of a tree that are secrets: texts and numbers.
pub fn secrets(tree: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    collect(tree, false, &mut found);
    found
}

fn collect<'a>(node: &'a Node, secret: bool, found: &mut Vec<&'a Node>) {
    match &node.kind {
        Kind::Text(text) if secret || holds_secret(text) => found.push(node),
        Kind::Number(_) if secret => found.push(node),
        Kind::List(nodes) => nodes.iter().for_each(|node| collect(node, secret, found)),
        Kind::Map(entries) if secret && is_reference_map(entries) => {}
        Kind::Map(entries) => {
            entries.iter().for_each(|(key, node)| collect(node, secret || is_secret_key(&key.text), found))
        }
        _ => {}
    }
}

/// Whether a map below a secret's key only says where the secret is.
pub fn is_reference_map(entries: &[(Key, Node)]) -> bool {
    is_reference(entries.iter().map(|(key, node)| (key.text.as_str(), matches!(node.kind, Kind::Text(_)))))
}

/// `entries` are a map's keys, each with whether it holds text.
fn is_reference<'a>(mut entries: impl Iterator<Item = (&'a str, bool)>) -> bool {
    matches!((entries.next(), entries.next()), (Some(("secret" | "env" | "file", true)), None))
}

/// Hides the secrets of a value; `known` are texts of secrets.
pub fn mask_value(value: &mut Value, known: &[String]) {
    mask_below(value, false, known);
}

/// A value as it is shown; `secret`: it stands below a secret's key.
pub fn masked(value: &Value, secret: bool) -> Value {
    let mut value = value.clone();
    mask_below(&mut value, secret, &[]);
    value
}

fn mask_below(value: &mut Value, secret: bool, known: &[String]) {
    match value {
        Value::String(text) if secret || holds_secret(text) || long(known).any(|known| text.contains(known)) => {
            MASK.clone_into(text);
        }
        Value::Number(_) if secret => *value = MASK.into(),
        Value::Array(values) => values.iter_mut().for_each(|value| mask_below(value, secret, known)),
        Value::Object(map) => {
            if secret && is_reference(map.iter().map(|(key, value)| (key.as_str(), value.is_string()))) {
                return;
            }
            for (key, mut value) in std::mem::take(map) {
                mask_below(&mut value, secret || is_secret_key(&key), known);
                let hidden = holds_secret(&key) || long(known).any(|known| key.contains(known));
                map.insert(if hidden { MASK.to_owned() } else { key }, value);
            }
        }
        _ => {}
    }
}

fn long(known: &[String]) -> impl Iterator<Item = &str> {
    known.iter().map(String::as_str).filter(|known| known.len() >= LONG_SECRET_BYTES)
}

/// Hides the secrets of a text that reads as `tree`.
pub fn mask_text(text: &str, tree: &Node) -> String {
    let mut places = Vec::new();
    for node in secrets(tree) {
        let Some(place) = node.place.bytes else { return mask_lines(text) };
        places.push(place);
    }
    keys_with_secrets(tree, &mut places);
    places.sort_unstable();
    places.dedup();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in places {
        let (Some(before), Some(hidden)) = (text.get(done..start), text.get(start..end)) else {
            return mask_lines(text);
        };
        out.push_str(before);
        out.push_str(MASK);
        // A block's last line break, and the indent of what follows it, belong to the lines, not to the secret.
        out.push_str(hidden.get(hidden.trim_end().len()..).unwrap_or_default());
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    mask_comments(&hide(out, &texts(tree)))
}

/// Hides secrets in the comments of a text that reads as `tree`, as [`mask_text`] does there; line for line.
pub fn mask_comments_alone(text: &str, tree: &Node) -> String {
    let known = texts(tree);
    let lines = text.split_inclusive('\n').map(|line| match line.split_once('#') {
        Some((before, comment)) => format!("{before}#{}", hide(comment.to_owned(), &known)),
        None => line.to_owned(),
    });
    mask_comments(&lines.collect::<String>())
}

/// The texts of a tree's secrets.
pub fn texts(tree: &Node) -> Vec<String> {
    let text = |node: &Node| match &node.kind {
        Kind::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    secrets(tree).into_iter().filter_map(text).collect()
}

/// Hides each of these texts that is long enough to be known by itself.
pub fn hide(text: String, known: &[String]) -> String {
    long(known).fold(text, |text, secret| text.replace(secret, MASK))
}

fn keys_with_secrets(node: &Node, places: &mut Vec<(usize, usize)>) {
    match &node.kind {
        Kind::List(nodes) => nodes.iter().for_each(|node| keys_with_secrets(node, places)),
        Kind::Map(entries) => {
            for (key, node) in entries {
                if holds_secret(&key.text) {
                    places.extend(key.place.bytes);
                }
                keys_with_secrets(node, places);
            }
        }
        _ => {}
    }
}

/// Hides what a commented-out line holds after a secret's key.
fn mask_comments(text: &str) -> String {
    in_comments(text, after_secret_key)
}

/// Hides what a comment gives to a secret's key (`# token: abc`), and leaves alone one that only talks of it.
pub fn mask_assignments(text: &str) -> String {
    let gives = |after: &str| after.trim_start_matches(['"', '\'', ' ']).starts_with([':', '=']);
    in_comments(text, |comment| after_key(comment, gives).filter(|rest| !has_variable(rest)))
}

/// `secret` finds the end of a comment that is to be hidden.
fn in_comments(text: &str, secret: impl Fn(&str) -> Option<&str>) -> String {
    let lines = text.split_inclusive(['\n', '\r']).map(|line| match line.split_once('#') {
        Some((_, comment)) => match secret(comment) {
            Some(rest) if !rest.trim_start().starts_with('{') && !rest.contains(MASK) => cut(line, rest),
            _ => line.to_owned(),
        },
        None => line.to_owned(),
    });
    lines.collect()
}

/// Hides, in a text that is no YAML, all that may belong to a secret's key: the rest of its line, and the lines after
/// it up to the next that starts a key no deeper. The same for an anchor, which a secret's key may name.
pub fn mask_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hiding_below = None;
    for line in text.split_inclusive(['\n', '\r']) {
        let indent = line.len() - line.trim_start().len();
        if hiding_below.is_some_and(|above| indent > above || !starts_key(line)) {
            out.push_str(&cut(line, line));
            continue;
        }
        hiding_below = None;
        match after_secret_key(line).or_else(|| line.split_once('&').map(|(_, rest)| rest)) {
            Some(rest) => {
                hiding_below = Some(indent);
                out.push_str(&cut(line, rest));
            }
            None => out.push_str(line),
        }
    }
    out
}

/// `line` with [`MASK`] for `rest`, its end; its line break stays, and an empty rest stays empty.
fn cut(line: &str, rest: &str) -> String {
    let kept = line.strip_suffix(rest).unwrap_or_default();
    let content = rest.trim_end_matches(['\r', '\n']);
    let line_break = rest.get(content.len()..).unwrap_or_default();
    let gap = content.len() - content.trim_start().len();
    match content.trim_start() {
        "" => line.to_owned(),
        _ => format!("{kept}{}{MASK}{line_break}", content.get(..gap).unwrap_or_default()),
    }
}

/// What stands after the first word of a line that looks like a secret's key.
fn after_secret_key(line: &str) -> Option<&str> {
    after_key(line, |_| true)
}

/// The same for the first such word whose rest `fits`.
fn after_key(line: &str, fits: impl Fn(&str) -> bool) -> Option<&str> {
    let mut rest = line;
    loop {
        let start = rest.find(is_word)?;
        rest = rest.get(start..)?;
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end)?;
        if is_secret_key(word) && fits(after) {
            return Some(after.trim_start_matches(['"', '\'', ' ', ':', '=']));
        }
        rest = after;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

fn starts_key(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ").trim_start_matches(['"', '\'']);
    let key = line.find(|c| !is_word(c) && c != '.').map(|end| line.split_at(end));
    key.is_some_and(|(key, after)| !key.is_empty() && after.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn masked(text: &str) -> String {
        mask_text(text, &tree::parse(text).expect(text))
    }

    #[test]
    fn keys_of_secrets() {
        for key in ["token", "apiKey", "api_key", "API-KEY", "botToken", "password", "client_secret", "privateKey"] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in ["", "key", "cert", "maxTokens", "tokens", "secretary", "name", "keyboard"] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn only_the_secret_is_hidden_in_a_text() {
        for (text, expected) in [
            ("token: hunter2  # mine\nb: 1\n", "token: __masked__  # mine\nb: 1\n"),
            ("{token: 'a', x: {apiKey: \"b\"}}", "{token: __masked__, x: {apiKey: __masked__}}"),
            ("token: |\n  line\n  more\nb: 1\n", "token: |\n  __masked__\nb: 1\n"),
            ("a:\n  token: |\n    line\n  b: 1\n", "a:\n  token: |\n    __masked__\n  b: 1\n"),
            ("token: {secret: a}\nsecret: b\n", "token: {secret: a}\nsecret: __masked__\n"),
            ("webhook: {secret: b}\n", "webhook: {secret: __masked__}\n"),
            ("token: {env: A, x: b}\n", "token: {env: __masked__, x: __masked__}\n"),
            ("token: {value: b, list: [c, 4]}\n", "token: {value: __masked__, list: [__masked__, __masked__]}\n"),
            ("token: ${A}\n", "token: __masked__\n"),
            ("x: &a hunter2\ntoken: *a\n", "x: &a __masked__\ntoken: *a\n"),
            ("<<: {token: abc}\n", "<<: {token: __masked__}\n"),
            ("\u{feff}é: ü\r\ntoken: é\r\n", "\u{feff}é: ü\r\ntoken: __masked__\r\n"),
            ("a: {token:hunter2}\n", "a: {__masked__}\n"),
            ("a: token:hunter2\n", "a: __masked__\n"),
            ("u: https://h/?token=abc\n", "u: __masked__\n"),
            ("# token: hunter2\na: 1 # apiKey: b\n", "# token: __masked__\na: 1 # apiKey: __masked__\n"),
            ("token: 0123456789abcdef\n# was 0123456789abcdef\n", "token: __masked__\n# was __masked__\n"),
            ("token:\nb: 1\n", "token:\nb: 1\n"),
            ("bind: loopback\n", "bind: loopback\n"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_a_comment_gives_to_a_key() {
        for (text, expected) in [
            ("# token: hunter2\na: 1 # apiKey=b\n", "# token: __masked__\na: 1 # apiKey=__masked__\n"),
            ("# \"token\" : 'hunter2'\r\n", "# \"token\" : '__masked__\r\n"),
            ("# see https://h/?token=abc\n", "# see https://h/?token=__masked__\n"),
            ("# a token for my password: hunter2\n", "# a token for my password: __masked__\n"),
            (
                "# the token of my bot\ntoken: {secret: a}  # secret\n",
                "# the token of my bot\ntoken: {secret: a}  # secret\n",
            ),
            ("# token: {secret: a}\n# token: ${A}\n# token:\n", "# token: {secret: a}\n# token: ${A}\n# token:\n"),
            ("token: hunter2\n", "token: hunter2\n"),
        ] {
            assert_eq!(mask_assignments(text), expected, "{text}");
        }
    }

    #[test]
    fn a_masked_text_is_still_the_same_yaml() {
        let text = "a:\n  token: \"x: y\"\n  list: [{password: 'p'}, 2]\nb: |\n  token: in a text\n";
        let value = tree::parse(&masked(text)).expect("is YAML").value();
        let expected = serde_json::json!({
            "a": {"token": MASK, "list": [{"password": MASK}, 2]}, "b": "token: in a text\n"
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn lines_of_a_broken_text() {
        for (text, expected) in [
            ("token: hunter2\nb: [\n", "token: __masked__\nb: [\n"),
            ("token:\n  hunter2\n\n  more\nb: [\n", "token:\n  __masked__\n\n  __masked__\nb: [\n"),
            ("{token:\nhunter2, b: [\n", "{token:\n__masked__\n"),
            ("? token\n: hunter2\nb: [", "? token\n__masked__\nb: ["),
            ("a: {x: 1, 'api-key' : 'b'\n", "a: {x: 1, 'api-key' : '__masked__\n"),
            ("\ttoken=b\r\nc: 1\r\n", "\ttoken=__masked__\r\nc: 1\r\n"),
            ("x: &a hunter2\ntoken: *a\nb: [\n", "x: &__masked__\ntoken: __masked__\nb: [\n"),
            ("# the token\nport: [\n", "# the token\nport: [\n"),
        ] {
            assert_eq!(mask_lines(text), expected, "{text}");
        }
    }

    #[test]
    fn values_and_keys() {
        let mut value = serde_json::json!({
            "telegram": {"token": "short", "x": "a 0123456789abcdef b", "y": ["short"], "on": true, "authToken": 5},
            "a": {"token": {"secret": "name"}, "password": {"secret": "name", "x": null}, "token:abc": null},
            "u": "https://h/?token=abc",
        });
        mask_value(&mut value, &["short".to_owned(), "0123456789abcdef".to_owned()]);
        let expected = serde_json::json!({
            "telegram": {"token": MASK, "x": MASK, "y": ["short"], "on": true, "authToken": MASK},
            "a": {"token": {"secret": "name"}, "password": {"secret": MASK, "x": null}, MASK: null},
            "u": MASK,
        });
        assert_eq!(value, expected);
    }
}
