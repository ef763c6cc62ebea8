//! The two encodings of one frame, and the strict reading of untrusted bytes.
//!
//! Strict means: duplicate keys, NaN and infinities, extension types, non-string keys, trailing bytes and nesting past
//! [`MAX_DEPTH`] are errors in both encodings. MessagePack `bin` stands for base64 text. Size limits are the
//! transport's.

use std::fmt;

use base64::Engine as _;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::MAX_DEPTH;

/// How frames of one connection are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A WebSocket text message.
    Json,
    /// A WebSocket binary message: MessagePack maps with the JSON names.
    Msgpack,
}

impl Encoding {
    /// Both encodings, for whatever is kept once per encoding.
    pub const ALL: [Encoding; 2] = [Encoding::Json, Encoding::Msgpack];
}

/// Bytes that are not one strict value of the encoding; the text says why and is bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

impl DecodeError {
    fn new(error: impl fmt::Display) -> Self {
        let mut text = error.to_string();
        if let Some((end, _)) = text.char_indices().nth(300) {
            text.truncate(end);
        }
        Self(text)
    }
}

/// Reads exactly one value.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Value, DecodeError> {
    let seed = Strict { depth: MAX_DEPTH };
    match encoding {
        Encoding::Json => {
            let mut reader = serde_json::Deserializer::from_slice(bytes);
            let value = seed.deserialize(&mut reader).map_err(DecodeError::new)?;
            reader.end().map_err(DecodeError::new)?;
            Ok(value)
        }
        Encoding::Msgpack => {
            let mut rest = bytes;
            let mut reader = rmp_serde::Deserializer::new(&mut rest);
            // One level more than ours, so that the clear error of `Strict` comes first.
            reader.set_max_depth(MAX_DEPTH + 2);
            let value = seed.deserialize(&mut reader).map_err(DecodeError::new)?;
            if rest.is_empty() { Ok(value) } else { Err(DecodeError::new("bytes after the end of the frame")) }
        }
    }
}

/// Writes one value. Fails only where a type cannot be encoded at all, which no wire type is.
pub fn encode<T: Serialize + ?Sized>(encoding: Encoding, value: &T) -> Result<Vec<u8>, EncodeError> {
    match encoding {
        Encoding::Json => serde_json::to_vec(value).map_err(|error| EncodeError(error.to_string())),
        Encoding::Msgpack => rmp_serde::to_vec_named(value).map_err(|error| EncodeError(error.to_string())),
    }
}

/// A value that the encoding cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct EncodeError(String);

/// Finds the top-level string member `id` in bytes that [`decode`] refused, so that the answer can carry it.
pub fn salvage_id(encoding: Encoding, bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct OnlyId {
        id: String,
    }
    let found: Option<OnlyId> = match encoding {
        Encoding::Json => serde_json::from_slice(bytes).ok(),
        Encoding::Msgpack => {
            let mut rest = bytes;
            let mut reader = rmp_serde::Deserializer::new(&mut rest);
            reader.set_max_depth(MAX_DEPTH * 2);
            serde::Deserialize::deserialize(&mut reader).ok()
        }
    };
    found.map(|found| found.id).filter(|id| valid_id(id))
}

/// Whether a text may be a request id or an idempotency key: 1 to 128 characters.
pub fn valid_id(id: &str) -> bool {
    !id.is_empty() && id.chars().nth(crate::MAX_ID_CHARS).is_none()
}

struct Strict {
    /// How many more levels may open.
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("null, a boolean, a number, a string, an array or an object with string keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::String(base64::engine::general_purpose::STANDARD.encode(value)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Value, D::Error> {
        Err(D::Error::custom("a MessagePack extension type"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.deeper::<A::Error>()?.depth;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict { depth })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth = self.deeper::<A::Error>()?.depth;
        let mut object = Map::new();
        while let Some(key) = members.next_key_seed(Key)? {
            let value = members.next_value_seed(Strict { depth })?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A map key: a string and nothing that merely converts into one.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string as key")
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn json_accepts_what_it_should() {
        let text = r#"{"a":[1,-2,2.5,null,true,"\u00e9"],"b":{}}"#;
        assert_eq!(decode(Encoding::Json, text.as_bytes()), Ok(json!({"a":[1,-2,2.5,null,true,"é"],"b":{}})));
        assert!(decode(Encoding::Json, nested(MAX_DEPTH).as_bytes()).is_ok());
    }

    #[test]
    fn json_refuses_by_name() {
        let too_deep = nested(MAX_DEPTH + 1);
        for (text, says) in [
            (r#"{"a":1,"a":2}"#, "duplicate key \"a\""),
            (r#"{"a":NaN}"#, "expected"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":1} x"#, "trailing characters"),
            ("", "EOF"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            (too_deep.as_str(), "nested deeper than 64"),
            (&nested(100_000), ""),
        ] {
            let error = decode(Encoding::Json, text.as_bytes()).expect_err(says);
            assert!(error.0.contains(says), "{says}: {error}");
        }
    }

    #[test]
    fn msgpack_refuses_what_json_cannot_say() {
        for (bytes, says) in [
            (&[0x82, 0xa1, b'a', 1, 0xa1, b'a', 2][..], "duplicate key"),
            (&[0x81, 1, 1], "a string as key"),
            (&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], "not finite"),
            (&[0xd4, 1, 0], "extension type"),
            (&[0x81, 0xc4, 1, b'a', 1], "a string as key"),
            (&[0xc0, 0xc0], "after the end"),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], ""),
            (&[0xc1], ""),
        ] {
            let error = decode(Encoding::Msgpack, bytes).expect_err(says);
            assert!(error.0.contains(says), "{says}: {error}");
        }
        let mut deep = vec![0x91; MAX_DEPTH];
        deep.push(0xc0);
        assert!(decode(Encoding::Msgpack, &deep).is_ok());
        deep.insert(0, 0x91);
        assert!(decode(Encoding::Msgpack, &deep).expect_err("too deep").0.contains("nested deeper"));
    }

    #[test]
    fn msgpack_bin_is_base64_text() {
        assert_eq!(decode(Encoding::Msgpack, &[0xc4, 3, 1, 2, 3]), Ok(json!("AQID")));
    }

    #[test]
    fn an_id_is_found_in_a_refused_frame() {
        let text = br#"{"id":"7","a":1,"a":2}"#;
        assert!(decode(Encoding::Json, text).is_err());
        assert_eq!(salvage_id(Encoding::Json, text).as_deref(), Some("7"));
        assert_eq!(salvage_id(Encoding::Json, b"garbage"), None);
        assert_eq!(salvage_id(Encoding::Json, br#"{"id":7}"#), None);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any_value()) {
            for encoding in Encoding::ALL {
                let bytes = encode(encoding, &value).expect("any value encodes");
                prop_assert_eq!(decode(encoding, &bytes), Ok(value.clone()));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for encoding in Encoding::ALL {
                let _ = decode(encoding, &bytes);
                let _ = salvage_id(encoding, &bytes);
            }
        }
    }
}
