//! A data source's rows as text in its output mode.

use std::sync::Arc;

use super::View;
use super::mode::Mode;
use super::screen::Screen;
use crate::batch::{Batch, FieldId, Kind, Schema, SourceKind, Value};
use crate::component::BindError;
use crate::exporter::json::{JsonEncoder, JsonOptions, push_indented};
use crate::exporter::table::Columns;

const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

/// How rows are written, and how far that is.
pub(super) enum Style {
    Nothing,
    Table(Table),
    Json { encoder: JsonEncoder, set: Set },
    Pretty { encoder: JsonEncoder, set: Set, row: Vec<u8> },
    Yaml { encoder: JsonEncoder, row: Vec<u8> },
    Raw { fields: Vec<FieldId>, scratch: Vec<u8> },
}

/// A table and its header.
pub(super) struct Table {
    columns: Columns,
    /// Whether every set has a header of its own.
    repeats: bool,
    clears: bool,
    begun: bool,
    width: Option<usize>,
}

/// The array around the objects of a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// There is none: objects stand alone.
    Single,
    /// Not begun.
    Closed,
    /// Begun, nothing in it.
    Empty,
    /// There are objects in it.
    Filled,
}

impl Style {
    pub(super) fn bind(view: &View, schema: &Arc<Schema>) -> Result<Self, BindError> {
        let encoder = || JsonEncoder::bind(schema, JsonOptions::default());
        let set = if schema.kind() == SourceKind::Array { Set::Closed } else { Set::Single };
        Ok(match view.mode {
            Mode::None => Style::Nothing,
            Mode::Columns => Style::Table(Table {
                columns: Columns::bind(schema, &view.fields)?,
                repeats: schema.kind() == SourceKind::Array,
                clears: schema.annotations().get("cli.clear-screen-before").is_some_and(|v| v == "true"),
                begun: false,
                width: None,
            }),
            Mode::Json => Style::Json { encoder: encoder(), set },
            Mode::JsonPretty => Style::Pretty { encoder: encoder(), set, row: Vec::new() },
            Mode::Yaml => Style::Yaml { encoder: encoder(), row: Vec::new() },
            Mode::Raw => {
                let texts = schema.iter().filter(|(_, f)| f.kind == Kind::Text && !f.json_skip);
                Style::Raw { fields: texts.map(|(id, _)| id).collect(), scratch: Vec::new() }
            }
        })
    }

    /// What stands before the first row of a set: a header, a bracket. Nothing when the set has begun.
    pub(super) fn begin(&mut self, screen: &Screen, out: &mut Vec<u8>) {
        match self {
            Style::Table(table) => table.begin(screen, out),
            Style::Json { set: set @ Set::Closed, .. } | Style::Pretty { set: set @ Set::Closed, .. } => {
                *set = Set::Empty;
                out.push(b'[');
            }
            _ => {}
        }
    }

    pub(super) fn push(&mut self, batch: &Batch, at: usize, out: &mut Vec<u8>) {
        match self {
            Style::Nothing => {}
            Style::Table(table) => table.columns.row(batch, at, out),
            Style::Json { encoder, set } => {
                if *set == Set::Filled {
                    out.push(b',');
                }
                encoder.row(batch, at, out);
                set.filled(b"\n", out);
            }
            Style::Pretty { encoder, set, row } => {
                row.clear();
                encoder.row(batch, at, row);
                match set {
                    Set::Single => push_indented(out, row, 0),
                    _ => {
                        out.extend_from_slice(if *set == Set::Filled { b",\n  " } else { b"\n  " });
                        push_indented(out, row, 1);
                    }
                }
                set.filled(b"\n", out);
            }
            Style::Yaml { encoder, row } => {
                row.clear();
                encoder.row(batch, at, row);
                push_yaml(out, row);
            }
            Style::Raw { fields, scratch } => {
                for field in fields {
                    if let Value::Text(text) = batch.value(at, *field, scratch) {
                        out.extend_from_slice(text);
                    }
                }
            }
        }
    }

    /// What stands behind the last row of a set.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        match self {
            Style::Table(table) => table.begun &= !table.repeats,
            Style::Json { set, .. } if *set != Set::Single => {
                *set = Set::Closed;
                out.extend_from_slice(b"]\n");
            }
            Style::Pretty { set, .. } if *set != Set::Single => {
                out.extend_from_slice(if *set == Set::Filled { b"\n]\n" } else { b"]\n" });
                *set = Set::Closed;
            }
            _ => {}
        }
    }
}

impl Set {
    fn filled(&mut self, separator: &[u8], out: &mut Vec<u8>) {
        match self {
            Set::Single => out.extend_from_slice(separator),
            _ => *self = Set::Filled,
        }
    }
}

impl Table {
    fn begin(&mut self, screen: &Screen, out: &mut Vec<u8>) {
        // The terminal may have got another size meanwhile.
        let width = screen.width();
        if !self.begun || width != self.width {
            self.width = width;
            self.columns.fit(width);
        }
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if self.clears && screen.is_terminal() {
            out.extend_from_slice(CLEAR);
        }
        self.columns.header(screen.colours(), out);
    }
}

/// A document of its own. YAML has no way to fail on what was JSON a moment ago; JSON itself is YAML, too.
fn push_yaml(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"---\n");
    let start = out.len();
    let document = serde_json::from_slice::<serde_json::Value>(json).ok().and_then(|value| serde_saphyr::to_string(&value).ok());
    match document {
        Some(text) => out.extend_from_slice(text.as_bytes()),
        None => out.extend_from_slice(json),
    }
    if out.len() == start || out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}
