//! Programs and their types on the way into the kernel.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::bpf::{call_for_fd, put32, put64};

/// Flag of programs that may sleep.
pub const F_SLEEPABLE: u32 = 1 << 4;

/// A program as the kernel wants it; by default without types, for no hook in particular, under the GPL.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// Name shown by `bpftool`; what the kernel does not take of it is left out.
    pub name: &'a str,
    /// BPF_PROG_TYPE_*.
    pub kind: u32,
    /// BPF_TRACE_* or 0.
    pub attach_type: u32,
    /// Type id of the hook in the kernel's BTF, or 0.
    pub attach_to: u32,
    /// BPF_F_SLEEPABLE and the like.
    pub flags: u32,
    /// The instructions.
    pub instructions: &'a [aya_obj::generated::bpf_insn],
    /// The license that it states.
    pub license: &'a CStr,
    /// The object's BTF, loaded.
    pub btf: Option<BorrowedFd<'a>>,
    /// Function records and their size in bytes.
    pub functions: (&'a [u8], usize),
    /// Line records and their size in bytes.
    pub lines: (&'a [u8], usize),
}

impl Default for Code<'_> {
    fn default() -> Self {
        Code {
            name: "",
            kind: 0,
            attach_type: 0,
            attach_to: 0,
            flags: 0,
            instructions: &[],
            license: c"GPL",
            btf: None,
            functions: (&[], 0),
            lines: (&[], 0),
        }
    }
}

/// Types of kernel modules that a program needs.
#[derive(Clone, Copy, Default)]
pub struct ModuleTypes<'a> {
    /// Where [`Code::attach_to`] is an id of; the kernel itself if there is none.
    pub attach_to: Option<BorrowedFd<'a>>,
    /// By the number that calls of their functions have; the first one is not used.
    pub called: &'a [RawFd],
}

/// Verifies and loads a program. With `log` the verifier writes into it what it saw.
///
/// # Errors
/// The kernel's.
pub fn load_program(code: &Code<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    load_program_with(code, ModuleTypes::default(), log)
}

/// As [`load_program`], for programs that have to do with kernel modules.
///
/// # Errors
/// The kernel's.
pub fn load_program_with(code: &Code<'_>, modules: ModuleTypes<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    const PROG_LOAD: u32 = 5;
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, code.kind);
    put32(&mut attr, 4, code.instructions.len() as u32);
    put64(&mut attr, 8, code.instructions.as_ptr() as u64);
    put64(&mut attr, 16, code.license.as_ptr() as u64);
    if !log.is_empty() {
        put32(&mut attr, 24, 1);
        put32(&mut attr, 28, log.len() as u32);
        put64(&mut attr, 32, log.as_mut_ptr() as u64);
    }
    put32(&mut attr, 44, code.flags);
    let name = code.name.bytes().filter(|b| b.is_ascii_alphanumeric() || *b == b'_');
    for (to, byte) in attr.iter_mut().skip(48).zip(name.take(15)) {
        *to = byte;
    }
    put32(&mut attr, 68, code.attach_type);
    if let Some(btf) = code.btf {
        put32(&mut attr, 72, btf.as_raw_fd() as u32);
        put_records(&mut attr, 76, code.functions);
        put_records(&mut attr, 92, code.lines);
    }
    put32(&mut attr, 108, code.attach_to);
    put32(&mut attr, 112, modules.attach_to.map_or(0, |fd| fd.as_raw_fd() as u32));
    put64(&mut attr, 120, if modules.called.is_empty() { 0 } else { modules.called.as_ptr() as u64 });
    call_for_fd(PROG_LOAD, &mut attr)
}

/// Record size, pointer and count, which stand in this order for both kinds of records.
fn put_records(attr: &mut [u8], at: usize, (records, size): (&[u8], usize)) {
    let Some(count) = records.len().checked_div(size).filter(|n| *n > 0) else { return };
    put32(attr, at, size as u32);
    put64(attr, at + 4, records.as_ptr() as u64);
    put32(attr, at + 12, count as u32);
}

/// Loads an object's own types.
///
/// # Errors
/// The kernel's.
pub fn load_btf(btf: &[u8], log: &mut [u8]) -> io::Result<OwnedFd> {
    const BTF_LOAD: u32 = 18;
    let mut attr = [0u8; 32];
    put64(&mut attr, 0, btf.as_ptr() as u64);
    put32(&mut attr, 16, btf.len() as u32);
    if !log.is_empty() {
        put64(&mut attr, 8, log.as_mut_ptr() as u64);
        put32(&mut attr, 20, log.len() as u32);
        put32(&mut attr, 24, 1);
    }
    call_for_fd(BTF_LOAD, &mut attr)
}
