//! Making maps, pinning them, and looking at them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf;

const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const OBJ_GET_INFO_BY_FD: u32 = 15;

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

/// What two maps must have in common to stand for each other.
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

fn put(attr: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = attr.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
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
        put(&mut attr, index * 4, &word.to_ne_bytes());
    }
    let name = map.name.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    for (to, byte) in attr.iter_mut().skip(28).zip(name.take(15)) {
        *to = byte;
    }
    if let Some((types, key, value)) = map.types {
        for (at, word) in [(48, types.as_raw_fd() as u32), (52, key), (56, value)] {
            put(&mut attr, at, &word.to_ne_bytes());
        }
    }
    put(&mut attr, 64, &map.extra.to_ne_bytes());
    bpf::call_for_fd(bpf::MAP_CREATE, &mut attr)
}

/// The shape of a map.
///
/// # Errors
/// The kernel's.
pub fn shape(map: BorrowedFd<'_>) -> io::Result<MapShape> {
    let mut info = [0u32; 6];
    let mut attr = [0u8; 16];
    put(&mut attr, 0, &(map.as_raw_fd() as u32).to_ne_bytes());
    put(&mut attr, 4, &(size_of_val(&info) as u32).to_ne_bytes());
    put(&mut attr, 8, &(info.as_mut_ptr() as u64).to_ne_bytes());
    bpf::call(OBJ_GET_INFO_BY_FD, &mut attr)?;
    let [kind, _id, key, value, entries, flags] = info;
    Ok(MapShape { kind, key, value, entries, flags })
}

/// Gives a map a name in a BPF filesystem, under which it outlives us.
///
/// # Errors
/// EEXIST when the name is taken; EPERM or EINVAL when the folder is in no BPF filesystem.
pub fn pin(map: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let mut attr = [0u8; 16];
    put(&mut attr, 0, &(path.as_ptr() as u64).to_ne_bytes());
    put(&mut attr, 8, &(map.as_raw_fd() as u32).to_ne_bytes());
    bpf::call(OBJ_PIN, &mut attr).map(drop)
}

/// The map that is pinned under a name.
///
/// # Errors
/// ENOENT when there is none.
pub fn pinned(path: &CStr) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 16];
    put(&mut attr, 0, &(path.as_ptr() as u64).to_ne_bytes());
    bpf::call_for_fd(OBJ_GET, &mut attr)
}
