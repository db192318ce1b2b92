//! From a struct in BTF and the metadata about it to the raw fields of a data source.

mod decode;
mod enums;
mod error;
mod kinds;
mod notes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::btf::{Btf, BtfError, Member};
use super::manifest::Manifest;
use crate::batch::{FieldId, FieldSpec, GadgetIdentity, Kind, SchemaBuilder, Source, SourceKind};
pub(super) use enums::KernelTypes;
use enums::Pending;
pub use error::FieldsError;
pub use notes::Place;

/// Largest record, in bytes.
pub const MAX_RECORD: u64 = 1 << 20;
const MAX_FIELDS: usize = 2048;
const MAX_NESTING: usize = 16;
const MAX_NAME: usize = 256;

/// Fields of one data source in the making.
pub(super) struct Fields<'a> {
    btf: &'a Btf<'a>,
    manifest: &'a Manifest,
    kernel: &'a KernelTypes,
    builder: SchemaBuilder,
    /// Tag of all fields that are being added.
    tag: Option<&'static str>,
    /// Enum fields whose text has not been added yet, and names of the texts that have.
    pending: Vec<Pending>,
    texts: BTreeSet<String>,
}

/// A member with everything worked out.
struct Found<'b> {
    id: u32,
    offset: u32,
    size: u32,
    types: Vec<&'b str>,
    /// Of a bit field.
    bits: Option<Source>,
}

impl Found<'_> {
    fn window(&self) -> Source {
        self.bits.clone().unwrap_or(Source::Row { offset: self.offset, size: self.size })
    }
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        btf: &'a Btf<'a>,
        manifest: &'a Manifest,
        kernel: &'a KernelTypes,
        name: &str,
        kind: SourceKind,
        gadget: &GadgetIdentity,
    ) -> Self {
        let builder = SchemaBuilder::new(name, kind, gadget.clone(), manifest.source(name).annotations);
        Fields { btf, manifest, kernel, builder, tag: None, pending: Vec::new(), texts: BTreeSet::new() }
    }

    /// Adds the members of struct `id`, which starts at byte `base` of the record. Returns the struct's size.
    pub(super) fn add_struct(&mut self, id: u32, base: u32, tag: Option<&'static str>) -> Result<u32, FieldsError> {
        self.tag = tag;
        let size = self.size(id)?;
        self.walk(id, &Place::top(self.btf.name(id)), base, size, 0)?;
        self.add_enum_texts()?;
        Ok(size)
    }

    /// Adds the bytes behind the fixed part, if the metadata names a field for them.
    pub(super) fn add_rest(&mut self, fixed: u32) -> Result<(), FieldsError> {
        let note = |key: &str| self.builder.annotations().get(key).filter(|v| !v.is_empty()).cloned();
        let Some(name) = note("ebpf.rest.name") else { return Ok(()) };
        let length = note("ebpf.rest.len").map(|field| self.rest_length(field)).transpose()?;
        self.add(name, Kind::Bytes, Source::Rest { offset: fixed, length }, &[], &Place::default())?;
        Ok(())
    }

    /// First byte of the field that limits the rest.
    fn rest_length(&self, field: String) -> Result<u32, FieldsError> {
        let unusable = |field, problem| FieldsError::Rest { source_name: self.builder.name().to_owned(), field, problem };
        match self.builder.find(&field).and_then(|id| self.builder.field(id)) {
            Some(FieldSpec { kind: Kind::Uint(4), source: Source::Row { offset, .. }, .. }) => Ok(*offset),
            Some(_) => Err(unusable(field, "is no unsigned integer of 4 bytes")),
            None => Err(unusable(field, "is not there")),
        }
    }

    /// The raw fields; what the metadata says about others waits for whoever adds them.
    pub(super) fn finish(mut self) -> SchemaBuilder {
        let name = self.builder.name().to_owned();
        for field in self.manifest.fields(&name) {
            if self.builder.find(field).is_none() {
                let notes = notes::expand(self.manifest.field(&name, field), field);
                self.builder.annotate(field, notes.annotations);
                self.builder.tag(field, notes.tags);
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
            return self.parent(member.type_id, name, &found, place, depth);
        }
        if name.is_empty() {
            return Ok(());
        }
        let full = place.full(name);
        let special = found.types.iter().find(|t| t.starts_with("gadget_t")).copied().filter(|_| found.bits.is_none());
        match special {
            Some("gadget_timestamp") if found.size == 8 => {
                self.add(full, Kind::Uint(8), Source::BootTime { offset: found.offset }, &found.types, place)?;
            }
            Some("gadget_tail") if found.size == 4 => {
                let shown = full.strip_suffix("_raw").unwrap_or(&full).to_owned();
                self.add(shown, Kind::Text, Source::Tail { offset: found.offset }, &found.types, place)?;
            }
            Some("gadget_tail_args") if found.size == 4 => self.add_args(&full, &found, place)?,
            _ => {
                let Some(kind) = kinds::of(self.btf, found.id, &found.types).map_err(|e| self.broken(e))? else { return Ok(()) };
                let source = self.add(full, kind, found.window(), &found.types, place)?;
                if direct.kind.is_enum() {
                    self.add_enum(source, member.type_id);
                }
            }
        }
        Ok(())
    }

    /// Adds a struct or union and its members; those of an anonymous one belong to the struct around it.
    fn parent(&mut self, id: u32, name: &str, found: &Found<'_>, place: &Place, depth: usize) -> Result<(), FieldsError> {
        if name.is_empty() {
            return self.walk(id, place, found.offset, found.size, depth + 1);
        }
        let inner = place.join(name, self.btf.name(id));
        let parent = self.add(inner.path.clone(), Kind::Struct, found.window(), &found.types, place)?;
        self.walk(id, &inner, found.offset, found.size, depth + 1)?;
        let is_childless = parent.index() + 1 == self.builder.fields().len();
        if let Some(field) = self.builder.field_mut(parent).filter(|_| is_childless) {
            field.kind = Kind::Bytes;
        }
        Ok(())
    }

    /// Hides an enum field and notes which text is to be made of it.
    fn add_enum(&mut self, source: FieldId, id: u32) {
        let Some(field) = self.builder.field_mut(source) else { return };
        field.hidden = true;
        let pending = Pending::of(field, source, id);
        self.pending.extend(pending);
    }

    fn add_enum_texts(&mut self) -> Result<(), FieldsError> {
        for Pending { source, id, target, separator } in std::mem::take(&mut self.pending) {
            // Two numbers may name the same text: the first one makes it.
            if !self.texts.insert(target.clone()) {
                continue;
            }
            let names = self.kernel.names(self.btf, id, &separator).map_err(|e| self.broken(e))?;
            let order = self.builder.field(source).map_or(0, |f| f.order);
            let decoded = Source::Decoded { from: source, decoder: Arc::new(names) };
            self.check_room()?;
            let mut spec = self.spec(target, Kind::Text, decoded, &[], &Place::default()).order(order);
            spec.tags.retain(|tag| !tag.starts_with("name:") && tag != "src:ebpf");
            self.builder.add(spec)?;
        }
        Ok(())
    }

    /// Where a member is; `None` for one that becomes no field.
    fn found(&self, member: &Member, base: u32, struct_size: u32) -> Result<Option<Found<'a>>, FieldsError> {
        let btf = self.btf;
        let size = match btf.size(member.type_id) {
            Ok(0) | Err(BtfError::Size { .. }) => return Ok(None),
            other => other.map_err(|e| self.broken(e))?,
        };
        let (id, types) = self.chain(member.type_id)?;
        let bits = match (member.bit_size, member.bit_offset % 8) {
            (0, 0) => None,
            (0, _) => Some(btf.get(id).ok().and_then(|t| t.int()).map_or(0, |int| u32::from(int.bits))),
            (width, _) => Some(width),
        };
        let inner = member.bit_offset / 8;
        let end = bits.map_or(u64::from(inner) + size, |width| (u64::from(member.bit_offset) + u64::from(width)).div_ceil(8));
        if end > u64::from(struct_size) {
            return Err(self.limit("a member reaches beyond its struct".to_owned()));
        }
        let offset = base + inner;
        let bits = match bits {
            Some(width @ 1..=64) => {
                let (shift, width) = ((member.bit_offset % 8) as u8, width as u8);
                Some(Source::Bits { offset, size: (shift + width).div_ceil(8), shift, width })
            }
            Some(_) => return Ok(None),
            None => None,
        };
        Ok(Some(Found { id, offset, size: size as u32, types, bits }))
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
        self.add(shown.to_owned(), Kind::Text, decoded, &[], place)?;
        Ok(())
    }

    fn add(&mut self, name: String, kind: Kind, source: Source, types: &[&str], place: &Place) -> Result<FieldId, FieldsError> {
        self.check_room()?;
        let spec = self.spec(name, kind, source, types, place);
        Ok(self.builder.add(spec)?)
    }

    fn spec(&self, name: String, kind: Kind, source: Source, types: &[&str], place: &Place) -> FieldSpec {
        let mut spec = FieldSpec::new(name, kind, source).order(self.builder.fields().len() as i32);
        spec.types = types.iter().map(|t| (*t).to_owned()).collect();
        spec.tags.push(format!("name:{}", spec.leaf()));
        spec.tags.push("src:ebpf".to_owned());
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
