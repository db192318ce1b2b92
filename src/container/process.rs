//! From a process to its container: namespaces, cgroup, and the container id in the cgroup's path.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::record::Container;
use crate::kernel::procfs::CgroupLine;
use crate::kernel::{cgroupfs, host_path, procfs};

/// Length of a container id in hexadecimal digits.
const ID_LEN: usize = 64;

/// The mount namespace of process 1; 0 when it cannot be told.
pub fn host_mntns() -> u64 {
    static HOST: OnceLock<u64> = OnceLock::new();
    *HOST.get_or_init(|| {
        // Looking at the namespaces of a process needs all capabilities it has; root may have fewer than process 1.
        let own = || procfs::namespace_inode(std::process::id(), "mnt").ok().filter(|_| shares_mounts_with_init());
        procfs::namespace_inode(1, "mnt").ok().or_else(own).unwrap_or(0)
    })
}

/// Whether our mounts are those of process 1. Mount ids, which open each line of mountinfo, belong to one namespace only.
fn shares_mounts_with_init() -> bool {
    let root = |process: &str| {
        let text = std::fs::read_to_string(host_path(Path::new("/proc")).join(process).join("mountinfo")).ok()?;
        text.split(' ').next().map(str::to_owned)
    };
    let own = root(&std::process::id().to_string());
    own.is_some() && own == root("1")
}

/// A process in the host's namespaces whose `/proc` entries we may read: process 1, or ourselves where it is closed to us.
pub fn host_process() -> u32 {
    if procfs::namespace_inode(1, "net").is_ok() { 1 } else { std::process::id() }
}

/// The network namespace of the host; `None` when it cannot be told.
pub(super) fn host_netns() -> Option<u64> {
    static HOST: OnceLock<Option<u64>> = OnceLock::new();
    *HOST.get_or_init(|| {
        let of = |pid| procfs::namespace_inode(pid, "net").ok();
        of(1).or_else(|| of(std::process::id()).filter(|_| shares_mounts_with_init()))
    })
}

/// Where cgroup v2 is mounted.
pub fn unified_mount() -> Option<&'static Path> {
    static MOUNT: OnceLock<Option<PathBuf>> = OnceLock::new();
    MOUNT.get_or_init(|| cgroupfs::unified_mount().ok().flatten()).as_deref()
}

/// Keeps the numbers of a container's namespaces from being given to others while it is open.
#[derive(Debug)]
pub struct Held {
    _mnt: OwnedFd,
    _net: Option<OwnedFd>,
}

impl Held {
    /// The namespaces of a process, if it has that mount namespace and there are descriptors to spare.
    pub(super) fn open(pid: u32, mntns: u64) -> Option<Self> {
        let namespaces = host_path(Path::new("/proc")).join(format!("{pid}/ns"));
        let open = |kind: &str| std::fs::File::open(namespaces.join(kind)).ok();
        let mnt = open("mnt").filter(|file| file.metadata().is_ok_and(|m| m.ino() == mntns))?;
        Some(Held { _mnt: mnt.into(), _net: open("net").map(OwnedFd::from) })
    }
}

/// Fills in the namespaces and the cgroup of the container's first process, `pid`. Returns what keeps their numbers from being
/// given to others, when there is a descriptor to spare.
///
/// # Errors
/// When the process is gone, or still in the host's mount namespace.
pub fn inspect(container: &mut Container, pid: u32) -> io::Result<Option<Held>> {
    let mntns = procfs::namespace_inode(pid, "mnt")?;
    if mntns == host_mntns() || mntns == 0 {
        return Err(io::Error::other(format!("process {pid} is in the host's mount namespace")));
    }
    let held = Held::open(pid, mntns);
    container.runtime.container_pid = pid;
    container.mntns = mntns;
    container.netns = procfs::namespace_inode(pid, "net")?;
    container.host_network = host_netns() == Some(container.netns);
    set_cgroup(container, &procfs::cgroups(pid)?);
    Ok(held)
}

/// Fills in the cgroup of version 1, where both versions are mounted and it is not known: the kernel's watcher tells of the other one.
pub(super) fn add_v1(container: &mut Container, pid: u32) {
    static HYBRID: OnceLock<bool> = OnceLock::new();
    let is_hybrid = || procfs::cgroups(host_process()).is_ok_and(|lines| lines.iter().any(|line| line.hierarchy != 0));
    if container.cgroup_v1.is_empty()
        && *HYBRID.get_or_init(is_hybrid)
        && let Ok(lines) = procfs::cgroups(pid)
    {
        set_v1(container, &lines);
    }
}

fn set_v1(container: &mut Container, lines: &[CgroupLine]) {
    if let Some(v1) = lines.iter().find(|l| l.hierarchy != 0 && l.path.len() > 1) {
        container.cgroup_v1.clone_from(&v1.path);
    }
}

fn set_cgroup(container: &mut Container, lines: &[CgroupLine]) {
    set_v1(container, lines);
    let Some(v2) = lines.iter().find(|l| l.hierarchy == 0) else { return };
    let id = unified_mount().and_then(|mount| cgroupfs::id_of(&mount.join(v2.path.trim_start_matches('/'))).ok());
    if unified_mount().is_some() {
        set_watched(container, &v2.path, id.unwrap_or(0));
    }
}

/// Fills in the cgroup in the hierarchy that is watched (version 2 where it is mounted), by its path from the root of the hierarchy.
pub(super) fn set_watched(container: &mut Container, path: &str, id: u64) {
    container.cgroup_id = id;
    match unified_mount() {
        Some(mount) => {
            container.cgroup_v2 = path.to_owned();
            container.cgroup_path = mount.join(path.trim_start_matches('/')).to_string_lossy().into_owned();
        }
        None => container.cgroup_v1 = path.to_owned(),
    }
}

/// A container id found in a cgroup path, and the runtime that writes paths like that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupOwner {
    /// Full container id.
    pub id: String,
    /// Name of the runtime; empty when the path does not tell.
    pub runtime: &'static str,
}

impl CgroupOwner {
    /// A record of all that is known so far.
    pub fn container(&self) -> Container {
        let mut container = Container::default();
        container.runtime.container_id.clone_from(&self.id);
        container.runtime.runtime_name = self.runtime.to_owned();
        container
    }
}

/// The paths of a process's cgroups that may name its container, version 2 first.
pub(super) fn paths(lines: &[CgroupLine]) -> Vec<&str> {
    let unified = lines.iter().filter(|l| l.hierarchy == 0);
    let others = lines.iter().filter(|l| l.hierarchy != 0);
    let mut paths: Vec<&str> = unified.chain(others).map(|line| line.path.as_str()).collect();
    paths.dedup();
    paths
}

/// The containers that a cgroup's path names, innermost first.
pub(super) fn owners_in(path: &str) -> Vec<CgroupOwner> {
    let mut parent = "";
    let mut found = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if let Some(owner) = owner(parent, part) {
            found.push(owner);
        }
        parent = part;
    }
    found.reverse();
    found
}

/// `docker/<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>`, `libpod-<id>.scope`, `kubepods/.../<id>`.
fn owner(parent: &str, part: &str) -> Option<CgroupOwner> {
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = stem.rsplit_once(['-', ':']).unwrap_or(("", stem));
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if id.len() != ID_LEN || !id.bytes().all(hex) || prefix.ends_with("conmon") {
        return None;
    }
    let runtime = match (prefix, parent) {
        ("docker", _) | ("", "docker") => "docker",
        ("cri-containerd", _) => "containerd",
        ("crio", _) => "cri-o",
        ("libpod", _) | ("", "libpod_parent") => "podman",
        _ => "",
    };
    Some(CgroupOwner { id: id.to_owned(), runtime })
}
