//! The steps from one value to another, as a person would take them in an editor: what is equal stays untouched.

use serde_json::{Map, Value};

use super::tree::escape;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Gives the key, or the entry that is there, a value.
    Set(Vec<Part>, Value),
    /// Puts an entry before the one that has this index; at the end where none has.
    Insert(Vec<Part>, Value),
    Remove(Vec<Part>),
}

impl Step {
    pub fn path(&self) -> &[Part] {
        match self {
            Self::Set(path, _) | Self::Insert(path, _) | Self::Remove(path) => path,
        }
    }
}

/// In the order in which they are to be taken.
pub fn plan(old: &Value, new: &Value) -> Vec<Step> {
    let mut steps = Vec::new();
    between(old, new, &mut Vec::new(), &mut steps);
    steps
}

fn between(old: &Value, new: &Value, path: &mut Vec<Part>, steps: &mut Vec<Step>) {
    match (old, new) {
        _ if old == new => {}
        // `5` and `5.0`
        (Value::Number(old), Value::Number(new)) if old.is_f64() != new.is_f64() && old.as_f64() == new.as_f64() => {}
        (Value::Object(old), Value::Object(new)) if path.is_empty() || !old.is_empty() && !new.is_empty() => {
            maps(old, new, path, steps);
        }
        (Value::Array(old), Value::Array(new)) if !old.is_empty() && !new.is_empty() => lists(old, new, path, steps),
        _ => steps.push(Step::Set(path.clone(), new.clone())),
    }
}

/// What is removed goes last, so that no map is empty on the way.
fn maps(old: &Map<String, Value>, new: &Map<String, Value>, path: &mut Vec<Part>, steps: &mut Vec<Step>) {
    for (key, value) in new {
        path.push(Part::Key(key.clone()));
        match old.get(key) {
            Some(old) => between(old, value, path, steps),
            None => steps.push(Step::Set(path.clone(), value.clone())),
        }
        path.pop();
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        path.push(Part::Key(key.clone()));
        steps.push(Step::Remove(path.clone()));
        path.pop();
    }
}

fn lists(old: &[Value], new: &[Value], path: &mut Vec<Part>, steps: &mut Vec<Step>) {
    let same_start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let changed = rest - same_end;
    for (index, (old, new)) in old.iter().zip(new).enumerate().skip(same_start).take(changed) {
        path.push(Part::Index(index));
        between(old, new, path, steps);
        path.pop();
    }
    let entry = |index: usize| path.iter().cloned().chain([Part::Index(index)]).collect();
    let from = same_start + changed;
    let more = new.iter().enumerate().take(new.len() - same_end).skip(from);
    steps.extend(more.map(|(index, value)| Step::Insert(entry(index), value.clone())));
    steps.extend((from..old.len() - same_end).rev().map(|index| Step::Remove(entry(index))));
}

/// Takes one step in a value. A step that does not fit it changes nothing.
pub fn take(value: &mut Value, step: &Step) {
    let Some((last, above)) = step.path().split_last() else {
        if let Step::Set(_, new) = step {
            value.clone_from(new);
        }
        return;
    };
    let Some(holder) = above.iter().try_fold(value, |value, part| match (part, value) {
        (Part::Key(key), Value::Object(map)) => map.get_mut(key),
        (Part::Index(index), Value::Array(list)) => list.get_mut(*index),
        _ => None,
    }) else {
        return;
    };
    match (step, last, holder) {
        (Step::Set(_, new), Part::Key(key), Value::Object(map)) => {
            map.insert(key.clone(), new.clone());
        }
        (Step::Remove(_), Part::Key(key), Value::Object(map)) => {
            map.shift_remove(key);
        }
        (Step::Set(_, new), Part::Index(index), Value::Array(list)) => {
            if let Some(entry) = list.get_mut(*index) {
                entry.clone_from(new);
            }
        }
        (Step::Insert(_, new), Part::Index(index), Value::Array(list)) if *index <= list.len() => {
            list.insert(*index, new.clone());
        }
        (Step::Remove(_), Part::Index(index), Value::Array(list)) if *index < list.len() => {
            list.remove(*index);
        }
        _ => {}
    }
}

/// As a JSON Pointer.
pub fn pointer(path: &[Part]) -> String {
    let parts = path.iter().map(|part| match part {
        Part::Key(key) => format!("/{}", escape(key)),
        Part::Index(index) => format!("/{index}"),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn words(old: &Value, new: &Value) -> Vec<String> {
        let words = |step: &Step| match step {
            Step::Set(path, value) => format!("{}={value}", pointer(path)),
            Step::Insert(path, value) => format!("{}+{value}", pointer(path)),
            Step::Remove(path) => format!("{}-", pointer(path)),
        };
        plan(old, new).iter().map(words).collect()
    }

    #[test]
    fn the_fewest_steps() {
        for (old, new, steps) in [
            (json!({"a": 1}), json!({"a": 1}), vec![]),
            (json!({}), json!({"a": {"b": 1}}), vec![r#"/a={"b":1}"#]),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3, "d": 4}}), vec!["/a/b=3", "/a/d=4", "/a/c-"]),
            (json!({"a": {"b": 1}}), json!({"a": {}}), vec!["/a={}"]),
            (json!({"a": []}), json!({"a": [1]}), vec!["/a=[1]"]),
            (json!({"a": [1, 2, 3]}), json!({"a": [1, 3]}), vec!["/a/1-"]),
            (json!({"a": [1, 3]}), json!({"a": [1, 2, 3, 4]}), vec!["/a/1=2", "/a/2+3", "/a/3+4"]),
            (json!({"a": [1, 2, 3, 4]}), json!({"a": [9, 4]}), vec!["/a/0=9", "/a/2-", "/a/1-"]),
            (json!({"a": [{"b": 1, "c": 2}]}), json!({"a": [{"b": 5, "c": 2}]}), vec!["/a/0/b=5"]),
            (json!({"a": 1}), json!({}), vec!["/a-"]),
            (json!({"a/b": 1}), json!({"a/b": 2}), vec!["/a~1b=2"]),
        ] {
            assert_eq!(words(&old, &new), steps, "{old} {new}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(true)), (0..4).prop_map(|n| json!(n)), "[ab]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_steps_lead_there(old in value(), new in value()) {
            let mut walked = old.clone();
            for step in plan(&old, &new) {
                take(&mut walked, &step);
            }
            prop_assert_eq!(walked, new);
        }
    }
}
