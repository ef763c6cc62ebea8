//! `secrets.yaml`: `name: "secret"`, for this user alone. A person may write it as well, so a change leaves the other
//! lines as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Secret;
use crate::config::read::{self, MAX_BYTES};
use crate::config::tree::{self, Key, Kind, Node};
use crate::home::write_private;

/// What a new file starts with.
const HEAD: &str = "# Secrets of SimpleClaw, for this user alone (mode 0600). `simpleclaw secrets` changes them.\n";

/// The file as it is now. No file is the same as an empty one.
pub struct SecretsFile {
    path: PathBuf,
    text: String,
    entries: Vec<(Key, Node)>,
}

impl SecretsFile {
    /// The error says what is wrong with the file and what mends it, and quotes nothing of it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let of = |text: String, entries| Self { path: path.to_owned(), text, entries };
        let source = read::source(path).map_err(|bad| format!("{}: {}", path.display(), bad.mistake.words))?;
        let Some(source) = source else { return Ok(of(HEAD.to_owned(), vec![])) };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let open = path.metadata().is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
            if open {
                return Err(format!("other users may read {0}; run `chmod 600 {0}`", path.display()));
            }
        }
        let tree = tree::parse(&source.text)
            .map_err(|at| format!("{}:{}:{}: {}", path.display(), at.line, at.column, at.words))?;
        match tree.kind {
            Kind::Map(entries) => Ok(of(source.text, entries)),
            Kind::Null => Ok(of(source.text, vec![])),
            _ => Err(format!("{} must hold lines of the form `name: \"secret\"`", path.display())),
        }
    }

    pub fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        match self.entry(name).map(|node| &node.kind) {
            None | Some(Kind::Null) => Ok(None),
            Some(Kind::Text(text)) if !text.is_empty() => Ok(Some(Secret::new(text))),
            Some(_) => Err(self.no_text(name)),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        let given = self.entries.iter().filter(|(_, node)| node.kind != Kind::Null);
        given.map(|(key, _)| key.text.as_str())
    }

    /// Puts a secret into the file, in place of the one of that name.
    pub fn set(&self, name: &str, value: &Secret) -> Result<(), String> {
        self.write(name, Some(value.expose()))
    }

    pub fn remove(&self, name: &str) -> Result<(), String> {
        match self.entry(name) {
            Some(_) => self.write(name, None),
            None => Ok(()),
        }
    }

    fn entry(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    fn no_text(&self, name: &str) -> String {
        format!("`{name}` in {} is no text; put it in quotes", self.path.display())
    }

    fn write(&self, name: &str, value: Option<&str>) -> Result<(), String> {
        let most = self.text.len() + value.map_or(0, |value| name.len() + quoted(value).len() + 4);
        if most as u64 > MAX_BYTES {
            return Err(format!("{} would be larger than 1 MiB; remove what nobody uses", self.path.display()));
        }
        let text = match self.edited(name, value) {
            Some(text) => text,
            None => self.rewritten(name, value)?,
        };
        write_private(&self.path, text.as_bytes())
            .map_err(|error| format!("{} cannot be written: {error}", self.path.display()))
    }

    /// The text with only the lines of this name changed; `None` where that does not come out right.
    fn edited(&self, name: &str, value: Option<&str>) -> Option<String> {
        let there = self.entries.iter().find(|(key, _)| key.text == name);
        let text = match (there, value) {
            (Some((_, node)), Some(value)) => {
                let (start, end) = node.place.bytes?;
                format!("{}{}{}", self.text.get(..start)?, quoted(value), self.text.get(end..)?)
            }
            (None, Some(value)) => {
                let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
                format!("{}{gap}{name}: {}\n", self.text, quoted(value))
            }
            (Some((key, node)), None) => {
                let (start, _) = key.place.bytes?;
                let (_, end) = node.place.bytes?;
                let start = self.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
                let after = self.text.get(end..)?;
                let rest = after.find('\n').map_or("", |at| after.get(at + 1..).unwrap_or_default());
                format!("{}{rest}", self.text.get(..start)?)
            }
            (None, None) => return None,
        };
        let mut wanted: BTreeMap<&str, Value> =
            self.entries.iter().map(|(key, node)| (key.text.as_str(), node.value())).collect();
        match value {
            Some(value) => wanted.insert(name, value.into()),
            None => wanted.remove(name),
        };
        wanted.retain(|_, value| !value.is_null());
        let says = match tree::parse(&text).ok()?.value() {
            Value::Null => wanted.is_empty(),
            Value::Object(map) => {
                map.len() == wanted.len() && wanted.iter().all(|(name, value)| map.get(*name) == Some(value))
            }
            _ => false,
        };
        says.then_some(text)
    }

    /// The text written anew, without comments.
    fn rewritten(&self, name: &str, value: Option<&str>) -> Result<String, String> {
        let mut all = BTreeMap::new();
        for (key, node) in self.entries.iter().filter(|(key, _)| key.text != name) {
            match &node.kind {
                Kind::Text(text) => all.insert(key.text.as_str(), text.as_str()),
                Kind::Null => None,
                _ => return Err(self.no_text(&key.text)),
            };
        }
        all.extend(value.map(|value| (name, value)));
        let lines = all.iter().map(|(name, value)| format!("{}: {}\n", quoted(name), quoted(value)));
        Ok(HEAD.to_owned() + &lines.collect::<String>())
    }
}

/// A text as YAML reads it back, whatever is in it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line breaks to YAML, and a mark that it drops.
            '\u{2028}' | '\u{2029}' | '\u{feff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::home::tests::mode;

    fn with(text: &str, change: impl FnOnce(&SecretsFile) -> Result<(), String>) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.yaml");
        write_private(&path, text.as_bytes()).expect("writes");
        change(&SecretsFile::read(&path).expect("reads")).expect("changes");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1, "nothing is left over");
        fs::read_to_string(&path).expect("is there")
    }

    #[test]
    fn only_the_lines_of_one_name_change() {
        let secret = |text: &str| Secret::new(text);
        for (before, name, value, after) in [
            ("# mine\na: x # old\n", "a", Some("y\"z"), "# mine\na: \"y\\\"z\" # old\n"),
            ("# mine\na: x", "b", Some("y"), "# mine\na: x\nb: \"y\"\n"),
            ("# only\n", "b", Some("y"), "# only\nb: \"y\"\n"),
            ("a: x\n# keep\nb: 'y'\nc: z\n", "b", None, "a: x\n# keep\nc: z\n"),
            ("b: y", "b", None, ""),
            ("a: 42\nb: y\n", "b", Some("z"), "a: 42\nb: \"z\"\n"),
        ] {
            let got = with(before, |file| match value {
                Some(value) => file.set(name, &secret(value)),
                None => file.remove(name),
            });
            assert_eq!(got, after, "{before}");
        }
    }

    #[test]
    fn a_form_that_cannot_be_edited_is_written_anew() {
        let got = with("{a: x, b: y}\n", |file| file.set("c", &Secret::new("z")));
        assert_eq!(got, format!("{HEAD}\"a\": \"x\"\n\"b\": \"y\"\n\"c\": \"z\"\n"));
        let got = with("a: |\n  x\n  y\nb: z\n", |file| file.remove("a"));
        assert_eq!(tree::parse(&got).expect("is YAML").value(), serde_json::json!({"b": "z"}));
    }

    #[test]
    fn every_text_comes_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.yaml");
        for text in
            ["a", " a ", "a\nb\r\n\tc", "\\\"'#: {}[]", "${HOME}", "\u{7f}\u{85}\u{2028}\u{feff}é🙂", "yes", "42"]
        {
            SecretsFile::read(&path).expect("reads").set("name", &Secret::new(text)).expect("writes");
            let found = SecretsFile::read(&path).expect("reads").get("name").expect("is text");
            assert_eq!(found.expect("is there").expose(), text);
        }
        assert!(fs::read_to_string(&path).expect("is there").starts_with(HEAD));
    }

    #[test]
    fn a_bad_file_is_refused_in_words_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.yaml");
        for (text, mode, words) in [
            ("work: hunter2-abc\n", 0o640, "chmod 600"),
            ("work: hunter2-abc\n", 0o604, "chmod 600"),
            ("work: 'hunter2-abc\n", 0o600, "this quote is never closed"),
            ("- hunter2-abc\n", 0o600, "must hold lines of the form"),
            ("hunter2-abc\n", 0o600, "must hold lines of the form"),
            ("work: a\nwork: hunter2-abc\n", 0o600, "stands twice"),
        ] {
            fs::write(&path, text).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
            let error = SecretsFile::read(&path).err().expect(text);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        fs::write(&path, "work: 42\nother: [1]\n").expect("writes");
        let file = SecretsFile::read(&path).expect("reads");
        assert!(file.get("work").expect_err("a number").contains("put it in quotes"));
        assert!(file.get("absent").expect("reads").is_none());
        let too_large = Secret::new("x".repeat(1024 * 1024));
        assert!(file.set("big", &too_large).expect_err("is too large").contains("1 MiB"));
        assert_eq!(fs::read_to_string(&path).expect("is there"), "work: 42\nother: [1]\n");
    }
}
