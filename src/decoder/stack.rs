//! `gadget_kernel_stack` and `gadget_user_stack`: the frames of a stack whose addresses are in a map of the gadget.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::unsigned;
use crate::batch::Decode;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::clock;
use crate::kernel::kallsyms::Symbols;
use crate::kernel::maps::{self, MapShape};

/// Most frames of a stack.
pub const MAX_FRAMES: usize = 127;
/// Bytes of a `struct bpf_stack_build_id`: status s32, build id u8[20], offset or instruction pointer u64.
const BUILD_ID: usize = 32;
/// How often a lost stack is worth a line in the log, in nanoseconds.
const PERIOD: u64 = 10_000_000_000;

const STACK_TRACE: u32 = 7;
const HASH: u32 = 1;

/// A map that leads from stack ids to frames.
pub struct StackMap {
    map: OwnedFd,
    shape: Shape,
    name: &'static str,
    /// When the last lost stack was logged, on the boot-time clock.
    warned: AtomicU64,
}

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StackMapError {
    /// The kernel does not say what it is.
    #[error("ask the kernel about map {name:?}")]
    Info {
        /// Its name.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is another one.
    #[error("map {name:?} has type {kind}, keys of {} and values of {} bytes, which is no {expected}", shape.key, shape.value)]
    Shape {
        /// Its name.
        name: &'static str,
        /// Its type, BPF_MAP_TYPE_*.
        kind: u32,
        /// Its sizes.
        shape: Shape,
        /// What it should be.
        expected: &'static str,
    },
}

impl StackMap {
    /// A map of addresses: a stack trace map of at most 127 frames.
    ///
    /// # Errors
    /// When it is something else.
    pub fn addresses(name: &'static str, map: OwnedFd) -> Result<Arc<Self>, StackMapError> {
        let fits = |kind, shape: Shape| kind == STACK_TRACE && shape.key == 4 && (8..=MAX_FRAMES * 8).contains(&shape.value);
        StackMap::open(name, map, "stack trace map of at most 127 addresses", fits)
    }

    /// A map of build ids: a hash map with values of 127 times 32 bytes.
    ///
    /// # Errors
    /// When it is something else.
    pub fn build_ids(name: &'static str, map: OwnedFd) -> Result<Arc<Self>, StackMapError> {
        let fits = |kind, shape: Shape| kind == HASH && shape == Shape { key: 4, value: MAX_FRAMES * BUILD_ID };
        StackMap::open(name, map, "hash map from u32 to 127 build ids", fits)
    }

    fn open(
        name: &'static str,
        map: OwnedFd,
        expected: &'static str,
        fits: impl Fn(u32, Shape) -> bool,
    ) -> Result<Arc<Self>, StackMapError> {
        let MapShape { kind, key, value, .. } = maps::shape(map.as_fd()).map_err(|source| StackMapError::Info { name, source })?;
        let shape = Shape { key: key as usize, value: value as usize };
        if !fits(kind, shape) {
            return Err(StackMapError::Shape { name, kind, shape, expected });
        }
        Ok(Arc::new(StackMap { map, shape, name, warned: AtomicU64::new(0) }))
    }

    /// Hands the value under `id` to `then`; nothing happens when there is none.
    fn with<const SIZE: usize>(&self, id: u32, then: impl FnOnce(&[u8])) -> io::Result<()> {
        let mut value = [0u8; SIZE];
        let Some(value) = value.get_mut(..self.shape.value) else { return Ok(()) };
        bpf::lookup(self.map.as_fd(), self.shape, &id.to_ne_bytes(), value)?;
        then(value);
        Ok(())
    }

    /// Hands each frame's address to `each`, the most recent call first.
    fn each_address(&self, id: u32, mut each: impl FnMut(u64)) {
        // Ids of stacks that could not be taken are negative errors.
        let found = match i32::try_from(id) {
            Err(_) => Err(io::Error::from_raw_os_error((id as i32).wrapping_neg())),
            Ok(_) => self.with::<{ MAX_FRAMES * 8 }>(id, |value| {
                value.chunks_exact(8).map(unsigned).take_while(|address| *address != 0).for_each(&mut each);
            }),
        };
        if let Err(error) = found {
            self.warn(id, &error);
        }
    }

    #[cold]
    fn warn(&self, id: u32, error: &io::Error) {
        let (now, last) = (clock::boot_now(), self.warned.load(Ordering::Relaxed));
        let is_due = last == 0 || now > last.saturating_add(PERIOD);
        if is_due && self.warned.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(map = self.name, id = id as i32, %error, "stack is lost, its text stays empty (said at most every ten seconds)");
        }
    }
}

/// `do_sys_openat2; __x64_sys_openat; `: the functions of a kernel stack. The bytes are the stack's id.
pub struct KernelStack {
    map: Arc<StackMap>,
    symbols: Option<&'static Symbols>,
}

impl KernelStack {
    /// Stacks of `map` with names from `symbols`, with addresses without them.
    pub fn new(map: Arc<StackMap>, symbols: Option<&'static Symbols>) -> Self {
        KernelStack { map, symbols: symbols.filter(|s| !s.are_hidden()) }
    }
}

impl Decode for KernelStack {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        self.map.each_address(unsigned(raw) as u32, |address| {
            match self.symbols {
                Some(symbols) => out.extend_from_slice(symbols.name(address).unwrap_or(b"[unknown]")),
                None => push_address(address, out),
            }
            out.extend_from_slice(b"; ");
        });
    }
}

/// Where the members of a user stack are, in bytes from the start of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The u64 that is 0 when no stack was taken.
    pub inode: usize,
    /// The u32 stack id.
    pub stack_id: usize,
}

impl Layout {
    /// The stack's id, if one was taken.
    fn id(&self, raw: &[u8]) -> Option<u32> {
        let inode = unsigned(raw.get(self.inode..self.inode + 8)?);
        let id = unsigned(raw.get(self.stack_id..self.stack_id + 4)?) as u32;
        (inode != 0).then_some(id)
    }
}

/// `0x00007f1234567890; `: the addresses of a user stack.
pub struct Addresses(pub Layout, pub Arc<StackMap>);

impl Decode for Addresses {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let Some(id) = self.0.id(raw) else { return };
        self.1.each_address(id, |address| {
            push_address(address, out);
            out.extend_from_slice(b"; ");
        });
    }
}

/// `0x7f1234567890; `: the functions of a user stack. Nobody resolves them yet.
pub struct UserSymbols(pub Layout, pub Arc<StackMap>);

impl Decode for UserSymbols {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let Some(id) = self.0.id(raw) else { return };
        // Writing to a vector does not fail.
        self.1.each_address(id, |address| _ = write!(out, "{address:#x}; "));
    }
}

/// `<40 hex digits> +1234; `: build id and offset of each frame, or its address. Nothing when build ids were not asked for.
pub struct BuildIds(pub Layout, pub Option<Arc<StackMap>>);

impl Decode for BuildIds {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let (Some(id), Some(map)) = (self.0.id(raw), &self.1) else { return };
        // An id without an entry is no loss: build ids are taken only on request.
        let _ = map.with::<{ MAX_FRAMES * BUILD_ID }>(id, |value| {
            let _ = value.chunks_exact(BUILD_ID).all(|frame| push_build_id(frame, out));
        });
    }
}

/// Appends one frame; says whether more may follow.
fn push_build_id(frame: &[u8], out: &mut Vec<u8>) -> bool {
    const VALID: u64 = 1;
    const ADDRESS: u64 = 2;
    let part = |from: usize, to: usize| frame.get(from..to).unwrap_or(&[]);
    let (status, at) = (unsigned(part(0, 4)), unsigned(part(24, 32)));
    // Writing to a vector does not fail.
    let _ = match status {
        VALID => {
            part(4, 24).iter().for_each(|byte| _ = write!(out, "{byte:02x}"));
            write!(out, " +{at:x}; ")
        }
        ADDRESS => write!(out, "{at:x}; "),
        _ => return false,
    };
    true
}

fn push_address(address: u64, out: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{address:#018x}");
}

#[cfg(test)]
mod tests;
