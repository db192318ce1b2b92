//! Making maps, pinning them, and looking at them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{self, get32, put32, put64};

const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;

/// A map as the kernel is asked for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewMap<'a> {
    /// Name shown by `bpftool`: what the kernel does not take of it is left out.
    pub name: &'a str,
    /// Its type and sizes.
    pub shape: MapShape,
    /// What the kind of map makes of it (`map_extra`).
    pub extra: u64,
    /// What the values look like, for maps of maps.
    pub inner: Option<BorrowedFd<'a>>,
    /// Loaded types, and those of key and value among them.
    pub types: Option<(BorrowedFd<'a>, u32, u32)>,
}

/// Type and sizes of a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MapShape {
    /// BPF_MAP_TYPE_*.
    pub kind: u32,
    /// Bytes of a key.
    pub key: u32,
    /// Bytes of a value.
    pub value: u32,
    /// Entries, or bytes for ring buffers.
    pub entries: u32,
    /// BPF_F_*.
    pub flags: u32,
}

/// Makes a map.
///
/// # Errors
/// The kernel's.
pub fn create(map: &NewMap<'_>) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 72];
    let MapShape { kind, key, value, entries, flags } = map.shape;
    let inner = map.inner.map_or(0, |fd| fd.as_raw_fd() as u32);
    for (index, word) in [kind, key, value, entries, flags, inner].into_iter().enumerate() {
        put32(&mut attr, index * 4, word);
    }
    let name = map.name.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    for (to, byte) in attr.iter_mut().skip(28).zip(name.take(15)) {
        *to = byte;
    }
    if let Some((types, key, value)) = map.types {
        for (at, word) in [(48, types.as_raw_fd() as u32), (52, key), (56, value)] {
            put32(&mut attr, at, word);
        }
    }
    put64(&mut attr, 64, map.extra);
    bpf::call_for_fd(bpf::MAP_CREATE, &mut attr)
}

/// The shape of a map. Of a per-CPU map the value is that of one CPU.
///
/// # Errors
/// The kernel's (EPERM, or EBADF for what is no map).
pub fn shape(map: BorrowedFd<'_>) -> io::Result<MapShape> {
    // The head of struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags.
    let mut info = [0u8; 24];
    bpf::object_info(map, &mut info)?;
    let word = |index: usize| get32(&info, index * 4);
    Ok(MapShape { kind: word(0), key: word(2), value: word(3), entries: word(4), flags: word(5) })
}

/// Gives a map a name in a BPF filesystem, under which it outlives us.
///
/// # Errors
/// EEXIST when the name is taken; EPERM or EINVAL when the folder is in no BPF filesystem.
pub fn pin(map: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let mut attr = [0u8; 16];
    put64(&mut attr, 0, path.as_ptr() as u64);
    put32(&mut attr, 8, map.as_raw_fd() as u32);
    bpf::call(OBJ_PIN, &mut attr).map(drop)
}

/// The map that is pinned under a name.
///
/// # Errors
/// ENOENT when there is none.
pub fn pinned(path: &CStr) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 16];
    put64(&mut attr, 0, path.as_ptr() as u64);
    bpf::call_for_fd(OBJ_GET, &mut attr)
}
