//! Rows as a table: one line per event, widths and titles from the fields' annotations.

use std::io::Write;
use std::sync::Arc;

use super::cell::{self, Ellipsis};
use crate::batch::{Batch, Field, FieldId, Kind, Schema, Value};
use crate::component::BindError;

const DEFAULT_WIDTH: usize = 16;
/// No annotation makes a column wider.
const MAX_WIDTH: usize = 4096;

/// One column of the table.
struct Column {
    title: String,
    field: FieldId,
    kind: Kind,
    width: usize,
    /// Narrowest and widest it may become.
    limits: (usize, usize),
    right: bool,
    ellipsis: Ellipsis,
    hex: bool,
    precision: usize,
}

/// Writes rows of one schema as lines of a table.
pub struct Columns {
    columns: Vec<Column>,
    text: Vec<u8>,
    scratch: Vec<u8>,
}

impl Columns {
    /// A table of the fields that are not hidden, in their order; with `only`, of exactly those fields in that order.
    ///
    /// # Errors
    /// When a field of `only` does not exist, or a column's alignment is neither `left` nor `right`.
    pub fn bind(schema: &Arc<Schema>, only: Option<&[String]>) -> Result<Self, BindError> {
        let fields: Vec<FieldId> = match only {
            Some(names) => {
                let find = |name: &String| schema.find(name).ok_or_else(|| BindError::unknown_field(schema, name));
                names.iter().map(find).collect::<Result<_, _>>()?
            }
            None => visible(schema),
        };
        let columns = fields.into_iter().filter_map(|id| column(schema, id).transpose()).collect::<Result<_, _>>()?;
        Ok(Columns { columns, text: Vec::new(), scratch: Vec::new() })
    }

    /// Makes the table as wide as a terminal of `width` characters, as far as the columns' limits allow. Columns grow and shrink in
    /// proportion to their widths; those with `columns.fixed` keep theirs.
    pub fn fit(&mut self, width: usize) {
        let dividers = self.columns.len().saturating_sub(1);
        let room = width.saturating_sub(dividers);
        // A column that reaches its limit leaves the rest to the others, so this settles in as many rounds as there are columns.
        let mut open: Vec<usize> = (0..self.columns.len()).collect();
        let mut taken = 0;
        loop {
            let wanted: usize = open.iter().filter_map(|i| self.columns.get(*i)).map(|c| c.width).sum();
            let left = room.saturating_sub(taken);
            let share = |c: &Column| c.width * left / wanted.max(1);
            let stuck = open.iter().position(|i| self.columns.get(*i).is_some_and(|c| !(c.limits.0..=c.limits.1).contains(&share(c))));
            let Some(index) = stuck.and_then(|at| (at < open.len()).then(|| open.swap_remove(at))) else {
                let widths: Vec<_> = open.iter().filter_map(|i| Some((*i, share(self.columns.get(*i)?)))).collect();
                for (index, width) in widths {
                    if let Some(column) = self.columns.get_mut(index) {
                        column.width = width;
                    }
                }
                return;
            };
            if let Some(column) = self.columns.get_mut(index) {
                column.width = share(column).clamp(column.limits.0, column.limits.1);
                taken += column.width;
            }
        }
    }

    /// How wide each column is.
    #[cfg(test)]
    pub(super) fn widths(&self) -> Vec<usize> {
        self.columns.iter().map(|c| c.width).collect()
    }

    /// Appends the line with the titles.
    pub fn header(&self, out: &mut Vec<u8>) {
        for (index, column) in self.columns.iter().enumerate() {
            self.separate(index, out);
            column.push(column.title.as_bytes(), self.is_last(index), out);
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
            column.push(&text, self.is_last(index), out);
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

fn visible(schema: &Schema) -> Vec<FieldId> {
    let shown = |f: &Field| !f.hidden && (f.kind != Kind::Struct || f.annotations.contains_key("columns.replace"));
    let mut fields: Vec<_> = schema.iter().filter(|(_, f)| shown(f)).map(|(id, f)| (f.order, id)).collect();
    fields.sort_by_key(|(order, _)| *order);
    fields.into_iter().map(|(_, id)| id).collect()
}

fn column(schema: &Schema, id: FieldId) -> Result<Option<Column>, BindError> {
    let Some(field) = schema.field(id) else { return Ok(None) };
    let annotation = |key: &str| field.annotations.get(key).map(String::as_str);
    let shown = annotation("columns.replace").and_then(|name| schema.find(name)).unwrap_or(id);
    let Some(kind) = schema.field(shown).map(|f| f.kind) else { return Ok(None) };
    let size = |key: &str| match annotation(key) {
        Some("type") => Some(cell::digits(kind)),
        text => text.and_then(|text| text.parse::<usize>().ok()).filter(|n| *n > 0),
    };
    let title = annotation("columns.alias").filter(|alias| !alias.is_empty()).unwrap_or(&field.name).to_uppercase();
    let least = size("columns.minwidth").unwrap_or(1).min(MAX_WIDTH);
    let most = size("columns.maxwidth").unwrap_or(MAX_WIDTH).clamp(least, MAX_WIDTH);
    let width = size("columns.width").unwrap_or(DEFAULT_WIDTH).clamp(least, most);
    let is_true = |key: &str| annotation(key) == Some("true");
    Ok(Some(Column {
        title,
        field: shown,
        kind,
        width,
        limits: if is_true("columns.fixed") { (width, width) } else { (least, most) },
        right: is_right(field)?,
        ellipsis: Ellipsis::named(annotation("columns.ellipsis")),
        hex: is_true("columns.hex"),
        precision: annotation("columns.precision").and_then(|text| text.parse().ok()).unwrap_or(2).min(20),
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

    fn push(&self, text: &[u8], last: bool, out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(text);
        let start = out.len();
        let used = cell::push_cut(out, &text, self.width, self.ellipsis);
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
