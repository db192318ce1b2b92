//! Probes in user-space files: many at once through a link of their own (6.6 and newer), or one perf event each.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use aya_obj::generated::bpf_insn;

use super::verifier::{self, Code};
use super::{bpf, perf};

/// Attach type with which a program must have been loaded to be linked to many probes at once.
pub const MULTI: u32 = 48;
const RETURN: u32 = 1;
const KPROBE: u32 = 2;

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// Offset of the instruction in the file.
    pub offset: u64,
    /// Offset of a 16-bit counter in the file that the kernel keeps above zero in every process while there is a probe; 0 for none.
    pub semaphore: u64,
}

/// Runs a program, loaded with [`MULTI`], whenever one of the places is reached, or a function that begins there returns.
/// Closing the link ends that.
///
/// # Errors
/// The kernel's.
pub fn attach_many(program: BorrowedFd<'_>, file: &CStr, sites: &[Site], on_return: bool) -> io::Result<OwnedFd> {
    let offsets: Vec<u64> = sites.iter().map(|s| s.offset).collect();
    let semaphores: Vec<u64> = sites.iter().map(|s| s.semaphore).collect();
    let count = u32::try_from(sites.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let mut attr = [0u8; 64];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(to) = attr.get_mut(at..at + value.len()) {
            to.copy_from_slice(value);
        }
    };
    put(0, &(program.as_raw_fd() as u32).to_ne_bytes());
    put(8, &MULTI.to_ne_bytes());
    put(16, &(file.as_ptr() as u64).to_ne_bytes());
    put(24, &(offsets.as_ptr() as u64).to_ne_bytes());
    if semaphores.iter().any(|s| *s != 0) {
        put(32, &(semaphores.as_ptr() as u64).to_ne_bytes());
    }
    put(48, &count.to_ne_bytes());
    put(52, &(if on_return { RETURN } else { 0 }).to_ne_bytes());
    bpf::call_for_fd(bpf::LINK_CREATE, &mut attr)
}

/// The same for one place and a program that was loaded without an attach type. Closing the descriptors, in their order, ends that.
///
/// # Errors
/// The kernel's.
pub fn attach_one(program: BorrowedFd<'_>, file: &CStr, site: Site, on_return: bool) -> io::Result<Vec<OwnedFd>> {
    perf::uprobe(file, site.offset, site.semaphore, on_return).and_then(|event| perf::attach(program, event))
}

/// Whether [`attach_many`] works here.
pub fn has_multi() -> bool {
    static PROBE: OnceLock<bool> = OnceLock::new();
    *PROBE.get_or_init(|| probe().unwrap_or(false))
}

/// A kernel that knows such links says that `/` is no file to probe, others do not understand.
fn probe() -> io::Result<bool> {
    let program = verifier::load_program(&nothing(), &mut [])?;
    let refused = attach_many(program.as_fd(), c"/", &[Site { offset: 0, semaphore: 0 }], false).err();
    Ok(refused.is_some_and(|e| e.raw_os_error() == Some(libc::EBADF)))
}

/// `return 0`.
fn nothing() -> Code<'static> {
    static INSTRUCTIONS: OnceLock<[bpf_insn; 2]> = OnceLock::new();
    let instruction = |code: u8| bpf_insn { code, _bitfield_align_1: [], _bitfield_1: bpf_insn::new_bitfield_1(0, 0), off: 0, imm: 0 };
    Code {
        name: "probe",
        kind: KPROBE,
        attach_type: MULTI,
        instructions: INSTRUCTIONS.get_or_init(|| [instruction(0xb7), instruction(0x95)]),
        ..Code::default()
    }
}
