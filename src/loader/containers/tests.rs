//! The watching program on the real kernel, and its records by hand.

#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::record::sighting;
use super::watch;
use crate::container::sighting::{Sighting, Wanted};
use crate::container::{Inventory, ProcessOwner};
use crate::kernel::cgroupfs;
use crate::loader::MntnsFilter;
use crate::loader::testing::can_load;

/// A cgroup as an engine makes it for a container, removed at the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn of_container(mount: &Path, id: &str) -> Self {
        let path = mount.join(format!("gadgetry-test-{}", std::process::id())).join(format!("docker-{id}.scope"));
        std::fs::create_dir_all(&path).unwrap();
        Cgroup(path)
    }

    /// Runs a shell in it and in a mount namespace of its own; gives that namespace.
    fn unshared(&self, script: &str) -> u64 {
        let script = format!("echo $$ > {}/cgroup.procs && exec unshare -m sh -c 'readlink /proc/self/ns/mnt; {script}'", self.0.display());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let inode = text.lines().next().and_then(|line| line.strip_prefix("mnt:[")?.strip_suffix(']'));
        inode.and_then(|inode| inode.parse().ok()).unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

fn watched() -> Option<(Arc<Inventory>, PathBuf, CancellationToken)> {
    let mount = cgroupfs::unified_mount().ok().flatten();
    let Some(mount) = mount.filter(|_| can_load()) else {
        println!("SKIPPED container watch: no cgroup2 mount");
        return None;
    };
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    watch(&inventory, Wanted::default(), &cancel).unwrap();
    Some((inventory, mount, cancel))
}

/// A process that is gone before anybody looks leads to its container all the same: the kernel kept whose namespace it was.
#[test]
fn namespaces_lead_to_containers_that_are_over() {
    let Some((inventory, mount, cancel)) = watched() else { return };
    for number in 0..20 {
        let id = format!("{number:064x}");
        let cgroup = Cgroup::of_container(&mount, &id);
        let mntns = cgroup.unshared("true");
        drop(cgroup);
        let ProcessOwner::Container(entry) = inventory.resolve(mntns, 0) else { panic!("container {number} is not known") };
        let container = inventory.snapshot().container(entry).cloned().unwrap();
        assert_eq!((container.runtime.container_id, container.runtime.runtime_name), (id, "docker".to_owned()));
    }
    cancel.cancel();
}

/// A namespace that no container's process made is the host's, at once and without a guess.
#[test]
fn namespaces_of_nobody_are_the_hosts() {
    let Some((inventory, _, cancel)) = watched() else { return };
    let output = Command::new("unshare").args(["-m", "readlink", "/proc/self/ns/mnt"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mntns: u64 = text.trim().trim_start_matches("mnt:[").trim_end_matches(']').parse().unwrap();
    assert_eq!(inventory.resolve(mntns, 0), ProcessOwner::Host);
    // One that never was: nobody can tell.
    assert_eq!(inventory.resolve(1, 0), ProcessOwner::Unknown);
    cancel.cancel();
}

/// Processes lead to their container by the cgroup they were started in, also when they are gone.
#[test]
fn processes_lead_to_containers() {
    let Some((inventory, mount, cancel)) = watched() else { return };
    let id = "ab".repeat(32);
    let cgroup = Cgroup::of_container(&mount, &id);
    let script = format!("echo $$ > {}/cgroup.procs && exec unshare -m sh -c 'echo $$; true'", cgroup.0.display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let pid: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let ProcessOwner::Container(entry) = inventory.resolve_process(pid) else { panic!("process {pid} is not known") };
    assert_eq!(inventory.snapshot().container(entry).unwrap().runtime.container_id, id);
    assert_eq!(inventory.resolve_process(std::process::id()), ProcessOwner::Host);
    cancel.cancel();
}

/// The kernel itself lets a new namespace through the filters that ask for it, and through no others; there is room for so many.
#[test]
fn new_namespaces_are_let_through() {
    let Some((inventory, _, cancel)) = watched() else { return };
    let unshared = || {
        let output = Command::new("unshare").args(["-m", "readlink", "/proc/self/ns/mnt"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().trim_start_matches("mnt:[").trim_end_matches(']').parse::<u64>().unwrap()
    };
    let [asking, silent] = [(); 2].map(|()| MntnsFilter::create().unwrap());
    let admission = asking.admit_new(&inventory).unwrap();
    let mntns = unshared();
    assert_eq!((asking.contains(mntns).unwrap(), silent.contains(mntns).unwrap()), (true, false));
    drop(admission);
    asking.remove(mntns).unwrap();
    assert!(!asking.contains(unshared()).unwrap());
    let all: Vec<_> = (0..64).filter_map(|_| silent.admit_new(&inventory)).collect();
    assert_eq!((all.len(), asking.admit_new(&inventory).is_none()), (64, true));
    drop(all);
    assert!(asking.admit_new(&inventory).is_some());
    cancel.cancel();
}

fn record(kind: u32, length: u32, text: &[u8]) -> Vec<u8> {
    let words = [kind, 42, 41, 500, 501, length];
    let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    record.extend(7u64.to_ne_bytes());
    record.extend(99u64.to_ne_bytes());
    record.extend(text);
    record
}

/// Records are read as the program writes them; one that is cut, claims too much or is of no kind is nothing, or less, never a panic.
#[test]
fn records() {
    assert_eq!(sighting(&record(1, 4, b"/a/bXXX")), Some(Sighting::CgroupMade { id: 7, path: "/a/b".to_owned() }));
    assert_eq!(sighting(&record(2, 0, b"")), Some(Sighting::CgroupRemoved { id: 7 }));
    assert_eq!(sighting(&record(3, 0, b"")), Some(Sighting::CgroupEmpty { id: 7, at: 99 }));
    let namespace = |settled| Sighting::Namespace { mntns: 500, netns: 501, pid: 42, parent: 41, cgroup: 7, settled };
    assert_eq!((sighting(&record(4, 0, b"")), sighting(&record(5, 0, b""))), (Some(namespace(false)), Some(namespace(true))));
    let runtime = Sighting::Runtime { pid: 42, mntns: 500, cgroup: 7, arguments: b"runc".to_vec() };
    assert_eq!(sighting(&record(6, 400, b"runc")), Some(runtime));
    assert_eq!((sighting(&record(99, 0, b"")), sighting(b"short"), sighting(b"")), (None, None, None));
}
