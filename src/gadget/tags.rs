//! Markers as declaration tags: `ig:<kind>[:<value>]` on a variable, map or program. Newer headers write these instead of names.

use std::collections::BTreeMap;

use super::btf::{Btf, Kind};
use super::markers::{Marker, TargetKind, split};

/// What is wrong with a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem<'b> {
    /// Its value does not have these parts.
    Malformed { tag: &'b str, expected: &'static str },
    /// Programs are members of this iterator, whose records are not declared.
    NoStruct(&'b str),
    /// No program is a member of this iterator.
    NoProgram(&'b str),
}

impl Problem<'_> {
    /// What is declared, and what is wrong with that.
    pub(super) fn describe(&self) -> (String, String) {
        match self {
            Problem::Malformed { tag, expected } => (format!("tag {tag:?}"), format!("it should be \"ig:{expected}\"")),
            Problem::NoStruct(name) => (format!("a program as member of iterator {name:?}"), "there is no such iterator".to_owned()),
            Problem::NoProgram(name) => (format!("iterator {name:?}"), "no program is a member of it".to_owned()),
        }
    }
}

/// A tag, and what it stands at.
struct Tag<'b> {
    text: &'b str,
    kind: &'b str,
    value: &'b str,
    holder: &'b str,
    holder_kind: Kind,
}

impl<'b> Tag<'b> {
    fn parts<const PARTS: usize>(&self, expected: &'static str) -> Result<[&'b str; PARTS], Problem<'b>> {
        split(self.value).ok_or(Problem::Malformed { tag: self.text, expected })
    }
}

/// The tags of variables and functions; what is broken is none.
fn all<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = Tag<'b>> {
    btf.ids().filter_map(|id| {
        let tag = btf.get(id).ok().filter(|t| t.kind == Kind::DeclTag)?;
        let holder = btf.get(tag.word).ok().filter(|t| matches!(t.kind, Kind::Var | Kind::Func))?;
        let text = btf.string(tag.name).ok()?;
        let rest = text.strip_prefix("ig:")?;
        let (kind, value) = rest.split_once(':').unwrap_or((rest, ""));
        Some(Tag { text, kind, value, holder: btf.string(holder.name).ok()?, holder_kind: holder.kind })
    })
}

/// All markers, iterators behind the others.
///
/// # Errors
/// The first tag that does not say what it should.
pub(super) fn find<'b>(btf: &'b Btf<'_>) -> Result<Vec<Marker<'b>>, Problem<'b>> {
    let mut markers = Vec::new();
    let mut structures = BTreeMap::new();
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tag in all(btf) {
        match (tag.kind, tag.holder_kind) {
            ("iter_type", Kind::Var) => {
                let [name, structure] = tag.parts("iter_type:<name>___<struct>")?;
                structures.insert(name, structure);
            }
            ("iter", Kind::Func) => {
                let [name] = tag.parts("iter:<name>")?;
                members.entry(name).or_default().push(tag.holder);
            }
            _ => markers.extend(marker(&tag)?),
        }
    }
    if let Some(name) = members.keys().find(|name| !structures.contains_key(*name)) {
        return Err(Problem::NoStruct(name));
    }
    for (name, structure) in structures {
        let mut programs = members.remove(name).ok_or(Problem::NoProgram(name))?;
        programs.sort_unstable();
        programs.dedup();
        markers.push(Marker::Iter { name, structure, programs: programs.join("___").into(), old: false });
    }
    Ok(markers)
}

/// The marker that is whole in one tag.
fn marker<'b>(tag: &Tag<'b>) -> Result<Option<Marker<'b>>, Problem<'b>> {
    Ok(Some(match (tag.kind, tag.holder_kind) {
        ("tracer", Kind::Var) => {
            let [name, map, structure] = tag.parts("tracer:<name>___<map>___<struct>")?;
            Marker::Tracer { name, map, structure }
        }
        ("tracer_map", Kind::Var) => Marker::Switchable { map: tag.holder },
        ("param", Kind::Var) if !tag.value.is_empty() => Marker::Param { variable: tag.value },
        ("param", Kind::Var) => return Err(Problem::Malformed { tag: tag.text, expected: "param:<variable>" }),
        ("mapiter", Kind::Var) => {
            let [name, map] = tag.parts("mapiter:<name>___<map>")?;
            Marker::MapIter { name, map }
        }
        ("iter_target_map", Kind::Var) => {
            let [program, map] = tag.parts("iter_target_map:<program>___<map>")?;
            Marker::Target { kind: TargetKind::Elements, program, map }
        }
        // Read elsewhere. A map that is not needed does no harm, nor does a combination of parameters that makes no sense.
        ("var" | "attach_to" | "only_if" | "assert" | "define" | "packetfilter", _) => return Ok(None),
        _ => {
            tracing::debug!(tag = tag.text, on = tag.holder, "tag with a meaning that is not known");
            return Ok(None);
        }
    }))
}

/// Variables that are marked as set by the host.
pub(super) fn host_variables<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = &'b str> {
    all(btf).filter(|tag| tag.kind == "var" && tag.holder_kind == Kind::Var).map(|tag| tag.holder)
}

/// Programs whose target is the value of an expression, with that.
pub(super) fn aimed_by_expression<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = (&'b str, &'b str)> {
    all(btf).filter(|tag| tag.kind == "attach_to" && tag.holder_kind == Kind::Func).map(|tag| (tag.holder, tag.value))
}
