//! Creates an object's maps: sizes, contents, and whose map it is.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{MapData, MapError};
use aya_obj::EbpfSectionKind;

use super::error::LoadError;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::features;

const ARRAY_OF_MAPS: u32 = 12;
const HASH_OF_MAPS: u32 = 13;
const PERF_EVENT_ARRAY: u32 = 4;
pub(super) const RINGBUF: u32 = 27;

/// What is decided about maps before they are made.
#[derive(Default)]
pub(super) struct Wishes<'a> {
    /// Number of entries (bytes for ring buffers) by map.
    pub entries: HashMap<String, u32>,
    /// Maps that exist already, by the name that programs know them under.
    pub shared: Vec<(&'a str, BorrowedFd<'a>)>,
}

/// An object's maps. Shared ones are with their owner.
pub(super) struct Maps {
    own: HashMap<String, MapData>,
    bound: Vec<(String, RawFd, aya_obj::Map)>,
}

impl Maps {
    /// Makes all maps of an object, in an order that lets maps of maps find their template.
    pub(super) fn create(
        gadget: &str,
        declared: HashMap<String, aya_obj::Map>,
        wishes: &Wishes<'_>,
        btf: Option<BorrowedFd<'_>>,
    ) -> Result<Self, LoadError> {
        let mut maps = Maps { own: HashMap::new(), bound: Vec::new() };
        for (name, mut map) in declared {
            if let Some((_, fd)) = wishes.shared.iter().find(|(shared, _)| *shared == name) {
                maps.bound.push((name, fd.as_raw_fd(), map));
                continue;
            }
            resize(&mut map, wishes.entries.get(&name).copied());
            let fail = |source: Refusal| source.into_error(gadget, &name, map.map_type());
            if matches!(map.map_type(), ARRAY_OF_MAPS | HASH_OF_MAPS) {
                return Err(LoadError::Invalid(format!("map {name:?} of gadget {gadget:?} holds other maps, which is not supported yet")));
            }
            let made = MapData::create(map.clone(), &name, btf).map_err(|e| fail(Refusal::Map(e)))?;
            fill(&map, &made).map_err(|e| fail(Refusal::Content(e)))?;
            maps.bound.push((name.clone(), made.fd().as_fd().as_raw_fd(), map));
            maps.own.insert(name, made);
        }
        Ok(maps)
    }

    /// What relocating the programs' references to maps takes.
    pub(super) fn bindings(&self) -> impl Iterator<Item = (&str, RawFd, &aya_obj::Map)> {
        self.bound.iter().map(|(name, fd, map)| (name.as_str(), *fd, map))
    }

    /// A map by its name.
    pub(super) fn get(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.own.get(name).map(|map| map.fd().as_fd())
    }

    /// The maps that are ours.
    pub(super) fn into_own(self) -> HashMap<String, MapData> {
        self.own
    }
}

enum Refusal {
    Map(MapError),
    Content(std::io::Error),
}

impl Refusal {
    fn into_error(self, gadget: &str, map: &str, kind: u32) -> LoadError {
        let source: Box<dyn std::error::Error + Send + Sync> = match self {
            Refusal::Content(io) | Refusal::Map(MapError::CreateError { io_error: io, .. }) => {
                if matches!(io.raw_os_error(), Some(libc::EPERM | libc::EACCES)) {
                    return LoadError::kernel(format!("create map {map:?} of gadget {gadget:?}"), io);
                }
                io.into()
            }
            Refusal::Map(other) => other.into(),
        };
        let old = kind == RINGBUF && !features::has_ring_buffer();
        let hint = if old { ": the kernel has no ring buffers (5.8 or newer)".to_owned() } else { String::new() };
        LoadError::Map { gadget: gadget.to_owned(), map: map.to_owned(), hint, source }
    }
}

/// Number of entries, and for some kinds what the kernel insists on.
fn resize(map: &mut aya_obj::Map, entries: Option<u32>) {
    if let Some(entries) = entries {
        map.set_max_entries(entries);
    }
    match map.map_type() {
        RINGBUF => {
            map.set_max_entries(ring_bytes(map.max_entries()));
            map.set_value_size(0);
        }
        // The kernel wants a value size even where the declaration leaves it out.
        PERF_EVENT_ARRAY if map.value_size() == 0 => map.set_value_size(4),
        _ => {}
    }
}

/// The next size a ring buffer can have: a power of two of at least one page.
pub(super) fn ring_bytes(wanted: u32) -> u32 {
    // SAFETY: sysconf reads a constant.
    let page = u32::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    wanted.max(page).checked_next_power_of_two().unwrap_or(1 << 31)
}

/// Writes the contents of data sections; read-only ones are frozen, which lets the verifier drop branches.
fn fill(map: &aya_obj::Map, made: &MapData) -> std::io::Result<()> {
    let fd = made.fd().as_fd();
    if !map.data().is_empty() {
        let shape = Shape { key: 4, value: map.value_size() as usize };
        bpf::update(fd, shape, &0u32.to_ne_bytes(), map.data())?;
    }
    if map.section_kind() == EbpfSectionKind::Rodata { bpf::freeze(fd) } else { Ok(()) }
}
