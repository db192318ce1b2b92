//! What is read and where it is in the kernel; `datasource` does the reading.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use aya::maps::{Map, MapData, RingBuf};

use super::error::LoadError;
use super::hook::Hook;
use super::object::LoadedProgram;
use super::plan::Source;
use super::scope::Namespaces;
use crate::gadget::Origin;
use crate::gadget::polled::Polled;
use crate::kernel::bpf::{self, Shape};

/// Where the records of one data source come from.
pub enum Reader {
    /// Programs write them as things happen.
    Ring(RingSource),
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
    pub ring: RingBuf<MapData>,
    /// Bytes of records that it holds.
    pub bytes: u32,
    /// What counts the records that found no room.
    pub lost: Option<LostSamples>,
}

/// The per-CPU counter of records that found no room in a ring.
pub struct LostSamples {
    map: OwnedFd,
    values: Vec<u8>,
}

impl LostSamples {
    fn new(map: &MapData) -> io::Result<Self> {
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        Ok(LostSamples { map: map.fd().as_fd().try_clone_to_owned()?, values: vec![0; 8 * cpus] })
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

/// The reader of a data source; takes what it owns out of `maps`.
pub(super) fn open(
    gadget: &str,
    source: &Source,
    maps: &mut HashMap<String, MapData>,
    programs: &[LoadedProgram],
    namespaces: &Arc<Namespaces>,
) -> Result<Reader, LoadError> {
    match &source.origin {
        Origin::Tracer { map, lost_map } => ring(gadget, maps, map, lost_map.as_deref()).map(Reader::Ring),
        Origin::MapIter { map, key_size, value_size, .. } => {
            let shape = Shape { key: *key_size as usize, value: *value_size as usize };
            entries(gadget, maps, map, shape, source.schedule).map(Reader::Map)
        }
        Origin::Iter { programs: names, record_size, .. } => {
            let links = names.iter().map(|name| link(gadget, programs, name, namespaces)).collect::<Result<_, _>>()?;
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

fn ring(gadget: &str, maps: &mut HashMap<String, MapData>, name: &str, lost: Option<&str>) -> Result<RingSource, LoadError> {
    let fail = |e| LoadError::Kernel { doing: format!("read ring buffer {name:?} of gadget {gadget:?}"), source: e };
    let lost = lost.and_then(|lost| maps.get(lost)).map(LostSamples::new).transpose().map_err(fail)?;
    if lost.is_none() {
        tracing::warn!(gadget, map = name, "gadget does not count the records that find no room in its ring buffer");
    }
    let map = maps.remove(name).ok_or_else(|| no_map(gadget, name))?;
    let info = map.info().map_err(|e| LoadError::object(format!("look at map {name:?} of gadget {gadget:?}"), e))?;
    if !matches!(info.map_type(), Ok(aya::maps::MapType::RingBuf)) {
        let text = format!("map {name:?} of gadget {gadget:?} is not a ring buffer, and no other kind of buffer is supported yet");
        return Err(LoadError::Invalid(text));
    }
    let bytes = info.max_entries();
    let ring = RingBuf::try_from(Map::RingBuf(map));
    let ring = ring.map_err(|e| LoadError::object(format!("open ring buffer {name:?} of gadget {gadget:?}"), e))?;
    Ok(RingSource { map: name.to_owned(), ring, bytes, lost })
}

fn entries(
    gadget: &str,
    maps: &mut HashMap<String, MapData>,
    name: &str,
    shape: Shape,
    schedule: Schedule,
) -> Result<MapSource, LoadError> {
    let map = maps.get(name).ok_or_else(|| no_map(gadget, name))?;
    let info = map.info().map_err(|e| LoadError::object(format!("look at map {name:?} of gadget {gadget:?}"), e))?;
    let real = Shape { key: info.key_size() as usize, value: info.value_size() as usize };
    if real != shape || !matches!(info.map_type(), Ok(aya::maps::MapType::Hash)) {
        let text = format!("map {name:?} of gadget {gadget:?} is not a hash of {}-byte keys to {}-byte values", shape.key, shape.value);
        return Err(LoadError::Invalid(text));
    }
    let fail = |source| LoadError::Kernel { doing: format!("open map {name:?} of gadget {gadget:?}"), source };
    let fd = map.fd().as_fd().try_clone_to_owned().map_err(fail)?;
    Ok(MapSource { name: name.to_owned(), map: fd, shape, max_entries: info.max_entries(), schedule })
}

fn link(gadget: &str, programs: &[LoadedProgram], name: &str, namespaces: &Arc<Namespaces>) -> Result<IterLink, LoadError> {
    let missing = || LoadError::Invalid(format!("gadget {gadget:?} has no iterator program {name:?}, which its data source needs"));
    let program = programs.iter().find(|p| p.name == name && matches!(p.hook, Hook::Iterator(_))).ok_or_else(missing)?;
    let link = bpf::iterator_link(program.fd.as_fd(), None);
    let link = link.map_err(|e| LoadError::kernel(format!("link program {name:?} to {}", program.hook), e))?;
    Ok(IterLink { name: name.to_owned(), link, namespaces: program.hook.is_per_namespace().then(|| namespaces.clone()) })
}
