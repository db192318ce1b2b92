//! Creates an object's maps: sizes, contents, and whose map it is.

mod pin;
pub(super) mod spec;
#[cfg(test)]
mod tests;
pub(super) mod values;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use aya::maps::MapData;
use aya_obj::EbpfSectionKind;

use super::error::LoadError;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::{features, maps, memory};
use spec::{PROG_ARRAY, RINGBUF, Spec, describe, ring_bytes};
use values::Initial;

/// Most memory for all maps of an object, in bytes, or half of the machine's if that is less.
const MOST_MEMORY: u64 = 1 << 30;

/// Most maps of an object.
const MOST_MAPS: usize = 1000;

/// What is decided about maps before they are made.
#[derive(Default)]
pub(super) struct Wishes<'a> {
    /// Number of entries (bytes for ring buffers) by map.
    pub entries: HashMap<String, u32>,
    /// Bytes of a value by map.
    pub value_sizes: HashMap<String, u32>,
    /// Ring buffers that should be at least this large, if there is memory for it.
    pub roomy: HashMap<String, u32>,
    /// Ring buffers that are to be perf event arrays instead.
    pub without_ring: HashSet<String>,
    /// Maps that exist already, by the name that programs know them under.
    pub shared: Vec<(&'a str, BorrowedFd<'a>)>,
    /// What the object puts into maps of maps and program arrays.
    pub values: Vec<Initial>,
}

/// An object's maps. Shared ones are with their owner.
pub(super) struct Maps {
    own: HashMap<String, MapData>,
    bound: Vec<(String, RawFd, aya_obj::Map)>,
    programs: Vec<Initial>,
}

/// Whose maps, and what their types are.
struct Maker<'a> {
    gadget: &'a str,
    wishes: &'a Wishes<'a>,
    btf: Option<BorrowedFd<'a>>,
    cpus: u32,
}

impl Maps {
    /// Refuses maps that would take the machine's memory away. Asked before the kernel is.
    pub(super) fn check(gadget: &str, declared: &HashMap<String, aya_obj::Map>, wishes: &Wishes<'_>) -> Result<(), LoadError> {
        let maker = Maker::new(gadget, wishes, None)?;
        let specs: Vec<(Spec, &str)> = declared.iter().map(|(name, map)| (maker.spec(name, map), name.as_str())).collect();
        maker.check_memory(&specs)
    }

    /// Makes all maps of an object and fills those that hold others.
    pub(super) fn create(
        gadget: &str,
        declared: HashMap<String, aya_obj::Map>,
        wishes: &Wishes<'_>,
        btf: Option<BorrowedFd<'_>>,
    ) -> Result<Self, LoadError> {
        let maker = Maker::new(gadget, wishes, btf)?;
        let mut maps = Maps { own: HashMap::new(), bound: Vec::new(), programs: Vec::new() };
        let declared = declared.into_iter().map(|(name, map)| (maker.spec(&name, &map), name, map)).collect::<Vec<_>>();
        for (spec, name, map) in declared {
            if let Some(fd) = maker.shared(&name, &spec)? {
                maps.bound.push((name, fd.as_raw_fd(), map));
                continue;
            }
            let made = maker.make(&name, &spec)?;
            let fail = |e| LoadError::kernel(format!("fill map {name:?} of gadget {gadget:?}"), e);
            fill(&map, made.as_fd()).map_err(fail)?;
            let made = MapData::from_fd(made).map_err(|e| LoadError::object(format!("look at map {name:?} of gadget {gadget:?}"), e))?;
            maps.bound.push((name.clone(), made.fd().as_fd().as_raw_fd(), map));
            maps.own.insert(name, made);
        }
        maps.fill_with_maps(gadget, &wishes.values)?;
        Ok(maps)
    }

    /// Puts maps into the maps of maps; keeps in mind what goes into program arrays.
    fn fill_with_maps(&mut self, gadget: &str, values: &[Initial]) -> Result<(), LoadError> {
        let bound: HashMap<&str, (RawFd, &aya_obj::Map)> = self.bindings().map(|(name, fd, map)| (name, (fd, map))).collect();
        let mut programs = Vec::new();
        for value in values {
            let Some((outer, declared)) = bound.get(value.map.as_str()) else { continue };
            if declared.map_type() == PROG_ARRAY {
                programs.push(value.clone());
                continue;
            }
            let what = || format!("put map {:?} into map {:?} of gadget {gadget:?}", value.target, value.map);
            if (declared.key_size(), declared.value_size()) != (4, 4) {
                return Err(LoadError::Invalid(format!("cannot {}: its keys or values do not have 4 bytes", what())));
            }
            let Some((inner, _)) = bound.get(value.target.as_str()) else {
                return Err(LoadError::Invalid(format!("cannot {}: there is no such map", what())));
            };
            // SAFETY: `own` or the owner of the shared map keeps it open.
            put(unsafe { BorrowedFd::borrow_raw(*outer) }, value.slot, *inner).map_err(|e| LoadError::kernel(what(), e))?;
        }
        self.programs = programs;
        Ok(())
    }

    /// Puts loaded programs into the program arrays that the object fills. Programs that were left out leave their place empty.
    pub(super) fn fill_with_programs<'p>(&self, gadget: &str, find: impl Fn(&str) -> Option<BorrowedFd<'p>>) -> Result<(), LoadError> {
        for value in &self.programs {
            let (Some(array), Some(program)) = (self.own.get(&value.map), find(&value.target)) else { continue };
            put(array.fd().as_fd(), value.slot, program.as_raw_fd()).map_err(|e| {
                LoadError::kernel(format!("put program {:?} into map {:?} of gadget {gadget:?}", value.target, value.map), e)
            })?;
        }
        Ok(())
    }

    /// What relocating the programs' references to maps takes.
    pub(super) fn bindings(&self) -> impl Iterator<Item = (&str, RawFd, &aya_obj::Map)> {
        self.bound.iter().map(|(name, fd, map)| (name.as_str(), *fd, map))
    }

    /// The maps that are ours.
    pub(super) fn into_own(self) -> HashMap<String, MapData> {
        self.own
    }
}

impl<'a> Maker<'a> {
    fn new(gadget: &'a str, wishes: &'a Wishes<'a>, btf: Option<BorrowedFd<'a>>) -> Result<Self, LoadError> {
        let cpus = aya::util::nr_cpus().map_err(|(doing, e)| LoadError::kernel(doing.to_owned(), e))?;
        Ok(Maker { gadget, wishes, btf, cpus: u32::try_from(cpus).unwrap_or(u32::MAX) })
    }

    /// What a map is to be, after all that was decided about it.
    fn spec(&self, name: &str, map: &aya_obj::Map) -> Spec {
        let mut spec = Spec::of(map);
        if self.wishes.without_ring.contains(name) {
            spec.without_ring();
        }
        if let Some(entries) = self.wishes.entries.get(name) {
            spec.shape.entries = *entries;
        }
        if let Some(value) = self.wishes.value_sizes.get(name) {
            spec.set_value_size(*value);
        }
        spec.complete(self.cpus);
        spec
    }

    fn check_memory(&self, declared: &[(Spec, &str)]) -> Result<(), LoadError> {
        let most = match memory::total() {
            0 => MOST_MEMORY,
            all => MOST_MEMORY.min(all / 2),
        };
        if declared.len() > MOST_MAPS {
            let (gadget, maps) = (self.gadget, declared.len());
            return Err(LoadError::Invalid(format!("gadget {gadget:?} has {maps} maps, more than the limit of {MOST_MAPS}")));
        }
        let mut wanted = 0u64;
        for (spec, name) in declared {
            wanted = wanted.saturating_add(spec.memory(self.cpus));
            if wanted > most {
                let (gadget, shape) = (self.gadget, describe(&spec.shape));
                return Err(LoadError::Invalid(format!(
                    "the maps of gadget {gadget:?}, the last of them {name:?} ({shape}), would take {wanted} bytes, more than the limit of {most}"
                )));
            }
        }
        Ok(())
    }

    /// The map that exists already, if programs that expect `spec` can use it.
    fn shared(&self, name: &str, spec: &Spec) -> Result<Option<BorrowedFd<'_>>, LoadError> {
        let Some((_, fd)) = self.wishes.shared.iter().find(|(shared, _)| *shared == name) else { return Ok(None) };
        let gadget = self.gadget;
        let shape = maps::shape(*fd).map_err(|e| LoadError::kernel(format!("look at the host's map {name:?} for gadget {gadget:?}"), e))?;
        if spec.accepts(&shape) {
            return Ok(Some(*fd));
        }
        tracing::warn!(
            gadget,
            map = name,
            declared = describe(&spec.shape),
            host = describe(&shape),
            "the host's map does not fit the gadget's declaration, so the gadget works with an empty one of its own"
        );
        Ok(None)
    }

    fn make(&self, name: &str, spec: &Spec) -> Result<OwnedFd, LoadError> {
        if spec.pinned {
            return pin::open_or_make(self.gadget, name, spec, self.btf);
        }
        let made = match self.wishes.roomy.get(name) {
            Some(bytes) if spec.shape.kind == RINGBUF => self.make_roomy(name, spec, *bytes),
            _ => spec.make(name, self.btf),
        };
        made.map_err(|e| self.refused(name, spec, e))
    }

    /// A ring of `bytes` or, where memory is short, what is left between that and what the gadget declares.
    fn make_roomy(&self, name: &str, spec: &Spec, bytes: u32) -> io::Result<OwnedFd> {
        let mut larger = spec.clone();
        larger.shape.entries = ring_bytes(bytes).max(spec.shape.entries);
        loop {
            match larger.make(name, self.btf) {
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && larger.shape.entries > spec.shape.entries => {
                    larger.shape.entries = (larger.shape.entries / 2).max(spec.shape.entries);
                    tracing::debug!(gadget = self.gadget, map = name, bytes = larger.shape.entries, "no memory, trying a smaller ring");
                }
                other => return other,
            }
        }
    }

    fn refused(&self, map: &str, spec: &Spec, error: io::Error) -> LoadError {
        let (gadget, shape) = (self.gadget, describe(&spec.shape));
        if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) {
            return LoadError::kernel(format!("create map {map:?} of gadget {gadget:?} ({shape})"), error);
        }
        let old = spec.shape.kind == RINGBUF && !features::has_ring_buffer();
        let hint = if old { ": the kernel has no ring buffers (5.8 or newer)" } else { "" };
        LoadError::Map { gadget: gadget.to_owned(), map: map.to_owned(), hint: format!(" ({shape}){hint}"), source: error.into() }
    }
}

/// Sets an element of a map of maps or programs.
fn put(map: BorrowedFd<'_>, slot: u32, value: RawFd) -> io::Result<()> {
    bpf::update(map, Shape { key: 4, value: 4 }, &slot.to_ne_bytes(), &value.to_ne_bytes())
}

/// Writes the contents of data sections; read-only ones are frozen, which lets the verifier drop branches.
fn fill(map: &aya_obj::Map, made: BorrowedFd<'_>) -> io::Result<()> {
    if !map.data().is_empty() {
        let shape = Shape { key: 4, value: map.value_size() as usize };
        bpf::update(made, shape, &0u32.to_ne_bytes(), map.data())?;
    }
    if map.section_kind() == EbpfSectionKind::Rodata { bpf::freeze(made) } else { Ok(()) }
}
