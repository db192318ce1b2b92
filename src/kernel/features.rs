//! What the running kernel offers to eBPF programs, probed by trying.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

use super::maps::{self, MapShape, NewMap};
use super::verifier::{self, Code};
use super::{bpf, mounts};

/// The kernel's own types. They are the same in every mount namespace, so HOST_ROOT plays no part.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

const MAP_TYPE_HASH: u32 = 1;
const MAP_TYPE_RINGBUF: u32 = 27;

/// Release of the running kernel, as `uname -r` prints it.
pub fn kernel_release() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// Version and patch level of the running kernel: (6, 18) of `6.18.5-cloud`; (0, 0) when it cannot be told.
pub fn kernel_version() -> (u32, u32) {
    let release = kernel_release();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Whether the kernel brings its types along, which relocating programs needs.
pub fn has_btf() -> bool {
    Path::new(KERNEL_BTF).exists()
}

/// Whether there are ring buffer maps (5.8 and newer). True when nobody can tell for lack of permission.
pub fn has_ring_buffer() -> bool {
    static PROBE: OnceLock<bool> = OnceLock::new();
    // SAFETY: sysconf reads a constant.
    let page = u32::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    *PROBE.get_or_init(|| !matches!(probe_map(MAP_TYPE_RINGBUF, 0, 0, page), Err(error) if error == libc::EINVAL))
}

/// Whether hash maps can be read in batches (5.6 and newer).
pub fn has_batch_operations() -> bool {
    static PROBE: OnceLock<bool> = OnceLock::new();
    *PROBE.get_or_init(|| probe_batch().unwrap_or(false))
}

/// Helper `bpf_ktime_get_boot_ns` (5.8).
pub const KTIME_GET_BOOT_NS: i32 = 125;

/// Whether programs of any type can call a helper that takes no arguments. True when nobody can tell for lack of permission.
pub fn has_helper(helper: i32) -> bool {
    use aya_obj::generated::bpf_insn;
    const SOCKET_FILTER: u32 = 1;
    let instruction = |code, imm| bpf_insn { code, imm, off: 0, _bitfield_align_1: [], _bitfield_1: bpf_insn::new_bitfield_1(0, 0) };
    let instructions = [instruction(0x85, helper), instruction(0xb7, 0), instruction(0x95, 0)];
    let code = Code { name: "probe", kind: SOCKET_FILTER, instructions: &instructions, ..Code::default() };
    !matches!(verifier::load_program(&code, &mut []), Err(error) if error.raw_os_error() == Some(libc::EINVAL))
}

/// Whether the kernel is locked down so far that programs may not read its memory (`confidentiality`).
pub fn locked_down() -> bool {
    security_file("lockdown").contains("[confidentiality]")
}

/// The active security modules, comma separated; empty when nobody can tell.
pub fn security_modules() -> String {
    security_file("lsm").trim().to_owned()
}

/// A file of securityfs, which need not be mounted; empty when it is not to be had.
fn security_file(name: &str) -> String {
    use std::io::Read;
    if let Ok(text) = std::fs::read_to_string(Path::new("/sys/kernel/security").join(name)) {
        return text;
    }
    let mut text = String::new();
    let path = std::ffi::CString::new(name).unwrap_or_default();
    let read = mounts::detached(c"securityfs").and_then(|root| mounts::open_below(&root, &path, libc::O_RDONLY)?.read_to_string(&mut text));
    if read.is_ok() { text } else { String::new() }
}

fn probe_map(kind: u32, key: u32, value: u32, entries: u32) -> Result<OwnedFd, i32> {
    let shape = MapShape { kind, key, value, entries, flags: 0 };
    maps::create(&NewMap { name: "probe", shape, ..NewMap::default() }).map_err(|e| e.raw_os_error().unwrap_or(0))
}

fn probe_batch() -> Result<bool, i32> {
    use std::os::fd::AsFd;
    let map = probe_map(MAP_TYPE_HASH, 4, 4, 1)?;
    let (mut keys, mut values, mut cursor) = ([0u8; 4], [0u8; 4], [0u8; 4]);
    let result = bpf::lookup_and_delete_batch(map.as_fd(), None, &mut cursor, &mut keys, &mut values, 1);
    // An empty map answers ENOENT; a kernel that does not know the command answers EINVAL or ENOTSUPP.
    Ok(result.error.is_none_or(|e| e.raw_os_error() == Some(libc::ENOENT)))
}
