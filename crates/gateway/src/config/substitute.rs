//! `${VAR}` in the values of a tree. `$${` stands for a plain `${`. Keys are left alone.

use super::issues::Issues;
use super::tree::{Kind, Node, escape};

/// Most text that all variables together may put in, so that a small file cannot grow without bound.
const MAX_ADDED_BYTES: usize = 1024 * 1024;

/// A variable's value; `None` where it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts the variables in; each one that is missing or malformed is an issue at its value's place.
pub fn substitute(tree: &mut Node, lookup: Lookup, issues: &mut Issues) {
    walk(tree, String::new(), lookup, &mut 0, issues);
}

/// Whether a text takes part of itself from a variable.
pub fn has_variable(text: &str) -> bool {
    text.replace("$${", "").contains("${")
}

fn walk(node: &mut Node, pointer: String, lookup: Lookup, added: &mut usize, issues: &mut Issues) {
    match &mut node.kind {
        Kind::Text(text) if text.contains("${") => match expand(text, lookup, added) {
            Ok(expanded) => *text = expanded,
            Err(words) => issues.error(&pointer, node.place, words),
        },
        Kind::List(nodes) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                walk(node, format!("{pointer}/{index}"), lookup, added, issues);
            }
        }
        Kind::Map(entries) => {
            for (key, node) in entries {
                walk(node, format!("{pointer}/{}", escape(&key.text)), lookup, added, issues);
            }
        }
        _ => {}
    }
}

fn expand(text: &str, lookup: Lookup, added: &mut usize) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or("`${` has no `}`; write `$${` for a plain `${`")?;
        if !is_variable_name(name) {
            return Err("`${…}` takes the name of an environment variable; write `$${` for a plain `${`".to_owned());
        }
        let value = lookup(name)
            .ok_or_else(|| format!("the environment variable {name} is not set; set it for the gateway"))?;
        *added += value.len();
        if *added > MAX_ADDED_BYTES {
            return Err("the variables put in more than 1 MiB".to_owned());
        }
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable_name(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&name.len()) && name.bytes().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_text() {
        let lookup = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}".to_owned()),
            "BIG" => Some("x".repeat(600_000)),
            _ => None,
        };
        for (text, expected) in [
            ("${A}", Ok("one")),
            ("a ${A}-${A} $A $ {A}", Ok("a one-one $A $ {A}")),
            ("[${EMPTY}]", Ok("[]")),
            ("${NESTED}", Ok("${A}")),
            ("$${A} $$${A}", Ok("${A} $${A}")),
            ("${B}", Err("B is not set")),
            ("${A", Err("has no `}`")),
            ("${}", Err("takes the name")),
            ("${A:-b}", Err("takes the name")),
            ("${1A}", Err("takes the name")),
            ("${BIG}${BIG}", Err("more than 1 MiB")),
        ] {
            let got = expand(text, &lookup, &mut 0);
            match (got, expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(expected)) => assert!(got.contains(expected), "{text}: {got}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        assert!(has_variable("a${B}") && !has_variable("a$${B}"));
    }
}
