//! Which file it really is. Probes hang on the inode below an overlay, which `stat` does not tell, and two containers of one image
//! have the same one; so the kernel is asked what stands behind a mapping of the file.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

use aya_obj::generated::bpf_insn;

use crate::gadget::btf::{Btf, Kind};
use crate::kernel::bpf;
use crate::kernel::files::Mapping;
use crate::kernel::verifier::{self, Code};

/// What no two files have in common while they are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// Where its inode is in the kernel's memory.
    Inode(u64),
    /// Device and inode number.
    Numbers(u64, u64),
}

impl Identity {
    /// Of an open file.
    ///
    /// # Errors
    /// When it cannot be mapped: then it cannot be probed, either.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let mapping = Mapping::of(file.as_fd())?;
        if let Some(link) = iterator()
            && let Some(inode) = inode_at(link, mapping.address())?
        {
            return Ok(Identity::Inode(inode));
        }
        if let Some((device, inode)) = numbers_at(mapping.address())? {
            return Ok(Identity::Numbers(device, inode));
        }
        let metadata = file.metadata()?;
        Ok(Identity::Numbers(metadata.dev(), metadata.ino()))
    }
}

/// Bytes of what is read: a process has at most 65530 mappings unless somebody raised that.
const LARGEST: u64 = 64 << 20;

/// Up to 6.7 the kernel shows there what is below an overlay, later what is above.
fn numbers_at(address: u64) -> io::Result<Option<(u64, u64)>> {
    let mut maps = String::new();
    File::open("/proc/self/maps")?.take(LARGEST).read_to_string(&mut maps)?;
    Ok(maps.lines().find_map(|line| numbers_in(line, address)))
}

/// `7f00-7f01 r--p 00000000 fe:00 1234 /path`.
pub(super) fn numbers_in(line: &str, address: u64) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    if !(hex(start)?..hex(end)?).contains(&address) {
        return None;
    }
    let (major, minor) = words.nth(2)?.split_once(':')?;
    Some((hex(major)? << 32 | hex(minor)?, words.next()?.parse().ok()?))
}

/// The address of the inode that is mapped at `address` of this process.
fn inode_at(link: &OwnedFd, address: u64) -> io::Result<Option<u64>> {
    let mut records = Vec::new();
    File::from(bpf::iterator_open(link.as_fd())?).take(LARGEST).read_to_end(&mut records)?;
    let (records, _) = records.as_chunks::<RECORD>();
    let field = |record: &[u8; RECORD], at| super::bytes::number(record, at, 8).unwrap_or(0);
    let found = records.iter().find(|r| (field(r, 0)..field(r, 8)).contains(&address));
    Ok(found.map(|r| field(r, 16)).filter(|inode| *inode != 0))
}

/// A mapping's beginning and end and the address of its inode.
const RECORD: usize = 24;

/// What walks over this process's mappings; `None` on kernels that cannot (before 6.1), whose `/proc/self/maps` tells as much.
fn iterator() -> Option<&'static OwnedFd> {
    static LINK: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let link = LINK.get_or_init(|| {
        let link = Offsets::of(&Btf::kernel().ok()?).map(|offsets| make(&offsets))?;
        link.inspect_err(|error| tracing::debug!(error = error as &dyn std::error::Error, "this kernel has no iterator over mappings")).ok()
    });
    link.as_ref()
}

/// Offsets in the kernel's structures.
struct Offsets {
    hook: u32,
    seq: i16,
    vma: i16,
    start: i16,
    end: i16,
    file: i16,
    inode: i16,
}

impl Offsets {
    fn of(btf: &Btf<'_>) -> Option<Self> {
        let member = |structure: &str, name: &str| i16::try_from(member(btf, btf.structure(structure)?, name, 0)? / 8).ok();
        Some(Offsets {
            hook: btf.find("bpf_iter_task_vma", Kind::Func)?,
            seq: member("bpf_iter_meta", "seq")?,
            vma: member("bpf_iter__task_vma", "vma")?,
            start: member("vm_area_struct", "vm_start")?,
            end: member("vm_area_struct", "vm_end")?,
            file: member("vm_area_struct", "vm_file")?,
            inode: member("file", "f_inode")?,
        })
    }
}

/// Offset of a member in bits, also of one in an anonymous struct or union.
fn member(btf: &Btf<'_>, structure: u32, name: &str, depth: u32) -> Option<u32> {
    if depth > 8 {
        return None;
    }
    btf.get(structure).ok()?.members().find_map(|m| match btf.string(m.name).ok()? {
        "" => member(btf, btf.peel(m.type_id).ok()?, name, depth + 1).map(|inner| inner + m.bit_offset),
        own => (own == name).then_some(m.bit_offset),
    })
}

/// Loads the iterator and binds it to this process. A kernel that ignores for whom it is would show everybody's mappings; it refuses to
/// have it bound to all threads, so that is tried first.
fn make(offsets: &Offsets) -> io::Result<OwnedFd> {
    let program = verifier::load_program(
        &Code {
            name: "mappings",
            kind: 26,
            attach_type: bpf::TRACE_ITER,
            attach_to: offsets.hook,
            instructions: &instructions(offsets),
            ..Code::default()
        },
        &mut [],
    )?;
    let process = std::process::id();
    drop(bpf::iterator_link_to_task(program.as_fd(), 0, process)?);
    bpf::iterator_link_to_task(program.as_fd(), process, 0)
}

/// Writes a [`RECORD`] per mapping of a file.
fn instructions(o: &Offsets) -> [bpf_insn; 18] {
    const LOAD: u8 = 0x79;
    const STORE: u8 = 0x7b;
    const MOVE: u8 = 0xbf;
    const ADD: u8 = 0x07;
    const SET: u8 = 0xb7;
    const IS_ZERO: u8 = 0x15;
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const SEQ_WRITE: i32 = 127;
    let i = |code: u8, to: u8, from: u8, off: i16, imm: i32| bpf_insn {
        code,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(to, from),
        off,
        imm,
    };
    [
        i(LOAD, 6, 1, o.vma, 0),
        i(LOAD, 1, 1, 0, 0),
        i(LOAD, 1, 1, o.seq, 0),
        i(IS_ZERO, 6, 0, 12, 0),
        i(LOAD, 2, 6, o.start, 0),
        i(STORE, 10, 2, -24, 0),
        i(LOAD, 2, 6, o.end, 0),
        i(STORE, 10, 2, -16, 0),
        i(LOAD, 2, 6, o.file, 0),
        i(IS_ZERO, 2, 0, 6, 0),
        i(LOAD, 2, 2, o.inode, 0),
        i(STORE, 10, 2, -8, 0),
        i(MOVE, 2, 10, 0, 0),
        i(ADD, 2, 0, 0, -24),
        i(SET, 3, 0, 0, 24),
        i(CALL, 0, 0, 0, SEQ_WRITE),
        i(SET, 0, 0, 0, 0),
        i(EXIT, 0, 0, 0, 0),
    ]
}
