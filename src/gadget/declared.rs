//! What an object declares, read: markers become parameters, data sources, and what programs are attached to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::btf::{Btf, BtfError, Kind};
use super::elf::Elf;
use super::manifest::Manifest;
use super::markers::{self, Malformed, Marker, TargetKind};
use super::params::{self, ParamSpec};
use super::schema::{Fields, FieldsError, KernelTypes};
use super::{Origin, ProgramSpec, SourceSpec, maps, tags};
use crate::batch::{GadgetIdentity, SchemaBuilder, SourceKind};
use crate::component::duration;

const MAX_DECLARATIONS: usize = 1000;

/// What went wrong before anybody knew in which image.
pub(super) enum Cause {
    Btf(BtfError),
    Fields(FieldsError),
    Declaration(String, String),
}

impl From<BtfError> for Cause {
    fn from(e: BtfError) -> Self {
        Cause::Btf(e)
    }
}

impl From<FieldsError> for Cause {
    fn from(e: FieldsError) -> Self {
        Cause::Fields(e)
    }
}

/// What the markers declare.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) params: Vec<ParamSpec>,
    pub(super) sources: Vec<SourceSpec>,
    pub(super) switchable: Vec<String>,
    pub(super) targets: BTreeMap<String, String>,
}

pub(super) struct Reader<'a> {
    pub(super) btf: &'a Btf<'a>,
    pub(super) elf: &'a Elf<'a>,
    pub(super) manifest: &'a Manifest,
    pub(super) identity: &'a GadgetIdentity,
    pub(super) programs: &'a [ProgramSpec],
    pub(super) kernel: KernelTypes,
}

impl<'a> Reader<'a> {
    pub(super) fn read(&self) -> Result<Declared, Cause> {
        let mut declared = Declared::default();
        for (count, marker) in self.markers()?.into_iter().enumerate() {
            if count == MAX_DECLARATIONS {
                return Err(declaration("too much", "at most 1000 declarations are read"));
            }
            self.add(marker, &mut declared)?;
        }
        if declared.sources.iter().any(|s| matches!(s.origin, Origin::MapIter { .. })) {
            declared.params.extend(params::fetch_params(self.manifest));
        }
        Ok(declared)
    }

    /// What names say, and what tags say beyond that, up to one more than are read.
    fn markers(&self) -> Result<Vec<Marker<'a>>, Cause> {
        let named = markers::find(self.btf).take(MAX_DECLARATIONS + 1).collect::<Result<Vec<_>, _>>();
        let mut all = named.map_err(|Malformed(name, expected)| {
            declaration(name, &format!("its name does not have the right number of parts: {expected} behind what it begins with"))
        })?;
        let tagged = tags::find(self.btf).map_err(|problem| {
            let (marker, problem) = problem.describe();
            declaration(&marker, &problem)
        })?;
        for marker in tagged.into_iter().take(MAX_DECLARATIONS + 1) {
            if !all.iter().any(|known| known.is_about_the_same_as(&marker)) {
                all.push(marker);
            }
        }
        let aimed = tags::aimed_by_expression(self.btf).find(|(program, _)| self.manifest.attach_to(program).is_none());
        if let Some((program, expression)) = aimed {
            let marker = format!("that an expression says what program {program:?} is attached to ({expression})");
            return Err(declaration(&marker, "expressions are not evaluated; say it in the metadata (programs, attach_to)"));
        }
        Ok(all)
    }

    /// A later tracer replaces an earlier one of its name, a later iterator or parameter is ignored, all else that comes twice is refused.
    fn add(&self, marker: Marker<'_>, declared: &mut Declared) -> Result<(), Cause> {
        match marker {
            Marker::Param { variable } if declared.params.iter().any(|p| p.variable == variable) => {}
            Marker::Param { variable } => declared.params.push(self.param(variable)?),
            Marker::Tracer { name, map, structure } => {
                let source = self.tracer(name, map, structure)?;
                declared.sources.retain(|s| s.name != name || !matches!(s.origin, Origin::Tracer { .. }));
                add_source(source, "tracer", declared)?;
            }
            Marker::Iter { name, .. } if declared.sources.iter().any(|s| s.name == name && matches!(s.origin, Origin::Iter { .. })) => {}
            Marker::Iter { name, structure, programs, old } => {
                if old {
                    tracing::warn!(
                        gadget = self.identity.name,
                        source = name,
                        "gadget declares a data source in the deprecated form gadget_snapshotter_"
                    );
                }
                add_source(self.iter(name, structure, &programs)?, "iterator", declared)?;
            }
            Marker::MapIter { name, map } => add_source(self.map_iter(name, map)?, "map iterator", declared)?,
            Marker::Switchable { map } => {
                maps::find(self.btf, map)?.ok_or_else(|| declaration(&format!("buffer {map:?}"), "it has no such map"))?;
                declared.switchable.push(map.to_owned());
            }
            Marker::Target { kind, program, map } => {
                self.check_target(kind, program, map)?;
                if declared.targets.insert(program.to_owned(), map.to_owned()).is_some() {
                    return Err(declaration(&format!("map {map:?} as target of program {program:?}"), "that program has a target already"));
                }
            }
        }
        Ok(())
    }

    /// A program belongs to a map of the right type, and is of the right type itself.
    fn check_target(&self, kind: TargetKind, program: &str, map: &str) -> Result<(), Cause> {
        let fail = |problem: String| declaration(&format!("map {map:?} as target of program {program:?}"), &problem);
        let found = self.programs.iter().find(|p| p.name == program).ok_or_else(|| fail("it has no such program".to_owned()))?;
        let target = maps::find(self.btf, map)?.ok_or_else(|| fail("it has no such map".to_owned()))?;
        let section = found.section.trim_start_matches('?');
        let (right_program, right_map) = match kind {
            TargetKind::Elements => (matches!(section, "iter/bpf_map_elem" | "iter.s/bpf_map_elem"), true),
            TargetKind::Sockets => {
                (matches!(section.split('/').next(), Some("sk_skb" | "sk_msg")), matches!(target.kind, maps::SOCKMAP | maps::SOCKHASH))
            }
        };
        let wanted = if kind == TargetKind::Elements { "iter/bpf_map_elem" } else { "sk_skb/... or sk_msg" };
        if !right_program {
            return Err(fail(format!("the program is in section {section:?}, not in {wanted}")));
        }
        if right_map { Ok(()) } else { Err(fail("the map is no map of sockets (SOCKMAP or SOCKHASH)".to_owned())) }
    }

    fn param(&self, variable: &str) -> Result<ParamSpec, Cause> {
        let found = params::read(self.btf, self.elf, self.manifest, variable)?;
        found.ok_or_else(|| declaration(&format!("parameter {variable:?}"), "it has no variable of that name"))
    }

    fn tracer(&self, name: &str, map: &str, structure: &str) -> Result<SourceSpec, Cause> {
        let what = format!("tracer {name:?}");
        match maps::find(self.btf, map)? {
            Some(found) if matches!(found.kind, maps::RINGBUF | maps::PERF_EVENT_ARRAY) => {}
            Some(_) => return Err(declaration(&what, &format!("map {map:?} is neither a ring buffer nor a perf event array"))),
            None => return Err(declaration(&what, &format!("it has no map {map:?}"))),
        }
        let lost = format!("{map}_lost_samples");
        let lost_map = maps::find(self.btf, &lost)?.map(|_| lost);
        let mut fields = Fields::new(self.btf, self.manifest, &self.kernel, name, SourceKind::Single, self.identity);
        let size = fields.add_struct(self.structure(&what, structure)?, 0, None)?;
        fields.add_rest(size)?;
        Ok(SourceSpec { name: name.to_owned(), origin: Origin::Tracer { map: map.to_owned(), lost_map }, schema: fields.finish() })
    }

    fn iter(&self, name: &str, structure: &str, programs: &str) -> Result<SourceSpec, Cause> {
        let what = format!("iterator {name:?}");
        let programs: Vec<String> = programs.split("___").map(str::to_owned).collect();
        for program in &programs {
            let found = self.programs.iter().find(|p| p.name == *program);
            let found = found.ok_or_else(|| declaration(&what, &format!("it has no program {program:?}")))?;
            if !["iter/", "iter.s/"].iter().any(|kind| found.section.trim_start_matches('?').starts_with(kind)) {
                return Err(declaration(&what, &format!("program {program:?} is in section {:?}, not in iter/...", found.section)));
            }
        }
        let mut fields = Fields::new(self.btf, self.manifest, &self.kernel, name, SourceKind::Array, self.identity);
        let record_size = fields.add_struct(self.structure(&what, structure)?, 0, None)?;
        if record_size == 0 {
            return Err(declaration(&what, &format!("struct {structure:?} is empty")));
        }
        let schema = fields.finish();
        let (interval, count) = pace(&schema, &what, Duration::ZERO, 1)?;
        let fetch_on_stop = flag(&schema, "ebpf.iter.fetch-on-stop");
        Ok(SourceSpec { name: name.to_owned(), origin: Origin::Iter { programs, record_size, interval, count, fetch_on_stop }, schema })
    }

    fn map_iter(&self, name: &str, map: &str) -> Result<SourceSpec, Cause> {
        let what = format!("map iterator {name:?}");
        let found = maps::find(self.btf, map)?.ok_or_else(|| declaration(&what, &format!("it has no map {map:?}")))?;
        if found.kind != maps::HASH {
            return Err(declaration(&what, &format!("map {map:?} is not of type BPF_MAP_TYPE_HASH")));
        }
        for (part, id) in [("key", found.key), ("value", found.value)] {
            if self.btf.get(id)?.kind != Kind::Struct || self.btf.name(id).is_empty() {
                return Err(declaration(&what, &format!("the {part} of map {map:?} is not a struct with a name")));
            }
        }
        let mut fields = Fields::new(self.btf, self.manifest, &self.kernel, name, SourceKind::Array, self.identity);
        let key_size = fields.add_struct(found.key, 0, Some("role:key"))?;
        let value_size = fields.add_struct(found.value, key_size.next_multiple_of(8), None)?;
        let schema = fields.finish();
        let (interval, count) = self.map_pace(&schema, &what)?;
        let flush_on_stop = flag(&schema, "ebpf.map.flush-on-stop");
        let origin = Origin::MapIter { map: map.to_owned(), key_size, value_size, interval, count, flush_on_stop };
        Ok(SourceSpec { name: name.to_owned(), origin, schema })
    }

    /// Interval and count of a map: the annotations, or else the defaults of the two parameters.
    fn map_pace(&self, schema: &SchemaBuilder, what: &str) -> Result<(Duration, u64), Cause> {
        let [interval, count] = params::fetch_params(self.manifest);
        let unusable = |p: &ParamSpec| declaration(what, &format!("the default {:?} of {} is not usable", p.default, p.key));
        let default = params::for_source(&interval.default, schema.name()).map_or(Some(Duration::from_secs(1)), duration::parse);
        let default_count = params::for_source(&count.default, schema.name()).map_or(Some(0), |v| v.parse().ok());
        pace(schema, what, default.ok_or_else(|| unusable(&interval))?, default_count.ok_or_else(|| unusable(&count))?)
    }

    fn structure(&self, what: &str, name: &str) -> Result<u32, Cause> {
        self.btf.structure(name).ok_or_else(|| declaration(what, &format!("it has no struct {name:?}")))
    }
}

/// Adds a data source, which must have a name of its own.
fn add_source(source: SourceSpec, what: &str, declared: &mut Declared) -> Result<(), Cause> {
    if declared.sources.iter().any(|s| s.name == source.name) {
        return Err(declaration(&format!("{what} {:?}", source.name), "there is another data source of that name"));
    }
    declared.sources.push(source);
    Ok(())
}

fn declaration(what: &str, problem: &str) -> Cause {
    Cause::Declaration(what.to_owned(), problem.to_owned())
}

fn flag(schema: &SchemaBuilder, key: &str) -> bool {
    schema.annotations().get(key).is_some_and(|v| v == "true")
}

/// `fetch-interval` and `fetch-count` of a data source.
fn pace(schema: &SchemaBuilder, what: &str, interval: Duration, count: u64) -> Result<(Duration, u64), Cause> {
    let unusable = |key: &str, value: &str| declaration(what, &format!("its annotation {key} cannot be {value:?}"));
    let interval = match schema.annotations().get("fetch-interval") {
        Some(text) => duration::parse(text).ok_or_else(|| unusable("fetch-interval", text))?,
        None => interval,
    };
    let count = match schema.annotations().get("fetch-count") {
        Some(text) => text.parse().map_err(|_| unusable("fetch-count", text))?,
        None => count,
    };
    Ok((interval, count))
}
