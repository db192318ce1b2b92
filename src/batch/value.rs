//! Reading one value out of a batch.

use std::ffi::CStr;

use super::{Batch, ColumnId, Decode, Element, Field, Kind, Source};
use crate::kernel::clock;

/// One value, borrowed from the batch, its dictionary or a scratch buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// There is none.
    None,
    /// Truth.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    Uint(u64),
    /// Floating point number.
    Float(f64),
    /// Text, meant to be UTF-8 but as the kernel gave it.
    Text(&'a [u8]),
    /// Opaque bytes.
    Bytes(&'a [u8]),
    /// Numbers in the machine's byte order; a last, incomplete element does not count.
    Array(Element, &'a [u8]),
}

pub(super) fn read<'a>(batch: &'a Batch, row: usize, field: &'a Field, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match &field.source {
        Source::Row { .. } | Source::Tail { .. } | Source::Rest { .. } | Source::Bits { .. } => of_row(batch.row(row), field),
        Source::BootTime { .. } => Value::Uint(clock::boot_to_unix(unsigned(raw(batch.row(row), field)))),
        Source::Decoded { from, decoder } => {
            scratch.clear();
            if let Some(from) = batch.schema().field(*from) {
                decode(batch.row(row), from, &**decoder, scratch);
            }
            Value::Text(scratch)
        }
        Source::Dictionary { column, attribute } => known(batch, row, *column, *attribute),
        Source::Named { from, column, attribute, name } => {
            scratch.clear();
            if let Some(from) = batch.schema().field(*from) {
                name.name(known(batch, row, *column, *attribute), raw(batch.row(row), from), scratch);
            }
            Value::Text(scratch)
        }
        Source::Parent => Value::None,
    }
}

/// An attribute of the row's entry in a derived column.
fn known(batch: &Batch, row: usize, column: ColumnId, attribute: u16) -> Value<'_> {
    let dictionary = batch.column(column).and_then(|column| column.dictionary.as_ref());
    dictionary.map_or(Value::None, |dictionary| dictionary.value(batch.entry(row, column), attribute))
}

/// The value of a field whose source is in the row; bytes of the boot-time clock stay what they are.
pub(super) fn of_row<'a>(row: &'a [u8], field: &Field) -> Value<'a> {
    let Source::Bits { width, .. } = field.source else { return typed(field.kind, raw(row, field)) };
    let bits = bits(row, &field.source);
    let unused = 64 - u32::from(width.clamp(1, 64));
    match field.kind {
        Kind::Bool => Value::Bool(bits == 1),
        Kind::Int(_) => Value::Int((bits << unused) as i64 >> unused),
        _ => Value::Uint(bits),
    }
}

/// The bits of a bit field, the lowest first; 0 for other sources.
fn bits(row: &[u8], source: &Source) -> u64 {
    let Source::Bits { offset, size, shift, width } = *source else { return 0 };
    let mut wide = [0u8; 16];
    for (to, from) in wide.iter_mut().zip(window(row, offset as usize, usize::from(size))) {
        *to = *from;
    }
    let mask = u64::MAX >> (64 - u32::from(width.clamp(1, 64)));
    (u128::from_le_bytes(wide) >> u32::from(shift.min(7))) as u64 & mask
}

/// Appends the text that `decoder` makes of a field's bytes.
pub(super) fn decode(row: &[u8], field: &Field, decoder: &dyn Decode, out: &mut Vec<u8>) {
    let Source::Bits { .. } = field.source else { return decoder.decode(raw(row, field), out) };
    let number = match of_row(row, field) {
        Value::Int(n) => n.to_ne_bytes(),
        Value::Uint(n) => n.to_ne_bytes(),
        other => u64::from(other == Value::Bool(true)).to_ne_bytes(),
    };
    let size = match field.kind {
        Kind::Int(size) | Kind::Uint(size) => usize::from(size),
        _ => 1,
    };
    decoder.decode(number.get(..size).unwrap_or(&number), out);
}

pub(super) fn raw<'a>(row: &'a [u8], field: &Field) -> &'a [u8] {
    match field.source {
        Source::Row { offset, size } => window(row, offset as usize, size as usize),
        Source::BootTime { offset } => window(row, offset as usize, 8),
        Source::Tail { offset } => {
            let word = unsigned(window(row, offset as usize, 4)) as usize;
            window(row, word & 0xffff, word >> 16)
        }
        Source::Rest { offset, length } => {
            let said = length.map(|at| unsigned(window(row, at as usize, 4)) as usize);
            window(row, offset as usize, said.unwrap_or(usize::MAX))
        }
        _ => &[],
    }
}

fn window(row: &[u8], offset: usize, size: usize) -> &[u8] {
    let start = offset.min(row.len());
    let end = offset.saturating_add(size).min(row.len());
    row.get(start..end).unwrap_or(&[])
}

fn typed(kind: Kind, raw: &[u8]) -> Value<'_> {
    match kind {
        Kind::Bool => Value::Bool(raw.first() == Some(&1)),
        Kind::Int(_) => Value::Int(signed(raw)),
        Kind::Uint(_) => Value::Uint(unsigned(raw)),
        Kind::Float(_) => Value::Float(float(raw)),
        Kind::Text => Value::Text(until_nul(raw)),
        Kind::Bytes => Value::Bytes(raw),
        Kind::Array(element) => Value::Array(element, raw),
        Kind::Struct => Value::None,
    }
}

fn until_nul(raw: &[u8]) -> &[u8] {
    // The standard library's search goes word by word.
    CStr::from_bytes_until_nul(raw).map_or(raw, CStr::to_bytes)
}

/// An unsigned integer in the machine's byte order; 0 when `raw` is of no integer's length.
pub fn unsigned(raw: &[u8]) -> u64 {
    match *raw {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

fn signed(raw: &[u8]) -> i64 {
    match *raw {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_ne_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

fn float(raw: &[u8]) -> f64 {
    match *raw {
        [a, b, c, d] => f64::from(f32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => 0.0,
    }
}

impl<'a> Value<'a> {
    /// The value of type `kind` that a field's undecoded bytes hold.
    pub fn of(kind: Kind, raw: &'a [u8]) -> Self {
        typed(kind, raw)
    }

    /// Element `index` of an array.
    pub fn element(self, index: usize) -> Value<'a> {
        let Value::Array(element, raw) = self else { return Value::None };
        let size = usize::from(element.size);
        let Some(raw) = raw.get(index * size..(index + 1) * size) else { return Value::None };
        match element {
            Element { float: true, .. } => Value::Float(float(raw)),
            Element { signed: true, .. } => Value::Int(signed(raw)),
            Element { .. } => Value::Uint(unsigned(raw)),
        }
    }

    /// Number of elements of an array, 0 for everything else.
    pub fn elements(self) -> usize {
        match self {
            Value::Array(element, raw) => raw.len() / usize::from(element.size.max(1)),
            _ => 0,
        }
    }
}
