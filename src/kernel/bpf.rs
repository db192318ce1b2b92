//! The `bpf(2)` calls that aya does not offer. Every pointer handed to the kernel comes from a checked slice.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::limits;

/// BPF_MAP_CREATE.
pub const MAP_CREATE: u32 = 0;
const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const MAP_GET_NEXT_KEY: u32 = 4;
const PROG_ATTACH: u32 = 8;
const PROG_DETACH: u32 = 9;
const RAW_TRACEPOINT_OPEN: u32 = 17;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const MAP_FREEZE: u32 = 22;
const MAP_LOOKUP_AND_DELETE_BATCH: u32 = 25;
/// BPF_LINK_CREATE.
pub const LINK_CREATE: u32 = 28;
const ITER_CREATE: u32 = 33;

/// Attach type of an iterator.
pub const TRACE_ITER: u32 = 28;
/// Attach type of a program on a perf event (5.15 and newer).
pub const PERF_EVENT: u32 = 41;

/// One `bpf(2)` call. The result is a descriptor or 0. Before 5.11 what it makes counts as locked memory; when that is not allowed to be
/// as much, the limit is raised.
///
/// # Errors
/// The kernel's.
pub fn call(command: u32, attr: &mut [u8]) -> io::Result<RawFd> {
    match call_once(command, attr) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && limits::lift_locked_memory() => call_once(command, attr),
        other => other,
    }
}

fn call_once(command: u32, attr: &mut [u8]) -> io::Result<RawFd> {
    // SAFETY: `attr` is valid for its length, and the kernel reads and writes no more than that.
    let result = unsafe { libc::syscall(libc::SYS_bpf, libc::c_long::from(command), attr.as_mut_ptr(), attr.len()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as RawFd) }
}

/// A call whose result is a descriptor.
///
/// # Errors
/// The kernel's.
pub fn call_for_fd(command: u32, attr: &mut [u8]) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    // SAFETY: these commands return a descriptor that nobody else knows yet.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Writes a number into the attributes of a call; nothing when it is not all inside.
pub(super) fn put32(attr: &mut [u8], at: usize, value: u32) {
    if let Some(to) = attr.get_mut(at..at + 4) {
        to.copy_from_slice(&value.to_ne_bytes());
    }
}

/// As [`put32`].
pub(super) fn put64(attr: &mut [u8], at: usize, value: u64) {
    if let Some(to) = attr.get_mut(at..at + 8) {
        to.copy_from_slice(&value.to_ne_bytes());
    }
}

fn element(map: BorrowedFd<'_>, key: *const u8, value: *mut u8) -> [u8; 32] {
    let mut attr = [0u8; 32];
    put32(&mut attr, 0, map.as_raw_fd() as u32);
    put64(&mut attr, 8, key as u64);
    put64(&mut attr, 16, value as u64);
    attr
}

/// Sizes of a map, which the caller vouches for: buffers handed in with it are checked against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a key.
    pub key: usize,
    /// Bytes of a value, for per-CPU maps of all CPUs together (each rounded up to 8).
    pub value: usize,
}

/// What the kernel tells about a map, a program or loaded types: `struct bpf_*_info`, as much of it as `info` has room for. What `info` says
/// before is what the kernel is asked for beyond that, pointers in it included.
///
/// # Errors
/// The kernel's (EPERM, or EBADF for what is none of these).
pub(super) fn object_info(object: BorrowedFd<'_>, info: &mut [u8]) -> io::Result<()> {
    let mut attr = [0u8; 16];
    put32(&mut attr, 0, object.as_raw_fd() as u32);
    put32(&mut attr, 4, info.len() as u32);
    put64(&mut attr, 8, info.as_mut_ptr() as u64);
    call(OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// A number in what the kernel told; 0 when it is not all inside.
pub(super) fn get32(info: &[u8], at: usize) -> u32 {
    info.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// Reads one value.
///
/// # Errors
/// The kernel's (ENOENT: no such key), or EINVAL for buffers that do not match `shape`.
pub fn lookup(map: BorrowedFd<'_>, shape: Shape, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    check(key.len() == shape.key && value.len() == shape.value)?;
    call(MAP_LOOKUP_ELEM, &mut element(map, key.as_ptr(), value.as_mut_ptr())).map(drop)
}

/// Sets one value.
///
/// # Errors
/// The kernel's (E2BIG: the map is full), or EINVAL for buffers that do not match `shape`.
pub fn update(map: BorrowedFd<'_>, shape: Shape, key: &[u8], value: &[u8]) -> io::Result<()> {
    check(key.len() == shape.key && value.len() == shape.value)?;
    call(MAP_UPDATE_ELEM, &mut element(map, key.as_ptr(), value.as_ptr().cast_mut())).map(drop)
}

/// Removes one entry.
///
/// # Errors
/// The kernel's (ENOENT: no such key), or EINVAL for a key that does not match `shape`.
pub fn delete(map: BorrowedFd<'_>, shape: Shape, key: &[u8]) -> io::Result<()> {
    check(key.len() == shape.key)?;
    call(MAP_DELETE_ELEM, &mut element(map, key.as_ptr(), std::ptr::null_mut())).map(drop)
}

/// The key behind `key`, or the first one; ENOENT at the end.
///
/// # Errors
/// The kernel's, or EINVAL for keys that do not match `shape`.
pub fn next_key(map: BorrowedFd<'_>, shape: Shape, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<()> {
    check(key.is_none_or(|k| k.len() == shape.key) && next.len() == shape.key)?;
    call(MAP_GET_NEXT_KEY, &mut element(map, key.map_or(std::ptr::null(), <[u8]>::as_ptr), next.as_mut_ptr())).map(drop)
}

/// Makes a map read-only for user space for good.
///
/// # Errors
/// The kernel's.
pub fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = [0u8; 4];
    put32(&mut attr, 0, map.as_raw_fd() as u32);
    call(MAP_FREEZE, &mut attr).map(drop)
}

/// What a batch call did.
#[derive(Debug)]
pub struct BatchResult {
    /// Entries written into the buffers, also when there was an error.
    pub count: usize,
    /// ENOENT at the end of the map; ENOSPC when a bucket has more entries than there is room.
    pub error: Option<io::Error>,
}

/// Takes up to `count` entries out of a hash map. `cursor` is where the last call stopped (`None` starts anew) and `next` where this one did;
/// the kernel writes at most `max(key size, 4)` bytes into it.
pub fn lookup_and_delete_batch(
    map: BorrowedFd<'_>,
    cursor: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
    count: u32,
) -> BatchResult {
    let mut attr = [0u8; 56];
    put64(&mut attr, 0, cursor.map_or(0, |c| c.as_ptr() as u64));
    put64(&mut attr, 8, next.as_mut_ptr() as u64);
    put64(&mut attr, 16, keys.as_mut_ptr() as u64);
    put64(&mut attr, 24, values.as_mut_ptr() as u64);
    put32(&mut attr, 32, count);
    put32(&mut attr, 36, map.as_raw_fd() as u32);
    let error = call(MAP_LOOKUP_AND_DELETE_BATCH, &mut attr).err();
    // After EINVAL, EPERM or EFAULT the count is what was asked for, not what was done.
    let done = error.as_ref().is_none_or(|e| matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENOSPC | libc::EINTR)));
    let written = get32(&attr, 32);
    BatchResult { count: if done { written.min(count) as usize } else { 0 }, error }
}

/// Attaches a program to a raw tracepoint; without a name the program must have been loaded for one (tp_btf, fentry, fexit).
///
/// # Errors
/// The kernel's (ENOENT: no such tracepoint).
pub fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&CStr>) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 16];
    put64(&mut attr, 0, name.map_or(0, |n| n.as_ptr() as u64));
    put32(&mut attr, 8, program.as_raw_fd() as u32);
    call_for_fd(RAW_TRACEPOINT_OPEN, &mut attr)
}

/// Links a program to `target` (a perf event's descriptor) with an attach type.
///
/// # Errors
/// The kernel's.
pub fn link_create(program: BorrowedFd<'_>, target: Option<BorrowedFd<'_>>, attach_type: u32) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 48];
    put32(&mut attr, 0, program.as_raw_fd() as u32);
    put32(&mut attr, 4, target.map_or(0, |t| t.as_raw_fd() as u32));
    put32(&mut attr, 8, attach_type);
    call_for_fd(LINK_CREATE, &mut attr)
}

/// Attaches a program to a map of sockets, which is not done through links (`attach_type` BPF_SK_*).
///
/// # Errors
/// The kernel's (EINVAL or EOPNOTSUPP: the map is no map of sockets).
pub fn attach_to_map(program: BorrowedFd<'_>, map: BorrowedFd<'_>, attach_type: u32) -> io::Result<()> {
    call(PROG_ATTACH, &mut map_attachment(program, map, attach_type)).map(drop)
}

/// Ends [`attach_to_map`].
///
/// # Errors
/// The kernel's (ENOENT: another program is attached there).
pub fn detach_from_map(program: BorrowedFd<'_>, map: BorrowedFd<'_>, attach_type: u32) -> io::Result<()> {
    call(PROG_DETACH, &mut map_attachment(program, map, attach_type)).map(drop)
}

fn map_attachment(program: BorrowedFd<'_>, map: BorrowedFd<'_>, attach_type: u32) -> [u8; 20] {
    let mut attr = [0u8; 20];
    put32(&mut attr, 0, map.as_raw_fd() as u32);
    put32(&mut attr, 4, program.as_raw_fd() as u32);
    put32(&mut attr, 8, attach_type);
    attr
}

/// Links an iterator program, to a map when it iterates over one's elements.
///
/// # Errors
/// The kernel's.
pub fn iterator_link(program: BorrowedFd<'_>, map: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    let info = map.map(|m| (m.as_raw_fd() as u32).to_ne_bytes());
    let mut attr = [0u8; 48];
    put32(&mut attr, 0, program.as_raw_fd() as u32);
    put32(&mut attr, 8, TRACE_ITER);
    if let Some(info) = &info {
        put64(&mut attr, 16, info.as_ptr() as u64);
        put32(&mut attr, 24, 4);
    }
    call_for_fd(LINK_CREATE, &mut attr)
}

/// Links an iterator program over tasks or what they have, to one of them: a thread, or all threads of a process (6.1 and newer).
///
/// # Errors
/// The kernel's (E2BIG: it cannot be narrowed down to a process; a kernel like that takes a thread and ignores it).
pub fn iterator_link_to_task(program: BorrowedFd<'_>, thread: u32, process: u32) -> io::Result<OwnedFd> {
    let info = [thread.to_ne_bytes(), process.to_ne_bytes(), [0; 4]].concat();
    let mut attr = [0u8; 48];
    put32(&mut attr, 0, program.as_raw_fd() as u32);
    put32(&mut attr, 8, TRACE_ITER);
    put64(&mut attr, 16, info.as_ptr() as u64);
    put32(&mut attr, 24, info.len() as u32);
    call_for_fd(LINK_CREATE, &mut attr)
}

/// One run of a linked iterator, to be read to its end.
///
/// # Errors
/// The kernel's.
pub fn iterator_open(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 8];
    put32(&mut attr, 0, link.as_raw_fd() as u32);
    call_for_fd(ITER_CREATE, &mut attr)
}

fn check(matches: bool) -> io::Result<()> {
    if matches { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EINVAL)) }
}
