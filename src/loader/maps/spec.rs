//! What a map is to be, from what the object declares to what the kernel takes.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya_obj::maps::PinningType;

use crate::kernel::mapping::page_size;
use crate::kernel::maps::{self, MapShape, NewMap};

pub(in crate::loader) const HASH: u32 = 1;
pub(in crate::loader) const PROG_ARRAY: u32 = 3;
pub(in crate::loader) const PERF_EVENT_ARRAY: u32 = 4;
const PERCPU_HASH: u32 = 5;
pub(in crate::loader) const PERCPU_ARRAY: u32 = 6;
const LRU_HASH: u32 = 9;
const LRU_PERCPU_HASH: u32 = 10;
const LPM_TRIE: u32 = 11;
const ARRAY_OF_MAPS: u32 = 12;
const HASH_OF_MAPS: u32 = 13;
pub(in crate::loader) const RINGBUF: u32 = 27;
const USER_RINGBUF: u32 = 31;

/// Names of BPF_MAP_TYPE_*, by number. Source: `enum bpf_map_type` in `linux/bpf.h`.
const KINDS: [&str; 35] = [
    "unspec",
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "struct_ops",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
    "insn_array",
];

/// Kinds whose keys and values the kernel wants no types of; of a bloom filter it wants no type of the key.
const UNTYPED: [u32; 15] = [PERF_EVENT_ARRAY, 7, 8, ARRAY_OF_MAPS, HASH_OF_MAPS, 14, 15, 16, 17, 18, 22, 23, 25, RINGBUF, 33];
const BLOOM_FILTER: u32 = 30;

/// A map to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::loader) struct Spec {
    pub shape: MapShape,
    pub pinned: bool,
    extra: u64,
    /// BTF ids of key and value.
    types: Option<(u32, u32)>,
    /// What a map of maps holds.
    pub inner: Option<Box<Spec>>,
}

impl Spec {
    /// What the object declares.
    pub(super) fn of(map: &aya_obj::Map) -> Self {
        let shape = MapShape {
            kind: map.map_type(),
            key: map.key_size(),
            value: map.value_size(),
            entries: map.max_entries(),
            flags: map.map_flags(),
        };
        let types = match map {
            aya_obj::Map::Btf(map) if !UNTYPED.contains(&shape.kind) => {
                let key = if shape.kind == BLOOM_FILTER { 0 } else { map.def.btf_key_type_id };
                Some((key, map.def.btf_value_type_id)).filter(|types| *types != (0, 0))
            }
            _ => None,
        };
        let inner = map.inner().map(|inner| Box::new(Spec::of(&inner)));
        Spec { shape, pinned: map.pinning() == PinningType::ByName, extra: map.map_extra(), types, inner }
    }

    /// Makes a perf event array of a ring buffer, for kernels that have none.
    pub(super) fn without_ring(&mut self) {
        if self.shape.kind == RINGBUF {
            self.shape = MapShape { kind: PERF_EVENT_ARRAY, key: 4, value: 4, entries: 0, flags: 0 };
            self.extra = 0;
        }
    }

    /// Another size of the values, which the declared type then says nothing about.
    pub(super) fn set_value_size(&mut self, bytes: u32) {
        if self.shape.value != bytes {
            self.shape.value = bytes;
            self.types = None;
        }
    }

    /// What the kernel insists on for some kinds.
    pub(super) fn complete(&mut self, cpus: u32) {
        let shape = &mut self.shape;
        match shape.kind {
            RINGBUF | USER_RINGBUF => *shape = MapShape { key: 0, value: 0, entries: ring_bytes(shape.entries), ..*shape },
            PERF_EVENT_ARRAY => {
                let entries = if shape.entries == 0 || shape.entries > cpus { cpus } else { shape.entries };
                *shape = MapShape { key: 4, value: 4, entries, ..*shape };
            }
            PROG_ARRAY => *shape = MapShape { key: 4, value: 4, ..*shape },
            _ => {}
        }
        if let Some(inner) = &mut self.inner {
            inner.complete(cpus);
        }
    }

    /// Makes it. Without the object's types where the kernel does not take them for a map of this kind.
    pub(super) fn make(&self, name: &str, btf: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
        let inner = self.inner.as_ref().map(|inner| inner.make("inner", btf)).transpose()?;
        let types = btf.zip(self.types).map(|(btf, (key, value))| (btf, key, value));
        let new = NewMap { name, shape: self.shape, extra: self.extra, inner: inner.as_ref().map(AsFd::as_fd), types };
        match maps::create(&new) {
            Err(error) if types.is_some() && error.raw_os_error() != Some(libc::EPERM) => {
                // The first answer is the one that says what is wrong.
                maps::create(&NewMap { types: None, ..new }).map_err(|_| error)
            }
            other => other,
        }
    }

    /// About how much memory the kernel takes for it at once, in bytes.
    pub(super) fn memory(&self, cpus: u32) -> u64 {
        const NO_PREALLOC: u32 = 1;
        /// What a hash keeps beside key and value of an entry.
        const ENTRY: u64 = 64;
        let MapShape { kind, key, value, entries, flags } = self.shape;
        let (key, value, cpus) = (u64::from(key), u64::from(value).next_multiple_of(8), u64::from(cpus));
        let entry = match kind {
            RINGBUF | USER_RINGBUF => 1,
            PERCPU_ARRAY => value.saturating_mul(cpus),
            HASH | LRU_HASH if flags & NO_PREALLOC == 0 => ENTRY + key + value,
            PERCPU_HASH | LRU_PERCPU_HASH if flags & NO_PREALLOC == 0 => (ENTRY + key).saturating_add(value.saturating_mul(cpus)),
            HASH | PERCPU_HASH | LPM_TRIE => 8,
            _ => value.max(8),
        };
        entry.saturating_mul(entries.into())
    }

    /// Whether a map of this shape can stand in for it. The number of entries and the flags are its owner's business:
    /// the verifier looks at the real map.
    pub(in crate::loader) fn accepts(&self, other: &MapShape) -> bool {
        let same = |s: &MapShape| (s.kind, s.key, s.value);
        same(&self.shape) == same(other)
    }
}

/// The next size a ring buffer can have: a power of two of at least one page.
pub(in crate::loader) fn ring_bytes(wanted: u32) -> u32 {
    let page = u32::try_from(page_size()).unwrap_or(4096);
    wanted.max(page).checked_next_power_of_two().unwrap_or(1 << 31)
}

/// A shape in words.
pub(super) fn describe(shape: &MapShape) -> String {
    struct Kind(u32);
    impl fmt::Display for Kind {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match KINDS.get(self.0 as usize) {
                Some(name) => f.write_str(name),
                None => write!(f, "type {}", self.0),
            }
        }
    }
    let MapShape { kind, key, value, entries, flags } = shape;
    format!("{} of {entries} entries, key {key} bytes, value {value} bytes, flags {flags:#x}", Kind(*kind))
}
