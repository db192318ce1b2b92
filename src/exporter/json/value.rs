//! One value as JSON.

use std::io::Write;

use super::escape;
use crate::batch::{Element, Kind, Value};

/// Appends `value`, which is of type `kind`; a value that is not there becomes the zero of its type.
pub fn push_value(out: &mut Vec<u8>, kind: Kind, value: Value<'_>) {
    match value {
        Value::None => out.extend_from_slice(zero(kind)),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => push_integer(out, n),
        Value::Uint(n) => push_integer(out, n),
        Value::Float(n) => push_float(out, n, kind == Kind::Float(4)),
        Value::Text(text) => escape::push_string(out, text),
        Value::Bytes(raw) => {
            out.push(b'"');
            escape::push_hex(out, raw);
            out.push(b'"');
        }
        Value::Array(element, _) => push_array(out, element, value),
    }
}

/// Appends an integer in decimal.
pub fn push_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a floating point number as JavaScript writes it, with as few digits as tell it from its neighbours; `null` when JSON has no
/// way to write it.
pub fn push_float(out: &mut Vec<u8>, number: f64, single: bool) {
    let size = number.abs();
    let plain = size == 0.0 || (1e-6..1e21).contains(&size);
    let start = out.len();
    // Writing to a vector does not fail.
    let _ = match (number.is_finite(), plain, single) {
        (false, _, _) => out.write_all(b"null"),
        (true, true, false) => write!(out, "{number}"),
        (true, true, true) => write!(out, "{}", number as f32),
        (true, false, false) => write!(out, "{number:e}"),
        (true, false, true) => write!(out, "{:e}", number as f32),
    };
    if number.is_finite() && size >= 1e21 {
        let exponent = out.iter().skip(start).position(|b| *b == b'e').map_or(out.len(), |at| start + at + 1);
        out.insert(exponent, b'+');
    }
}

fn push_array(out: &mut Vec<u8>, element: Element, array: Value<'_>) {
    let kind = if element.float { Kind::Float(element.size) } else { Kind::Uint(element.size) };
    out.push(b'[');
    for index in 0..array.elements() {
        if index > 0 {
            out.push(b',');
        }
        push_value(out, kind, array.element(index));
    }
    out.push(b']');
}

fn zero(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Bool => b"false",
        Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => b"0",
        Kind::Text | Kind::Bytes => b"\"\"",
        Kind::Array(_) => b"[]",
        Kind::Struct => b"{}",
    }
}
