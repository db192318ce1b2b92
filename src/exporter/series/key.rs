//! The identity of a series: its attribute values as bytes, and as values when it is new.

use super::AttrValue;
use crate::batch::Value;

/// Longest text of an attribute in bytes; the rest is cut so that foreign text cannot fill the memory.
const MAX_TEXT: usize = 1024;

/// Appends `value` to `key` so that different lists of values never make the same bytes.
pub fn append(key: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::None | Value::Array(..) => key.push(0),
        Value::Bool(v) => key.extend([1, u8::from(v)]),
        Value::Int(v) => fixed(key, 2, v.to_ne_bytes()),
        Value::Uint(v) => fixed(key, 3, v.to_ne_bytes()),
        Value::Float(v) => fixed(key, 4, v.to_bits().to_ne_bytes()),
        Value::Text(v) => variable(key, 5, v),
        Value::Bytes(v) => variable(key, 6, v),
    }
}

fn fixed(key: &mut Vec<u8>, tag: u8, bytes: [u8; 8]) {
    key.push(tag);
    key.extend(bytes);
}

fn variable(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    let bytes = cut(bytes);
    key.push(tag);
    key.extend((bytes.len() as u16).to_ne_bytes());
    key.extend_from_slice(bytes);
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..MAX_TEXT).unwrap_or(bytes)
}

/// The attribute value of `value`; `None` when it has none.
pub fn attribute(value: Value<'_>) -> Option<AttrValue> {
    match value {
        Value::None | Value::Array(..) => None,
        Value::Bool(v) => Some(AttrValue::Bool(v)),
        Value::Int(v) => Some(AttrValue::Int(v)),
        Value::Uint(v) => Some(i64::try_from(v).map_or_else(|_| AttrValue::Text(v.to_string()), AttrValue::Int)),
        Value::Float(v) => Some(AttrValue::Float(v)),
        Value::Text(v) => Some(AttrValue::Text(String::from_utf8_lossy(cut(v)).into_owned())),
        Value::Bytes(v) => Some(AttrValue::Text(cut(v).iter().map(|b| format!("{b:02x}")).collect())),
    }
}
