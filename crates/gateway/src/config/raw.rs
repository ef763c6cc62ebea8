//! A text that comes back with masks in it: each gets back what it hides.

use serde_json::Value;

use super::edit::{self, Refused};
use super::mask::{self, MASK};
use super::tree::{self, Kind, Node};
use super::{patch, plan};

/// `old` is the text that the masks were made from, read as `tree` where it could be read. A mask that nothing can be
/// found for stays.
pub fn unmask(new: &str, old: &str, tree: Option<&Node>) -> Result<String, Refused> {
    if !new.contains(MASK) {
        return Ok(new.to_owned());
    }
    let (text, shown) = match (tree, tree::parse(new)) {
        (Some(tree), Ok(read)) => {
            let (stored, sent) = (edit::document(tree), edit::document(&read));
            let mut restored = sent.clone();
            patch::restore(&mut restored, &stored, &Value::Null);
            let literal = literally(new, &read, &restored, old, tree);
            let literal = literal.filter(|text| tree::parse(text).is_ok_and(|read| edit::document(&read) == restored));
            let text = match literal {
                Some(text) => text,
                None => edit::rewrite(new, &read, &plan::plan(&sent, &restored))?,
            };
            (text, mask::mask_comments_alone(old, tree))
        }
        _ => (new.to_owned(), mask::mask_lines(old)),
    };
    let lines = lines_back(&text, old, &shown, tree.is_some());
    // Lines are matched by what they look like; that must never change what a value is.
    let same = |(a, b): (Node, Node)| edit::document(&a) == edit::document(&b);
    let still = tree.is_none() || tree::parse(&text).ok().zip(tree::parse(&lines).ok()).is_some_and(same);
    Ok(if still { lines } else { text })
}

/// Puts what `old` has in its text for a secret where `new`, which reads as `read`, has a mask for it: quotes, escapes
/// and blocks are then as they were.
fn literally(new: &str, read: &Node, restored: &Value, old: &str, tree: &Node) -> Option<String> {
    let secrets = mask::secrets(tree);
    let mut places = Vec::new();
    masks(read, restored, &mut places);
    places.sort_unstable_by_key(|(start, ..)| *start);
    let mut out = String::with_capacity(new.len());
    let mut done = 0;
    for (start, end, value) in places {
        let from = secrets.iter().find(|secret| secret.value() == *value)?;
        let (from_start, from_end) = from.place.bytes?;
        // A block ends where the next line begins.
        let (hidden, literal) = (new.get(start..end)?.trim_end(), old.get(from_start..from_end)?.trim_end());
        out.push_str(new.get(done..start)?);
        out.push_str(literal);
        done = start + hidden.len();
    }
    out.push_str(new.get(done..)?);
    Some(out)
}

/// Where masks stand whose secrets are known, in bytes, with these.
fn masks<'a>(read: &Node, restored: &'a Value, places: &mut Vec<(usize, usize, &'a Value)>) {
    match (&read.kind, restored) {
        (Kind::Map(entries), Value::Object(map)) => {
            for (key, node) in entries {
                if let Some(value) = map.get(&key.text) {
                    masks(node, value, places);
                }
            }
        }
        (Kind::List(nodes), Value::Array(list)) => {
            nodes.iter().zip(list).for_each(|(node, value)| masks(node, value, places));
        }
        (Kind::Text(text), value) if text.trim_end() == MASK && value.as_str() != Some(text) => {
            if let Some((start, end)) = read.place.bytes {
                places.push((start, end, value));
            }
        }
        _ => {}
    }
}

/// Puts whole lines back that can come from one line of `old` alone; `shown` is how that was shown, but for the
/// values where only comments are meant.
fn lines_back(text: &str, old: &str, shown: &str, comments_only: bool) -> String {
    let (old, shown): (Vec<&str>, Vec<&str>) = (old.lines().collect(), shown.lines().collect());
    if old.len() != shown.len() {
        return text.to_owned();
    }
    let mut before = None;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let hidden = content.find(MASK);
        let meant = hidden.is_some_and(|at| !comments_only || content.find('#').is_some_and(|comment| comment < at));
        match meant.then(|| origin(content, before, &old, &shown)).flatten() {
            Some(found) => {
                out.push_str(found);
                out.push_str(line.get(content.len()..).unwrap_or_default());
            }
            None => out.push_str(line),
        }
        before = Some(content);
    }
    out
}

/// The one old line that was shown like this; where there are several, the one that followed the same line.
fn origin<'a>(line: &str, before: Option<&str>, old: &[&'a str], shown: &[&str]) -> Option<&'a str> {
    let like: Vec<usize> = (0..shown.len()).filter(|at| shown.get(*at) == Some(&line)).collect();
    let above = |at: &usize| at.checked_sub(1).and_then(|above| shown.get(above).copied());
    let found = match like.as_slice() {
        [one] => *one,
        several => {
            let mut near = several.iter().filter(|at| above(at) == before);
            match (near.next(), near.next()) {
                (Some(at), None) => *at,
                _ => return None,
            }
        }
    };
    old.get(found).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(old: &str, change: impl Fn(String) -> String) -> String {
        let tree = tree::parse(old).ok();
        let shown = match &tree {
            Some(tree) => mask::mask_text(old, tree),
            None => mask::mask_lines(old),
        };
        unmask(&change(shown), old, tree.as_ref()).expect("is possible")
    }

    const TEXT: &str = "# the old token: 0123456789abcdef\nchannels:\n  a: {token: 'one', on: true}  # mine\n  b:\n    \
        token: |\n      two\n      lines\n    port: 1\n  c: {password: \"three: 3\"}\n";

    #[test]
    fn unchanged_is_unchanged() {
        assert_eq!(round(TEXT, |shown| shown), TEXT);
    }

    #[test]
    fn what_is_around_a_mask_may_change() {
        let changed =
            round(TEXT, |shown| shown.replace("port: 1", "port: 2").replace("  a: {", "  z: {on: false}\n  a: {"));
        let value = tree::parse(&changed).expect("is YAML").value();
        assert_eq!(value["channels"]["a"]["token"], "one", "{changed}");
        assert_eq!(value["channels"]["b"]["token"], "two\nlines\n", "{changed}");
        assert_eq!(value["channels"]["c"]["password"], "three: 3", "{changed}");
        assert!(changed.contains("port: 2") && changed.contains("# mine") && changed.contains("z: {on: false}"));
    }

    #[test]
    fn a_secret_never_goes_to_another_place() {
        let old = "channels:\n  a:\n    token: one\n  b:\n    token: two\n";
        let without = round(old, |shown| shown.replace("  a:\n    token: __masked__\n", ""));
        assert_eq!(without, "channels:\n  b:\n    token: two\n");
        let renamed = round(old, |shown| shown.replace("  a:", "  c:"));
        assert_eq!(renamed, "channels:\n  c:\n    token: __masked__\n  b:\n    token: two\n");
    }

    #[test]
    fn a_broken_text_can_be_mended() {
        let old = "channels:\n  a:\n    token: one\n  b:\n    token: two\ncron: [\n";
        let mended = round(old, |shown| shown.replace("cron: [", "cron: {}"));
        assert_eq!(mended, old.replace("cron: [", "cron: {}"));
    }
}
