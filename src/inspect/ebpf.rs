//! What the object has: sections, programs, maps, variables, diagrams.

use serde::Serialize;

use super::diagram::Diagram;
use super::error::InspectError;
use super::object::Object;
use super::{ExtraInfo, MERMAID, kinds, listing};
use crate::gadget::{self, Gadget};
use crate::image::GadgetImage;

#[derive(Serialize)]
struct Map {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Serialize)]
struct Variable<'a> {
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "Offset")]
    offset: u64,
    #[serde(rename = "Size")]
    size: u64,
    #[serde(rename = "Map")]
    map: &'a str,
}

/// Adds the keys `ebpf.*`.
pub(super) fn add(info: &mut ExtraInfo, image: &GadgetImage, bytes: &[u8]) -> Result<(), InspectError> {
    let object = Object::parse(bytes)?;
    let sections: Vec<_> = object.elf.sections.iter().map(|section| section.name).collect();
    info.json("ebpf.sections", &sections);
    info.json("ebpf.programs", &listing::all(&object)?);
    info.json("ebpf.maps", &maps(&object)?);
    info.json("ebpf.variables", &variables(&object));
    let diagram = Diagram::of(&object, sources(image).as_ref());
    info.text("ebpf.flowchart", MERMAID, diagram.flowchart());
    info.text("ebpf.sequence", MERMAID, diagram.sequence());
    Ok(())
}

/// An object that no gadget can be made of has programs and maps all the same.
fn sources(image: &GadgetImage) -> Option<Gadget> {
    let opened = gadget::open(image, "inspect");
    opened.inspect_err(|error| tracing::warn!(%error, "the flow chart goes without data sources: the gadget cannot be opened")).ok()
}

/// The declared maps, and the sections of variables that become maps, but for `.rodata` and `.bss`. By name.
fn maps(object: &Object<'_>) -> Result<Vec<Map>, InspectError> {
    let declared = object.btf.as_ref().map(gadget::map_kinds).transpose()?.unwrap_or_default();
    let mut maps: Vec<_> = declared.into_iter().map(|(name, kind)| Map { name, kind: kinds::name(kind) }).collect();
    let sections = object.elf.sections.iter().filter(|section| is_data(section.name) && !matches!(section.name, ".rodata" | ".bss"));
    maps.extend(sections.map(|section| Map { name: section.name.to_owned(), kind: kinds::name(kinds::ARRAY) }));
    maps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(maps)
}

/// Variables that user space can see, by map and place in it.
fn variables<'o>(object: &'o Object<'_>) -> Vec<Variable<'o>> {
    let visible = object.variables().filter(|(symbol, section)| !symbol.hidden && is_data(section));
    visible.map(|(symbol, map)| Variable { name: symbol.name, offset: symbol.value, size: symbol.size, map }).collect()
}

/// Whether a section becomes a map.
fn is_data(section: &str) -> bool {
    [".data", ".rodata", ".bss"].iter().any(|kind| section.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}
