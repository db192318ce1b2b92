//! Rows as a table: one line per event, widths and titles from the fields' annotations.

mod cell;
mod choice;
mod fit;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use crate::batch::{Batch, Field, FieldId, Kind, Schema, Value};
use crate::component::BindError;
use cell::Ellipsis;
pub use choice::FieldChoice;
use fit::Bounds;

const DEFAULT_WIDTH: usize = 16;
/// No annotation makes a column wider.
const MAX_WIDTH: usize = 4096;
/// A column is not made narrower than this unless its annotations say so.
const LEAST_WIDTH: usize = 4;

/// One column of the table.
struct Column {
    title: String,
    field: FieldId,
    kind: Kind,
    width: usize,
    bounds: Bounds,
    right: bool,
    ellipsis: Ellipsis,
    hex: bool,
    precision: usize,
}

/// Writes rows of one schema as lines of a table.
pub struct Columns {
    columns: Vec<Column>,
    cut: bool,
    text: Vec<u8>,
    scratch: Vec<u8>,
}

impl Columns {
    /// A table of the chosen fields. Columns have the widths of their annotations, and what is longer is cut.
    ///
    /// # Errors
    /// When a field of the choice does not exist, or a column's alignment is neither `left` nor `right`.
    pub fn bind(schema: &Arc<Schema>, choice: &FieldChoice) -> Result<Self, BindError> {
        let columns = choice.fields(schema)?.into_iter().filter_map(|id| column(schema, id).transpose()).collect::<Result<_, _>>()?;
        Ok(Columns { columns, cut: true, text: Vec::new(), scratch: Vec::new() })
    }

    /// Makes the columns narrower or wider so that a line has `room` characters, as far as their annotations allow. Without an end of
    /// the line nothing is cut, and titles have room.
    pub fn fit(&mut self, room: Option<usize>) {
        self.cut = room.is_some();
        let Some(room) = room else {
            return self.columns.iter_mut().for_each(|c| c.width = c.width.max(c.title.chars().count()));
        };
        let bounds: Vec<Bounds> = self.columns.iter().map(|c| c.bounds).collect();
        for (column, width) in self.columns.iter_mut().zip(fit::widths(&bounds, room)) {
            column.width = width;
        }
    }

    /// Appends the line with the titles, in bold where escape sequences are welcome.
    pub fn header(&self, bold: bool, out: &mut Vec<u8>) {
        if bold {
            out.extend_from_slice(b"\x1b[1m");
        }
        for (index, column) in self.columns.iter().enumerate() {
            self.separate(index, out);
            column.push(column.title.as_bytes(), self.is_last(index), self.cut, out);
        }
        if bold {
            out.extend_from_slice(b"\x1b[0m");
        }
        out.push(b'\n');
    }

    /// Appends row `row` of `batch` as a line.
    pub fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) {
        let mut text = std::mem::take(&mut self.text);
        for (index, column) in self.columns.iter().enumerate() {
            text.clear();
            column.render(batch.value(row, column.field, &mut self.scratch), &mut text);
            self.separate(index, out);
            column.push(&text, self.is_last(index), self.cut, out);
        }
        out.push(b'\n');
        self.text = text;
    }

    fn separate(&self, index: usize, out: &mut Vec<u8>) {
        if index > 0 {
            out.push(b' ');
        }
    }

    fn is_last(&self, index: usize) -> bool {
        index + 1 == self.columns.len()
    }
}

fn column(schema: &Schema, id: FieldId) -> Result<Option<Column>, BindError> {
    let Some(field) = schema.field(id) else { return Ok(None) };
    let annotation = |key: &str| field.annotations.get(key).map(String::as_str);
    let number = |key: &str| annotation(key).and_then(|text| text.parse::<usize>().ok());
    let shown = annotation("columns.replace").and_then(|name| schema.find(name)).unwrap_or(id);
    let Some(kind) = schema.field(shown).map(|f| f.kind) else { return Ok(None) };
    let size = |key: &str| match annotation(key) {
        Some("type") => Some(cell::digits(kind)),
        _ => number(key).filter(|n| *n > 0),
    };
    let width = size("columns.width").unwrap_or(DEFAULT_WIDTH);
    let title = annotation("columns.alias").filter(|alias| !alias.is_empty()).unwrap_or(&field.name).to_uppercase();
    let most = size("columns.maxwidth").unwrap_or(MAX_WIDTH);
    let least = size("columns.minwidth").unwrap_or(1);
    let width = width.min(most).max(least).min(MAX_WIDTH);
    let bounds = match annotation("columns.fixed") {
        Some("true") => Bounds { natural: width, least: width, most: width },
        _ => Bounds { natural: width, least: least.max(width.min(LEAST_WIDTH)), most: most.min(useful(kind)).max(width) },
    };
    Ok(Some(Column {
        title,
        field: shown,
        kind,
        width,
        bounds,
        right: is_right(field)?,
        ellipsis: Ellipsis::named(annotation("columns.ellipsis")),
        hex: annotation("columns.hex") == Some("true"),
        precision: number("columns.precision").unwrap_or(2).min(20),
    }))
}

fn is_right(field: &Field) -> Result<bool, BindError> {
    match field.annotations.get("columns.alignment").map(String::as_str) {
        Some("right") => Ok(true),
        None | Some("" | "left") => Ok(false),
        Some(other) => {
            let problem = format!("has the alignment {other:?}, which is neither left nor right");
            Err(BindError::Field { field: field.name.clone(), problem })
        }
    }
}

/// The width beyond which no value of this kind needs more.
fn useful(kind: Kind) -> usize {
    match kind {
        Kind::Bool | Kind::Int(_) | Kind::Uint(_) => cell::digits(kind),
        _ => MAX_WIDTH,
    }
}

impl Column {
    fn render(&self, value: Value<'_>, out: &mut Vec<u8>) {
        // Writing to a vector does not fail.
        let _ = match value {
            Value::None => Ok(()),
            Value::Bool(truth) => write!(out, "{truth}"),
            Value::Int(n) if self.hex => write!(out, "{:#x}", n as u64 & mask(self.kind)),
            Value::Uint(n) if self.hex => write!(out, "{n:#x}"),
            Value::Int(n) => write!(out, "{n}"),
            Value::Uint(n) => write!(out, "{n}"),
            Value::Float(n) => write!(out, "{n:.*}", self.precision),
            Value::Bytes(raw) | Value::Array(_, raw) => write!(out, "<{} bytes>", raw.len()),
            Value::Text(text) => {
                cell::push_printable(out, text);
                Ok(())
            }
        };
    }

    fn push(&self, text: &[u8], last: bool, cut: bool, out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(text);
        let start = out.len();
        let used = cell::push_cut(out, &text, if cut { self.width } else { usize::MAX }, self.ellipsis);
        let missing = self.width.saturating_sub(used);
        if self.right {
            let end = out.len();
            out.resize(end + missing, b' ');
            if let Some(cell) = out.get_mut(start..) {
                cell.rotate_right(missing);
            }
        } else if !last {
            out.resize(out.len() + missing, b' ');
        }
    }
}

fn mask(kind: Kind) -> u64 {
    match kind {
        Kind::Int(size @ 1..=7) => (1 << (u32::from(size) * 8)) - 1,
        _ => u64::MAX,
    }
}
