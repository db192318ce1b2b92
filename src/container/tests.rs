//! The inventory's life cycle, the dictionary, cgroup paths, the record's JSON.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::inventory::{GRACE, Inventory, MAX_CONTAINERS};
use super::process::owners_in;
use super::{Attribute, Container, KubernetesMeta, dictionary};
use crate::batch::{Dictionary, Value};

fn container(id: &str, name: &str, mntns: u64) -> Container {
    let mut c = Container { mntns, netns: mntns + 1000, cgroup_id: mntns + 2000, ..Container::default() };
    c.runtime.runtime_name = "docker".to_owned();
    c.runtime.container_id = id.to_owned();
    c.runtime.container_name = name.to_owned();
    c
}

fn name_of(inventory: &Inventory, mntns: u64) -> Option<String> {
    let snapshot = inventory.snapshot();
    snapshot.by_mntns(mntns).and_then(|e| snapshot.container(e)).map(|c| c.runtime.container_name.clone())
}

/// Created, started, ended, deleted: named from its start until the grace time is over, and then forgotten.
#[test]
fn life_of_a_container() {
    let inventory = Inventory::new();
    let now = Instant::now();
    inventory.update(|s| s.register(container("a", "web", 0)));
    assert!(inventory.snapshot().by_id("a").is_some());
    assert_eq!(inventory.snapshot().running().count(), 0);
    inventory.update(|s| s.start(container("a", "web", 10), None));
    let snapshot = inventory.snapshot();
    let entry = snapshot.by_mntns(10).unwrap();
    assert_eq!((snapshot.by_id("a"), snapshot.by_cgroup(2010), snapshot.by_netns(1010)), (Some(entry), Some(entry), Some(entry)));
    inventory.update(|s| s.end("a", 5, now));
    inventory.update(|s| s.forget("a", now));
    assert_eq!(inventory.snapshot().running().count(), 0);
    inventory.sweep(now + GRACE - Duration::from_millis(1));
    assert_eq!(name_of(&inventory, 10).as_deref(), Some("web"));
    inventory.sweep(now + GRACE);
    assert_eq!((name_of(&inventory, 10), inventory.snapshot().by_id("a")), (None, None));
    assert_eq!(inventory.stats().kept, 0);
}

/// A stopped container keeps its name for the next start, but gives its namespace back after the grace time.
#[test]
fn stopped_containers_stay_known() {
    let inventory = Inventory::new();
    let now = Instant::now();
    inventory.insert(container("a", "web", 10));
    inventory.update(|s| s.end("a", 0, now));
    inventory.sweep(now + GRACE);
    assert_eq!(name_of(&inventory, 10), None);
    let snapshot = inventory.snapshot();
    assert_eq!(snapshot.by_id("a").and_then(|e| snapshot.container(e)).unwrap().runtime.container_name, "web");
}

/// Every change of a record is a new entry, no entry ever comes back, and a replaced one can still be read for the grace time.
#[test]
fn entries_are_never_reused() {
    let inventory = Inventory::new();
    let mut seen = HashSet::new();
    for round in 0..50_u64 {
        inventory.insert(container("a", &format!("name{round}"), 10 + round));
        assert!(seen.insert(inventory.snapshot().by_id("a").unwrap()));
        inventory.remove("a");
        inventory.sweep(Instant::now() + GRACE);
    }
    inventory.insert(container("b", "old", 99));
    let old = inventory.snapshot().by_id("b").unwrap();
    inventory.update(|s| s.rename("b", "new"));
    let new = inventory.snapshot();
    assert_ne!(new.by_id("b"), Some(old));
    assert_eq!(new.value(old, Attribute::ContainerName.id()), Value::Text(b"old"));
}

/// A mount namespace number that the kernel gave to a new container names the new one, not the one that ended.
#[test]
fn the_running_container_wins_a_reused_namespace() {
    let inventory = Inventory::new();
    inventory.insert(container("z", "old", 10));
    inventory.remove("z");
    inventory.insert(container("a", "new", 10));
    assert_eq!(name_of(&inventory, 10).as_deref(), Some("new"));
    inventory.sweep(Instant::now() + GRACE);
    assert_eq!(name_of(&inventory, 10).as_deref(), Some("new"));
}

/// Events that arrive twice or late change nothing: a die from before the last start, a start from before the last die.
#[test]
fn old_news_is_ignored() {
    let inventory = Inventory::new();
    let mut c = container("a", "web", 10);
    c.runtime.container_started_at = 100;
    inventory.insert(c.clone());
    inventory.update(|s| s.end("a", 50, Instant::now()));
    assert_eq!(inventory.stats().running, 1);
    inventory.update(|s| s.end("a", 150, Instant::now()));
    inventory.insert(c);
    assert_eq!(inventory.stats().running, 0);
    // The create event heard again, after the start: the namespace is not forgotten.
    inventory.update(|s| s.register(container("a", "web", 0)));
    assert_eq!(name_of(&inventory, 10).as_deref(), Some("web"));
}

/// A process seen before the engine told of its container gets the name as soon as that is known, before or after.
#[test]
fn processes_seen_early_are_named() {
    let inventory = Inventory::new();
    let now = Instant::now();
    inventory.update(|s| s.register(container("known", "web", 0)));
    let entry = inventory.update(|s| s.seen(container("known", "", 10), None)).unwrap();
    assert_eq!(inventory.snapshot().value(entry, Attribute::ContainerName.id()), Value::Text(b"web"));
    // Another namespace of the same container.
    inventory.update(|s| s.seen(container("known", "", 11), None)).unwrap();
    assert_eq!(name_of(&inventory, 11).as_deref(), Some("web"));
    assert_eq!(name_of(&inventory, 10).as_deref(), Some("web"));

    inventory.update(|s| s.seen(container("strange", "", 20), None)).unwrap();
    let snapshot = inventory.snapshot();
    let bare = snapshot.by_mntns(20).unwrap();
    assert_eq!(snapshot.value(bare, Attribute::ContainerId.id()), Value::Text(b"strange"));
    inventory.update(|s| s.register(container("strange", "late", 0)));
    assert_eq!(name_of(&inventory, 20).as_deref(), Some("late"));
    // One that no engine ever confirms is let go.
    inventory.update(|s| s.seen(container("never", "", 30), None));
    inventory.sweep(now);
    inventory.sweep(now + GRACE);
    assert_eq!(name_of(&inventory, 30), None);
}

/// A listing that lacks a container ends it, and one that says it is stopped stops it, unless it was started since the listing was asked for.
#[test]
fn listings_end_what_they_lack() {
    let inventory = Inventory::new();
    for (id, mntns) in [("a", 10), ("b", 20), ("c", 30)] {
        inventory.insert(container(id, id, mntns));
    }
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
    let now = Instant::now();
    inventory.insert(container("d", "d", 40));
    let asked = Instant::now();
    // Started while the list was being made, so that it may be from before.
    inventory.insert(container("e", "e", 50));
    inventory.update(|s| s.retain("docker", &set(&["a", "b"]), &set(&["a"]), asked));
    let snapshot = inventory.snapshot();
    assert_eq!(snapshot.running().map(|c| c.runtime.container_id.as_str()).collect::<Vec<_>>(), ["a", "e"]);
    inventory.sweep(now + GRACE + Duration::from_secs(1));
    let snapshot = inventory.snapshot();
    assert_eq!((snapshot.by_id("b").is_some(), snapshot.by_id("c")), (true, None));
}

/// A full inventory refuses, counts, and keeps what it has.
#[test]
fn full_inventories_refuse() {
    let inventory = Inventory::new();
    inventory.update(|s| (0..MAX_CONTAINERS + 5).for_each(|i| s.register(container(&i.to_string(), "x", 0))));
    let stats = inventory.stats();
    assert_eq!((stats.kept, stats.refused), (MAX_CONTAINERS, 5));
    assert!(inventory.snapshot().by_id("0").is_some());
}

/// Waiters are told of real changes, and only of those.
#[test]
fn changes_are_told_once() {
    let inventory = Inventory::new();
    let mut changed = inventory.changed();
    inventory.insert(container("a", "web", 10));
    assert!(changed.has_changed().unwrap());
    assert_eq!(*changed.borrow_and_update(), inventory.snapshot().generation());
    inventory.insert(container("a", "web", 10));
    inventory.sweep(Instant::now());
    assert!(!changed.has_changed().unwrap());
}

/// Of containers that share a network namespace its events get what they have in common; the host's are not named by it.
#[test]
fn shared_network_namespaces_name_what_is_common() {
    let inventory = Inventory::new();
    let mut a = container("a", "a", 10);
    let mut b = container("b", "b", 20);
    b.netns = a.netns;
    let mut c = container("c", "c", 30);
    c.host_network = true;
    let host = c.netns;
    inventory.insert(a.clone());
    inventory.insert(b);
    inventory.insert(c);
    let snapshot = inventory.snapshot();
    let shared = snapshot.by_netns(a.netns).unwrap();
    let value = |attribute: Attribute| snapshot.value(shared, attribute.id());
    assert_eq!(value(Attribute::RuntimeName), Value::Text(b"docker"));
    assert_eq!((value(Attribute::ContainerName), value(Attribute::ContainerId)), (Value::Text(b""), Value::Text(b"")));
    assert_eq!(value(Attribute::Unresolved), Value::None);
    assert_eq!(snapshot.by_netns(host), None);
    a.netns = 5;
    inventory.insert(a);
    assert!(inventory.snapshot().by_netns(5).is_some());
}

/// Unknown entries have empty values of the right type; resources use the conventions' names and leave out what is empty.
#[test]
fn dictionary_values() {
    let inventory = Inventory::new();
    let mut c = container("abc", "web", 10);
    c.runtime.container_image_name = "localhost:5000/shop/web:1.2".to_owned();
    c.runtime.container_image_digest = "sha256:77".to_owned();
    c.runtime.container_pid = 7;
    c.k8s.pod_labels.extend([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
    inventory.insert(c);
    let snapshot = inventory.snapshot();
    let entry = snapshot.by_mntns(10).unwrap();
    assert_eq!(snapshot.value(entry, Attribute::ContainerPid.id()), Value::Uint(7));
    assert_eq!(snapshot.value(entry, Attribute::PodLabels.id()), Value::Text(b"a=1,b=2"));
    assert_eq!(snapshot.value(0, Attribute::ContainerPid.id()), Value::Uint(0));
    assert_eq!(snapshot.value(0, Attribute::StartedAt.id()), Value::Int(0));
    assert_eq!(snapshot.value(4711, Attribute::HostNetwork.id()), Value::Bool(false));
    assert_eq!(snapshot.value(0, Attribute::PodName.id()), Value::Text(b""));
    assert_eq!(snapshot.value(0, 999), Value::None);
    for (number, attribute) in Attribute::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(attribute.id()), number);
    }
    let resource = snapshot.resource(entry);
    let expected = [
        ("container.id", "abc"),
        ("container.name", "web"),
        ("container.runtime.name", "docker"),
        ("container.image.name", "localhost:5000/shop/web"),
        ("container.image.tags", "1.2"),
        ("container.image.repo_digests", "localhost:5000/shop/web@sha256:77"),
    ];
    assert_eq!(resource, expected.map(|(k, v)| (std::borrow::Cow::Borrowed(k), v.to_owned())));
    assert!(snapshot.resource(0).is_empty());
}

/// Image names split at the tag, never at a registry's port or in a digest.
#[test]
fn image_names_split() {
    for (name, expected) in [
        ("busybox", ("busybox", "")),
        ("busybox:1", ("busybox", "1")),
        ("localhost:5000/a", ("localhost:5000/a", "")),
        ("a/b:1@sha256:00", ("a/b", "1")),
        ("sha256:abcdef", ("", "")),
        ("", ("", "")),
    ] {
        assert_eq!(dictionary::split_image(name), expected, "{name}");
    }
}

/// Cgroup paths of every engine and driver give the id and the engine; helpers and other hexadecimal names do not.
#[test]
fn cgroup_paths_name_containers() {
    let id = "0123456789abcdef".repeat(4);
    let inner = "f".repeat(64);
    for (path, expected) in [
        (format!("/docker/{id}"), vec![(&id, "docker")]),
        (format!("/system.slice/docker-{id}.scope"), vec![(&id, "docker")]),
        (
            format!("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-{id}.scope"),
            vec![(&id, "containerd")],
        ),
        (format!("/kubepods/burstable/pod1/{id}"), vec![(&id, "")]),
        (format!("/kubepods.slice/crio-{id}.scope"), vec![(&id, "cri-o")]),
        (format!("/machine.slice/libpod-{id}.scope/container"), vec![(&id, "podman")]),
        (format!("/kubepods.slice/crio-conmon-{id}.scope"), vec![]),
        (format!("/docker/{id}/docker/{inner}"), vec![(&inner, "docker"), (&id, "docker")]),
        (format!("/docker/{}", id.to_uppercase()), vec![]),
        (format!("/docker/{}", &id[1..]), vec![]),
        ("/user.slice/session-1.scope".to_owned(), vec![]),
        ("/".to_owned(), vec![]),
    ] {
        let found: Vec<_> = owners_in(&path).into_iter().map(|o| (o.id, o.runtime)).collect();
        assert_eq!(found, expected.into_iter().map(|(id, r)| (id.clone(), r)).collect::<Vec<_>>(), "{path}");
    }
}

/// The JSON has upstream's member names; empty members are left out, `runtime` and `k8s` never.
#[test]
fn record_json() {
    assert_eq!(serde_json::to_string(&Container::default()).unwrap(), r#"{"runtime":{},"k8s":{}}"#);
    let mut c = container("abc", "web", 10);
    c.cgroup_v2 = "/docker/abc".to_owned();
    c.labels.insert("secret".to_owned(), "x".to_owned());
    c.k8s = KubernetesMeta { pod_uid: "u".to_owned(), ..KubernetesMeta::default() };
    assert_eq!(
        serde_json::to_string(&c).unwrap(),
        r#"{"runtime":{"runtimeName":"docker","containerId":"abc","containerName":"web"},"k8s":{"podUID":"u"},"mntns":10,"netns":1010,"cgroupID":2010,"cgroupV2":"/docker/abc"}"#
    );
}

/// Whatever happens to containers that share ids, namespaces and cgroups, a snapshot is what looking at everything anew would give: tests
/// check that with each publication.
#[test]
fn what_changed_is_told_as_if_all_had() {
    let inventory = Inventory::new();
    let mut now = Instant::now();
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..4000 {
        // Now and then many share a number, now and then hardly any.
        let many = if round / 500 % 2 == 0 { 1 } else { 20 };
        let id = format!("{:x}", next(12));
        let mut one = container(&id, &format!("name{}", next(3)), next(6 * many));
        one.netns = next(5 * many);
        one.cgroup_id = next(8 * many);
        one.sandbox = next(6) == 0;
        one.host_network = next(9) == 0;
        one.runtime.container_started_at = next(3) as i64;
        one.runtime.runtime_name = ["docker", "containerd", "runc", ""][next(4) as usize].to_owned();
        one.namespace = if next(10) == 0 { super::units::NAME.to_owned() } else { String::new() };
        let key = one.key();
        match next(12) {
            0 | 1 => inventory.update(|s| s.register(one)),
            2 => inventory.update(|s| s.prepare(one)),
            3..=5 => inventory.update(|s| s.start(one, None)),
            6 | 7 => drop(inventory.update(|s| s.seen(one, None))),
            8 => inventory.update(|s| s.stop(&key, now)),
            9 => inventory.update(|s| s.forget(&key, now)),
            10 => assert!(inventory.update(|s| s.emptied(one.cgroup_id, 0, now)) || one.cgroup_id < 160),
            _ => inventory.note(|s| s.vacate(one.mntns, &key)),
        }
        if round % 20 == 0 {
            now += GRACE / 2;
            inventory.sweep(now);
        }
    }
    assert!(inventory.snapshot().generation() > 1000);
}
