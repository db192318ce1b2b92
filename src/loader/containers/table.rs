//! The maps and the ring of the watching program, for whoever cannot wait until they were read.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use super::programs::{Attached, FILTERS};
use super::{locked, record};
use crate::container::sighting::{KernelTable, Observer};
use crate::kernel::bpf::{self, Shape};
use crate::kernel::ring::RingBuffer;
use crate::loader::error::LoadError;

/// `struct namespace_value` begins with the cgroup.
const NAMESPACE: Shape = Shape { key: 4, value: 24 };
const PROCESS: Shape = Shape { key: 4, value: 8 };
const LOST: Shape = Shape { key: 4, value: 8 };
const FILTER: Shape = Shape { key: 4, value: 4 };

/// See the module.
pub(super) struct Table {
    open: Mutex<Option<Open>>,
    readable: OwnedFd,
}

struct Open {
    attached: Attached,
    ring: RingBuffer,
    observer: Observer,
    /// Which places for filters are taken.
    filters: [bool; FILTERS],
}

impl Table {
    /// A table of programs that are attached; what they tell goes to `observer`.
    pub fn new(attached: Attached, ring: RingBuffer, observer: Observer) -> Result<Self, LoadError> {
        let readable = ring.as_fd().try_clone_to_owned();
        let readable = readable.map_err(|e| LoadError::kernel("share the ring buffer of the container watch".to_owned(), e))?;
        Ok(Table { open: Mutex::new(Some(Open { attached, ring, observer, filters: [false; FILTERS] })), readable })
    }

    /// Readable when something was told.
    pub fn readable(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// Records that found no room so far.
    pub fn lost(&self) -> u64 {
        self.look_up::<8>("lost", LOST, 0).map_or(0, u64::from_ne_bytes)
    }

    /// Detaches the programs. Nothing is told from then on.
    pub fn close(&self) {
        let open = locked(&self.open).take();
        drop(open);
    }

    fn look_up<const N: usize>(&self, map: &str, shape: Shape, key: u32) -> Option<[u8; N]> {
        let open = locked(&self.open);
        let map = open.as_ref()?.attached.map(map).ok()?;
        let mut value = [0; N];
        bpf::lookup(map, shape, &key.to_ne_bytes(), &mut value).ok()?;
        Some(value)
    }
}

impl KernelTable for Table {
    fn catch_up(&self) {
        let mut open = locked(&self.open);
        let Some(Open { ring, observer, .. }) = open.as_mut() else { return };
        loop {
            match ring.next() {
                Ok(Some(bytes)) => record::sighting(bytes).into_iter().for_each(|sighting| observer.observe(sighting)),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "what the kernel tells of containers cannot be read");
                    break;
                }
            }
        }
        observer.publish();
    }

    fn cgroup_of_namespace(&self, mntns: u64) -> Option<u64> {
        let value = self.look_up::<24>("namespaces", NAMESPACE, u32::try_from(mntns).ok()?)?;
        value.first_chunk().map(|cgroup| u64::from_ne_bytes(*cgroup))
    }

    fn cgroup_of_process(&self, pid: u32) -> Option<u64> {
        self.look_up("processes", PROCESS, pid).map(u64::from_ne_bytes)
    }

    fn open_filter(&self, filter: BorrowedFd<'_>) -> Option<u32> {
        let mut open = locked(&self.open);
        let Open { attached, filters, .. } = open.as_mut()?;
        let (place, taken) = (0u32..).zip(filters.iter_mut()).find(|(_, taken)| !**taken)?;
        match bpf::update(attached.filters(), FILTER, &place.to_ne_bytes(), &filter.as_raw_fd().to_ne_bytes()) {
            Ok(()) => *taken = true,
            Err(error) => {
                tracing::warn!(%error, "the kernel cannot let new containers through a gadget's filter by itself");
                return None;
            }
        }
        Some(place)
    }

    fn close_filter(&self, place: u32) {
        let mut open = locked(&self.open);
        let Some(Open { attached, filters, .. }) = open.as_mut() else { return };
        match bpf::delete(attached.filters(), FILTER, &place.to_ne_bytes()) {
            Ok(()) => filters.get_mut(place as usize).into_iter().for_each(|taken| *taken = false),
            Err(error) => tracing::warn!(%error, "a gadget's filter is kept although the gadget is gone"),
        }
    }
}
