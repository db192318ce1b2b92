//! The map of mount namespaces that a gadget's programs look into to see whether they are wanted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::error::LoadError;
use crate::container::Inventory;
use crate::container::sighting::Admission;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::features;
use crate::kernel::maps::{self, MapShape, NewMap};

/// Mount namespaces that a filter has room for where it takes memory as it grows.
const GROWING: u32 = 65_536;
/// The same where all memory is taken at once: a bit more than half a MiB.
const FIXED: u32 = 8192;
/// Linux since which hash maps that grow may be used by programs of every kind.
/// Source: kernel/bpf/verifier.c, check_map_prog_compatibility, 6.1.
const GROWS_SINCE: (u32, u32) = (6, 1);
/// BPF_F_NO_PREALLOC: entries are allocated when they are needed.
const NO_PREALLOC: u32 = 1;

const HASH: u32 = 1;
const ARRAY_OF_MAPS: u32 = 12;
const SHAPE: Shape = Shape { key: 8, value: 4 };

/// A set of mount namespaces, shared with a gadget's programs. Changes take effect at once.
pub struct MntnsFilter {
    map: OwnedFd,
    entries: u32,
}

impl MntnsFilter {
    /// An empty set: nothing passes. It grows as it is filled, or has room for 8192 namespaces on kernels before 6.1.
    ///
    /// # Errors
    /// When the kernel refuses the map.
    pub fn create() -> Result<Self, LoadError> {
        let (entries, flags) = ordinary();
        Self::with(entries, flags)
    }

    /// A set of sets that programs can put namespaces into, with room for `slots` sets made by [`MntnsFilter::create`].
    pub(super) fn array(slots: u32) -> io::Result<OwnedFd> {
        // Only the kind of it counts.
        let one = maps::create(&NewMap { name: "mntns_filter", shape: MapShape { entries: 1, ..shape(ordinary()) }, ..NewMap::default() })?;
        let shape = MapShape { kind: ARRAY_OF_MAPS, key: 4, value: 4, entries: slots, flags: 0 };
        maps::create(&NewMap { name: "filters", shape, inner: Some(one.as_fd()), ..NewMap::default() })
    }

    /// An empty set with room for `entries` namespaces.
    ///
    /// # Errors
    /// When the kernel refuses the map.
    pub fn with_entries(entries: u32) -> Result<Self, LoadError> {
        Self::with(entries, 0)
    }

    fn with(entries: u32, flags: u32) -> Result<Self, LoadError> {
        let map = maps::create(&NewMap { name: "mntns_filter", shape: shape((entries, flags)), ..NewMap::default() });
        Ok(MntnsFilter { entries, map: map.map_err(|e| LoadError::kernel("create mount namespace filter map".to_owned(), e))? })
    }

    /// Has the kernel's watcher let new namespaces through, for as long as what comes back is kept: a container's first programs run before
    /// anybody can decide about it. Whoever asks hears of each by a gate of the inventory, and has to take out what is not wanted.
    ///
    /// `None` when nothing is watched, or too many filters ask.
    pub fn admit_new(&self, inventory: &Inventory) -> Option<Admission> {
        inventory.admit_new(self.map.as_fd())
    }

    /// Namespaces that it has room for.
    pub fn room(&self) -> u32 {
        self.entries
    }

    /// Lets a mount namespace through. Letting it through twice is the same as once.
    ///
    /// # Errors
    /// E2BIG when the set is full.
    pub fn insert(&self, mntns: u64) -> io::Result<()> {
        bpf::update(self.map.as_fd(), SHAPE, &mntns.to_ne_bytes(), &1u32.to_ne_bytes())
    }

    /// Lets a mount namespace through no longer. Removing what is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, mntns: u64) -> io::Result<()> {
        match bpf::delete(self.map.as_fd(), SHAPE, &mntns.to_ne_bytes()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }

    /// Whether a mount namespace is let through.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn contains(&self, mntns: u64) -> io::Result<bool> {
        let mut value = [0; 4];
        match bpf::lookup(self.map.as_fd(), SHAPE, &mntns.to_ne_bytes(), &mut value) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The map itself, to bind programs to it.
    pub(super) fn map(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    /// Whether programs that declare a map like this can use ours. Its size and flags are the owner's business.
    pub(super) fn fits(declared: &aya_obj::Map) -> bool {
        (declared.map_type(), declared.key_size(), declared.value_size()) == (HASH, SHAPE.key as u32, SHAPE.value as u32)
    }
}

/// Entries and flags of a filter on this kernel.
fn ordinary() -> (u32, u32) {
    match features::kernel_version() >= GROWS_SINCE {
        true => (GROWING, NO_PREALLOC),
        false => (FIXED, 0),
    }
}

fn shape((entries, flags): (u32, u32)) -> MapShape {
    MapShape { kind: HASH, key: SHAPE.key as u32, value: SHAPE.value as u32, entries, flags }
}
