//! Names of the types of maps, as upstream's loader spells them.

/// `BPF_MAP_TYPE_ARRAY`.
pub(super) const ARRAY: u32 = 2;

/// By number. Source: `enum bpf_map_type` in `linux/bpf.h`.
const NAMES: [&str; 34] = [
    "UnspecifiedMap",
    "Hash",
    "Array",
    "ProgramArray",
    "PerfEventArray",
    "PerCPUHash",
    "PerCPUArray",
    "StackTrace",
    "CGroupArray",
    "LRUHash",
    "LRUCPUHash",
    "LPMTrie",
    "ArrayOfMaps",
    "HashOfMaps",
    "DevMap",
    "SockMap",
    "CPUMap",
    "XSKMap",
    "SockHash",
    "CGroupStorage",
    "ReusePortSockArray",
    "PerCPUCGroupStorage",
    "Queue",
    "Stack",
    "SkStorage",
    "DevMapHash",
    "StructOpsMap",
    "RingBuf",
    "InodeStorage",
    "TaskStorage",
    "BloomFilter",
    "UserRingbuf",
    "CgroupStorage",
    "Arena",
];

/// The name of a type; its number for one that is newer.
pub(super) fn name(kind: u32) -> String {
    let known = usize::try_from(kind).ok().and_then(|kind| NAMES.get(kind));
    known.map_or_else(|| format!("MapType({kind})"), |name| (*name).to_owned())
}
