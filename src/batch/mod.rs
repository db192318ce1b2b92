//! The data plane's unit of work: rows in the kernel's own layout, derived columns and a selection.
//!
//! A worker owns one `Batch` and reuses it. Rows are copied once out of the ring; everybody else reads
//! typed views. Strings that a decoder produces are written into a caller's scratch buffer, on demand.

mod schema;
mod selection;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

pub use schema::{
    ColumnId, Decode, Dictionary, Element, Field, FieldId, FieldSpec, GadgetIdentity, Kind, Name, OPTIONAL, Schema, SchemaBuilder,
    SchemaError, Source, SourceKind,
};
pub use selection::Selection;
pub use value::{Value, unsigned};

/// The dictionary entry of a row about which nothing is known.
pub const UNKNOWN_ENTRY: u32 = 0;

/// Bytes that keeping a row takes beside its own.
pub const DEFERRED_OVERHEAD: usize = 64;

/// How often the rows of a batch have been looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Round {
    /// They come from the data source.
    #[default]
    First,
    /// They were put off before, and may be again.
    Again,
    /// They were put off long enough.
    Last,
}

/// One derived column: a dictionary entry per row.
#[derive(Default)]
pub struct Column {
    /// One entry per row; shorter while the column is being filled.
    pub entries: Vec<u32>,
    /// What the entries stand for, in this batch.
    pub dictionary: Option<Arc<dyn Dictionary>>,
}

/// Rows of one data source on their way from the kernel to the exporters.
pub struct Batch {
    schema: Arc<Schema>,
    data: Vec<u8>,
    rows: Vec<(u32, u32)>,
    selection: Selection,
    columns: Vec<Column>,
    observed: u64,
    max_rows: usize,
    max_bytes: usize,
    round: Round,
    /// Rows that are to be looked at again later.
    deferred: Vec<u32>,
    /// Bytes of rows that may still be put off.
    room: usize,
}

impl Batch {
    /// An empty batch for rows of `schema`, full at `max_rows` rows or `max_bytes` bytes of row data (at most 1 GiB).
    pub fn new(schema: Arc<Schema>, max_rows: usize, max_bytes: usize) -> Self {
        let columns = (0..schema.columns()).map(|_| Column::default()).collect();
        let max_bytes = max_bytes.min(1 << 30);
        let (data, rows, selection) = (Vec::new(), Vec::new(), Selection::default());
        let (observed, round, deferred, room) = (0, Round::First, Vec::new(), 0);
        Batch { schema, data, rows, selection, columns, observed, max_rows, max_bytes, round, deferred, room }
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.rows.clear();
        self.selection.clear();
        self.deferred.clear();
        (self.round, self.room) = (Round::First, 0);
        for column in &mut self.columns {
            column.entries.clear();
            column.dictionary = None;
        }
    }

    /// Appends one record as the kernel wrote it: the batch's only copy.
    ///
    /// A record shorter than the fixed part of the schema is padded with zeros up to it.
    pub fn push(&mut self, record: &[u8]) {
        let start = self.data.len();
        let len = record.len().max(self.schema.fixed_size());
        // Rows start on 8 bytes so that the u64 fields of a row are aligned in memory.
        let end = start + len.next_multiple_of(8);
        self.data.reserve(end - start);
        self.data.extend_from_slice(record);
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.rows.push((start as u32, len as u32));
        self.selection.push();
    }

    /// Whether the next record belongs into the next batch.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.max_rows || self.data.len() >= self.max_bytes
    }

    /// Bytes of row data.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Number of rows, selected or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Which rows are still wanted.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Which rows are still wanted, to take some out.
    pub fn selection_mut(&mut self) -> &mut Selection {
        &mut self.selection
    }

    /// How often its rows have been looked at.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Says how often its rows have been looked at, and that so many bytes of them may be put off.
    pub fn begin(&mut self, round: Round, room: usize) {
        (self.round, self.room) = (round, if round == Round::Last { 0 } else { room });
    }

    /// Puts a row off until later: it is taken out here and will come again in another batch. False when there is no room to keep it.
    pub fn defer(&mut self, row: usize) -> bool {
        let needed = self.row(row).len() + DEFERRED_OVERHEAD;
        let Some(left) = self.room.checked_sub(needed).filter(|_| row < self.len()) else { return false };
        self.room = left;
        self.selection.remove(row);
        self.deferred.push(row as u32);
        true
    }

    /// The rows that were put off, in the order in which that was decided.
    pub fn deferred(&self) -> &[u32] {
        &self.deferred
    }

    /// When the batch was read: nanoseconds since the Unix epoch.
    pub fn observed(&self) -> u64 {
        self.observed
    }

    /// Stamps the batch with the time it was read at.
    pub fn set_observed(&mut self, unix_ns: u64) {
        self.observed = unix_ns;
    }

    /// The bytes of row `row`, at least as long as the schema's fixed part; empty for a row that does not exist.
    pub fn row(&self, row: usize) -> &[u8] {
        let Some(&(start, len)) = self.rows.get(row) else { return &[] };
        let (start, len) = (start as usize, len as usize);
        self.data.get(start..start + len).unwrap_or(&[])
    }

    /// A derived column.
    pub fn column(&self, column: ColumnId) -> Option<&Column> {
        self.columns.get(column.index())
    }

    /// A derived column, to fill it with one entry per row.
    pub fn column_mut(&mut self, column: ColumnId) -> Option<&mut Column> {
        self.columns.get_mut(column.index())
    }

    /// The dictionary entry of `row` in `column`.
    pub fn entry(&self, row: usize, column: ColumnId) -> u32 {
        self.column(column).and_then(|c| c.entries.get(row)).copied().unwrap_or(UNKNOWN_ENTRY)
    }

    /// The value of a field; decoded text is written to `scratch`, which is cleared first.
    pub fn value<'a>(&'a self, row: usize, field: FieldId, scratch: &'a mut Vec<u8>) -> Value<'a> {
        let Some(field) = self.schema.field(field) else { return Value::None };
        value::read(self, row, field, scratch)
    }

    /// The undecoded bytes of a row or tail field; empty for every other kind of field.
    pub fn raw(&self, row: usize, field: &Field) -> &[u8] {
        value::raw(self.row(row), field)
    }
}
