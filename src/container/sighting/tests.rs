//! What sightings make of the inventory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cgroups, Observer, Sighting, Wanted};
use crate::container::{Container, Inventory, host_mntns};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// A process that is not there.
const GONE: u32 = u32::MAX - 1;

fn observer(wanted: Wanted) -> (Arc<Inventory>, Observer) {
    let inventory = Inventory::new();
    inventory.set_wanted(wanted);
    (inventory.clone(), Observer::new(inventory))
}

fn everything() -> Wanted {
    Wanted { oci: true, systemd: true }
}

fn made(id: u64, path: &str) -> Sighting {
    Sighting::CgroupMade { id, path: path.to_owned() }
}

fn namespace(mntns: u64, parent: u32, cgroup: u64) -> Sighting {
    Sighting::Namespace { mntns, netns: mntns + 1, pid: GONE, parent, cgroup, settled: true }
}

fn runtime(pid: u32, words: &str) -> Sighting {
    let arguments = words.split(' ').flat_map(|word| word.bytes().chain([0])).collect();
    Sighting::Runtime { pid, mntns: host_mntns(), cgroup: 3, arguments }
}

/// As the watcher does with all that it finds at once.
fn see(observer: &mut Observer, sighting: Sighting) {
    observer.observe(sighting);
    observer.publish();
}

fn found(inventory: &Inventory, mntns: u64) -> Option<Container> {
    let snapshot = inventory.snapshot();
    snapshot.by_mntns(mntns).and_then(|entry| snapshot.container(entry)).cloned()
}

fn bundle(folder: &std::path::Path, config: &str) -> String {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// A container of an engine is known by its cgroup's path as soon as a process is in its namespace, and ends with its cgroup.
#[test]
fn engines_containers_are_told_by_cgroup() {
    let (inventory, mut observer) = observer(Wanted::default());
    see(&mut observer, made(7, &format!("/docker/{ID}")));
    see(&mut observer, namespace(500, 1, 7));
    let container = found(&inventory, 500).unwrap();
    assert_eq!((container.runtime.container_id.as_str(), container.runtime.runtime_name.as_str()), (ID, "docker"));
    assert_eq!((container.netns, container.cgroup_id, container.is_named()), (501, 7, false));
    // The engine's word makes it whole, and does not lose what the kernel said.
    let mut told = Container::default();
    told.runtime.runtime_name = "docker".to_owned();
    told.runtime.container_id = ID.to_owned();
    told.runtime.container_name = "web".to_owned();
    inventory.update(|state| state.register(told));
    let container = found(&inventory, 500).unwrap();
    assert_eq!((container.runtime.container_name.as_str(), container.cgroup_id), ("web", 7));
    see(&mut observer, Sighting::CgroupEmpty { id: 7, at: 1 });
    assert_eq!((inventory.stats().running, found(&inventory, 500).is_some()), (0, true));
}

/// A plain container is told by its runtime's command line and its bundle; its child's namespace is its own, whatever the cgroup.
#[test]
fn plain_containers_are_told_by_their_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let path = bundle(&dir.path().join("b"), "{}");
    for (wanted, expected) in [(true, Some("web")), (false, None)] {
        let (inventory, mut observer) = observer(Wanted { oci: wanted, systemd: false });
        see(&mut observer, made(7, "/web"));
        see(&mut observer, runtime(GONE, &format!("/usr/sbin/runc --root /r create --bundle {path} web")));
        see(&mut observer, namespace(500, GONE, 7));
        see(&mut observer, namespace(600, 1, 7));
        let name = |mntns| found(&inventory, mntns).map(|c| c.runtime.container_name);
        assert_eq!(name(500).as_deref(), expected);
        // Another namespace of a process in its cgroup is its own, too.
        assert_eq!(name(600).as_deref(), expected);
        let Some(container) = found(&inventory, 500) else { continue };
        assert_eq!((container.runtime.runtime_name.as_str(), container.bundle.as_str()), ("runc", path.as_str()));
        assert!(container.runtime.container_started_at > 1_700_000_000_000_000_000);
        see(&mut observer, Sighting::CgroupRemoved { id: 7 });
        inventory.sweep(Instant::now() + Duration::from_secs(11));
        assert_eq!((name(500), inventory.stats().kept), (None, 0));
    }
}

/// Kubernetes' names are in the bundle before the container runs, its pod's labels come from the sandbox, in whatever order.
#[test]
fn pods_are_told_by_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let config = |kind: &str| {
        format!(
            r#"{{"annotations":{{"io.kubernetes.cri.container-type":"{kind}","io.kubernetes.cri.container-name":"app","io.kubernetes.cri.sandbox-name":"shop-0","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"u1","io.kubernetes.cri.sandbox-id":"s1"}}}}"#
        )
    };
    let (inventory, mut observer) = observer(Wanted::default());
    let task = dir.path().join("io.containerd.runtime.v2.task/k8s.io");
    for (pid, id, kind, mntns) in [(GONE, ID.to_owned(), "container", 500), (GONE - 1, ID.replace('0', "f"), "sandbox", 600)] {
        let path = bundle(&task.join(&id), &config(kind));
        see(&mut observer, runtime(pid, &format!("runc create --bundle {path} {id}")));
        see(&mut observer, namespace(mntns, pid, 0));
    }
    let container = found(&inventory, 500).unwrap();
    assert_eq!((container.k8s.pod_name.as_str(), container.k8s.container_name.as_str(), container.is_named()), ("shop-0", "app", true));
    assert!(found(&inventory, 600).unwrap().sandbox);
    assert_eq!(inventory.snapshot().running().count(), 1, "pause containers are not listed");
    let mut sandbox = found(&inventory, 600).unwrap();
    sandbox.labels.extend([("app", "web"), ("io.kubernetes.pod.uid", "u1")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    inventory.update(|state| state.register(sandbox));
    assert_eq!(found(&inventory, 500).unwrap().k8s.pod_labels.into_iter().collect::<Vec<_>>(), [("app".to_owned(), "web".to_owned())]);
}

/// Podman's name comes from conmon; a runtime inside of a container makes no container of ours.
#[test]
fn conmon_names_and_nested_runtimes_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = bundle(&dir.path().join("b"), r#"{"annotations":{"io.container.manager":"libpod"}}"#);
    let (inventory, mut observer) = observer(everything());
    see(&mut observer, runtime(20, &format!("/usr/bin/conmon --api-version 1 -c {ID} -n db -b {path}")));
    see(&mut observer, runtime(GONE, &format!("runc create --bundle {path} {ID}")));
    see(&mut observer, namespace(500, GONE, 0));
    let container = found(&inventory, 500).unwrap();
    assert_eq!((container.runtime.container_name.as_str(), container.runtime.runtime_name.as_str()), ("db", "podman"));

    let nested = Sighting::Runtime { pid: 30, mntns: 500, cgroup: 3, arguments: b"runc\0create\0inner".to_vec() };
    see(&mut observer, nested);
    see(&mut observer, made(8, &format!("/libpod_parent/libpod-{ID}")));
    see(&mut observer, made(9, &format!("/libpod_parent/libpod-{ID}/inner")));
    see(&mut observer, namespace(700, 30, 9));
    assert_eq!(found(&inventory, 700).unwrap().runtime.container_name, "db", "it belongs to the outer container");
}

/// A process's number is given to others: a container whose parent has that of another one's runtime, which is gone, is its own.
#[test]
fn numbers_of_runtimes_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = bundle(&dir.path().join("b"), "{}");
    let (inventory, mut observer) = observer(everything());
    see(&mut observer, runtime(GONE, &format!("runc create --bundle {path} first")));
    see(&mut observer, namespace(500, GONE, 6));
    see(&mut observer, made(7, &format!("/docker/{ID}")));
    see(&mut observer, namespace(600, GONE, 7));
    let id = |mntns| found(&inventory, mntns).map(|c| c.runtime.container_id);
    assert_eq!((id(500).as_deref(), id(600).as_deref()), (Some("first"), Some(ID)));
    // Its own first process, told of once more.
    see(&mut observer, namespace(500, GONE, 6));
    assert_eq!(id(500).as_deref(), Some("first"));
}

/// Services are told by their cgroups if that is wanted, and only then.
#[test]
fn units_of_systemd() {
    for wanted in [true, false] {
        let (inventory, mut observer) = observer(Wanted { oci: true, systemd: wanted });
        for (id, path) in [(1, "/system.slice/ssh.service"), (2, "/system.slice"), (3, "/user.slice/session-1.scope"), (4, "/x.service")] {
            see(&mut observer, made(id, path));
        }
        let names: Vec<String> = inventory.snapshot().running().map(|c| c.runtime.container_name.clone()).collect();
        assert_eq!(names, if wanted { vec!["ssh.service".to_owned()] } else { Vec::new() });
        see(&mut observer, Sighting::CgroupEmpty { id: 1, at: 1 });
        assert_eq!(inventory.snapshot().running().count(), 0);
    }
}

/// Namespaces of nobody's containers are left alone, as those that services and unshare make.
#[test]
fn private_namespaces_are_no_containers() {
    let (inventory, mut observer) = observer(everything());
    see(&mut observer, made(7, "/system.slice/x.slice"));
    see(&mut observer, namespace(500, 1, 7));
    see(&mut observer, namespace(501, 1, 0));
    assert_eq!((found(&inventory, 500), found(&inventory, 501)), (None, None));
}

/// Paths are kept for a while after a removal, and never more of them than fit.
#[test]
fn cgroups_are_bounded() {
    let mut cgroups = Cgroups::default();
    let now = Instant::now();
    let far = 1 << 40;
    (0..70_000).for_each(|id| cgroups.add(far + id, &format!("/x/{id}")));
    assert_eq!((cgroups.path(far), cgroups.path(far + 69_999).as_deref()), (None, Some("/x/69999")));
    cgroups.remove(far + 69_999, now);
    assert_eq!(cgroups.path(far + 69_999).as_deref(), Some("/x/69999"));
    cgroups.remove(far + 69_998, now + Duration::from_secs(61));
    assert_eq!(cgroups.path(far + 69_999), None);
}
