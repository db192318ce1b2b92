//! Writes the columns of one row, in their order.

use crate::batch::Kind;
use crate::gadget::polled::{Column, layout};

/// A row in the making.
pub(super) struct Row<'a> {
    columns: &'static [Column],
    starts: &'a [u32],
    row: &'a mut [u8],
    next: usize,
}

/// The places of a row's columns.
pub(super) struct Layout {
    columns: &'static [Column],
    starts: Vec<u32>,
    size: usize,
}

impl Layout {
    pub(super) fn new(columns: &'static [Column]) -> Self {
        let (starts, size) = layout(columns);
        Layout { columns, starts, size: size as usize }
    }

    /// Appends a row of zeros, to be filled.
    pub(super) fn append<'a>(&'a self, rows: &'a mut Vec<u8>) -> Row<'a> {
        let start = rows.len();
        rows.resize(start + self.size, 0);
        Row { columns: self.columns, starts: &self.starts, row: rows.get_mut(start..).unwrap_or_default(), next: 0 }
    }
}

impl Row<'_> {
    /// Takes the next column's bytes; `name` must be its name, or nothing is written.
    fn place(&mut self, name: &str, bytes: &[u8]) {
        let index = self.next;
        self.next += 1;
        let (Some(column), Some(start)) = (self.columns.get(index), self.starts.get(index)) else { return };
        debug_assert_eq!(column.name, name);
        let size = if column.kind == Kind::Text { bytes.len().min(column.size as usize - 1) } else { column.size as usize };
        let start = *start as usize;
        if let (Some(to), Some(from)) = (self.row.get_mut(start..start + size), bytes.get(..size)) {
            to.copy_from_slice(from);
        }
    }

    /// A whole number, cut to the column's width.
    pub(super) fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.place(name, &value.to_le_bytes());
        self
    }

    pub(super) fn unsigned(&mut self, name: &str, value: u64) -> &mut Self {
        self.place(name, &value.to_le_bytes());
        self
    }

    pub(super) fn float(&mut self, name: &str, value: f64) -> &mut Self {
        self.place(name, &value.to_le_bytes());
        self
    }

    /// Text, cut to the column's width.
    pub(super) fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.place(name, value);
        self
    }
}
