//! What `run IMAGE --help` tells of the gadget.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::batch::{Field, Kind, Schema, SourceKind};
use crate::gadget::Gadget;

/// Columns that a field's name and type take.
const MAX_NAME: usize = 36;

/// The gadget's name and description.
pub(super) fn about(gadget: &Gadget) -> String {
    let name = if gadget.manifest.name.is_empty() { &gadget.identity.instance } else { &gadget.manifest.name };
    match gadget.manifest.description.trim() {
        "" => format!("Run the gadget {name}"),
        description => format!("{name}: {description}"),
    }
}

/// The data sources with their fields.
pub(super) fn fields(schemas: &[Arc<Schema>]) -> String {
    let mut text = String::new();
    for schema in schemas {
        let kind = match schema.kind() {
            SourceKind::Single => "events",
            SourceKind::Array => "sets of records",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Data source {:?} ({kind}); fields in brackets are not among the columns unless asked for:", schema.name());
        let width = schema.fields().iter().map(|f| shown_name(f).len()).max().unwrap_or(0).min(MAX_NAME);
        for field in schema.fields().iter().filter(|f| f.kind != Kind::Struct) {
            let description = field.annotations.get("description").map(|text| text.trim()).unwrap_or_default();
            let line = format!("  {:<width$}  {:<7}  {description}", shown_name(field), kind_name(field.kind));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn shown_name(field: &Field) -> String {
    if field.hidden { format!("[{}]", field.name) } else { field.name.clone() }
}

fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Int(size) => format!("int{}", u32::from(size) * 8),
        Kind::Uint(size) => format!("uint{}", u32::from(size) * 8),
        Kind::Float(size) => format!("float{}", u32::from(size) * 8),
        Kind::Text => "text".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Array(_) => "array".to_owned(),
        Kind::Struct => "struct".to_owned(),
    }
}
