//! Changes a YAML text so that it says another value and all else stays as it is, byte for byte: comments, order,
//! quotes, line ends. yaml-edit does the work (`apply`); here its work is checked. What comes out of a step is read
//! again, must say what was meant, must have lost no comment that is not a part of what went, and may differ only
//! around the place that was meant. Where one way fails that, the next is tried; where all do, nothing is changed.

mod apply;
mod scope;

use std::borrow::Cow;

use serde_json::Value;

use super::plan::{self, Part, Step};
use super::tree::{self, Kind, Node};

/// Most steps of one change; each one reads the text twice.
const MAX_STEPS: usize = 500;

/// Why a text was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    TooMany,
    /// No way was found that touches nothing else. `shared`: anchors, aliases or merged keys stand in the way.
    NoWay {
        path: String,
        line: u64,
        shared: bool,
    },
}

/// `text` reads as `tree`. What comes back reads as what the steps make of that.
pub fn rewrite(text: &str, tree: &Node, steps: &[Step]) -> Result<String, Refused> {
    if steps.len() > MAX_STEPS {
        return Err(Refused::TooMany);
    }
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let mut value = document(tree);
    let mut now = line_feeds(body);
    for step in steps {
        plan::take(&mut value, step);
        now = Cow::Owned(take(&now, step, &value)?);
    }
    let now = format!("{mark}{}", keep_line_ends(body, &now));
    if !says(&now, &value) {
        return Err(no_way(tree, steps.last().map_or(&[][..], Step::path), text));
    }
    Ok(now)
}

/// The value of a file; an empty one is an empty map.
pub fn document(tree: &Node) -> Value {
    match tree.value() {
        Value::Null => Value::Object(Default::default()),
        value => value,
    }
}

fn says(text: &str, expected: &Value) -> bool {
    tree::parse(text).is_ok_and(|tree| document(&tree) == *expected)
}

fn take(text: &str, step: &Step, expected: &Value) -> Result<String, Refused> {
    let tree = tree::parse(text).map_err(|_| Refused::NoWay { path: String::new(), line: 0, shared: false })?;
    let good = |new: &String| says(new, expected) && scope::keeps_the_rest(text, &tree, new, step);
    if tree.kind == Kind::Null {
        let found = apply::first(text, step).into_iter().find(good);
        return found.ok_or_else(|| no_way(&tree, step.path(), text));
    }
    let ways: [&dyn Fn() -> Option<String>; 3] =
        [&|| apply::natural(text, step), &|| apply::as_flow(text, step), &|| splice(text, &tree, step)];
    let found = ways.iter().find_map(|way| way().filter(good));
    found.or_else(|| above(text, &tree, step, expected)).ok_or_else(|| no_way(&tree, step.path(), text))
}

/// Replaces the bytes of a scalar.
fn splice(text: &str, tree: &Node, step: &Step) -> Option<String> {
    let Step::Set(path, value) = step else { return None };
    if value.is_array() || value.is_object() {
        return None;
    }
    let (start, end) = find(tree, path)?.place.bytes?;
    Some(format!("{}{value}{}", text.get(..start)?, text.get(end..)?))
}

/// Writes the map or list around the place anew, or the one around that, where no comment stands in it.
fn above(text: &str, tree: &Node, step: &Step, expected: &Value) -> Option<String> {
    (1..step.path().len()).rev().find_map(|depth| {
        let path = step.path().get(..depth)?;
        let value = expected.pointer(&plan::pointer(path))?;
        let whole = Step::Set(path.to_vec(), value.clone());
        let ways = [apply::natural(text, &whole), apply::as_flow(text, &whole)];
        let good = |new: &String| {
            says(new, expected) && scope::same_comments(text, new) && scope::keeps_the_rest(text, tree, new, &whole)
        };
        ways.into_iter().flatten().find(good)
    })
}

fn find<'a>(tree: &'a Node, path: &[Part]) -> Option<&'a Node> {
    path.iter().try_fold(tree, |node, part| match (&node.kind, part) {
        (Kind::Map(entries), Part::Key(name)) => {
            entries.iter().find(|(key, _)| key.text == *name).map(|(_, node)| node)
        }
        (Kind::List(nodes), Part::Index(index)) => nodes.get(*index),
        _ => None,
    })
}

fn no_way(tree: &Node, path: &[Part], text: &str) -> Refused {
    let path = plan::pointer(path);
    let line = tree.place_of(&path).line;
    Refused::NoWay { path, line, shared: scope::shares(text) }
}

/// With `\n` alone, where that is only another way to end the same lines.
fn line_feeds(text: &str) -> Cow<'_, str> {
    let plain = text.replace("\r\n", "\n");
    if plain.len() == text.len() || plain.contains('\r') { Cow::Borrowed(text) } else { Cow::Owned(plain) }
}

/// Gives the lines of `new` that `old` has as well their ends back, and the others that of the first line.
fn keep_line_ends(old: &str, new: &str) -> String {
    if !old.contains("\r\n") || new.contains('\r') {
        return new.to_owned();
    }
    let (before, after): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let same = |(old, new): &(&&str, &&str)| old.trim_end_matches(['\r', '\n']) == new.trim_end_matches('\n');
    let start = before.iter().zip(&after).take_while(same).count();
    let rest = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(same).count();
    let windows = before.first().is_some_and(|line| line.ends_with("\r\n"));
    let middle = after.iter().take(after.len() - end).skip(start).map(|line| match line.strip_suffix('\n') {
        Some(line) if windows => format!("{line}\r\n"),
        _ => (*line).to_owned(),
    });
    let mut out: String = before.iter().take(start).copied().collect();
    // A last line without an end has one now that others follow.
    if !out.is_empty() && !out.ends_with('\n') && after.len() > start {
        out.push_str(if windows { "\r\n" } else { "\n" });
    }
    out.extend(middle);
    out.extend(before.iter().skip(before.len() - end).copied());
    out
}

#[cfg(test)]
mod tests;
