//! What is read and where it is in the kernel; `datasource` does the reading.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use aya::maps::MapData;

use super::attach::{self, Around};
use super::error::LoadError;
use super::hook::Hook;
use super::maps::spec::{HASH, PERCPU_ARRAY, PERF_EVENT_ARRAY, RINGBUF, ring_bytes};
use super::object::LoadedProgram;
use super::plan::Source;
use super::scope::Namespaces;
use crate::gadget::Origin;
use crate::gadget::polled::Polled;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::mapping::page_size;
use crate::kernel::perf_ring::PerfRings;
use crate::kernel::ring::RingBuffer;
use crate::kernel::{maps as kernel_maps, maps::MapShape};

/// Where the records of one data source come from.
pub enum Reader {
    /// Programs write them as things happen.
    Ring(RingSource),
    /// The same through a buffer per CPU, where there are no ring buffers.
    Perf(PerfSource),
    /// Entries of a map, read from time to time.
    Map(MapSource),
    /// Programs write them when they are read.
    Iter(IterSource),
    /// We make them ourselves.
    Polled(PolledSource),
}

/// The host, to be looked at.
pub struct PolledSource {
    /// What is looked at.
    pub what: Polled,
    /// Bytes of a row.
    pub row_size: usize,
    /// An early first look after this time; zero for none.
    pub first: Duration,
    /// When it is looked at.
    pub schedule: Schedule,
}

/// When something is read that does not announce itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// From one time to the next; zero: at once, if `count` is 1, else not before the end.
    pub interval: Duration,
    /// How many times; 0: until the end.
    pub count: u64,
    /// Once more at the end.
    pub at_stop: bool,
}

/// A ring buffer.
pub struct RingSource {
    /// Name of the map.
    pub map: String,
    /// The ring itself.
    pub ring: RingBuffer,
    /// What counts the records that found no room.
    pub lost: Option<LostSamples>,
}

/// The perf buffers of all CPUs that were online when the gadget was loaded: what happens on another one is not seen.
pub struct PerfSource {
    /// Name of the map.
    pub map: String,
    /// The buffers.
    pub rings: PerfRings,
}

/// The per-CPU counter of records that found no room in a ring.
pub struct LostSamples {
    map: OwnedFd,
    values: Vec<u8>,
}

impl LostSamples {
    /// `None` when the map is not a per-CPU array of u64.
    fn new(map: OwnedFd, shape: MapShape) -> io::Result<Option<Self>> {
        if (shape.kind, shape.key, shape.value) != (PERCPU_ARRAY, 4, 8) || shape.entries == 0 {
            return Ok(None);
        }
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        Ok(Some(LostSamples { map, values: vec![0; 8 * cpus] }))
    }

    /// The sum over all CPUs, which only ever grows.
    ///
    /// # Errors
    /// The kernel's.
    pub fn total(&mut self) -> io::Result<u64> {
        let shape = Shape { key: 4, value: self.values.len() };
        bpf::lookup(self.map.as_fd(), shape, &0u32.to_ne_bytes(), &mut self.values)?;
        let counts = self.values.as_chunks::<8>().0;
        Ok(counts.iter().map(|c| u64::from_ne_bytes(*c)).fold(0, u64::wrapping_add))
    }
}

/// A hash map that is emptied when it is read.
pub struct MapSource {
    /// Name of the map.
    pub name: String,
    /// The map itself.
    pub map: OwnedFd,
    /// Sizes of keys and values in bytes.
    pub shape: Shape,
    /// How many entries it has room for.
    pub max_entries: u32,
    /// When it is read.
    pub schedule: Schedule,
}

/// Iterator programs whose output is one data source.
pub struct IterSource {
    /// The programs, in the order they are read.
    pub links: Vec<IterLink>,
    /// Bytes of one record.
    pub record_size: usize,
    /// When they are read.
    pub schedule: Schedule,
}

/// An iterator program.
pub struct IterLink {
    /// Its name.
    pub name: String,
    /// Its link, to be opened for each run.
    pub link: OwnedFd,
    /// The network namespaces to open it in, one after the other; it does not matter where when there are none.
    pub namespaces: Option<Arc<Namespaces>>,
}

/// Pages of each CPU's perf buffer.
const PERF_PAGES: usize = 64;

/// What a reader needs to know of its gadget.
pub(super) struct Context<'a> {
    /// The map that a program belongs to, by program.
    pub targets: &'a BTreeMap<String, String>,
    /// Bytes of each CPU's perf buffer.
    pub perf_bytes: Option<u32>,
    /// The network namespaces to read in.
    pub namespaces: &'a Arc<Namespaces>,
}

/// The reader of a data source; takes what it owns out of `maps`. `perf_bytes` is the size of each CPU's perf buffer, if it is not to be the usual one.
pub(super) fn open(
    gadget: &str,
    source: &Source,
    maps: &mut HashMap<String, MapData>,
    programs: &[LoadedProgram],
    context: &Context<'_>,
) -> Result<Reader, LoadError> {
    match &source.origin {
        Origin::Tracer { map, lost_map } => tracer(gadget, maps, map, lost_map.as_deref(), context.perf_bytes),
        Origin::MapIter { map, key_size, value_size, .. } => {
            let shape = Shape { key: *key_size as usize, value: *value_size as usize };
            entries(gadget, maps, map, shape, source.schedule).map(Reader::Map)
        }
        Origin::Iter { programs: names, record_size, .. } => {
            let around = Around { frequencies: &HashMap::new(), targets: context.targets, maps };
            let links = names.iter().map(|name| link(gadget, programs, name, &around, context.namespaces)).collect::<Result<_, _>>()?;
            Ok(Reader::Iter(IterSource { links, record_size: *record_size as usize, schedule: source.schedule }))
        }
        Origin::Polled { what, row_size, first, .. } => {
            let source = PolledSource { what: *what, row_size: *row_size as usize, first: *first, schedule: source.schedule };
            Ok(Reader::Polled(source))
        }
    }
}

fn no_map(gadget: &str, map: &str) -> LoadError {
    LoadError::Invalid(format!("gadget {gadget:?} has no map {map:?}, which its data source needs"))
}

/// A map and its shape.
fn find(gadget: &str, maps: &HashMap<String, MapData>, name: &str) -> Result<(OwnedFd, MapShape), LoadError> {
    let fail = |source| LoadError::Kernel { doing: format!("open map {name:?} of gadget {gadget:?}"), source };
    let map = maps.get(name).ok_or_else(|| no_map(gadget, name))?.fd().as_fd();
    Ok((map.try_clone_to_owned().map_err(fail)?, kernel_maps::shape(map).map_err(fail)?))
}

fn tracer(
    gadget: &str,
    maps: &HashMap<String, MapData>,
    name: &str,
    lost: Option<&str>,
    perf_bytes: Option<u32>,
) -> Result<Reader, LoadError> {
    let (map, shape) = find(gadget, maps, name)?;
    match shape.kind {
        RINGBUF => ring(gadget, maps, (name, map, shape.entries), lost).map(Reader::Ring),
        PERF_EVENT_ARRAY => perf(gadget, name, map, perf_bytes).map(Reader::Perf),
        _ => Err(LoadError::Invalid(format!("map {name:?} of gadget {gadget:?} is neither a ring buffer nor a perf event array"))),
    }
}

fn ring(
    gadget: &str,
    maps: &HashMap<String, MapData>,
    (name, map, bytes): (&str, OwnedFd, u32),
    lost: Option<&str>,
) -> Result<RingSource, LoadError> {
    let fail = |e| LoadError::Kernel { doing: format!("read ring buffer {name:?} of gadget {gadget:?}"), source: e };
    let lost = lost.filter(|lost| maps.contains_key(*lost)).map(|lost| find(gadget, maps, lost)).transpose()?;
    let lost = lost.map(|(map, shape)| LostSamples::new(map, shape)).transpose().map_err(fail)?.flatten();
    if lost.is_none() {
        tracing::warn!(gadget, map = name, "gadget does not count the records that find no room in its ring buffer");
    }
    Ok(RingSource { map: name.to_owned(), ring: RingBuffer::open(map, bytes).map_err(fail)?, lost })
}

/// Nobody may put another buffer into the map once ours are there.
fn perf(gadget: &str, name: &str, map: OwnedFd, bytes: Option<u32>) -> Result<PerfSource, LoadError> {
    let fail = |e| LoadError::kernel(format!("open the perf buffers {name:?} of gadget {gadget:?}"), e);
    let cpus = aya::util::online_cpus().map_err(|(_, e)| fail(e))?;
    let size = bytes.map_or(PERF_PAGES * page_size(), |bytes| ring_bytes(bytes) as usize);
    let frozen = map.try_clone().map_err(fail)?;
    let rings = PerfRings::open(map, &cpus, size).map_err(fail)?;
    bpf::freeze(frozen.as_fd()).map_err(fail)?;
    Ok(PerfSource { map: name.to_owned(), rings })
}

fn entries(gadget: &str, maps: &HashMap<String, MapData>, name: &str, shape: Shape, schedule: Schedule) -> Result<MapSource, LoadError> {
    let (map, found) = find(gadget, maps, name)?;
    if (found.key as usize, found.value as usize, found.kind) != (shape.key, shape.value, HASH) {
        let text = format!("map {name:?} of gadget {gadget:?} is not a hash of {}-byte keys to {}-byte values", shape.key, shape.value);
        return Err(LoadError::Invalid(text));
    }
    Ok(MapSource { name: name.to_owned(), map, shape, max_entries: found.entries, schedule })
}

fn link(
    gadget: &str,
    programs: &[LoadedProgram],
    name: &str,
    around: &Around<'_>,
    namespaces: &Arc<Namespaces>,
) -> Result<IterLink, LoadError> {
    let missing = || LoadError::Invalid(format!("gadget {gadget:?} has no iterator program {name:?}, which its data source needs"));
    let program = programs.iter().find(|p| p.name == name && matches!(p.hook, Hook::Iterator(_))).ok_or_else(missing)?;
    let link = attach::iterator(program, around)?;
    Ok(IterLink { name: name.to_owned(), link, namespaces: program.hook.is_per_namespace().then(|| namespaces.clone()) })
}
