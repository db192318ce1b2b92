//! The records of the watching program as sightings. Its layout is `struct head` of `container_watch.bpf.c`, then text.

use crate::container::sighting::Sighting;

/// Bytes of `struct head`.
const HEAD: usize = 40;

const CGROUP_MADE: u32 = 1;
const CGROUP_REMOVED: u32 = 2;
const CGROUP_EMPTY: u32 = 3;
const NAMESPACE_SEEN: u32 = 4;
const NAMESPACE_SETTLED: u32 = 5;
const RUNTIME_STARTED: u32 = 6;

/// What a record says; `None` for what no program of ours writes.
pub fn sighting(record: &[u8]) -> Option<Sighting> {
    let (head, text) = record.split_at_checked(HEAD)?;
    let word = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
    let (kind, pid, parent) = (word(0)?, word(4)?, word(8)?);
    let (mntns, netns, length) = (u64::from(word(12)?), u64::from(word(16)?), word(20)? as usize);
    let long = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_ne_bytes);
    let (cgroup, at) = (long(24)?, long(32)?);
    let text = text.get(..length.min(text.len()))?;
    Some(match kind {
        CGROUP_MADE => Sighting::CgroupMade { id: cgroup, path: String::from_utf8_lossy(text).into_owned() },
        CGROUP_REMOVED => Sighting::CgroupRemoved { id: cgroup },
        CGROUP_EMPTY => Sighting::CgroupEmpty { id: cgroup, at },
        NAMESPACE_SEEN | NAMESPACE_SETTLED => Sighting::Namespace { mntns, netns, pid, parent, cgroup, settled: kind == NAMESPACE_SETTLED },
        RUNTIME_STARTED => Sighting::Runtime { pid, mntns, cgroup, arguments: text.to_vec() },
        _ => return None,
    })
}
