//! A YAML text as a tree in which every key and value knows its place: the one way in which SimpleClaw reads YAML.
//!
//! Elsewhere: getting the text from disk (`read`), what the values must be (`validate`).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Error, Location, Spanned};

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the file's order, without equal keys.
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub text: String,
    pub place: Place,
}

/// Where something stands: line and column from 1, in characters; 0 where unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub column: u64,
    /// Bytes of the text that say the value: those of the anchor where an alias stands. `None` for maps and lists.
    pub bytes: Option<(usize, usize)>,
}

/// What is wrong with a text that is no YAML as we take it. The words never quote the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub line: u64,
    pub column: u64,
    pub words: String,
}

/// Reads one document. An empty text is [`Kind::Null`].
pub fn parse(text: &str) -> Result<Node, Mistake> {
    serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options()).map(Node::from).map_err(|e| mistake(&e))
}

/// The one set of options: no YAML 1.1 words as booleans, numbers only where they look like it, no custom tags, no
/// equal keys, and budgets that no honest configuration meets.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        ignore_binary_tag_for_string: true,
        with_snippet: false,
        emit_comments: false,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: 20_000,
            max_events: 60_000,
            max_aliases: 100,
            max_anchors: 100,
            max_merge_keys: 100,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
    }
}

impl Node {
    /// The plain value. A key without a value counts as absent.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(nodes) => nodes.iter().map(Node::value).collect(),
            Kind::Map(entries) => {
                let given = entries.iter().filter(|(_, node)| node.kind != Kind::Null);
                Value::Object(given.map(|(key, node)| (key.text.clone(), node.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of what a JSON Pointer names, or of the nearest part above it that the text has.
    pub fn place_of(&self, pointer: &str) -> Place {
        let mut node = self;
        let mut place = self.place;
        for part in pointer.split('/').skip(1) {
            let part = unescape(part);
            let next = match &node.kind {
                Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == part).map(|(_, node)| node),
                Kind::List(nodes) => part.parse().ok().and_then(|index: usize| nodes.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            (node, place) = (next, next.place);
        }
        place
    }
}

/// A key as a part of a JSON Pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A part of a JSON Pointer as a key.
pub fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        let bytes = match &spanned.value {
            Kind::Map(_) | Kind::List(_) => None,
            _ => byte_range(&spanned.defined),
        };
        let at = spanned.referenced;
        Self { place: Place { line: at.line(), column: at.column(), bytes }, kind: spanned.value }
    }
}

fn byte_range(location: &Location) -> Option<(usize, usize)> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    Some((start, start.checked_add(usize::try_from(span.byte_len()?).ok()?)?))
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Kind, E> {
        Err(E::custom("this number is too large"))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Kind, E> {
        Err(E::custom("this number is too large"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("this is no finite number"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Spanned<Kind>>()? {
            nodes.push(node.into());
        }
        Ok(Kind::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let at = key.referenced;
            let place = Place { line: at.line(), column: at.column(), bytes: byte_range(&key.defined) };
            entries.push((Key { text: key.value, place }, map.next_value::<Spanned<Kind>>()?.into()));
        }
        Ok(Kind::Map(entries))
    }
}

/// Our words for the reader's error: its own quote the text, which may be a secret.
fn mistake(error: &Error) -> Mistake {
    let at = error.location().unwrap_or(Location::UNKNOWN);
    Mistake { line: at.line(), column: at.column(), words: words(error).to_owned() }
}

fn words(error: &Error) -> &'static str {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => words(error),
        Error::DuplicateMappingKey { .. } => "this key stands twice in its map; keep one",
        Error::MultipleDocuments { .. } => "a second document starts here; the file must hold one",
        Error::UnsupportedTag { .. } => "tags that start with `!` are not understood; put the text in quotes",
        Error::UnknownAnchor { .. } => "this alias names no anchor; text that starts with `*` needs quotes",
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "this is more than a configuration may hold: depth 64, 20000 values, 100 aliases"
        }
        Error::NonFiniteFloat { .. } => "this is no finite number; put it in quotes if it is text",
        Error::RecursiveReferencesRequireWeakTypes { .. } => "this alias stands inside what it names",
        Error::NullIntoString { .. } => "a key without text",
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` takes a map or a list of maps",
        other => scanner_words(&other.to_string()),
    }
}

const NOT_YAML: &str = "this is not valid YAML: look at indentation, quotes, colons and brackets, here and just above";

fn scanner_words(message: &str) -> &'static str {
    let kinds: [(&str, &str); 6] = [
        ("tabs ", "a tab stands where YAML takes only spaces"),
        ("unclosed bracket", "this bracket is never closed"),
        ("unclosed quote", "this quote is never closed"),
        ("mapping values are not allowed", "a `:` cannot stand here; text with a colon in it needs quotes"),
        ("unexpected character", "this character cannot stand here; put the text in quotes"),
        ("too large", "this number is too large; put it in quotes if it is text"),
    ];
    kinds.iter().find(|(sign, _)| message.contains(sign)).map_or(NOT_YAML, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(text).map(|node| node.value()).expect(text)
    }

    #[test]
    fn plain_words_stay_text_and_only_numbers_are_numbers() {
        let text = "a: off\nb: 010\nc: 1_000\nd: n\ne: 1e3\nf: 2024-01-01\ng: True\nh: -5\ni: '5'\n";
        let expected = serde_json::json!({
            "a": "off", "b": "010", "c": "1_000", "d": "n", "e": 1000.0, "f": "2024-01-01", "g": true, "h": -5, "i": "5"
        });
        assert_eq!(value(text), expected);
    }

    #[test]
    fn empty_texts_and_marks_around_a_document() {
        for text in ["", "\n\n", "# only\n", "---\n", "\u{feff}", "---\n...\n"] {
            assert_eq!(value(text), Value::Null, "{text:?}");
        }
        for text in ["\u{feff}a: 1\r\nb:\r\n", "---\na: 1\n...\n", "{a: 1}", "? a\n: 1\n", "x: &m {a: 1}\n<<: *m\nx:\n"]
        {
            if text.starts_with('x') {
                assert!(parse(text).is_err(), "an equal key");
            } else {
                assert_eq!(value(text), serde_json::json!({"a": 1}), "{text:?}");
            }
        }
    }

    #[test]
    fn every_value_knows_its_place_and_its_bytes() {
        let text = "a: 'x y'  # c\nü:\n  - \"q\"\n  - |\n    block\n    more\nd: &k z\ne: *k\n";
        let tree = parse(text).expect("is YAML");
        let said = |pointer: &str| {
            let place = tree.place_of(pointer);
            let (start, end) = place.bytes.expect("is a scalar");
            (place.line, place.column, &text[start..end])
        };
        assert_eq!(said("/a"), (1, 4, "'x y'"));
        assert_eq!(said("/ü/0"), (3, 5, "\"q\""));
        assert_eq!(said("/ü/1"), (5, 5, "block\n    more\n"));
        assert_eq!(said("/d"), (7, 7, "z"));
        assert_eq!(said("/e"), (8, 4, "z"), "an alias is where it stands, and says what its anchor says");
        assert_eq!(tree.place_of("/ü/7/x"), tree.place_of("/ü"), "the nearest part above");
    }

    #[test]
    fn the_deepest_document_fits_a_small_stack() {
        let deep = |depth: usize| format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        let thread = std::thread::Builder::new().stack_size(1 << 21);
        let read = thread.spawn(move || (parse(&deep(MAX_DEPTH - 1)).is_ok(), parse(&deep(MAX_DEPTH + 1)).is_ok()));
        assert_eq!(read.expect("starts").join().expect("ends"), (true, false));
    }
}
