//! One step by yaml-edit. Whether it did what was meant is checked by the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr as _;

use serde_json::Value;
use yaml_edit::path::{AliasPolicy, YamlPath as _};
use yaml_edit::{AsYaml, Document, MappingBuilder, SequenceBuilder, YamlFile, YamlNode};

use super::super::plan::{Part, Step};

/// In the style of what is around: blocks in blocks, braces in braces.
pub fn natural(text: &str, step: &Step) -> Option<String> {
    edit(text, step, &|value, put| match value {
        Value::String(text) => put(&text.as_str()),
        Value::Bool(truth) => put(truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => put(&number),
            (_, Some(number), _) => put(&number),
            (_, _, Some(number)) => put(&number),
            _ => None,
        },
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => put(&block(value)?),
    })
}

/// As JSON, which is YAML too and leaves nothing to guess.
pub fn as_flow(text: &str, step: &Step) -> Option<String> {
    edit(text, step, &|value, put| {
        let document = Document::from_str(&spaced(value)).ok()?;
        put(&root(&document)?)
    })
}

/// The first key of a text that has none: as a block, and as JSON.
pub fn first(text: &str, step: &Step) -> Vec<String> {
    let (Step::Set(path, value), Some(Part::Key(key))) = (step, step.path().first()) else { return Vec::new() };
    if path.len() != 1 {
        return Vec::new();
    }
    let block = survives(|| Some(pair(MappingBuilder::new(), key, value)?.build_document().to_string()));
    let flow = format!("{}: {}", Value::from(key.as_str()), spaced(value));
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let below = |lines: String| format!("{text}{gap}{}\n", lines.trim_end_matches('\n'));
    block.into_iter().chain([flow]).map(below).collect()
}

type Put<'a> = &'a dyn Fn(&dyn AsYaml) -> Option<()>;

fn edit(text: &str, step: &Step, with: &dyn Fn(&Value, Put) -> Option<()>) -> Option<String> {
    survives(|| {
        let file = YamlFile::from_str(text).ok()?;
        let document = file.document()?;
        // A place behind an alias gets a copy of its own: nobody meant to change the others.
        let policy = AliasPolicy::Expand;
        match (step, step.path().split_last()?) {
            (Step::Set(path, value), _) => {
                with(value, &|value| document.try_set_path_with(&spelled(path), value, policy).ok())?;
            }
            (Step::Insert(_, value), (Part::Index(index), list)) => {
                let list = document.try_get_path_with(&spelled(list), AliasPolicy::Refuse).ok()?;
                let list = list.as_sequence()?;
                with(value, &|value| {
                    list.insert(*index, value);
                    Some(())
                })?;
            }
            (Step::Remove(_), (Part::Index(index), list)) => {
                let list = document.try_get_path_with(&spelled(list), AliasPolicy::Refuse).ok()?;
                list.as_sequence()?.remove(*index)?;
            }
            (Step::Remove(path), (Part::Key(_), _)) => {
                document.try_remove_path_with(&spelled(path), policy).ok()?;
            }
            (Step::Insert(..), (Part::Key(_), _)) => return None,
        }
        Some(file.to_string())
    })
}

/// A mistake of the library costs this attempt, not the gateway.
fn survives<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// A path as yaml-edit reads it; what is escaped is part of a key, whatever it is.
fn spelled(path: &[Part]) -> String {
    let mut out = String::new();
    for part in path {
        match part {
            Part::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                for c in key.chars() {
                    out.push('\\');
                    out.push(c);
                }
            }
            Part::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

/// A map or list as a block, its keys in their order.
fn block(value: &Value) -> Option<YamlNode> {
    let document = match value {
        Value::Object(map) => map
            .iter()
            .try_fold(MappingBuilder::new(), |builder, (key, value)| pair(builder, key, value))?
            .build_document(),
        Value::Array(list) => list.iter().try_fold(SequenceBuilder::new(), item)?.build_document(),
        _ => return None,
    };
    root(&document)
}

fn pair(builder: MappingBuilder, key: &str, value: &Value) -> Option<MappingBuilder> {
    Some(match value {
        Value::String(text) => builder.pair(key, text.as_str()),
        Value::Bool(truth) => builder.pair(key, truth),
        Value::Object(_) | Value::Array(_) => builder.pair(key, block(value)?),
        Value::Number(_) | Value::Null => builder.pair(key, root(&Document::from_str(&value.to_string()).ok()?)?),
    })
}

fn item(builder: SequenceBuilder, value: &Value) -> Option<SequenceBuilder> {
    Some(match value {
        Value::String(text) => builder.item(text.as_str()),
        Value::Bool(truth) => builder.item(truth),
        Value::Object(_) | Value::Array(_) => builder.item(block(value)?),
        Value::Number(_) | Value::Null => builder.item(root(&Document::from_str(&value.to_string()).ok()?)?),
    })
}

fn root(document: &Document) -> Option<YamlNode> {
    let mapping = document.as_mapping().map(YamlNode::Mapping);
    mapping
        .or_else(|| document.as_sequence().map(YamlNode::Sequence))
        .or_else(|| document.as_scalar().map(YamlNode::Scalar))
}

/// JSON with a space after `:` and `,`, as a person writes it.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}
