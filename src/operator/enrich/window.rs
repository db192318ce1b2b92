//! Numbers of a row, read without a decoder.

use crate::batch::{FieldSpec, Kind, SchemaBuilder, Source};

/// Where an unsigned number is in a row.
#[derive(Debug, Clone, Copy)]
pub(in crate::operator) struct Window {
    start: usize,
    end: usize,
}

impl Window {
    /// Of the mount namespace that rows are enriched by.
    pub fn of_mntns(schema: &SchemaBuilder) -> Option<Self> {
        super::fields::first(schema, super::fields::MNTNS).and_then(|field| schema.field(field)).and_then(Window::of)
    }

    /// Of a field that is a number in the row itself.
    pub fn of(field: &FieldSpec) -> Option<Self> {
        let Source::Row { offset, size } = field.source else { return None };
        let sized = matches!((field.kind, size), (Kind::Uint(4) | Kind::Int(4), 4) | (Kind::Uint(8) | Kind::Int(8), 8));
        sized.then_some(Window { start: offset as usize, end: offset as usize + size as usize })
    }

    /// The number; 0 where the row ends before it.
    pub fn read(self, row: &[u8]) -> u64 {
        match row.get(self.start..self.end) {
            Some(&[a, b, c, d, e, f, g, h]) => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            Some(&[a, b, c, d]) => u64::from(u32::from_ne_bytes([a, b, c, d])),
            _ => 0,
        }
    }
}
