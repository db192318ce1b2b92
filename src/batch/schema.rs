//! What the rows of a data source look like: fields, where their bytes are, how they are shown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::value::Value;

/// Index of a field in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(u32);

impl FieldId {
    /// Position in [`Schema::fields`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a derived column in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColumnId(u32);

impl ColumnId {
    /// Position among the batch's columns.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Element of an array field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Bytes of one element: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether elements are signed integers.
    pub signed: bool,
    /// Whether elements are floating point numbers.
    pub float: bool,
}

/// The type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One byte, true only if it is 1.
    Bool,
    /// Signed integer of 1, 2, 4 or 8 bytes.
    Int(u8),
    /// Unsigned integer of 1, 2, 4 or 8 bytes.
    Uint(u8),
    /// Floating point number of 4 or 8 bytes.
    Float(u8),
    /// Text; in a row up to the first NUL.
    Text,
    /// Opaque bytes, shown in hexadecimal.
    Bytes,
    /// Array of numbers.
    Array(Element),
    /// A parent of other fields.
    Struct,
}

/// Makes text of a field's undecoded bytes. Runs per value, only when somebody wants the value.
pub trait Decode: Send + Sync {
    /// Appends the text of `raw` to `out`. `raw` may be shorter than the field when the record was.
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>);
}

/// Makes text of a field's undecoded bytes and of what a dictionary knows of them. Runs per value, like [`Decode`].
pub trait Name: Send + Sync {
    /// Appends the text of `raw`, of which `known` is known; `raw` may be shorter than the field when the record was.
    fn name(&self, known: Value<'_>, raw: &[u8], out: &mut Vec<u8>);
}

/// What the entries of a derived column stand for. Entries are never reused for something else while a process lives,
/// so that encoders may cache what they made of one. Entry 0 is [`super::UNKNOWN_ENTRY`].
pub trait Dictionary: Send + Sync {
    /// The attribute of an entry; [`Value::None`] when it has none.
    fn value(&self, entry: u32, attribute: u16) -> Value<'_>;

    /// What an entry is in the words of OpenTelemetry's resource conventions (`container.id`, `k8s.pod.name`, ...).
    /// Allocates: encoders keep what they made of an entry.
    fn resource(&self, _entry: u32) -> Vec<(Cow<'static, str>, String)> {
        Vec::new()
    }
}

/// Where a field's value comes from.
#[derive(Clone)]
pub enum Source {
    /// A window of the row.
    Row {
        /// First byte.
        offset: u32,
        /// Length in bytes.
        size: u32,
    },
    /// A `gadget_tail` word at `offset` of the row: `length << 16 | start`, both in bytes from the start of the row.
    Tail {
        /// First byte of the word.
        offset: u32,
    },
    /// `gadget_timestamp`: a boot-time stamp in the row, read as nanoseconds since the Unix epoch.
    BootTime {
        /// First byte of the u64.
        offset: u32,
    },
    /// A bit field: `width` bits, of which the first is bit `shift` of the little-endian number in `size` bytes.
    Bits {
        /// First byte.
        offset: u32,
        /// Bytes that hold all of it: 1 to 9.
        size: u8,
        /// Bits below it in the first byte: 0 to 7.
        shift: u8,
        /// Its own bits: 1 to 64. Of a signed field the last one is the sign.
        width: u8,
    },
    /// What follows the struct in a record.
    Rest {
        /// First byte.
        offset: u32,
        /// First byte of the u32 that says how many bytes are valid; without one all of them are.
        length: Option<u32>,
    },
    /// Text made of another field's bytes.
    Decoded {
        /// The field that holds the bytes.
        from: FieldId,
        /// What makes the text.
        decoder: Arc<dyn Decode>,
    },
    /// An attribute of the row's entry in a derived column.
    Dictionary {
        /// The derived column.
        column: ColumnId,
        /// The attribute of its dictionary.
        attribute: u16,
    },
    /// Text made of another field's bytes and an attribute of the row's entry in a derived column.
    Named {
        /// The field that holds the bytes.
        from: FieldId,
        /// The derived column.
        column: ColumnId,
        /// The attribute of its dictionary.
        attribute: u16,
        /// What makes the text.
        name: Arc<dyn Name>,
    },
    /// No value of its own: the parent of other fields.
    Parent,
}

/// How often a data source delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Records one by one, as they happen (a tracer).
    Single,
    /// A set of records per fetch (an iterator or a map).
    Array,
}

/// Tag of fields that JSON leaves out where they have no value.
pub const OPTIONAL: &str = "optional";

/// A field as its maker describes it.
#[derive(Clone)]
pub struct FieldSpec {
    /// Full name, parents separated by dots.
    pub name: String,
    /// Type of the value.
    pub kind: Kind,
    /// Where the value comes from.
    pub source: Source,
    /// Names of the types on the way to the base type, outermost first (`gadget_errno`, `__u32`, `unsigned int`).
    pub types: Vec<String>,
    /// Other tags: `name:<member>`, `src:ebpf`, `role:key`, those of the metadata.
    pub tags: Vec<String>,
    /// Hidden as a column unless asked for; JSON shows it.
    pub hidden: bool,
    /// Left out of JSON.
    pub json_skip: bool,
    /// Sort key among columns; smaller is further left. Ties keep the order of addition.
    pub order: i32,
    /// Everything the metadata says about the field.
    pub annotations: BTreeMap<String, String>,
}

impl FieldSpec {
    /// A visible field without types, tags or annotations.
    pub fn new(name: impl Into<String>, kind: Kind, source: Source) -> Self {
        FieldSpec {
            name: name.into(),
            kind,
            source,
            types: Vec::new(),
            tags: Vec::new(),
            hidden: false,
            json_skip: false,
            order: 0,
            annotations: BTreeMap::new(),
        }
    }

    /// Hides the column.
    pub fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// Sets the sort key among columns.
    pub fn order(mut self, order: i32) -> Self {
        self.order = order;
        self
    }
}

/// A field in a schema.
pub type Field = FieldSpec;

impl FieldSpec {
    /// Adds annotations, over those of the same keys; `columns.hidden` and `json.skip` take effect.
    pub fn annotate(&mut self, annotations: BTreeMap<String, String>) {
        if let Some(hidden) = annotations.get("columns.hidden") {
            self.hidden = hidden == "true";
        }
        if let Some(skip) = annotations.get("json.skip") {
            self.json_skip = skip == "true";
        }
        self.annotations.extend(annotations);
    }

    /// Whether one of the field's types is `name`.
    pub fn has_type(&self, name: &str) -> bool {
        self.types.iter().any(|t| t == name)
    }

    /// The field's undecoded bytes in a row, cut at the row's end; empty for sources outside of the row.
    pub fn window<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        super::value::raw(row, self)
    }

    /// The value that a row holds, for sources in the row: everything but [`Source::BootTime`] and what is made of
    /// other fields or dictionaries.
    pub fn read<'a>(&self, row: &'a [u8]) -> Value<'a> {
        super::value::of_row(row, self)
    }

    /// Appends the text that `decoder` makes of the field's bytes in a row. A bit field's are those of the whole number.
    pub fn decode(&self, decoder: &dyn Decode, row: &[u8], out: &mut Vec<u8>) {
        super::value::decode(row, self, decoder, out);
    }

    /// Whether a tag is there: `type:<name of a type>`, `name:<member>`, `src:ebpf`, `role:key` or one of the metadata's.
    pub fn has_tag(&self, tag: &str) -> bool {
        tag.strip_prefix("type:").is_some_and(|name| self.has_type(name)) || self.tags.iter().any(|t| t == tag)
    }

    /// The last part of the name.
    pub fn leaf(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The name without its last part.
    pub fn parent(&self) -> Option<&str> {
        self.name.rsplit_once('.').map(|(parent, _)| parent)
    }
}

/// Which gadget the records come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GadgetIdentity {
    /// Name in the configuration.
    pub instance: String,
    /// Image reference as the user wrote it.
    pub image: String,
    /// `name` of the gadget's metadata.
    pub name: String,
    /// Tag of the image or version in its annotations.
    pub version: String,
    /// Digest of the image index, `sha256:…`; empty when it was not an image.
    pub digest: String,
}

impl GadgetIdentity {
    /// The name of the instrumentation scope: the last part of the image's repository, else the metadata's name, else the instance's.
    pub fn scope(&self) -> &str {
        let repository = self.image.split('@').next().unwrap_or_default();
        let last = repository.rsplit('/').next().unwrap_or_default();
        let name = last.split(':').next().unwrap_or_default();
        [name, &self.name, &self.instance].into_iter().find(|n| !n.is_empty()).unwrap_or_default()
    }
}

/// The fields of one data source.
pub struct Schema {
    name: String,
    kind: SourceKind,
    gadget: GadgetIdentity,
    annotations: BTreeMap<String, String>,
    fields: Vec<Field>,
    fixed_size: usize,
    columns: u32,
    details: Vec<ColumnId>,
}

impl Schema {
    /// Name of the data source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How records arrive.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The gadget whose records these are.
    pub fn gadget(&self) -> &GadgetIdentity {
        &self.gadget
    }

    /// Annotations of the data source.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// All fields in the order of their addition.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// All fields with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, &Field)> {
        self.fields.iter().enumerate().map(|(i, f)| (FieldId(i as u32), f))
    }

    /// A field by id.
    pub fn field(&self, id: FieldId) -> Option<&Field> {
        self.fields.get(id.index())
    }

    /// A field by full name, exact first, then without regard to case.
    pub fn find(&self, name: &str) -> Option<FieldId> {
        let exact = self.fields.iter().position(|f| f.name == name);
        let found = exact.or_else(|| self.fields.iter().position(|f| f.name.eq_ignore_ascii_case(name)));
        found.map(|i| FieldId(i as u32))
    }

    /// The first field that has a type of this name.
    pub fn find_type(&self, type_name: &str) -> Option<FieldId> {
        self.fields.iter().position(|f| f.has_type(type_name)).map(|i| FieldId(i as u32))
    }

    /// Number of bytes of a row that hold numbers and arrays; shorter records are padded up to it.
    pub fn fixed_size(&self) -> usize {
        self.fixed_size
    }

    /// Number of derived columns.
    pub fn columns(&self) -> usize {
        self.columns as usize
    }

    /// Whether a derived column describes a field, not the row as a whole: see [`SchemaBuilder::add_detail_column`].
    pub fn is_detail(&self, column: ColumnId) -> bool {
        self.details.contains(&column)
    }
}

/// Why a field could not be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// Two fields of one name.
    #[error("data source {source_name:?} already has a field {field:?}")]
    Duplicate {
        /// The data source.
        source_name: String,
        /// The field's full name.
        field: String,
    },
}

/// A schema while fields are still being added. Operators add theirs when they bind.
pub struct SchemaBuilder {
    schema: Schema,
    /// Annotations and tags of fields that may be added later, by lower-case full name.
    overlays: BTreeMap<String, (BTreeMap<String, String>, Vec<String>)>,
}

impl std::ops::Deref for SchemaBuilder {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        &self.schema
    }
}

impl SchemaBuilder {
    /// An empty schema.
    pub fn new(name: impl Into<String>, kind: SourceKind, gadget: GadgetIdentity, annotations: BTreeMap<String, String>) -> Self {
        let schema =
            Schema { name: name.into(), kind, gadget, annotations, fields: Vec::new(), fixed_size: 0, columns: 0, details: Vec::new() };
        SchemaBuilder { schema, overlays: BTreeMap::new() }
    }

    /// Sets which gadget the records come from.
    pub fn set_gadget(&mut self, gadget: GadgetIdentity) {
        self.schema.gadget = gadget;
    }

    /// Adds a field.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add(&mut self, mut field: FieldSpec) -> Result<FieldId, SchemaError> {
        if self.schema.fields.iter().any(|f| f.name == field.name) {
            return Err(SchemaError::Duplicate { source_name: self.schema.name.clone(), field: field.name });
        }
        if let Some((annotations, tags)) = self.overlays.remove(&field.name.to_lowercase()) {
            field.annotate(annotations);
            field.tags.extend(tags);
        }
        // A shorter record counts as filled with zeros. Text ends at the first zero or at the record's end, so it needs none.
        let end = match (&field.source, field.kind) {
            (Source::Row { .. }, Kind::Text | Kind::Struct) => 0,
            (Source::Row { offset, size }, _) => offset.saturating_add(*size),
            (Source::Bits { offset, size, .. }, _) => offset + u32::from(*size),
            (Source::Tail { offset }, _) => offset + 4,
            (Source::Rest { length: Some(offset), .. }, _) => offset + 4,
            (Source::BootTime { offset }, _) => offset + 8,
            _ => 0,
        };
        self.schema.fixed_size = self.schema.fixed_size.max(end as usize);
        self.schema.fields.push(field);
        Ok(FieldId(self.schema.fields.len() as u32 - 1))
    }

    /// Puts annotations on top of a field's own: of one that is there already or of one that an operator
    /// adds later, whose name is compared without regard to case, as metadata does.
    pub fn annotate(&mut self, field: &str, annotations: BTreeMap<String, String>) {
        match self.schema.fields.iter_mut().find(|f| f.name == field) {
            Some(field) => field.annotate(annotations),
            None => self.overlays.entry(field.to_lowercase()).or_default().0.extend(annotations),
        }
    }

    /// Adds tags to a field, in the same way.
    pub fn tag(&mut self, field: &str, tags: Vec<String>) {
        match self.schema.fields.iter_mut().find(|f| f.name == field) {
            Some(field) => field.tags.extend(tags),
            None => self.overlays.entry(field.to_lowercase()).or_default().1.extend(tags),
        }
    }

    /// Changes a field that is there already.
    pub fn field_mut(&mut self, id: FieldId) -> Option<&mut Field> {
        self.schema.fields.get_mut(id.index())
    }

    /// Reserves a derived column.
    pub fn add_column(&mut self) -> ColumnId {
        self.schema.columns += 1;
        ColumnId(self.schema.columns - 1)
    }

    /// Reserves a derived column whose entries describe one of the row's fields: they say nothing of where the row comes from, so no
    /// resource is made of them.
    pub fn add_detail_column(&mut self) -> ColumnId {
        let column = self.add_column();
        self.schema.details.push(column);
        column
    }

    /// The finished schema.
    pub fn finish(self) -> Arc<Schema> {
        Arc::new(self.schema)
    }
}
