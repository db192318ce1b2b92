//! The protobuf wire format, as far as OTLP needs it: tags, varints, length-prefixed fields, `AnyValue` and `KeyValue`.

use crate::batch::Value;

/// Tag of a varint field; `number` below 16.
pub(super) const fn varint_tag(number: u8) -> u8 {
    number << 3
}

/// Tag of an eight-byte field; `number` below 16.
pub(super) const fn fixed64_tag(number: u8) -> u8 {
    number << 3 | 1
}

/// Tag of a length-prefixed field; `number` below 16.
pub(super) const fn bytes_tag(number: u8) -> u8 {
    number << 3 | 2
}

/// Bytes that [`varint`] writes.
pub(super) const fn varint_len(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Bytes of a length-prefixed field whose tag is one byte.
pub(super) const fn field_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

/// Appends a varint.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends tag and length of a field; its content must follow.
pub(super) fn prefix(out: &mut Vec<u8>, number: u8, len: usize) {
    out.push(bytes_tag(number));
    varint(out, len as u64);
}

/// Appends a length-prefixed field.
pub(super) fn bytes(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    prefix(out, number, content.len());
    out.extend_from_slice(content);
}

/// Appends a fixed64 field.
pub(super) fn fixed64(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(fixed64_tag(number));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Unsigned numbers beyond it become the largest int64, since OTLP has no uint64.
fn clamped(value: u64) -> u64 {
    value.min(i64::MAX as u64)
}

/// Length of an `AnyValue` without its own prefix; text must be valid UTF-8 already.
pub(super) fn any_len(value: Value<'_>) -> usize {
    match value {
        Value::None => 0,
        Value::Bool(_) => 2,
        Value::Int(v) => 1 + varint_len(v as u64),
        Value::Uint(v) => 1 + varint_len(clamped(v)),
        Value::Float(_) => 9,
        Value::Text(v) | Value::Bytes(v) => field_len(v.len()),
        Value::Array(..) => field_len(array_len(value)),
    }
}

fn array_len(array: Value<'_>) -> usize {
    (0..array.elements()).map(|i| field_len(any_len(array.element(i)))).sum()
}

/// Appends an `AnyValue` without its own prefix.
pub(super) fn any(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::None => {}
        Value::Bool(v) => out.extend_from_slice(&[varint_tag(2), u8::from(v)]),
        Value::Int(v) => {
            out.push(varint_tag(3));
            varint(out, v as u64);
        }
        Value::Uint(v) => {
            out.push(varint_tag(3));
            varint(out, clamped(v));
        }
        Value::Float(v) => fixed64(out, 4, v.to_bits()),
        Value::Text(v) => bytes(out, 1, v),
        Value::Bytes(v) => bytes(out, 7, v),
        Value::Array(..) => {
            prefix(out, 5, array_len(value));
            for i in 0..value.elements() {
                let element = value.element(i);
                prefix(out, 1, any_len(element));
                any(out, element);
            }
        }
    }
}

/// Field 1 of a `KeyValue`: what stays the same for every record.
pub(super) fn key(name: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(field_len(name.len()));
    bytes(&mut out, 1, name.as_bytes());
    out.into()
}

/// Appends field `number`, a `KeyValue` of a [`key`] and a value.
pub(super) fn attribute(out: &mut Vec<u8>, number: u8, key: &[u8], value: Value<'_>) {
    let len = any_len(value);
    prefix(out, number, key.len() + field_len(len));
    out.extend_from_slice(key);
    prefix(out, 2, len);
    any(out, value);
}

/// Appends field `number`, a `KeyValue` whose value is an array of one string.
pub(super) fn string_list(out: &mut Vec<u8>, number: u8, key: &[u8], element: &str) {
    let item = field_len(element.len());
    let array = field_len(item);
    prefix(out, number, key.len() + field_len(field_len(array)));
    out.extend_from_slice(key);
    prefix(out, 2, field_len(array));
    prefix(out, 5, array);
    prefix(out, 1, item);
    bytes(out, 1, element.as_bytes());
}

/// The value as OTLP may carry it: text that is not UTF-8 is repaired into `repaired`.
pub(super) fn valid<'a>(value: Value<'a>, repaired: &'a mut Vec<u8>) -> Value<'a> {
    let Value::Text(text) = value else { return value };
    if std::str::from_utf8(text).is_ok() {
        return value;
    }
    repaired.clear();
    for chunk in text.utf8_chunks() {
        repaired.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            repaired.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    Value::Text(repaired)
}
