//! Gets a gadget's programs into the kernel, attaches them, and hands out what reads their records.

mod attach;
pub mod containers;
mod detach;
mod error;
mod filter;
mod guard;
mod hook;
mod maps;
mod object;
mod packetfilter;
mod plan;
pub mod prepare;
mod program;
mod reader;
mod registry;
pub mod scope;
mod sockets;
mod suggest;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

use aya::maps::MapData;

use crate::gadget::Gadget;
use crate::gadget::btf::Places;
use crate::kernel::limits;
use attach::{Around, Link};
pub use error::LoadError;
pub use filter::MntnsFilter;
use hook::Hook;
use object::LoadedProgram;
pub use plan::{BURST, ROOM};
use plan::{Plan, Source};
pub use reader::{IterLink, IterSource, LostSamples, MapSource, PerfSource, PolledSource, Reader, RingSource, Schedule};
pub use registry::own_programs;
pub use scope::{Scoped, Workload};
pub use sockets::{SocketFields, SocketFieldsError};

/// What the user decides about a gadget.
pub struct Options<'a> {
    /// Parameters by key; those that are missing have their defaults. [`Gadget::configure`] has applied those about data sources.
    pub params: &'a BTreeMap<String, String>,
    /// Only these mount namespaces; all when there is none.
    pub mntns_filter: Option<&'a MntnsFilter>,
    /// Size of each ring buffer, and of each CPU's perf buffer, in bytes. Rounded up to what the kernel can do. Without it a ring is as
    /// large as the gadget declares, or as [`BURST`] records take if that is more (see [`ROOM`]), and a perf buffer has 64 pages.
    pub ring_bytes: Option<u32>,
    /// Maps of the host's that stand in for the gadget's own of that name, where type and sizes of key and value agree.
    pub shared: Vec<(&'a str, BorrowedFd<'a>)>,
    /// Bytes of a value, by map, instead of what the gadget declares.
    pub value_sizes: Vec<(&'a str, u32)>,
    /// Treats the kernel as one without ring buffers: maps that are marked for it become perf event arrays.
    pub perf_buffers: bool,
    /// Values for [`Gadget::host_variables`], by what the host calls them. Those that the gadget does not have are left out.
    pub variables: &'a [(String, Vec<u8>)],
    /// Where the kernel's types are; this machine's usual places when there is none.
    pub types: Option<&'a Places>,
    /// What is known about sockets besides the fixed fields, for gadgets that look up whose they are.
    pub sockets: SocketFields,
}

impl<'a> Options<'a> {
    /// These parameters, everything else as the gadget has it.
    pub fn new(params: &'a BTreeMap<String, String>) -> Self {
        Options {
            params,
            mntns_filter: None,
            ring_bytes: None,
            shared: Vec::new(),
            value_sizes: Vec::new(),
            perf_buffers: false,
            variables: &[],
            types: None,
            sockets: SocketFields::default(),
        }
    }
}

/// A gadget whose programs are in the kernel. Dropping it takes them out.
#[derive(Default)]
pub struct Loaded {
    gadget: String,
    // Goes first: what is printed at the end is not waited for, and programs are detached before their maps go.
    trace: Option<trace::TracePipe>,
    links: Vec<Link>,
    programs: Vec<LoadedProgram>,
    maps: HashMap<String, MapData>,
    sources: Vec<Source>,
    frequencies: HashMap<String, u64>,
    /// The map that a program belongs to, by program.
    targets: BTreeMap<String, String>,
    filters: bool,
    /// Bytes of each CPU's perf buffer.
    perf_bytes: Option<u32>,
    reading: bool,
    /// The only interface of the host that classifiers are attached to.
    interface: Option<String>,
    /// Whether to copy to the log what programs print.
    traces: bool,
    /// Network namespaces of the workloads: written by [`Scoped`], read by iterators over sockets.
    namespaces: std::sync::Arc<scope::Namespaces>,
    /// Its programs among those that are known as ours.
    _registration: registry::Registration,
    /// Keeps the socket enricher running as long as programs look into its map.
    _sockets: Option<std::sync::Arc<sockets::SocketEnricher>>,
}

/// Prepares, verifies and loads a gadget's programs and makes its maps. Nothing runs before [`Loaded::attach`].
///
/// # Errors
/// When the object, a parameter or the kernel does not allow it; nothing stays behind.
pub fn load(gadget: &Gadget, options: &Options<'_>) -> Result<Loaded, LoadError> {
    let began = Instant::now();
    limits::raise();
    for missing in &gadget.missing {
        tracing::warn!(gadget = gadget.identity.name, missing, "the gadget asks for what gadgetry does not have, and goes without");
    }
    let loaded = match &gadget.object {
        Some(_) => Plan::of(gadget, options)?.load(options)?,
        None => Loaded::without_programs(gadget, options)?,
    };
    tracing::debug!(gadget = loaded.gadget, programs = loaded.programs.len(), micros = micros(began), "gadget loaded");
    Ok(loaded)
}

impl Loaded {
    /// A gadget that is metadata only: its records come from sources of the host.
    fn without_programs(gadget: &Gadget, options: &Options<'_>) -> Result<Self, LoadError> {
        let name = &gadget.identity.name;
        if gadget.sources.is_empty() {
            return Err(LoadError::NoObject { gadget: name.clone() });
        }
        plan::values(gadget, options)?;
        Ok(Loaded { gadget: name.clone(), sources: plan::sources(gadget)?, ..Loaded::default() })
    }

    /// What reads the records of each data source, by its name. Only once: the readers own what they read.
    ///
    /// # Errors
    /// When a map or program of a data source is missing or cannot be read, or the readers were handed out before.
    pub fn readers(&mut self) -> Result<Vec<(String, Reader)>, LoadError> {
        if std::mem::replace(&mut self.reading, true) {
            return Err(LoadError::Invalid(format!("the readers of gadget {:?} have been handed out already", self.gadget)));
        }
        let sources = std::mem::take(&mut self.sources);
        sources.into_iter().map(|source| self.reader(source)).collect()
    }

    fn reader(&mut self, source: Source) -> Result<(String, Reader), LoadError> {
        let context = reader::Context { targets: &self.targets, perf_bytes: self.perf_bytes, namespaces: &self.namespaces };
        let reader = reader::open(&self.gadget, &source, &mut self.maps, &self.programs, &context)?;
        Ok((source.name, reader))
    }

    /// Attaches every program that has a hook, but for those that are disabled or that parameters have switched off: some hooks slow
    /// every system call down. Calling it twice attaches once.
    ///
    /// # Errors
    /// The first failure, after what had been attached was detached again.
    pub fn attach(&mut self) -> Result<(), LoadError> {
        if !self.links.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        if self.traces {
            self.trace = Some(trace::TracePipe::start(&self.gadget).map_err(|e| LoadError::kernel("open trace_pipe".to_owned(), e))?);
        }
        let attached = self.attach_all();
        if attached.is_err() {
            self.detach();
        }
        tracing::debug!(
            gadget = self.gadget,
            links = self.links.len(),
            switched_off = self.programs.iter().filter(|p| p.switched_off).count(),
            micros = micros(began),
            "gadget attached"
        );
        attached
    }

    fn attach_all(&mut self) -> Result<(), LoadError> {
        let around = Around { frequencies: &self.frequencies, targets: &self.targets, maps: &self.maps };
        // A map of sockets gets its programs before others put sockets into it: those inside keep the programs they came with.
        let (first, rest) = self.programs.iter().partition::<Vec<_>, _>(|p| matches!(p.hook, Hook::Sockets(_)));
        for program in first.into_iter().chain(rest).filter(|p| !p.switched_off) {
            self.links.extend(attach::attach(program, &around)?);
        }
        Ok(())
    }

    /// What is attached per container, to be told of them as they come and go; `None` when the gadget has nothing of that kind.
    /// Only once: it owns those programs.
    pub fn scoped(&mut self) -> Option<Scoped> {
        let (scoped, rest) = std::mem::take(&mut self.programs).into_iter().partition(|p| p.hook.is_scoped());
        self.programs = rest;
        let reads = self.programs.iter().any(|p| p.hook.is_per_namespace());
        Scoped::of(&self.gadget, scoped, reads.then(|| self.namespaces.clone()), self.interface.clone())
    }

    /// Another descriptor of a map of the gadget's own, by its full name.
    pub fn map(&self, name: &str) -> Option<OwnedFd> {
        self.maps.get(name).and_then(|map| map.fd().as_fd().try_clone_to_owned().ok())
    }

    /// Detaches every program. Blocks while the kernel waits for running ones: 70 to 120 ms for each that hangs on a perf event.
    pub fn detach(&mut self) {
        self.trace = None;
        if self.links.is_empty() {
            return;
        }
        let began = Instant::now();
        let links = self.links.len();
        self.links.clear();
        tracing::debug!(gadget = self.gadget, links, micros = micros(began), "gadget detached");
    }

    /// Whether the programs look into [`Options::mntns_filter`]. When not, everything arrives and must be filtered here.
    pub fn filters_in_kernel(&self) -> bool {
        self.filters
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
