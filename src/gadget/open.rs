//! From an image to a gadget: identity, parameters, programs and data sources.

use std::collections::BTreeMap;
use std::time::Duration;

use super::btf::{Btf, BtfError};
use super::elf::{Elf, ElfError};
use super::manifest::{Manifest, ManifestError};
use super::markers::{self, Malformed, Marker};
use super::params::{self, ParamKind, ParamSpec};
use super::polled::{self, PolledError};
use super::schema::{Fields, FieldsError, KernelTypes};
use super::{Gadget, Origin, ProgramSpec, SourceSpec, maps};
use crate::batch::{GadgetIdentity, SchemaBuilder, SourceKind};
use crate::component::duration;
use crate::image::GadgetImage;

/// Attach target of a program that is loaded but not attached.
const DISABLED: &str = "gadget_program_disabled";
const MAX_DECLARATIONS: usize = 1000;

/// Why an image is no usable gadget.
#[derive(Debug, thiserror::Error)]
pub enum GadgetError {
    /// Its metadata is broken.
    #[error("read the metadata of gadget {image:?}")]
    Manifest {
        /// The image.
        image: String,
        /// Why.
        source: ManifestError,
    },
    /// Its object is broken.
    #[error("read the eBPF object of gadget {image:?}")]
    Elf {
        /// The image.
        image: String,
        /// Why.
        source: ElfError,
    },
    /// Its types are broken.
    #[error("read the types (BTF) of gadget {image:?}")]
    Btf {
        /// The image.
        image: String,
        /// Why.
        source: BtfError,
    },
    /// The object carries no types.
    #[error("the eBPF object of gadget {image:?} has no types (.BTF section)")]
    NoBtf {
        /// The image.
        image: String,
    },
    /// A declaration that names something missing or unsuitable.
    #[error("gadget {image:?} declares {marker}, but {problem}")]
    Declaration {
        /// The image.
        image: String,
        /// What is declared, e.g. "tracer \"exec\"".
        marker: String,
        /// What is wrong.
        problem: String,
    },
    /// A data source about the host that is not set up right.
    #[error("set up what gadget {image:?} reads from the host")]
    Polled {
        /// The image.
        image: String,
        /// Why.
        source: PolledError,
    },
    /// A data source without usable fields.
    #[error("make the fields of gadget {image:?}")]
    Fields {
        /// The image.
        image: String,
        /// Why.
        source: FieldsError,
    },
}

/// What went wrong before anybody knew in which image.
enum Cause {
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

/// Reads an image. Nothing is loaded; `instance` is the name the gadget has in the configuration.
///
/// # Errors
/// When metadata, object or types are broken, or a declaration names something that is not there.
pub fn open(image: &GadgetImage, instance: &str) -> Result<Gadget, GadgetError> {
    let name = || image.reference.clone();
    let manifest = Manifest::parse(&image.metadata).map_err(|source| GadgetError::Manifest { image: name(), source })?;
    let identity = identity(image, &manifest, instance);
    let mut gadget =
        Gadget { identity, manifest, object: image.ebpf.clone(), params: Vec::new(), sources: Vec::new(), programs: Vec::new() };
    let polled = polled::sources(&gadget.manifest, &gadget.identity);
    (gadget.sources, gadget.params) = polled.map_err(|source| GadgetError::Polled { image: name(), source })?;
    let Some(bytes) = &image.ebpf else { return Ok(gadget) };
    let elf = Elf::parse(bytes).map_err(|source| GadgetError::Elf { image: name(), source })?;
    let section = elf.section(".BTF").ok_or_else(|| GadgetError::NoBtf { image: name() })?;
    let btf = Btf::parse(section.data).map_err(|source| GadgetError::Btf { image: name(), source })?;
    gadget.programs = programs(&elf, &gadget.manifest);
    let reader = Reader {
        btf: &btf,
        elf: &elf,
        manifest: &gadget.manifest,
        identity: &gadget.identity,
        programs: &gadget.programs,
        kernel: KernelTypes::default(),
    };
    let (params, sources) = reader.read().map_err(|cause| match cause {
        Cause::Btf(source) => GadgetError::Btf { image: name(), source },
        Cause::Fields(source) => GadgetError::Fields { image: name(), source },
        Cause::Declaration(marker, problem) => GadgetError::Declaration { image: name(), marker, problem },
    })?;
    gadget.params.extend(params);
    gadget.sources.extend(sources);
    Ok(gadget)
}

fn identity(image: &GadgetImage, manifest: &Manifest, instance: &str) -> GadgetIdentity {
    GadgetIdentity {
        instance: instance.to_owned(),
        image: image.reference.clone(),
        name: manifest.name.clone(),
        version: image.version.clone(),
        digest: image.digest.clone(),
    }
}

fn programs(elf: &Elf<'_>, manifest: &Manifest) -> Vec<ProgramSpec> {
    let spec = |(name, section): (&str, &str)| {
        let own = section.trim_start_matches('?').split_once('/').map_or("", |(_, target)| target);
        let target = manifest.attach_to(name).unwrap_or(own);
        ProgramSpec {
            name: name.to_owned(),
            section: section.to_owned(),
            target: target.to_owned(),
            disabled: target == DISABLED || own == DISABLED,
        }
    };
    elf.programs().map(spec).collect()
}

struct Reader<'a> {
    btf: &'a Btf<'a>,
    elf: &'a Elf<'a>,
    manifest: &'a Manifest,
    identity: &'a GadgetIdentity,
    programs: &'a [ProgramSpec],
    kernel: KernelTypes,
}

impl<'a> Reader<'a> {
    fn read(&self) -> Result<(Vec<ParamSpec>, Vec<SourceSpec>), Cause> {
        let mut params: Vec<ParamSpec> = Vec::new();
        let mut sources: Vec<SourceSpec> = Vec::new();
        for (count, marker) in markers::find(self.btf).enumerate() {
            let marker = marker.map_err(|Malformed(name)| declaration(name, "its name does not have the right number of parts"))?;
            if count == MAX_DECLARATIONS {
                return Err(declaration("too much", "at most 1000 declarations are read"));
            }
            match marker {
                Marker::Param { variable } if params.iter().any(|p| p.variable == variable) => {}
                Marker::Param { variable } => params.push(self.param(variable)?),
                Marker::Tracer { name, map, structure } => {
                    let source = self.tracer(name, map, structure)?;
                    sources.retain(|s| s.name != name);
                    sources.push(source);
                }
                Marker::Iter { name, .. } if sources.iter().any(|s| s.name == name) => {}
                Marker::Iter { name, structure, programs } => sources.push(self.iter(name, structure, programs)?),
                Marker::MapIter { name, .. } if sources.iter().any(|s| s.name == name) => {
                    return Err(declaration(&format!("map iterator {name:?}"), "there is another data source of that name"));
                }
                Marker::MapIter { name, map } => sources.push(self.map_iter(name, map)?),
            }
        }
        if sources.iter().any(|s| matches!(s.origin, Origin::MapIter { .. })) {
            params.extend(params::fetch_params(self.manifest));
        }
        let classifies = |p: &ProgramSpec| p.section.trim_start_matches('?').split('/').next() == Some("classifier");
        if self.programs.iter().any(classifies) && !params.iter().any(|p| p.key == params::INTERFACE) {
            params.push(params::interface_param(self.manifest));
        }
        Ok((params, sources))
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
            if !found.section.trim_start_matches('?').starts_with("iter") {
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
            if !self.btf.get(id)?.kind.is_composite() {
                return Err(declaration(&what, &format!("the {part} of map {map:?} is not a struct")));
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

impl Gadget {
    /// Checks parameter values and applies those the host reads itself (`map-fetch-interval`, `map-fetch-count`).
    ///
    /// # Errors
    /// All that is wrong: unknown names with those that are known, unusable values with what is allowed.
    pub fn configure(&mut self, values: &BTreeMap<String, String>) -> Result<(), Vec<ConfigureError>> {
        let mut errors = Vec::new();
        for (name, value) in values {
            let Some(param) = self.params.iter().find(|p| p.answers_to(name)) else {
                errors.push(ConfigureError::Unknown { name: name.clone(), known: self.params.iter().map(|p| p.key.clone()).collect() });
                continue;
            };
            match param.encode(value) {
                Err(e) => errors.push(e.into()),
                Ok(_) if polled::configure(&mut self.sources, &param.key, value) => {}
                Ok(_) if matches!(param.kind, ParamKind::Interval | ParamKind::Count) => {
                    let key = param.key.clone();
                    errors.extend(self.set_pace(&key, value).err());
                }
                Ok(_) => {}
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn set_pace(&mut self, key: &str, value: &str) -> Result<(), ConfigureError> {
        let maps = || self.sources.iter().filter(|s| matches!(s.origin, Origin::MapIter { .. })).map(|s| s.name.as_str());
        for part in value.split(',') {
            if let Some((source, _)) = part.split_once(':').filter(|(source, _)| !maps().any(|m| m == *source)) {
                return Err(ConfigureError::UnknownSource {
                    key: key.to_owned(),
                    name: source.to_owned(),
                    known: maps().map(str::to_owned).collect(),
                });
            }
        }
        for spec in &mut self.sources {
            let Some(value) = params::for_source(value, &spec.name) else { continue };
            if let Origin::MapIter { interval, count, .. } = &mut spec.origin {
                if key == params::MAP_FETCH_INTERVAL {
                    *interval = duration::parse(value).unwrap_or(*interval);
                } else {
                    *count = value.parse().unwrap_or(*count);
                }
            }
        }
        Ok(())
    }
}

/// Why parameter values were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigureError {
    /// No parameter of that name.
    #[error("no parameter {name:?}; there are: {}", list(known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A value that the parameter cannot have.
    #[error(transparent)]
    Value(#[from] params::ParamError),
    /// A value for a data source that is not there.
    #[error("parameter {key:?} names data source {name:?}; there are: {}", list(known))]
    UnknownSource {
        /// The parameter.
        key: String,
        /// The data source.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
