//! Data sources as messages (`grpc-api.md` section 3: `DataSource`, `Field`), with the numbers that other programs know
//! (`operators.md` section 1.2).

mod message;

pub use message::{DataSource, FieldMessage};

use crate::batch::{Element, Field, Kind, Schema, Source, SourceKind};
use crate::gadget::Origin;

/// Kinds as numbers.
const BOOL: u32 = 1;
const INT8: u32 = 2;
const UINT8: u32 = 6;
const UINT64: u32 = 9;
const FLOAT32: u32 = 10;
const FLOAT64: u32 = 11;
const STRING: u32 = 12;
const CSTRING: u32 = 13;
const BYTES: u32 = 14;
const ARRAY: u32 = 0x1000_0000;

/// Flags of a field.
const EMPTY: u32 = 1;
const HIDDEN: u32 = 4;
const HAS_PARENT: u32 = 8;
const STATIC_MEMBER: u32 = 16;

/// What is known of a data source.
pub struct Described<'a> {
    /// Its fields, those of operators included.
    pub schema: &'a Schema,
    /// Where its records come from.
    pub origin: &'a Origin,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The messages, by name.
pub fn messages(sources: &[Described<'_>]) -> Vec<DataSource> {
    let mut messages: Vec<_> = sources.iter().map(message).collect();
    messages.sort_by(|a, b| a.name.cmp(&b.name));
    messages
}

fn message(source: &Described<'_>) -> DataSource {
    let mut buffers = Buffers::of(source);
    let fields = source.schema.fields();
    DataSource {
        name: source.schema.name().to_owned(),
        kind: if source.schema.kind() == SourceKind::Single { 1 } else { 2 },
        fields: fields.iter().enumerate().map(|(index, f)| field(source.schema, index, f, &mut buffers)).collect(),
        tags: source.tags.clone(),
        annotations: source.schema.annotations().clone(),
        flags: if cfg!(target_endian = "big") { 1 } else { 0 },
    }
}

/// Which buffer of an element a field is in: records of the kernel are one, keys and values of a map two, and every field that somebody
/// adds has its own.
struct Buffers {
    /// Where the values of a map begin in our rows.
    value_at: Option<u32>,
    next: u32,
}

impl Buffers {
    fn of(source: &Described<'_>) -> Self {
        let value_at = match source.origin {
            Origin::MapIter { key_size, .. } => Some(key_size.next_multiple_of(8)),
            _ => None,
        };
        Buffers { value_at, next: if value_at.is_some() { 2 } else { 1 } }
    }

    /// Buffer and first byte of a place in the row.
    fn in_row(&self, offset: u32) -> (u32, u32) {
        match self.value_at.and_then(|start| offset.checked_sub(start)) {
            Some(offset) => (1, offset),
            None => (0, offset),
        }
    }

    fn own(&mut self) -> (u32, u32) {
        self.next += 1;
        (self.next - 1, 0)
    }
}

fn field(schema: &Schema, index: usize, field: &Field, buffers: &mut Buffers) -> FieldMessage {
    let parent = field.parent().and_then(|parent| schema.fields().iter().position(|f| f.name == parent));
    let (kind, size) = kind(field);
    let ((payload_index, offs), storage) = match field.source {
        Source::Row { offset, .. } | Source::BootTime { offset } | Source::Bits { offset, .. } | Source::Tail { offset } => {
            (buffers.in_row(offset), STATIC_MEMBER)
        }
        Source::Parent => ((0, 0), EMPTY),
        Source::Rest { .. } | Source::Decoded { .. } | Source::Dictionary { .. } | Source::Named { .. } => (buffers.own(), 0),
    };
    let hidden = if field.hidden { HIDDEN } else { 0 };
    let tags = field.types.iter().map(|name| format!("type:{name}")).chain(field.tags.iter().cloned());
    FieldMessage {
        name: field.leaf().to_owned(),
        full_name: field.name.clone(),
        index: index as u32,
        payload_index,
        offs,
        size,
        flags: storage | hidden | parent.map_or(0, |_| HAS_PARENT),
        kind,
        tags: tags.collect(),
        annotations: field.annotations.clone(),
        parent: parent.unwrap_or_default() as u32,
        order: order(schema, index, field),
    }
}

/// A field without an order is where it is in the list; a text is where the value is that it is made of.
fn order(schema: &Schema, index: usize, field: &Field) -> i32 {
    match (&field.source, field.order) {
        (Source::Decoded { from, .. } | Source::Named { from, .. }, 0) if from.index() < index => {
            schema.field(*from).map_or(index as i32, |source| order(schema, from.index(), source))
        }
        (_, 0) => index as i32,
        (_, order) => order,
    }
}

/// Number of a kind, and bytes of a value.
fn kind(field: &Field) -> (u32, u32) {
    let (number, own) = match field.kind {
        Kind::Bool => (BOOL, 1),
        Kind::Int(size) => (INT8 + size.max(1).ilog2(), size.into()),
        Kind::Uint(size) => (UINT8 + size.max(1).ilog2(), size.into()),
        Kind::Float(4) => (FLOAT32, 4),
        Kind::Float(_) => (FLOAT64, 8),
        Kind::Text if matches!(field.source, Source::Row { .. }) => (CSTRING, 0),
        Kind::Text => (STRING, 0),
        Kind::Bytes => (BYTES, 0),
        Kind::Array(element) => (ARRAY | self::element(element), 0),
        Kind::Struct if matches!(field.source, Source::Parent) => (0, 0),
        Kind::Struct => (BYTES, 0),
    };
    match field.source {
        Source::Row { size, .. } => (number, size),
        Source::BootTime { .. } => (UINT64, 8),
        Source::Bits { size, .. } => (number, size.into()),
        Source::Tail { .. } => (number, 4),
        _ => (number, own),
    }
}

fn element(element: Element) -> u32 {
    let log = element.size.max(1).ilog2();
    match (element.float, element.signed) {
        (true, _) if element.size == 4 => FLOAT32,
        (true, _) => FLOAT64,
        (false, true) => INT8 + log,
        (false, false) => UINT8 + log,
    }
}
