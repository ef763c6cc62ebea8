//! Texts of the configuration with a secret taken out: one that is kept elsewhere by now (`without`), or all of them,
//! for what may hold none (`bare`). References stand in their place, and masks where none can; all else stays as it is,
//! byte for byte.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::literals::{self, Literal, movable};
use super::mask::{self, LONG_SECRET_BYTES, MASK, is_reference_map, is_secret_key};
use super::plan::{self, Part, Step};
use super::substitute::has_variable;
use super::tree::{self, Kind, Node};
use super::{edit, history, read};
use crate::home::Home;

/// In a text that is no YAML a secret from so many bytes on is hidden wherever it stands: nobody can go back to such a
/// text, so nothing is lost where a word too many is hidden.
const WORD_BYTES: usize = 8;
/// Where the former versions are, below a home.
const VERSIONS: &str = "config.history/";

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Right at a secret's key.
    Key,
    /// Further below one.
    Below,
    Elsewhere,
}

/// A text without a secret that is known by its name now. `None`: it cannot be had without.
pub fn without(text: &str, moved: &Literal) -> Option<String> {
    let word = written(moved);
    let Ok(tree) = tree::parse(text) else {
        return match text.contains(&word) {
            false => Some(text.to_owned()),
            true => (word.len() >= WORD_BYTES).then(|| text.replace(&word, MASK)),
        };
    };
    let long = word.len() >= LONG_SECRET_BYTES;
    let shared = may_share(text);
    let instead = |pointer: &str, at: At, found: &str| -> Option<Value> {
        if (shared || at != At::Elsewhere) && found.trim() == word {
            let named = at == At::Key && movable(pointer, found).is_some();
            return Some(if named { json!({ "secret": moved.name }) } else { Value::from(MASK) });
        }
        (long && found.contains(&word)).then(|| Value::from(found.replace(&word, MASK)))
    };
    let steps = replacing(&tree, &instead);
    let text = match steps.is_empty() {
        true => text.to_owned(),
        false => edit::rewrite(text, &tree, &steps).ok()?,
    };
    // Copies in comments.
    let text = if long { text.replace(&word, MASK) } else { text };
    let clean = tree::parse(&text).is_ok_and(|tree| replacing(&tree, &instead).is_empty());
    clean.then_some(text)
}

/// The text of a file with a mask for each copy of a secret in its comments.
pub fn hide_in_comments(text: String, moved: &Literal) -> String {
    let word = written(moved);
    if word.len() < LONG_SECRET_BYTES || !text.contains(&word) {
        return text;
    }
    let lines = text.split_inclusive('\n').map(|line| match line.split_once('#') {
        Some((before, comment)) => format!("{before}#{}", comment.replace(&word, MASK)),
        None => line.to_owned(),
    });
    let hidden: String = lines.collect();
    // A `#` need not begin a comment.
    let same = |(a, b): (Node, Node)| edit::document(&a) == edit::document(&b);
    match tree::parse(&text).ok().zip(tree::parse(&hidden).ok()).is_some_and(same) {
        true => hidden,
        false => text,
    }
}

/// What is told of a version, without copies of a secret that was not known as one when it was told.
pub fn hide_in_told(told: String, moved: &Literal) -> String {
    let word = written(moved);
    let escaped = serde_json::to_string(&word).unwrap_or_default();
    match escaped.get(1..escaped.len().saturating_sub(1)) {
        Some(escaped) if word.len() >= LONG_SECRET_BYTES => told.replace(escaped, MASK),
        _ => told,
    }
}

/// A text of the configuration without the secrets in it.
#[derive(Debug)]
pub struct Bare {
    pub text: String,
    /// What references stand for: each has the name that it would get from who moves it.
    pub replaced: Vec<Literal>,
    /// Whether masks stand for more.
    pub masked: bool,
    /// The texts of the secrets, to be looked for elsewhere.
    pub known: Vec<String>,
}

/// `None`: it is no text, so nobody can say what in it is secret.
pub fn bare(bytes: Vec<u8>) -> Option<Bare> {
    let text = read::text(bytes).ok()?.text;
    let Ok(tree) = tree::parse(&text) else {
        let hidden = mask::mask_lines(&text);
        return Some(Bare { masked: hidden != text, text: hidden, replaced: Vec::new(), known: Vec::new() });
    };
    let known: Vec<String> = mask::texts(&tree).into_iter().filter(|text| !has_variable(text)).collect();
    let mut taken = Vec::new();
    names(&tree, &mut taken);
    let replaced = literals::named(&tree, taken);
    let shared = may_share(&text);
    let steps = replacing(&tree, &|pointer, at, found| {
        let literal = replaced.iter().find(|literal| literal.path == pointer);
        let named = literal.map(|literal| json!({ "secret": literal.name }));
        let copy = || shared && known.iter().any(|known| known == found.trim());
        named.or_else(|| (is_literal(at, found) || copy()).then(|| Value::from(MASK)))
    });
    let named = match steps.is_empty() {
        true => Some(text.clone()),
        false => edit::rewrite(&text, &tree, &steps).ok(),
    };
    let hidden = named.as_ref().map(|named| mask::mask_assignments(&mask::hide(named.clone(), &known)));
    match hidden.filter(|hidden| tree::parse(hidden).is_ok() && !holds(hidden, &known)) {
        Some(hidden) => {
            let masked = steps.len() > replaced.len() || named.is_some_and(|named| named != hidden);
            Some(Bare { text: hidden, replaced, masked, known })
        }
        // Anchors, or a secret in a key, stand in the way.
        None => Some(Bare { text: mask::mask_text(&text, &tree), replaced: Vec::new(), masked: true, known }),
    }
}

/// Whether a file of the configuration holds a secret as text, or a copy of one of `known`: the file itself, the last
/// good one, or a former version. `name` is its place below the home. Of what is no text nobody knows.
pub fn holds_secret(name: &str, bytes: &[u8], known: &[String]) -> bool {
    let (told, text): (&[u8], &[u8]) = match name.starts_with(VERSIONS) {
        true => history::split(bytes),
        false => (&[][..], bytes),
    };
    let told = String::from_utf8_lossy(told).into_owned();
    mask::hide(told.clone(), known) != told
        || read::text(text.to_vec()).map_or(true, |source| holds(&source.text, known))
}

/// The files of a home that hold a secret of the configuration as text, or a copy of one of these; below the home.
pub fn with_secrets(home: &Home, moved: &[Literal]) -> Vec<String> {
    let known: Vec<String> = moved.iter().map(written).collect();
    let versions = history::ids(home).into_iter().map(|id| format!("{VERSIONS}{id}.yaml"));
    let names = ["config.yaml", "state/config.last-good.yaml"].map(str::to_owned).into_iter().chain(versions);
    let held = |name: &String| match read::source(&home.path().join(name)) {
        Ok(None) => false,
        Ok(Some(source)) => holds_secret(name, &source.bytes, &known),
        Err(_) => true,
    };
    names.filter(held).collect()
}

fn holds(text: &str, known: &[String]) -> bool {
    if mask::hide(text.to_owned(), known) != text {
        return true;
    }
    match tree::parse(text) {
        Ok(tree) => {
            let literals = replacing(&tree, &|_, at, found| is_literal(at, found).then_some(Value::Null));
            !literals.is_empty() || in_keys(&tree) || mask::mask_assignments(text) != text
        }
        Err(_) => mask::mask_lines(text) != text,
    }
}

/// A secret as it is written in a text of the configuration, where a plain `${` is `$${`.
fn written(literal: &Literal) -> String {
    literal.secret.expose().trim().replace("${", "$${")
}

/// Whether aliases may stand in a text: what one shows at a secret's key stands elsewhere too.
fn may_share(text: &str) -> bool {
    text.contains('*')
}

fn is_literal(at: At, found: &str) -> bool {
    let secret = at != At::Elsewhere || mask::holds_secret(found);
    secret && !found.trim().is_empty() && !found.contains(MASK) && !has_variable(found)
}

fn in_keys(node: &Node) -> bool {
    match &node.kind {
        Kind::List(nodes) => nodes.iter().any(in_keys),
        Kind::Map(entries) => entries.iter().any(|(key, node)| mask::holds_secret(&key.text) || in_keys(node)),
        _ => false,
    }
}

/// The names that references give.
fn names(node: &Node, found: &mut Vec<String>) {
    match &node.kind {
        Kind::List(nodes) => nodes.iter().for_each(|node| names(node, found)),
        Kind::Map(entries) => {
            for (key, node) in entries {
                match &node.kind {
                    Kind::Text(name) if key.text == "secret" => found.push(name.clone()),
                    _ => names(node, found),
                }
            }
        }
        _ => {}
    }
}

/// What a text or number is to become, by its JSON Pointer, where it stands, and itself.
type Instead<'a> = &'a dyn Fn(&str, At, &str) -> Option<Value>;

/// From the end: what is an alias has a value of its own before its anchor changes.
fn replacing(tree: &Node, instead: Instead) -> Vec<Step> {
    let mut steps = Vec::new();
    walk(tree, At::Elsewhere, &mut Vec::new(), instead, &mut steps);
    steps.reverse();
    steps
}

fn walk(node: &Node, at: At, path: &mut Vec<Part>, instead: Instead, steps: &mut Vec<Step>) {
    let text = match &node.kind {
        Kind::Text(text) => Cow::Borrowed(text.as_str()),
        Kind::Number(number) => Cow::Owned(number.to_string()),
        Kind::List(nodes) => {
            let at = if at == At::Elsewhere { At::Elsewhere } else { At::Below };
            for (index, node) in nodes.iter().enumerate() {
                path.push(Part::Index(index));
                walk(node, at, path, instead, steps);
                path.pop();
            }
            return;
        }
        Kind::Map(entries) => {
            // It says where a secret is, and is none itself.
            let reference = at != At::Elsewhere && is_reference_map(entries);
            for (key, node) in entries {
                let at = match at {
                    _ if reference => At::Elsewhere,
                    _ if is_secret_key(&key.text) => At::Key,
                    At::Elsewhere => At::Elsewhere,
                    _ => At::Below,
                };
                path.push(Part::Key(key.text.clone()));
                walk(node, at, path, instead, steps);
                path.pop();
            }
            return;
        }
        Kind::Null | Kind::Bool(_) => return,
    };
    if let Some(value) = instead(&plan::pointer(path), at, &text) {
        steps.push(Step::Set(path.clone(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const KEY: &str = "sk-planted-0123456789";

    fn literal(secret: &str) -> Literal {
        Literal {
            path: "/models/providers/acme/apiKey".to_owned(),
            name: "acme".to_owned(),
            secret: Secret::new(secret),
        }
    }

    fn value(text: &str) -> Value {
        tree::parse(text).map(|tree| edit::document(&tree)).unwrap_or_else(|why| panic!("{text}: {why:?}"))
    }

    #[test]
    fn a_secret_goes_and_all_else_stays() {
        let reference = json!({ "secret": "acme" });
        for (text, secret, expected) in [
            ("# mine\nx: {token: %}  # here\ny: 1\n", KEY, json!({"x": {"token": reference}, "y": 1})),
            ("x:\r\n  token: '%'  # here\r\ny: 1\r\n", KEY, json!({"x": {"token": reference}, "y": 1})),
            ("\u{feff}x:\n  token: %\n  on: true  # y\n", "a", json!({"x": {"token": reference, "on": true}})),
            ("x:\n  token: |\n    %\ny: 1\n", KEY, json!({"x": {"token": reference}, "y": 1})),
            ("x: {password: [%, b]}\n", "a", json!({"x": {"password": [MASK, "b"]}})),
            ("x: {token: {secret: b}, name: %}\n", "a", json!({"x": {"token": {"secret": "b"}, "name": "a"}})),
            ("x: {name: 'my %'}\n", KEY, json!({"x": {"name": "my __masked__"}})),
            ("x: {url: 'https://h/?token=%'}\n", KEY, json!({"x": {"url": "https://h/?token=__masked__"}})),
            ("x: {token: b}  # %\n", KEY, json!({"x": {"token": "b"}})),
            ("x: &k %\ny: {token: *k}\n", "a", json!({"x": MASK, "y": {"token": reference}})),
            ("x: {token: 'a$${%}'}\n", "a${a}", json!({"x": {"token": reference}})),
            ("x: {token: 12345}\n", "12345", json!({"x": {"token": reference}})),
            ("", "a", json!({})),
            ("cron: {}  # a\n", "a", json!({"cron": {}})),
        ] {
            let text = text.replace('%', secret.trim_start_matches("a${").trim_end_matches('}'));
            let out = without(&text, &literal(secret)).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value(&out), expected, "{text} → {out}");
            assert!(!out.contains(KEY) && out.contains("\r\n") == text.contains("\r\n"), "{text} → {out}");
            // Whatever does not hold the secret is there as it was, in its order.
            let mut rest = out.as_str();
            for line in text.split_inclusive('\n').filter(|line| !line.contains("token") && !line.contains(secret)) {
                let at = rest.find(line).unwrap_or_else(|| panic!("{text} → {out} lost {line}"));
                rest = &rest[at + line.len()..];
            }
            for comment in ["# mine", "# here", "# y"] {
                assert_eq!(out.contains(comment), text.contains(comment), "{text} → {out}");
            }
        }
    }

    #[test]
    fn a_text_that_is_no_yaml() {
        for (text, secret, expected) in [
            ("x: [\ntoken: %\n# % again", "12345678", Some("x: [\ntoken: __masked__\n# __masked__ again")),
            ("x: [\ntoken: %\n", "1234567", None),
            ("x: [\ntoken: b\n", "1234567", Some("x: [\ntoken: b\n")),
        ] {
            let text = text.replace('%', secret);
            assert_eq!(without(&text, &literal(secret)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn copies_in_comments_and_in_what_is_told() {
        let hidden = |text: &str, secret: &str| hide_in_comments(text.replace('%', secret), &literal(secret));
        assert_eq!(hidden("# was %\na: b # %\n", KEY), "# was __masked__\na: b # __masked__\n");
        for (text, secret) in [("# was %\n", "short"), ("a: 'x#%'\n", KEY), ("a: %\n", KEY), ("# [\na: [ # %\n", KEY)] {
            assert_eq!(hidden(text, secret), text.replace('%', secret), "{text}");
        }
        let secret = "planted \"0123456789\"";
        let told = json!({ "diff": format!(" # {secret}\n"), "n": 1 }).to_string();
        assert_eq!(hide_in_told(told, &literal(secret)), json!({ "diff": " # __masked__\n", "n": 1 }).to_string());
    }

    #[test]
    fn a_text_without_any_secret_can_be_used() {
        let text = format!(
            "# mine, {KEY}\nmodels:\n  providers:\n    acme:\n      api: openai\n      apiKey: {KEY}  # of May\n    other: \
             {{api: openai, apiKey: '${{OTHER}}'}}\nchannels: {{x: {{token: short, password: {{secret: x}}}}}}\n# token: old\n"
        );
        let bare = bare(text.clone().into_bytes()).expect("is a text");
        let names: Vec<_> = bare.replaced.iter().map(|one| (one.path.as_str(), one.name.as_str())).collect();
        assert_eq!(names, [("/models/providers/acme/apiKey", "acme"), ("/channels/x/token", "x-2")]);
        let expected = json!({
            "models": {"providers": {
                "acme": {"api": "openai", "apiKey": {"secret": "acme"}}, "other": {"api": "openai", "apiKey": "${OTHER}"}
            }},
            "channels": {"x": {"token": {"secret": "x-2"}, "password": {"secret": "x"}}},
        });
        assert_eq!(value(&bare.text), expected);
        assert!(bare.masked && bare.text.starts_with("# mine, __masked__\n"), "{}", bare.text);
        assert!(bare.text.contains("# of May") && bare.text.ends_with("# token: __masked__\n"), "{}", bare.text);
        assert!(!bare.text.contains("short") && !holds(&bare.text, &bare.known));
        let told = format!("# {{\"diff\":\"{KEY}\"}}\ncron: {{}}\n");
        assert!(holds_secret("config.history/1.yaml", told.as_bytes(), &bare.known));
        assert!(!holds_secret("config.history/1.yaml", told.as_bytes(), &[]));
    }

    #[test]
    fn what_no_reference_can_stand_for_is_masked() {
        for text in [
            "channels: {x: {token: 5}}\n",
            "channels: {x: {password: [a, b]}}\n",
            "channels: {x: {url: 'https://h/?token=abc'}}\n",
            "channels: {'token:abc': {on: true}}\n",
            "channels: {x: &k abc, y: {token: *k}}\n",
            "channels: {x: {token: abc}}\ncron: [\n",
        ] {
            let bare = bare(text.as_bytes().to_vec()).expect("is a text");
            assert!(bare.masked && bare.text.contains(MASK), "{text} → {}", bare.text);
            assert!(!bare.text.contains("abc") && !bare.text.contains('5'), "{text} → {}", bare.text);
            assert!(holds(text, &[]) && !holds(&bare.text, &bare.known), "{text} → {}", bare.text);
        }
        assert!(bare(b"token: \xff\n".to_vec()).is_none() && holds_secret("config.yaml", b"token: \xff\n", &[]));
    }

    #[test]
    fn what_holds_none_stays_as_it_is() {
        for text in [
            "",
            "# the token of my bot is in the safe\nmodels: {detect: false}   # quiet\n",
            "channels: {x: {token: {secret: a}, password: {env: B}}}\n",
            "channels: {x: {token: '${A}', url: 'https://h/?token=${A}'}}\n",
            "channels: {x: {token: __masked__}}\n",
            "channels: {x: {token: '', on: true}}\r\n",
        ] {
            let bare = bare(text.as_bytes().to_vec()).expect("is a text");
            assert_eq!((bare.text.as_str(), bare.replaced.len(), bare.masked), (text, 0, false));
            assert!(!holds(text, &[]), "{text}");
        }
    }
}
