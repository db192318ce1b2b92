//! The BPF programs in the kernel and what running them costs.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::{bpf, host_path};

const PROG_GET_NEXT_ID: u32 = 11;
const PROG_GET_FD_BY_ID: u32 = 13;
const MAP_GET_FD_BY_ID: u32 = 14;
const ENABLE_STATS: u32 = 32;

/// Programs looked at at most, and maps of one program.
const MAX_PROGRAMS: usize = 20_000;
const MAX_MAPS: usize = 64;

/// One program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramStat {
    /// The kernel's id.
    pub id: u32,
    /// BPF_PROG_TYPE_*.
    pub kind: u32,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Time spent in it while statistics were on, in nanoseconds.
    pub run_time_ns: u64,
    /// How often it ran while statistics were on.
    pub run_count: u64,
    /// Ids of its maps.
    pub maps: Vec<u32>,
}

/// Keeps the kernel's statistics on while it lives.
#[derive(Debug)]
pub struct Statistics {
    _switch: OwnedFd,
}

impl Statistics {
    /// Switches statistics on.
    ///
    /// # Errors
    /// The kernel's: EPERM, or EINVAL before 5.8.
    pub fn enable() -> io::Result<Self> {
        Ok(Statistics { _switch: bpf::call_for_fd(ENABLE_STATS, &mut [0; 8])? })
    }
}

/// The ids of all programs.
///
/// # Errors
/// The kernel's.
pub fn ids() -> io::Result<Vec<u32>> {
    let (mut ids, mut last) = (Vec::new(), 0u32);
    while ids.len() < MAX_PROGRAMS {
        let mut attr = [0u8; 12];
        attr[..4].copy_from_slice(&last.to_ne_bytes());
        match bpf::call(PROG_GET_NEXT_ID, &mut attr) {
            Ok(_) => last = bpf::get32(&attr, 4),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            Err(error) => return Err(error),
        }
        ids.push(last);
    }
    Ok(ids)
}

/// A program by its id.
///
/// # Errors
/// The kernel's; ENOENT when it is gone.
pub fn by_id(id: u32) -> io::Result<ProgramStat> {
    stat(open(PROG_GET_FD_BY_ID, id)?.as_fd())
}

/// What the kernel says about a program.
///
/// # Errors
/// The kernel's.
pub fn stat(program: BorrowedFd<'_>) -> io::Result<ProgramStat> {
    let mut maps = [0u32; MAX_MAPS];
    let mut info = [0u8; 232];
    info[52..56].copy_from_slice(&(MAX_MAPS as u32).to_ne_bytes());
    info[56..64].copy_from_slice(&(maps.as_mut_ptr() as u64).to_ne_bytes());
    bpf::object_info(program, &mut info)?;
    let name = info[64..80].split(|b| *b == 0).next().unwrap_or_default();
    let count = (bpf::get32(&info, 52) as usize).min(MAX_MAPS);
    Ok(ProgramStat {
        kind: bpf::get32(&info, 0),
        id: bpf::get32(&info, 4),
        name: String::from_utf8_lossy(name).into_owned(),
        run_time_ns: double(&info, 192),
        run_count: double(&info, 200),
        maps: maps.get(..count).unwrap_or_default().to_vec(),
    })
}

/// Memory of a map in bytes, as the kernel accounts for it; 0 when the map is gone.
pub fn map_memory(id: u32) -> u64 {
    let read = || -> io::Result<String> {
        let map = open(MAP_GET_FD_BY_ID, id)?;
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))
    };
    let text = read().unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix("memlock:")?.trim().parse().ok()).unwrap_or(0)
}

/// The processes that hold each program, directly or by a link, by the program's id.
pub fn owners() -> HashMap<u32, Vec<u32>> {
    let mut owners: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in super::procstat::processes().unwrap_or_default() {
        let folder = host_path(Path::new("/proc")).join(pid.to_string());
        for entry in std::fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            if !target.starts_with("anon_inode:bpf-prog") && !target.starts_with("anon_inode:bpf_link") {
                continue;
            }
            let info = std::fs::read_to_string(folder.join("fdinfo").join(entry.file_name())).unwrap_or_default();
            let id = info.lines().find_map(|l| l.strip_prefix("prog_id:")?.trim().parse().ok());
            let Some(id) = id else { continue };
            let pids = owners.entry(id).or_default();
            if !pids.contains(&pid) {
                pids.push(pid);
            }
        }
    }
    owners
}

/// The name of a program type as Inspektor Gadget prints it.
pub fn kind_name(kind: u32) -> &'static str {
    const NAMES: [&str; 33] = [
        "UnspecifiedProgram",
        "SocketFilter",
        "Kprobe",
        "SchedCLS",
        "SchedACT",
        "TracePoint",
        "XDP",
        "PerfEvent",
        "CGroupSKB",
        "CGroupSock",
        "LWTIn",
        "LWTOut",
        "LWTXmit",
        "SockOps",
        "SkSKB",
        "CGroupDevice",
        "SkMsg",
        "RawTracepoint",
        "CGroupSockAddr",
        "LWTSeg6Local",
        "LircMode2",
        "SkReuseport",
        "FlowDissector",
        "CGroupSysctl",
        "RawTracepointWritable",
        "CGroupSockopt",
        "Tracing",
        "StructOps",
        "Extension",
        "LSM",
        "SkLookup",
        "Syscall",
        "Netfilter",
    ];
    NAMES.get(kind as usize).copied().unwrap_or("Unknown")
}

fn open(command: u32, id: u32) -> io::Result<OwnedFd> {
    let mut attr = [0u8; 12];
    attr[..4].copy_from_slice(&id.to_ne_bytes());
    bpf::call_for_fd(command, &mut attr)
}

fn double(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
}
