//! From a struct in BTF and the metadata about it to the raw fields of a data source.

mod decode;
mod notes;

use std::sync::Arc;

use super::btf::{Btf, BtfError, Kind as BtfKind, Member};
use super::manifest::Manifest;
use crate::batch::{Element, FieldSpec, GadgetIdentity, Kind, SchemaBuilder, SchemaError, Source, SourceKind};
pub use notes::Place;

/// Largest record, in bytes.
pub const MAX_RECORD: u64 = 1 << 20;
const MAX_FIELDS: usize = 2048;
const MAX_NESTING: usize = 16;
const MAX_NAME: usize = 256;

/// Why no fields could be made of a struct.
#[derive(Debug, thiserror::Error)]
pub enum FieldsError {
    /// Its types are broken.
    #[error("read the types of data source {source_name:?}")]
    Btf {
        /// The data source.
        source_name: String,
        /// Why.
        source: BtfError,
    },
    /// Two fields of one name.
    #[error("add a field of the record")]
    Duplicate(#[from] SchemaError),
    /// Too many fields, nested too deeply, a name too long, a member outside of its struct.
    #[error("the record of data source {source_name:?} is out of bounds: {what}")]
    Limit {
        /// The data source.
        source_name: String,
        /// Which bound.
        what: String,
    },
}

/// Fields of one data source in the making.
pub(super) struct Fields<'a> {
    btf: &'a Btf<'a>,
    manifest: &'a Manifest,
    builder: SchemaBuilder,
    /// Tag of all fields that are being added.
    tag: Option<&'static str>,
}

/// A member with everything worked out.
struct Found<'b> {
    id: u32,
    offset: u32,
    size: u32,
    types: Vec<&'b str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(btf: &'a Btf<'a>, manifest: &'a Manifest, name: &str, kind: SourceKind, gadget: &GadgetIdentity) -> Self {
        let builder = SchemaBuilder::new(name, kind, gadget.clone(), manifest.source(name).annotations);
        Fields { btf, manifest, builder, tag: None }
    }

    /// Adds the members of struct `id`, which starts at byte `base` of the record. Returns the struct's size.
    pub(super) fn add_struct(&mut self, id: u32, base: u32, tag: Option<&'static str>) -> Result<u32, FieldsError> {
        self.tag = tag;
        let size = self.size(id)?;
        self.walk(id, &Place::top(), base, size, 0)?;
        Ok(size)
    }

    /// Adds the bytes behind the fixed part, if the metadata names a field for them.
    pub(super) fn add_rest(&mut self, fixed: u32) -> Result<(), FieldsError> {
        let Some(name) = self.builder.annotations().get("ebpf.rest.name").cloned() else { return Ok(()) };
        self.add(name, Kind::Bytes, Source::Row { offset: fixed, size: u32::from(u16::MAX) }, &[], &Place::top())
    }

    /// The raw fields; what the metadata says about others waits for whoever adds them.
    pub(super) fn finish(mut self) -> SchemaBuilder {
        let name = self.builder.name().to_owned();
        for field in self.manifest.fields(&name) {
            if self.builder.find(field).is_none() {
                self.builder.annotate(field, notes::expand(self.manifest.field(&name, field), field).annotations);
            }
        }
        self.builder
    }

    fn walk(&mut self, id: u32, place: &Place, base: u32, size: u32, depth: usize) -> Result<(), FieldsError> {
        if depth > MAX_NESTING {
            return Err(self.limit(format!("structs nest deeper than {MAX_NESTING}")));
        }
        let btf = self.btf;
        let composite = btf.get(id).map_err(|e| self.broken(e))?;
        for member in composite.members() {
            let name = btf.string(member.name).map_err(|e| self.broken(e))?;
            if name.len() > MAX_NAME {
                return Err(self.limit(format!("a field's name is longer than {MAX_NAME} bytes")));
            }
            if !name.starts_with("__") {
                self.member(&member, name, place, (base, size), depth)?;
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        member: &Member,
        name: &str,
        place: &Place,
        (base, struct_size): (u32, u32),
        depth: usize,
    ) -> Result<(), FieldsError> {
        let Some(found) = self.found(member, base, struct_size)? else { return Ok(()) };
        let direct = self.btf.get(member.type_id).map_err(|e| self.broken(e))?;
        if direct.kind.is_composite() {
            let inner = if name.is_empty() { place.clone() } else { place.join(name, self.btf.name(member.type_id)) };
            if !name.is_empty() {
                let window = Source::Row { offset: found.offset, size: found.size };
                self.add(inner.path.clone(), Kind::Struct, window, &found.types, place)?;
            }
            return self.walk(member.type_id, &inner, found.offset, found.size, depth + 1);
        }
        if name.is_empty() {
            return Ok(());
        }
        let full = place.full(name);
        match found.types.iter().find(|t| t.starts_with("gadget_t")).copied() {
            Some("gadget_timestamp") if found.size == 8 => {
                self.add(full, Kind::Uint(8), Source::BootTime { offset: found.offset }, &found.types, place)
            }
            Some("gadget_tail") if found.size == 4 => {
                let shown = full.strip_suffix("_raw").unwrap_or(&full).to_owned();
                self.add(shown, Kind::Text, Source::Tail { offset: found.offset }, &found.types, place)
            }
            Some("gadget_tail_args") if found.size == 4 => self.add_args(&full, &found, place),
            _ => self.plain(member, full, &found, place),
        }
    }

    /// Where a member is; `None` for one that becomes no field.
    fn found(&self, member: &Member, base: u32, struct_size: u32) -> Result<Option<Found<'a>>, FieldsError> {
        let btf = self.btf;
        let size = match btf.size(member.type_id) {
            Ok(0) | Err(BtfError::Size { .. }) => return Ok(None),
            other => other.map_err(|e| self.broken(e))?,
        };
        let inner = member.bit_offset / 8;
        if u64::from(inner) + size > u64::from(struct_size) {
            // A bit field's underlying type may reach beyond the struct.
            return if member.bit_size > 0 { Ok(None) } else { Err(self.limit("a member reaches beyond its struct".to_owned())) };
        }
        let (id, types) = self.chain(member.type_id)?;
        Ok(Some(Found { id, offset: base + inner, size: size as u32, types }))
    }

    /// The base type and all names on the way, through arrays too.
    fn chain(&self, id: u32) -> Result<(u32, Vec<&'a str>), FieldsError> {
        let resolved = self.btf.resolve(id).map_err(|e| self.broken(e))?;
        let mut types = resolved.names;
        let mut at = resolved.id;
        for _ in 0..MAX_NESTING {
            let t = self.btf.get(at).map_err(|e| self.broken(e))?;
            let Some(array) = t.array() else { break };
            let element = self.btf.resolve(array.element).map_err(|e| self.broken(e))?;
            types.extend(element.names);
            at = element.id;
        }
        types.extend(Some(self.btf.name(at)).filter(|n| !n.is_empty()));
        Ok((resolved.id, types))
    }

    fn add_args(&mut self, full: &str, found: &Found<'_>, place: &Place) -> Result<(), FieldsError> {
        let shown = full.strip_suffix("_raw").unwrap_or(full);
        let raw = self.spec(format!("{shown}_raw"), Kind::Bytes, Source::Tail { offset: found.offset }, &found.types, place);
        let from = self.builder.add(FieldSpec { json_skip: true, hidden: true, ..raw })?;
        let decoded = Source::Decoded { from, decoder: Arc::new(decode::Arguments) };
        self.add(shown.to_owned(), Kind::Text, decoded, &[], place)
    }

    fn plain(&mut self, member: &Member, full: String, found: &Found<'_>, place: &Place) -> Result<(), FieldsError> {
        let Some(kind) = self.kind(found)? else { return Ok(()) };
        let window = Source::Row { offset: found.offset, size: found.size };
        let mut spec = self.spec(full, kind, window, &found.types, place);
        let direct = self.btf.get(member.type_id).map_err(|e| self.broken(e))?;
        let target = if direct.kind.is_enum() { notes::enum_target(&spec) } else { None };
        let Some(target) = target else {
            self.check_room()?;
            self.builder.add(spec)?;
            return Ok(());
        };
        spec.hidden = true;
        let separator = spec.annotations.get("ebpf.formatter.bitfield.separator").cloned();
        let decoder = decode::Enum::new(self.btf, member.type_id, kind, separator).map_err(|e| self.broken(e))?;
        let from = self.builder.add(spec)?;
        if self.builder.fields().iter().any(|f| f.name == target) {
            return Ok(());
        }
        self.add(target, Kind::Text, Source::Decoded { from, decoder: Arc::new(decoder) }, &[], place)
    }

    fn kind(&self, found: &Found<'_>) -> Result<Option<Kind>, FieldsError> {
        let t = self.btf.get(found.id).map_err(|e| self.broken(e))?;
        let Some(array) = t.array() else { return Ok(scalar(self.btf, found.id)) };
        let element = self.btf.peel(array.element).map_err(|e| self.broken(e))?;
        if self.btf.get(element).map_err(|e| self.broken(e))?.kind == BtfKind::Array {
            return Ok(Some(Kind::Bytes));
        }
        let is_text = found.types.contains(&"char") && matches!(scalar(self.btf, element), Some(Kind::Int(1)));
        Ok(match scalar(self.btf, element) {
            _ if is_text => Some(Kind::Text),
            Some(Kind::Int(size)) => Some(Kind::Array(Element { size, signed: true, float: false })),
            Some(Kind::Uint(size)) => Some(Kind::Array(Element { size, signed: false, float: false })),
            Some(Kind::Bool) => Some(Kind::Array(Element { size: 1, signed: false, float: false })),
            Some(Kind::Float(size)) => Some(Kind::Array(Element { size, signed: false, float: true })),
            _ => None,
        })
    }

    fn add(&mut self, name: String, kind: Kind, source: Source, types: &[&str], place: &Place) -> Result<(), FieldsError> {
        self.check_room()?;
        let spec = self.spec(name, kind, source, types, place);
        self.builder.add(spec)?;
        Ok(())
    }

    fn spec(&self, name: String, kind: Kind, source: Source, types: &[&str], place: &Place) -> FieldSpec {
        let mut spec = FieldSpec::new(name, kind, source).order(self.builder.fields().len() as i32);
        spec.types = types.iter().map(|t| (*t).to_owned()).collect();
        spec.tags.extend(self.tag.map(str::to_owned));
        let notes = self.manifest.field(self.builder.name(), &spec.name);
        notes::annotate(&mut spec, notes, place);
        spec
    }

    fn check_room(&self) -> Result<(), FieldsError> {
        if self.builder.fields().len() < MAX_FIELDS { Ok(()) } else { Err(self.limit(format!("it has more than {MAX_FIELDS} fields"))) }
    }

    fn size(&self, id: u32) -> Result<u32, FieldsError> {
        let size = self.btf.size(id).map_err(|e| self.broken(e))?;
        if size > MAX_RECORD {
            return Err(self.limit(format!("it has {size} bytes, more than {MAX_RECORD}")));
        }
        Ok(size as u32)
    }

    fn broken(&self, source: BtfError) -> FieldsError {
        FieldsError::Btf { source_name: self.builder.name().to_owned(), source }
    }

    fn limit(&self, what: String) -> FieldsError {
        FieldsError::Limit { source_name: self.builder.name().to_owned(), what }
    }
}

/// Kind of a number; `None` for everything else, 128-bit integers included.
fn scalar(btf: &Btf<'_>, id: u32) -> Option<Kind> {
    let t = btf.get(id).ok()?;
    let size = u8::try_from(t.word).ok().filter(|size| matches!(size, 1 | 2 | 4 | 8));
    match t.kind {
        BtfKind::Int => {
            let (int, size) = (t.int()?, size?);
            Some(match int {
                _ if int.bool => Kind::Bool,
                _ if int.signed => Kind::Int(size),
                _ => Kind::Uint(size),
            })
        }
        BtfKind::Enum | BtfKind::Enum64 => Some(if t.flag { Kind::Int(size?) } else { Kind::Uint(size?) }),
        BtfKind::Float => size.filter(|s| *s >= 4).map(Kind::Float),
        _ => None,
    }
}
