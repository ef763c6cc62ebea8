//! Changes to values: one place, a merge patch, and masks that come back and stand for what is stored.

use serde_json::{Map, Value};

use super::mask::{MASK, is_secret_key, masked};
use super::substitute::has_variable;
use super::tree::escape;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPlace(pub String);

/// Sets what is at a path, with the maps on the way to it; `null` removes.
pub fn set(value: &mut Value, path: &[String], new: Value) -> Result<(), NoPlace> {
    let Some((part, rest)) = path.split_first() else {
        if !new.is_object() {
            return Err(NoPlace("the whole configuration is a map of keys".to_owned()));
        }
        *value = new;
        return Ok(());
    };
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) if rest.is_empty() && new.is_null() => {
            map.shift_remove(part);
            Ok(())
        }
        Value::Object(map) if rest.is_empty() => {
            map.insert(part.clone(), new);
            Ok(())
        }
        Value::Object(map) if new.is_null() && !map.contains_key(part) => Ok(()),
        Value::Object(map) => set(map.entry(part.clone()).or_insert(Value::Null), rest, new),
        Value::Array(list) => in_list(list, part, rest, new),
        _ => Err(NoPlace(format!("nothing can be below a single value, and `{part}` would be"))),
    }
}

fn in_list(list: &mut Vec<Value>, part: &str, rest: &[String], new: Value) -> Result<(), NoPlace> {
    let length = list.len();
    match part.parse::<usize>() {
        Ok(index) if index < length && rest.is_empty() && new.is_null() => {
            list.remove(index);
            Ok(())
        }
        Ok(index) if index == length && new.is_null() => Ok(()),
        Ok(index) if index <= length => {
            if index == length {
                list.push(Value::Null);
            }
            match list.get_mut(index) {
                Some(entry) if rest.is_empty() => {
                    *entry = new;
                    Ok(())
                }
                Some(entry) => set(entry, rest, new),
                None => Ok(()),
            }
        }
        _ => Err(NoPlace(format!("this list has {length} entries, and `{part}` is none of them nor the next"))),
    }
}

/// JSON Merge Patch, RFC 7396.
pub fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return };
    for (key, patch) in patch {
        match patch {
            Value::Null => {
                map.shift_remove(&key);
            }
            patch => merge(map.entry(key).or_insert(Value::Null), patch),
        }
    }
}

/// Writes whole numbers as such: a client may have no others than floating ones.
pub fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// A key without a value is one that is not there.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        _ => {}
    }
}

/// Puts back what was only shown in another form: a mask stands for the secret that `stored` has at its place, and a
/// text that a variable filled in for the text with the variable. `shown` is what a client was given.
pub fn restore(value: &mut Value, stored: &Value, shown: &Value) {
    below(value, Some(stored), Some(shown), false);
}

fn below(value: &mut Value, stored: Option<&Value>, shown: Option<&Value>, secret: bool) {
    if let (Value::String(text), Some(stored)) = (&*value, stored) {
        let filled = stored.as_str().is_some_and(has_variable) && shown.and_then(Value::as_str) == Some(text.as_str());
        // A secret may be a number or a block of lines; a map or a list is never hidden as a whole.
        if filled || text.trim_end() == MASK && !stored.is_array() && !stored.is_object() {
            value.clone_from(stored);
        }
        return;
    }
    match (value, stored) {
        (Value::Object(map), stored) => {
            for (key, value) in map {
                let stored = stored.and_then(|stored| stored.get(key));
                below(value, stored, shown.and_then(|shown| shown.get(key)), secret || is_secret_key(key));
            }
        }
        (Value::Array(list), Some(Value::Array(stored))) => {
            for (index, from) in partners(list, stored, secret).into_iter().enumerate() {
                let shown = shown.and_then(|shown| shown.get(from.unwrap_or(index)));
                if let Some(value) = list.get_mut(index) {
                    below(value, from.and_then(|from| stored.get(from)), shown, secret);
                }
            }
        }
        _ => {}
    }
}

/// For each entry of a list the stored one that it comes from. An entry that moved is known by all that is not hidden
/// of it; where that does not decide, the entry has no partner, since a secret in the wrong place would be worse than
/// one that has to be written again.
fn partners(list: &[Value], stored: &[Value], secret: bool) -> Vec<Option<usize>> {
    let hidden: Vec<Value> = stored.iter().map(|value| masked(value, secret)).collect();
    if list == hidden {
        return (0..list.len()).map(Some).collect();
    }
    let only = |value: &Value| {
        let mut same = hidden.iter().enumerate().filter(|(_, hidden)| *hidden == value);
        match (same.next(), same.next(), list.iter().filter(|other| *other == value).count()) {
            (Some((index, _)), None, 1) => Some(index),
            _ => None,
        }
    };
    let found: Vec<Option<usize>> = list.iter().map(only).collect();
    let in_place = |(index, found_at): (usize, &Option<usize>)| match found_at {
        Some(found_at) => Some(*found_at),
        // Changed where it stands.
        None if list.len() == stored.len() && others_stay(&found, index) => Some(index),
        None => None,
    };
    found.iter().enumerate().map(in_place).collect()
}

/// Whether every entry but this one is known to be where it was.
fn others_stay(found: &[Option<usize>], index: usize) -> bool {
    found.iter().enumerate().all(|(other, found)| other == index || *found == Some(other))
}

/// JSON Pointers of where a mask is left that stands for nothing.
pub fn masks_left(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    left_below(value, String::new(), &mut found);
    found
}

fn left_below(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains(MASK) => found.push(pointer),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| left_below(value, format!("{pointer}/{index}"), found));
        }
        Value::Object(map) => {
            for (key, value) in map {
                let pointer = format!("{pointer}/{}", escape(key));
                if key.contains(MASK) {
                    found.push(pointer.clone());
                }
                left_below(value, pointer, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(path: &[&str]) -> Vec<String> {
        path.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn one_place() {
        let start = json!({"a": {"b": 1}, "l": [1, {"x": 2}]});
        for (path, new, expected) in [
            (&["a", "b"][..], json!(2), json!({"a": {"b": 2}, "l": [1, {"x": 2}]})),
            (&["a", "c", "d"], json!(2), json!({"a": {"b": 1, "c": {"d": 2}}, "l": [1, {"x": 2}]})),
            (&["a"], json!(null), json!({"l": [1, {"x": 2}]})),
            (&["a", "none", "at", "all"], json!(null), start.clone()),
            (&["l", "0"], json!(7), json!({"a": {"b": 1}, "l": [7, {"x": 2}]})),
            (&["l", "2"], json!(7), json!({"a": {"b": 1}, "l": [1, {"x": 2}, 7]})),
            (&["l", "0"], json!(null), json!({"a": {"b": 1}, "l": [{"x": 2}]})),
            (&["l", "1", "x"], json!(null), json!({"a": {"b": 1}, "l": [1, {}]})),
            (&["l", "2", "y"], json!(1), json!({"a": {"b": 1}, "l": [1, {"x": 2}, {"y": 1}]})),
            (&[], json!({"z": 1}), json!({"z": 1})),
        ] {
            let mut value = start.clone();
            assert_eq!(set(&mut value, &parts(path), new), Ok(()), "{path:?}");
            assert_eq!(value, expected, "{path:?}");
        }
        for path in [&["a", "b", "c"][..], &["l", "3"], &["l", "x"], &["l", "-1"], &[]] {
            assert!(set(&mut start.clone(), &parts(path), json!(1)).is_err(), "{path:?}");
        }
    }

    #[test]
    fn merge_patches_of_the_rfc() {
        for (value, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = value.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, expected, "{value} {patch}");
        }
    }

    #[test]
    fn masks_and_variables_come_back_to_their_places() {
        let stored = json!({
            "p": {"apiKey": "one", "baseUrl": "${URL}"},
            "l": [{"n": 1, "token": "a"}, {"n": 2, "token": "b"}],
            "password": ["x", "y"],
        });
        let shown = json!({"p": {"apiKey": MASK, "baseUrl": "https://h"}});
        for (sent, expected) in [
            (
                json!({"p": {"apiKey": MASK, "baseUrl": "https://h"}}),
                json!({"p": {"apiKey": "one", "baseUrl": "${URL}"}}),
            ),
            (
                json!({"p": {"apiKey": "new", "baseUrl": "https://i"}}),
                json!({"p": {"apiKey": "new", "baseUrl": "https://i"}}),
            ),
            // Moved, one gone, one changed in its place.
            (
                json!({"l": [{"n": 2, "token": MASK}, {"n": 1, "token": MASK}]}),
                json!({"l": [{"n": 2, "token": "b"}, {"n": 1, "token": "a"}]}),
            ),
            (json!({"l": [{"n": 2, "token": MASK}]}), json!({"l": [{"n": 2, "token": "b"}]})),
            (
                json!({"l": [{"n": 1, "token": MASK}, {"n": 3, "token": MASK}]}),
                json!({"l": [{"n": 1, "token": "a"}, {"n": 3, "token": "b"}]}),
            ),
            // Nothing decides: the mask stays, and is refused later.
            (
                json!({"l": [{"n": 8, "token": MASK}, {"n": 9, "token": MASK}]}),
                json!({"l": [{"n": 8, "token": MASK}, {"n": 9, "token": MASK}]}),
            ),
            (json!({"password": [MASK, MASK]}), json!({"password": ["x", "y"]})),
            (json!({"password": [MASK]}), json!({"password": [MASK]})),
            (json!({"other": MASK}), json!({"other": MASK})),
        ] {
            let mut value = sent.clone();
            restore(&mut value, &stored, &shown);
            assert_eq!(value, expected, "{sent}");
        }
        assert_eq!(masks_left(&json!({"a": [MASK, "x"], MASK: 1})), ["/a/0", "/__masked__"]);
    }

    #[test]
    fn what_a_file_can_say() {
        let mut value = json!({"a": 5.0, "b": 0.5, "c": null, "d": [{"e": null, "f": -3.0}], "g": 1e300});
        whole_numbers(&mut value);
        without_nulls(&mut value);
        assert_eq!(value, json!({"a": 5, "b": 0.5, "d": [{"f": -3}], "g": 1e300}));
    }
}
