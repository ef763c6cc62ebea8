//! Whether a changed text differs only where it was meant to.

use std::collections::HashMap;
use std::str::FromStr as _;

use yaml_edit::YamlFile;

use super::super::plan::{Part, Step};
use super::super::tree::{Kind, Node};

/// Whether anchors, aliases or merged keys may stand in a text.
pub fn shares(text: &str) -> bool {
    text.contains('*') || text.contains("<<")
}

/// Whether both have the same comments, in any order.
pub fn same_comments(old: &str, new: &str) -> bool {
    lost(old, new).is_empty()
}

/// Whether `new` differs from `old`, which reads as `tree`, only around what the step is about, and has every comment
/// that is not a part of what it removes or replaces.
pub fn keeps_the_rest(old: &str, tree: &Node, new: &str, step: &Step) -> bool {
    let lines = Lines::of(tree, step);
    let inside = |line: u64| lines.may_lose.is_some_and(|(first, last)| (first..=last).contains(&line));
    let above = |line: u64| matches!(step, Step::Remove(_)) && (lines.before..=lines.first).contains(&line);
    let comments = lost(old, new).into_iter().all(|line| inside(line) || above(line));
    // Behind an alias the tree's places are those of the anchor.
    comments
        && (shares(old) || differs(old, new).is_none_or(|(first, last)| lines.before <= first && last <= lines.after))
}

/// The lines of `old` that `new` does not have as they are, from 1. Lines put in between count as the one before them.
fn differs(old: &str, new: &str) -> Option<(u64, u64)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let last = old.len() - end;
    (last > start || new.len() > old.len()).then_some((start.min(last.saturating_sub(1)) as u64 + 1, last as u64))
}

/// The lines of comments that `new` has no more.
fn lost(old: &str, new: &str) -> Vec<u64> {
    let (Ok(before), Ok(after)) = (YamlFile::from_str(old), YamlFile::from_str(new)) else { return vec![0] };
    let mut left: HashMap<String, usize> = HashMap::new();
    for comment in after.comments() {
        *left.entry(comment.text().to_owned()).or_default() += 1;
    }
    let gone = before.comments().filter(|comment| match left.get_mut(comment.text()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    let line = |at: usize| old.get(..at).map_or(0, |before| before.matches('\n').count() as u64 + 1);
    gone.map(|comment| line(usize::from(comment.text_range().start()))).collect()
}

/// Where in a text a step takes place.
struct Lines {
    first: u64,
    /// The last line before it on which something else stands; the first one of the text where nothing does.
    before: u64,
    /// The first line after it on which something else stands.
    after: u64,
    /// The lines whose comments are a part of what goes.
    may_lose: Option<(u64, u64)>,
}

impl Lines {
    fn of(tree: &Node, step: &Step) -> Self {
        let path = match step {
            // Something new: it is put into what is around it.
            Step::Insert(path, _) => path.split_last().map_or(&[][..], |(_, above)| above),
            Step::Set(path, _) | Step::Remove(path) => path.as_slice(),
        };
        let (depth, key_line, node) = nearest(tree, path);
        let exists = depth == path.len() && !matches!(step, Step::Insert(..));
        let mut own = Vec::new();
        lines(node, &mut own);
        let first = key_line.unwrap_or(node.place.line);
        let last = own.iter().copied().filter(|line| *line >= first).max().unwrap_or(first);
        let mut others = Vec::new();
        other_lines(tree, node, &mut others);
        let before = others.iter().copied().filter(|line| *line <= first).max().unwrap_or(1);
        let after = others.iter().copied().filter(|line| *line >= last).min().unwrap_or(u64::MAX);
        let whole = matches!(step, Step::Remove(_))
            || !matches!(node.kind, Kind::Text(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_));
        Self { first, before, after, may_lose: (exists && whole).then_some((first, last)) }
    }
}

/// The deepest node on a path that is there: how deep, the line of its key, itself.
fn nearest<'a>(tree: &'a Node, path: &[Part]) -> (usize, Option<u64>, &'a Node) {
    let mut found = (0, None, tree);
    for part in path {
        let (depth, _, node) = found;
        let next = match (&node.kind, part) {
            (Kind::Map(entries), Part::Key(name)) => entries
                .iter()
                .find(|(key, _)| key.text == *name)
                .map(|(key, node)| (depth + 1, Some(key.place.line), node)),
            (Kind::List(nodes), Part::Index(index)) => nodes.get(*index).map(|node| (depth + 1, None, node)),
            _ => None,
        };
        match next {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

fn lines(node: &Node, found: &mut Vec<u64>) {
    found.push(node.place.line);
    match &node.kind {
        Kind::Map(entries) => {
            for (key, node) in entries {
                found.push(key.place.line);
                lines(node, found);
            }
        }
        Kind::List(nodes) => nodes.iter().for_each(|node| lines(node, found)),
        _ => {}
    }
}

/// The lines of all keys and scalars that are not below `own`.
fn other_lines(node: &Node, own: &Node, found: &mut Vec<u64>) {
    if std::ptr::eq(node, own) {
        return;
    }
    match &node.kind {
        Kind::Map(entries) => {
            for (key, node) in entries {
                if !std::ptr::eq(node, own) {
                    found.push(key.place.line);
                }
                other_lines(node, own, found);
            }
        }
        Kind::List(nodes) => nodes.iter().for_each(|node| other_lines(node, own, found)),
        _ => found.push(node.place.line),
    }
}
