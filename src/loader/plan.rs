//! Everything that is decided before the kernel is asked: variables, sizes, which programs, which readers.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use aya_obj::generated::bpf_insn;
use object::{Object as _, ObjectSymbol as _};

use super::error::LoadError;
use super::filter::MntnsFilter;
use super::guard::guarded;
use super::hook::{self, Hook};
use super::maps::spec::RINGBUF;
use super::maps::{Wishes, values as map_values};
use super::object::{Image, Wanted};
use super::packetfilter;
use super::prepare::{Host, Prepared, Target, prepare};
use super::reader::Schedule;
use super::registry::Registration;
use super::sockets::{self, SocketFields};
use super::{Loaded, Options, micros};
use crate::batch::{self, SchemaBuilder};
use crate::component::nearest;
use crate::gadget::btf::{KernelTypes, Places};
use crate::gadget::params::INTERFACE;
use crate::gadget::{Gadget, Origin, ParamSpec, ProgramSpec, SourceSpec, params};
use crate::kernel::{features, memory};

/// The map of mount namespaces, as programs know it.
pub(super) const FILTER_MAP: &str = "gadget_mntns_filter_map";
/// The variable that says whether to look into it.
const FILTER_SWITCH: &str = "gadget_filter_by_mntns";
/// `M<this>` is the variable that holds the number of entries of map M.
const ENTRIES_SUFFIX: &str = "_max_entries";

/// `<this>M` is the name of the variable with which `GADGET_TRACER_MAP` marks map M.
const TRACER_MAP_PREFIX: &str = "gadget_map_tracer_";

/// A ring holds so many records of its tracer unless the gadget or the user says otherwise: a burst during which nobody reads.
pub const BURST: usize = 100_000;
/// The most memory a ring takes by itself, in bytes; on a small machine it is less: a 128th of the memory.
/// It is the kernel's, taken when the gadget is loaded. What of it is in our address space is a window of one MiB.
pub const ROOM: u64 = 64 << 20;
/// What a record with text behind its fixed part is taken to have of it, in bytes.
const USUAL_TAIL: usize = 64;

/// A data source to be read.
pub(super) struct Source {
    pub name: String,
    pub origin: Origin,
    pub schedule: Schedule,
    /// Bytes of a usual record.
    record: usize,
}

/// A gadget and what was decided about it.
pub(super) struct Plan<'a> {
    gadget: &'a Gadget,
    object: &'a [u8],
    globals: Vec<(String, Vec<u8>)>,
    wanted: Vec<Wanted>,
    sources: Vec<Source>,
    interface: Option<String>,
    frequencies: HashMap<String, u64>,
    traces: bool,
    packet_filters: Vec<(String, Vec<bpf_insn>)>,
}

impl<'a> Plan<'a> {
    /// Decides.
    pub(super) fn of(gadget: &'a Gadget, options: &Options<'_>) -> Result<Self, LoadError> {
        let name = &gadget.identity.name;
        let object = gadget.object.as_deref().ok_or_else(|| LoadError::NoObject { gadget: name.clone() })?;
        let values = values(gadget, options)?;
        let sources = gadget.sources.iter().map(|s| source(gadget, s)).collect::<Result<_, _>>()?;
        let traces = values.iter().any(|(param, value)| param.key == params::TRACE_PIPE && param.encode(value).is_ok_and(|v| v == [1]));
        let mut globals = globals(gadget, &values)?;
        globals.extend(host_variables(gadget, options));
        let wanted = wanted(gadget)?;
        let frequencies = frequencies(gadget, &wanted)?;
        let packet_filters = packet_filters(gadget, &values)?;
        let interface = interface(&values);
        Ok(Plan { gadget, object, globals, wanted, sources, interface, frequencies, traces, packet_filters })
    }

    /// Does it.
    pub(super) fn load(mut self, options: &Options<'_>) -> Result<Loaded, LoadError> {
        let name = self.gadget.identity.name.as_str();
        let began = Instant::now();
        let kernel = self.kernel_types(options)?;
        let types_in = micros(began);
        let fields = &options.sockets;
        let (prepared, target) =
            guarded(|| format!("prepare object of gadget {name:?}"), || prepare_for(name, self.object, &kernel, fields))?;
        let Prepared { object, modules, .. } = prepared;
        let prepared_in = micros(began);
        let symbols = Symbols::read(&object);
        let filters = self.filter(options, &symbols);
        let object_began = Instant::now();
        let prepared = guarded(|| format!("read object of gadget {name:?}"), || Image::parse(name, &object, &self.globals))?;
        let values = map_values::read(self.object);
        // A disabled program is needed all the same when a map holds it from the start.
        self.wanted.retain(|w| !w.disabled || values.iter().any(|value| value.target == w.name));
        let prepared = prepared.with(modules, std::mem::take(&mut self.packet_filters));
        drop(object);
        let mut wishes = Wishes { entries: entries(&prepared, &self.globals, &symbols), ..Wishes::default() };
        self.size_rings(&prepared, options, &mut wishes);
        wishes.value_sizes.extend(options.value_sizes.iter().map(|(map, bytes)| ((*map).to_owned(), *bytes)));
        wishes.shared.extend_from_slice(&options.shared);
        wishes.values = map_values::read(self.object);
        if options.perf_buffers || !features::has_ring_buffer() {
            wishes.without_ring = symbols.names.iter().filter_map(|n| n.strip_prefix(TRACER_MAP_PREFIX)).map(str::to_owned).collect();
        }
        if let Some(filter) = options.mntns_filter.filter(|_| filters) {
            check_filter(name, &prepared)?;
            wishes.shared.push((FILTER_MAP, filter.map()));
        }
        let sockets = sockets::for_gadget(name, prepared.map(sockets::MAP), &options.sockets, &kernel);
        match &sockets {
            Some(sockets) => {
                wishes.value_sizes.insert(sockets::MAP.to_owned(), sockets.value_size());
                wishes.shared.push((sockets::MAP, sockets.map()));
            }
            // Nobody will ever fill it.
            None if prepared.map(sockets::MAP).is_some_and(sockets::fits) => drop(wishes.entries.insert(sockets::MAP.to_owned(), 1)),
            None => {}
        }
        let wanted = self.wanted;
        let load = || prepared.load(target, &kernel, &wishes, wanted);
        let (programs, maps) = guarded(|| format!("load object of gadget {name:?}"), load)?;
        tracing::debug!(
            gadget = name,
            types_micros = types_in,
            prepare_micros = prepared_in - types_in,
            load_micros = micros(object_began),
            "programs verified"
        );
        let gadget = name.to_owned();
        let registration = Registration::new(&self.gadget.identity, programs.iter().map(|p| p.fd.as_fd()));
        Ok(Loaded {
            registration,
            gadget,
            programs,
            maps,
            sources: self.sources,
            frequencies: self.frequencies,
            targets: self.gadget.targets.clone(),
            filters,
            perf_bytes: options.ring_bytes,
            interface: self.interface,
            _sockets: sockets.clone(),
            traces: self.traces,
            ..Loaded::default()
        })
    }

    fn kernel_types(&self, options: &Options<'_>) -> Result<KernelTypes, LoadError> {
        let archive = self.gadget.btfgen.as_deref();
        let types = match options.types {
            Some(places) => KernelTypes::read(places, archive),
            None => KernelTypes::read(&Places::here(), archive),
        };
        types.map_err(|e| LoadError::NoBtf { source: Box::new(e) })
    }

    /// Switches filtering on where the programs can do it.
    fn filter(&mut self, options: &Options<'_>, symbols: &Symbols) -> bool {
        let can = symbols.get(FILTER_SWITCH).is_some() && symbols.names.contains(FILTER_MAP);
        let on = can && options.mntns_filter.is_some();
        if symbols.get(FILTER_SWITCH).is_some() {
            self.globals.push((FILTER_SWITCH.to_owned(), vec![u8::from(on)]));
        }
        on
    }

    fn size_rings(&self, prepared: &Image<'_>, options: &Options<'_>, wishes: &mut Wishes<'_>) {
        for source in &self.sources {
            let Origin::Tracer { map, .. } = &source.origin else { continue };
            if prepared.map(map).is_none_or(|m| m.map_type() != RINGBUF) {
                continue;
            }
            match options.ring_bytes {
                Some(bytes) => drop(wishes.entries.insert(map.clone(), bytes)),
                None if wishes.entries.contains_key(map) => {}
                None => drop(wishes.roomy.insert(map.clone(), room(source.record, memory::total()))),
            }
        }
    }
}

/// Bytes of a ring for a burst of records of `record` bytes, on a machine with `memory` bytes.
pub(super) fn room(record: usize, memory: u64) -> u32 {
    const HEADER: usize = 8;
    let record = HEADER.saturating_add(record).checked_next_multiple_of(8).unwrap_or(usize::MAX);
    let burst = (BURST as u64).saturating_mul(record as u64);
    let most = ROOM.min(memory / 128).max(1);
    // The largest power of two within the limit.
    let most = 1 << most.ilog2();
    u32::try_from(burst.checked_next_power_of_two().unwrap_or(u64::MAX).min(most)).unwrap_or(u32::MAX)
}

/// Makes the object one that aya takes, and the part of the kernel's types that it is fitted to.
pub(super) fn prepare_for(
    gadget: &str,
    object: &[u8],
    kernel: &KernelTypes,
    sockets: &SocketFields,
) -> Result<(Prepared, aya_obj::btf::Btf), LoadError> {
    let fail = |e| LoadError::object(format!("prepare object of gadget {gadget:?}"), e);
    let (extra, value) = sockets.types().map_err(|e| fail(e.into()))?;
    let target = Target { btf: kernel, facts: &Host::new(), extra: Some((&extra, &[value])) };
    let mut prepared = prepare(object, &target).map_err(fail)?;
    let types = aya_obj::btf::Btf::parse(&std::mem::take(&mut prepared.target_btf), Default::default());
    Ok((prepared, types.map_err(|e| LoadError::object(format!("read the kernel's types for gadget {gadget:?}"), e))?))
}

/// A value for each parameter, the user's or the default.
pub(super) fn values<'a>(gadget: &'a Gadget, options: &'a Options<'_>) -> Result<Vec<(&'a ParamSpec, &'a str)>, LoadError> {
    let mut values: Vec<_> = gadget.params.iter().map(|param| (param, param.default.as_str())).collect();
    for (key, value) in options.params {
        let called = params::called(&gadget.params, key);
        if called.is_empty() {
            let suggestion = nearest(key, gadget.params.iter().map(|p| p.key.as_str())).map(str::to_owned);
            return Err(LoadError::UnknownParameter { gadget: gadget.identity.name.clone(), key: key.clone(), suggestion });
        }
        let is_called = |param: &ParamSpec| called.iter().any(|c| std::ptr::eq(*c, param));
        values.iter_mut().filter(|(param, _)| is_called(param)).for_each(|(_, v)| *v = value);
    }
    Ok(values)
}

/// The variables that the host sets.
fn host_variables(gadget: &Gadget, options: &Options<'_>) -> Vec<(String, Vec<u8>)> {
    let given = options.variables.iter();
    given.filter_map(|(name, value)| Some((gadget.host_variables.get(name)?.clone(), value.clone()))).collect()
}

/// The host's interface that the user names for classifiers.
fn interface(values: &[(&ParamSpec, &str)]) -> Option<String> {
    let named = values.iter().find(|(param, value)| param.key == INTERFACE && param.variable.is_empty() && !value.is_empty());
    named.map(|(_, value)| (*value).to_owned())
}

/// The packet filters that users set, compiled, by the function that each goes to.
fn packet_filters(gadget: &Gadget, values: &[(&ParamSpec, &str)]) -> Result<Vec<(String, Vec<bpf_insn>)>, LoadError> {
    let set = values.iter().filter(|(param, value)| param.variable.is_empty() && !value.is_empty());
    let filters = set.filter_map(|(param, value)| Some((param, value, gadget.packet_filters.iter().find(|(key, _)| *key == param.key)?)));
    let compile = |(param, value, (_, function)): (&&ParamSpec, &&str, &(String, String))| {
        let code = packetfilter::compile(value).map_err(|e| bad_parameter(gadget, param, value, e))?;
        Ok((function.clone(), code))
    };
    filters.map(compile).collect()
}

/// The variables that parameters set. An empty default leaves the object's own value.
fn globals(gadget: &Gadget, values: &[(&ParamSpec, &str)]) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let mut globals = Vec::with_capacity(values.len() + 1);
    for (param, value) in values {
        if value.is_empty() && param.default.is_empty() {
            continue;
        }
        let bytes = param.encode(value).map_err(|e| bad_parameter(gadget, param, value, e))?;
        if !param.variable.is_empty() {
            globals.push((param.variable.clone(), bytes));
        }
    }
    Ok(globals)
}

fn bad_parameter(gadget: &Gadget, param: &ParamSpec, value: &str, source: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    let gadget = gadget.identity.name.clone();
    LoadError::Parameter { gadget, key: param.key.clone(), value: value.to_owned(), source: Box::new(source) }
}

/// The programs that are there. Those that are disabled need not make sense.
fn wanted(gadget: &Gadget) -> Result<Vec<Wanted>, LoadError> {
    let mut wanted = Vec::with_capacity(gadget.programs.len());
    for program in &gadget.programs {
        let hook = if program.disabled { Hook::parse(&program.section) } else { hook(program)? };
        let sleepable = hook::is_sleepable(&program.section);
        wanted.push(Wanted { name: program.name.clone(), hook, sleepable, disabled: program.disabled });
    }
    Ok(wanted)
}

fn hook(program: &ProgramSpec) -> Result<Hook, LoadError> {
    let (name, section) = (|| program.name.clone(), || program.section.clone());
    let malformed = |expected: String| LoadError::Section { program: name(), section: section(), expected };
    match Hook::parse(&program.section) {
        Hook::Other => Err(match hook::expected_form(&program.section) {
            Some(form) => malformed(form.to_owned()),
            None => LoadError::Unsupported { program: name(), section: section() },
        }),
        Hook::Iterator(kind) if !hook::ITERATORS.contains(&kind.as_str()) => {
            Err(malformed(format!("iter/ and one of {}", hook::ITERATORS.join(", "))))
        }
        own => match own.aimed_at(&program.target) {
            Hook::Other => Err(LoadError::Invalid(format!(
                "program {:?} in section {:?} cannot be attached to {:?}, as the metadata says",
                program.name, program.section, program.target
            ))),
            aimed => super::scope::uprobe::check(&program.name, &aimed).map(|()| aimed),
        },
    }
}

fn frequencies(gadget: &Gadget, wanted: &[Wanted]) -> Result<HashMap<String, u64>, LoadError> {
    let mut frequencies = HashMap::new();
    for program in wanted.iter().filter(|w| !w.disabled) {
        let Hook::Sampler(name) = &program.hook else { continue };
        let fail = |problem| LoadError::Invalid(format!("program {:?} cannot sample: {problem}", program.name));
        frequencies.insert(name.clone(), gadget.manifest.sampler(name).map_err(fail)?);
    }
    Ok(frequencies)
}

/// How a data source is read, and when.
pub(super) fn source(gadget: &Gadget, spec: &SourceSpec) -> Result<Source, LoadError> {
    let schedule = match &spec.origin {
        Origin::Tracer { .. } => Schedule::default(),
        Origin::MapIter { interval, count, flush_on_stop, .. } => Schedule { interval: *interval, count: *count, at_stop: *flush_on_stop },
        Origin::Polled { interval, count, .. } => Schedule { interval: *interval, count: *count, at_stop: false },
        Origin::Iter { interval, count, fetch_on_stop, .. } => Schedule { interval: *interval, count: *count, at_stop: *fetch_on_stop },
    };
    if matches!(spec.origin, Origin::MapIter { .. }) && schedule.interval == Duration::ZERO && schedule.count > 1 {
        let (name, count, gadget) = (&spec.name, schedule.count, &gadget.identity.name);
        return Err(LoadError::Invalid(format!(
            "data source {name:?} of gadget {gadget:?} is to be read {count} times without an interval"
        )));
    }
    let mut origin = spec.origin.clone();
    if let Origin::Iter { programs, .. } = &mut origin {
        let disabled = |name: &String| gadget.programs.iter().any(|p| p.name == *name && p.disabled);
        programs.retain(|name| !disabled(name));
    }
    Ok(Source { name: spec.name.clone(), origin, schedule, record: usual_record(&spec.schema) })
}

/// Bytes of a usual record: its struct, and some of what may follow.
fn usual_record(schema: &SchemaBuilder) -> usize {
    let ends = schema.iter().map(|(_, field)| match field.source {
        batch::Source::Row { offset, size } if size < u32::from(u16::MAX) => offset.saturating_add(size) as usize,
        // What is behind the struct.
        batch::Source::Row { offset, .. } => offset as usize + USUAL_TAIL,
        batch::Source::Tail { .. } => schema.fixed_size() + USUAL_TAIL,
        _ => 0,
    });
    ends.max().unwrap_or(0).max(schema.fixed_size())
}

/// Sizes that variables give to maps: a parameter's value, or what the object itself says.
fn entries(prepared: &Image<'_>, globals: &[(String, Vec<u8>)], symbols: &Symbols) -> HashMap<String, u32> {
    let mut entries = HashMap::new();
    for (map, _) in prepared.maps() {
        let variable = format!("{map}{ENTRIES_SUFFIX}");
        let set = globals.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.as_slice());
        if let Some(value) = set.or_else(|| symbols.get(&variable)).and_then(number) {
            entries.insert(map.to_owned(), value);
        }
    }
    entries
}

/// A little-endian number of up to 8 bytes that fits into 32 bits.
fn number(bytes: &[u8]) -> Option<u32> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    u64::from_le_bytes(wide).try_into().ok()
}

fn check_filter(gadget: &str, prepared: &Image<'_>) -> Result<(), LoadError> {
    if prepared.map(FILTER_MAP).is_none_or(MntnsFilter::fits) {
        return Ok(());
    }
    Err(LoadError::Invalid(format!(
        "map {FILTER_MAP:?} of gadget {gadget:?} is not a hash of u64 to u32, so containers cannot be selected"
    )))
}

/// The initial values of read-only variables, and which symbols there are.
struct Symbols {
    names: HashSet<String>,
    constants: HashMap<String, Vec<u8>>,
}

impl Symbols {
    /// An unreadable object has none; parsing it reports that later.
    fn read(bytes: &[u8]) -> Self {
        let mut symbols = Symbols { names: HashSet::new(), constants: HashMap::new() };
        let Ok(file) = object::File::parse(bytes) else { return symbols };
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            symbols.names.insert(name.to_owned());
            if let Some(value) = constant(&file, &symbol) {
                symbols.constants.insert(name.to_owned(), value);
            }
        }
        symbols
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.constants.get(name).map(Vec::as_slice)
    }
}

fn constant(file: &object::File<'_>, symbol: &object::Symbol<'_, '_>) -> Option<Vec<u8>> {
    use object::ObjectSection as _;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    if symbol.size() > 8 || !section.name().ok()?.starts_with(".rodata") {
        return None;
    }
    let start = usize::try_from(symbol.address()).ok()?;
    section.data().ok()?.get(start..start.checked_add(symbol.size() as usize)?).map(<[u8]>::to_vec)
}
