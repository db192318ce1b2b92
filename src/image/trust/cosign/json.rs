//! JSON of a foreign hand: a key that occurs twice would mean one thing here and another to the next reader, so it is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bytes of a document.
const LIMIT: usize = 1 << 20;

/// Parses a document. Its depth is bounded by `serde_json` (128).
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.len() > LIMIT {
        return Err(format!("{} bytes are more than the {LIMIT} allowed", bytes.len()));
    }
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| format!("malformed JSON: {error}"))
}

/// The text at that place; the path is one of objects' keys.
///
/// # Errors
/// When there is none.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> Result<&'v str, String> {
    let found = path.iter().try_fold(value, |value, key| value.get(*key));
    found.and_then(Value::as_str).ok_or_else(|| format!("it has no text {}", path.join(".")))
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(value)) = sequence.next_element()? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} occurs twice")));
            }
            let Strict(value) = map.next_value()?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}
