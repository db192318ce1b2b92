//! Rows as JSON objects: members sorted by byte order on every level, dotted names nested, hidden fields included.
//!
//! Binding compiles the schema to constant text and values in turn; encoding a row appends to a buffer and
//! allocates nothing once warm.

mod escape;
mod fragments;
mod indent;
mod plan;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

pub use escape::{push_escaped, push_hex, push_string};
pub use indent::push_indented;
pub use value::{push_float, push_integer, push_value};

use crate::batch::{Batch, Dictionary, Schema, Value};
use fragments::Fragments;
use plan::{Attribute, Op, Plan};

/// What is to be in the objects besides the fields.
#[derive(Debug, Clone, Default)]
pub struct JsonOptions {
    /// Members with a constant text; a field of the same name goes first.
    pub extra: Vec<(String, String)>,
}

/// Writes rows of one schema as JSON objects.
pub struct JsonEncoder {
    plan: Plan,
    fragments: Vec<Fragments>,
    scratch: Vec<u8>,
}

impl JsonEncoder {
    /// An encoder for rows of `schema`.
    pub fn bind(schema: &Arc<Schema>, options: JsonOptions) -> Self {
        let plan = plan::compile(schema, &options);
        let fragments = plan.steps.iter().map(|_| Fragments::default()).collect();
        JsonEncoder { plan, fragments, scratch: Vec::new() }
    }

    /// Appends row `row` of `batch` to `out` as one object, without a line break.
    pub fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) {
        let bytes = batch.row(row);
        for (step, fragments) in self.plan.steps.iter().zip(&mut self.fragments) {
            out.extend_from_slice(&step.literal);
            match &step.op {
                Op::Raw(field) => push_value(out, field.kind, field.read(bytes)),
                Op::Decoded { from, decoder } => push_decoded(out, &mut self.scratch, |out| from.decode(&**decoder, bytes, out)),
                Op::Any(id, kind) => push_value(out, *kind, batch.value(row, *id, &mut self.scratch)),
                Op::Group { column, members } => match batch.column(*column).and_then(|c| c.dictionary.as_deref()) {
                    Some(dictionary) => {
                        let entry = batch.entry(row, *column);
                        out.extend_from_slice(fragments.get(entry, |out| push_group(out, members, entry, Some(dictionary))));
                    }
                    None => push_group(out, members, 0, None),
                },
            }
        }
        out.extend_from_slice(&self.plan.end);
    }
}

fn push_group(out: &mut Vec<u8>, members: &[Attribute], entry: u32, dictionary: Option<&dyn Dictionary>) {
    for member in members {
        let value = dictionary.map_or(Value::None, |d| d.value(entry, member.attribute));
        if member.optional && value == Value::None {
            continue;
        }
        out.extend_from_slice(&member.literal);
        push_value(out, member.kind, value);
    }
}

/// Decodes straight into the output; only text that needs escaping is moved through `scratch`.
fn push_decoded(out: &mut Vec<u8>, scratch: &mut Vec<u8>, decode: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    let start = out.len();
    decode(out);
    let text = out.get(start..).unwrap_or(&[]);
    if escape::clean_prefix(text) < text.len() {
        scratch.clear();
        scratch.extend_from_slice(text);
        out.truncate(start);
        push_escaped(out, scratch);
    }
    out.push(b'"');
}
