//! Selector semantics as documented, and what configurations may hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Follower, Selector};
use crate::container::{Container, Inventory, SeenNamespace, host_mntns};

fn container(id: &str, name: &str, mntns: u64) -> Container {
    let mut c = Container { mntns, ..Container::default() };
    c.runtime.container_id = id.to_owned();
    c.runtime.container_name = name.to_owned();
    c
}

fn selector(json: serde_json::Value) -> Selector {
    serde_json::from_value(json).unwrap()
}

/// Every rule of the selector syntax decides as documented.
#[test]
fn table() {
    let mut web = container("1", "web", 10);
    web.labels.insert("app".to_owned(), "shop".to_owned());
    let mut pod = container("2", "k8s_api_x", 11);
    (pod.k8s.namespace, pod.k8s.pod_name, pod.k8s.container_name) = ("prod".into(), "api-1".into(), "api".into());
    pod.k8s.pod_labels.insert("app".to_owned(), "api".to_owned());
    web.runtime.runtime_name = "docker".to_owned();
    web.runtime.container_image_id = "sha256:0123456789abcdef".to_owned();
    web.runtime.container_image_digest = "sha256:fedcba9876543210".to_owned();
    for (json, on_web, on_pod) in [
        (r#"{}"#, true, true),
        (r#"{"names": ""}"#, true, true),
        (r#"{"names": "web"}"#, true, false),
        (r#"{"names": "api"}"#, false, true),
        (r#"{"names": ["web", "api"]}"#, true, true),
        (r#"{"names": "web,api"}"#, true, true),
        (r#"{"names": "!web"}"#, false, true),
        (r#"{"names": "!api"}"#, true, false),
        (r#"{"names": ["web", "!web"]}"#, false, false),
        (r#"{"names": "we"}"#, false, false),
        (r#"{"names": "w*"}"#, false, false),
        (r#"{"namespaces": ["prod"]}"#, false, true),
        (r#"{"namespaces": "!prod"}"#, true, false),
        (r#"{"names": "api", "namespaces": "test"}"#, false, false),
        (r#"{"pods": "api-1"}"#, false, true),
        (r#"{"labels": {"app": "shop"}}"#, true, false),
        (r#"{"labels": "app=api"}"#, false, true),
        (r#"{"labels": ["app=!shop"]}"#, false, true),
        (r#"{"labels": {"tier": "!x"}}"#, false, false),
        (r#"{"labels": {"!app": "shop"}}"#, false, true),
        (r#"{"labels": "app=shop,tier=1"}"#, false, false),
        (r#"{"host": true}"#, true, true),
        (r#"{"runtime_names": "api"}"#, false, false),
        (r#"{"runtime_names": "web,k8s_api_x"}"#, true, true),
        (r#"{"k8s_names": "web"}"#, false, false),
        (r#"{"k8s_names": "!api"}"#, true, false),
        (r#"{"image_ids": "0123456789ab"}"#, true, false),
        (r#"{"image_ids": "sha256:0123456789abffff"}"#, true, false),
        (r#"{"image_ids": "0123456789"}"#, false, false),
        (r#"{"image_ids": "!sha512:0123456789abcdef"}"#, false, true),
        (r#"{"image_digests": ["fedcba987654", "x"]}"#, true, false),
        (r#"{"image_digests": "0123456789ab"}"#, false, false),
        (r#"{"runtimes": "docker"}"#, true, false),
        (r#"{"runtimes": "!docker"}"#, false, true),
    ] {
        let s: Selector = serde_json::from_str(json).unwrap();
        assert_eq!((s.matches(&web), s.matches(&pod)), (on_web, on_pod), "{json}");
    }
}

/// A pause container is no container of a selection, whatever its labels, and whatever is asked for.
#[test]
fn sandboxes_never_match() {
    let mut pause = container("1", "web", 10);
    pause.sandbox = true;
    for json in [r#"{}"#, r#"{"names": "web"}"#, r#"{"names": "!db", "host": true}"#] {
        assert!(!serde_json::from_str::<Selector>(json).unwrap().matches(&pause), "{json}");
    }
}

/// What means nothing is refused with the reason.
#[test]
fn refuses() {
    for (json, reason) in [
        (r#"{"name": "web"}"#, "unknown field"),
        (r#"{"names": "a,,b"}"#, "empty value"),
        (r#"{"names": ["!"]}"#, "empty value"),
        (r#"{"names": {"a": 1}}"#, "a list of names"),
        (r#"{"labels": "app"}"#, "key=value"),
        (r#"{"labels": "a=b=c"}"#, "key=value"),
        (r#"{"labels": {"!a": "!b"}}"#, "key=value"),
        (r#"{"labels": {"": "b"}}"#, "key=value"),
        (r#"{"host": "yes"}"#, "boolean"),
    ] {
        let error = serde_json::from_str::<Selector>(json).unwrap_err().to_string();
        assert!(error.contains(reason), "{json}: {error}");
    }
}

/// No filter at all only when nothing is left out; the host belongs to it unless containers are selected or it is refused.
#[test]
fn everything_and_the_host() {
    for (json, everything, host) in [
        (serde_json::json!({}), true, true),
        (serde_json::json!({"host": true}), true, true),
        (serde_json::json!({"host": false}), false, false),
        (serde_json::json!({"names": "a"}), false, false),
        (serde_json::json!({"image_digests": "a"}), false, false),
        (serde_json::json!({"runtimes": "docker"}), false, false),
        (serde_json::json!({"names": "a", "host": true}), false, true),
    ] {
        let s = selector(json.clone());
        assert_eq!((s.is_everything(), s.includes_host()), (everything, host), "{json}");
    }
}

/// The follower's changes add up to the selected running containers, and it is silent when nothing changed.
#[test]
fn follower_tells_differences_only() {
    let inventory = Inventory::new();
    inventory.insert(container("1", "web", 10));
    inventory.insert(container("2", "db", 20));
    let mut follower = Follower::new(inventory.clone(), selector(serde_json::json!({"names": "web,cache"})));
    assert_eq!(follower.changes(Instant::now()), (vec![10], vec![]));
    assert_eq!(follower.changes(Instant::now()), (vec![], vec![]));
    inventory.insert(container("3", "cache", 30));
    assert_eq!(follower.changes(Instant::now()), (vec![30], vec![]));
    inventory.remove("1");
    inventory.remove("2");
    // At once: the grace time is for naming only.
    assert_eq!(follower.changes(Instant::now()), (vec![], vec![10]));
    inventory.sweep(Instant::now() + 2 * crate::container::GRACE);
    assert_eq!(follower.changes(Instant::now()), (vec![], vec![]));
}

/// `host: true` beside a selector lets the host's mount namespace through.
#[test]
fn follower_includes_the_host() {
    let inventory: Arc<Inventory> = Inventory::new();
    let mut follower = Follower::new(inventory, selector(serde_json::json!({"names": "web", "host": true})));
    let (added, _) = follower.changes(Instant::now());
    assert_eq!(added, if host_mntns() == 0 { vec![] } else { vec![host_mntns()] });
}

/// A container of which not all is known is let through until that can be decided; one that found no room comes again.
#[test]
fn nameless_containers_are_decided_later() {
    let inventory = Inventory::new();
    let mut follower = Follower::new(inventory.clone(), selector(serde_json::json!({"names": "web", "host": false})));
    let now = Instant::now();
    inventory.note_seen(container("1", "", 10));
    inventory.note_seen(container("2", "", 20));
    let (mut added, removed) = follower.changes(now);
    added.sort_unstable();
    assert_eq!((added, removed, follower.is_undecided()), (vec![10, 20], vec![], true));
    let mut told = container("1", "web", 10);
    told.runtime.runtime_name = "docker".to_owned();
    inventory.insert(told);
    assert_eq!((follower.changes(now), follower.is_undecided()), ((vec![], vec![]), true));
    // Nobody tells of the other one.
    assert_eq!(follower.changes(now + Duration::from_secs(2)), (vec![], vec![20]));
    assert!(!follower.is_undecided());
    follower.refused(10);
    assert_eq!(follower.changes(now + Duration::from_secs(2)), (vec![10], vec![]));
}

/// What the kernel let through itself stays as long as it may be wanted, and is taken out when it is nobody's; an earlier decision about the
/// same number does not count.
#[test]
fn admitted_namespaces_are_decided() {
    let inventory = Inventory::new();
    let mut follower = Follower::new(inventory.clone(), selector(serde_json::json!({"names": "web", "host": false})));
    let now = Instant::now();
    let seen = |mntns, settled| SeenNamespace { mntns, settled };
    inventory.insert(container("1", "web", 10));
    assert_eq!(follower.changes(now), (vec![10], vec![]));
    follower.admitted(seen(10, true), now);
    assert_eq!(follower.changes(now), (vec![10], vec![]), "it may have been taken out since the kernel put it in");
    // Nobody's, and it will not become clearer; then one that is entered first.
    follower.admitted(seen(20, true), now);
    assert_eq!(follower.changes(now), (vec![], vec![20]));
    follower.admitted(seen(20, false), now);
    assert_eq!((follower.changes(now), follower.is_undecided()), ((vec![20], vec![]), true));
    follower.admitted(seen(20, true), now);
    assert_eq!((follower.changes(now), follower.is_undecided()), ((vec![], vec![20]), false));
    follower.admitted(seen(30, false), now);
    follower.changes(now);
    assert_eq!(follower.changes(now + Duration::from_secs(2)), (vec![], vec![30]));
    // Its container is known before it is settled, and not wanted.
    follower.admitted(seen(40, false), now);
    inventory.insert(container("4", "db", 40));
    assert_eq!(follower.changes(now), (vec![], vec![40]));
}
