//! Everything that is decided before the kernel is asked: variables, sizes, which programs, which readers.

mod programs;
mod sources;
mod symbols;
mod values;

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Instant;

use aya::maps::MapData;
use aya_obj::generated::bpf_insn;

use super::error::LoadError;
use super::filter::MntnsFilter;
use super::guard::guarded;
use super::maps::spec::RINGBUF;
use super::maps::{Wishes, values as map_values};
use super::object::{Image, LoadedProgram, Wanted};
use super::prepare::{Host, Prepared, Target, prepare};
use super::registry::Registration;
use super::sockets::{self, SocketEnricher, SocketFields};
use super::{Loaded, Options, micros};
use crate::gadget::btf::{KernelTypes, Places};
use crate::gadget::{Gadget, Origin, params};
use crate::kernel::{features, memory};
pub use sources::{BURST, ROOM};
pub(super) use sources::{Source, room, sources};
use symbols::Symbols;
pub(super) use values::values;

/// The map of mount namespaces, as programs know it.
pub(super) const FILTER_MAP: &str = "gadget_mntns_filter_map";
/// The variable that says whether to look into it.
const FILTER_SWITCH: &str = "gadget_filter_by_mntns";

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
        let values = values::values(gadget, options)?;
        let sources = sources::sources(gadget)?;
        let traces = values.iter().any(|(param, value)| param.key == params::TRACE_PIPE && param.encode(value).is_ok_and(|v| v == [1]));
        let mut globals = values::globals(gadget, &values)?;
        globals.extend(values::host_variables(gadget, options));
        let wanted = programs::wanted(gadget)?;
        let frequencies = programs::frequencies(gadget, &wanted)?;
        let packet_filters = values::packet_filters(gadget, &values)?;
        let interface = values::interface(&values);
        Ok(Plan { gadget, object, globals, wanted, sources, interface, frequencies, traces, packet_filters })
    }

    /// Does it.
    pub(super) fn load(mut self, options: &Options<'_>) -> Result<Loaded, LoadError> {
        let (name, fields) = (self.gadget.identity.name.as_str(), &options.sockets);
        let began = Instant::now();
        let kernel = self.kernel_types(options)?;
        let types_in = micros(began);
        let (prepared, target) =
            guarded(|| format!("prepare object of gadget {name:?}"), || prepare_for(name, self.object, &kernel, fields))?;
        let Prepared { object, modules, .. } = prepared;
        let prepared_in = micros(began);
        let symbols = Symbols::read(&object);
        let filters = self.filter(options, &symbols);
        let object_began = Instant::now();
        let prepared = guarded(|| format!("read object of gadget {name:?}"), || Image::parse(name, &object, &self.globals))?;
        let prepared = prepared.with(modules, std::mem::take(&mut self.packet_filters));
        drop(object);
        let values = map_values::read(self.object);
        // A disabled program is needed all the same when a map holds it from the start.
        self.wanted.retain(|w| !w.disabled || values.iter().any(|value| value.target == w.name));
        let sockets = sockets::for_gadget(name, prepared.map(sockets::MAP), &options.sockets, &kernel);
        let filter = options.mntns_filter.filter(|_| filters);
        let wishes = Wishes { values, ..self.wishes(&prepared, &symbols, (filter, sockets.as_deref()), options)? };
        let wanted = std::mem::take(&mut self.wanted);
        let load = || prepared.load(target, &kernel, &wishes, wanted);
        let (programs, maps) = guarded(|| format!("load object of gadget {name:?}"), load)?;
        tracing::debug!(
            gadget = name,
            types_micros = types_in,
            prepare_micros = prepared_in - types_in,
            load_micros = micros(object_began),
            "programs verified"
        );
        Ok(self.loaded((programs, maps), sockets, filters, options))
    }

    fn loaded(
        self,
        (programs, maps): (Vec<LoadedProgram>, HashMap<String, MapData>),
        sockets: Option<Arc<SocketEnricher>>,
        filters: bool,
        options: &Options<'_>,
    ) -> Loaded {
        let _registration = Registration::new(&self.gadget.identity, programs.iter().map(|p| p.fd.as_fd()));
        Loaded {
            _registration,
            gadget: self.gadget.identity.name.clone(),
            programs,
            maps,
            sources: self.sources,
            frequencies: self.frequencies,
            targets: self.gadget.targets.clone(),
            filters,
            perf_bytes: options.ring_bytes,
            interface: self.interface,
            _sockets: sockets,
            traces: self.traces,
            ..Loaded::default()
        }
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

    /// What is decided about the maps, now that the object is known.
    fn wishes<'w>(
        &self,
        image: &Image<'_>,
        symbols: &Symbols,
        (filter, sockets): (Option<&'w MntnsFilter>, Option<&'w SocketEnricher>),
        options: &'w Options<'_>,
    ) -> Result<Wishes<'w>, LoadError> {
        let mut wishes = Wishes { entries: symbols::entries(image, &self.globals, symbols), ..Wishes::default() };
        self.size_rings(image, options, &mut wishes);
        wishes.value_sizes.extend(options.value_sizes.iter().map(|(map, bytes)| ((*map).to_owned(), *bytes)));
        wishes.shared.extend_from_slice(&options.shared);
        if options.perf_buffers || !features::has_ring_buffer() {
            wishes.without_ring = self.gadget.switchable.iter().cloned().collect();
        }
        if let Some(filter) = filter {
            check_filter(&self.gadget.identity.name, image)?;
            wishes.shared.push((FILTER_MAP, filter.map()));
        }
        match sockets {
            Some(sockets) => {
                wishes.value_sizes.insert(sockets::MAP.to_owned(), sockets.value_size());
                wishes.shared.push((sockets::MAP, sockets.map()));
            }
            // Nobody will ever fill it.
            None if image.map(sockets::MAP).is_some_and(sockets::fits) => drop(wishes.entries.insert(sockets::MAP.to_owned(), 1)),
            None => {}
        }
        Ok(wishes)
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

fn check_filter(gadget: &str, prepared: &Image<'_>) -> Result<(), LoadError> {
    if prepared.map(FILTER_MAP).is_none_or(MntnsFilter::fits) {
        return Ok(());
    }
    Err(LoadError::Invalid(format!(
        "map {FILTER_MAP:?} of gadget {gadget:?} is not a hash of u64 to u32, so containers cannot be selected"
    )))
}
