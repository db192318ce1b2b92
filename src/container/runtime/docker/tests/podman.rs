//! What is special about Podman: its events, its pods, its own API, and that it does not answer about what it is busy with.

use bollard::models::EventActor;
use serde_json::json as value;

use super::super::{follow_engine, libpod};
use super::*;
use crate::container::Container;

fn known(inventory: &Inventory, id: &str) -> Option<Container> {
    let snapshot = inventory.snapshot();
    snapshot.by_id(id).and_then(|entry| snapshot.container(entry)).cloned()
}

fn event(action: &str, id: &str, attributes: serde_json::Value) -> String {
    let event = value!({"Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes}});
    format!("{event}\n")
}

/// The event's own attributes are no labels; an infra container is told from its pod's by its name until it is inspected.
#[test]
fn events_tell_of_pods() {
    let from = |name: &str, pod: &str| {
        let attributes = [("name", name), ("image", "x:1"), ("podId", pod), ("containerExitCode", "0"), ("tier", "front")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        convert::from_event(Engine::Podman, &EventActor { id: Some(ID.to_owned()), attributes: Some(attributes) }).unwrap()
    };
    let infra = from("0123456789ab-infra", ID);
    assert!(infra.sandbox);
    assert_eq!(infra.labels.into_iter().collect::<Vec<_>>(), [("tier".to_owned(), "front".to_owned())]);
    assert!(!from("0123456789ab-infra", "").sandbox && !from("api", ID).sandbox && !from("-infra", ID).sandbox);
    assert_eq!(from("api", ID).runtime.runtime_name, "podman");
}

/// Podman's own API adds digest, bundle, sandbox and annotations; what it leaves out or makes up does no harm.
#[test]
fn its_own_api_completes_a_record() {
    let complete = |answer: serde_json::Value| {
        let mut container = Container::default();
        libpod::complete(&mut container, serde_json::from_value(answer).unwrap());
        container
    };
    let container = complete(value!({
        "IsInfra": false, "ImageDigest": "sha256:12", "OCIConfigPath": "/c/userdata/config.json", "Pod": "p",
        "Config": {"Annotations": {"io.kubernetes.cri-o.SandboxID": "infra", "a": "b"}},
    }));
    assert_eq!((container.runtime.container_image_digest.as_str(), container.bundle.as_str()), ("sha256:12", "/c/userdata"));
    assert_eq!((container.sandbox, container.sandbox_id.as_str(), container.annotations["a"].as_str()), (false, "infra", "b"));
    assert!(complete(value!({"IsInfra": true, "OCIConfigPath": "/"})).sandbox);
    assert_eq!(
        complete(value!({"IsInfra": null, "ImageDigest": null, "OCIConfigPath": null, "Config": {"Annotations": null}})),
        Container::default()
    );
    let long = complete(value!({"ImageDigest": "x".repeat(9999), "Config": {"Annotations": {"a": "x".repeat(9999)}}}));
    assert!(long.runtime.container_image_digest.len() <= 4096 && long.annotations.is_empty());
}

/// A container whose inspection gets no answer keeps nothing else waiting: others are known, renamed and let go meanwhile.
#[tokio::test]
async fn a_blocked_inspection_stalls_nothing() {
    let other = ID.replace('0', "f");
    let events = [
        event("create", ID, value!({"name": "slow", "image": "x:1"})),
        event("start", ID, value!({"name": "slow", "image": "x:1"})).repeat(100),
        event("create", &other, value!({"name": "quick", "image": "x:1"})),
        event("rename", &other, value!({"name": "new"})),
        event("remove", ID, value!({})),
    ]
    .concat();
    let inspections = Act::Silence;
    let fake = Fake::start(vec![
        ("/version", version()),
        ("/containers/json", json("[]")),
        ("/containers/", inspections),
        ("/events", stream(&events)),
    ]);
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let start = Instant::now();
    let task = tokio::spawn(follow_engine(Engine::Podman, inventory.clone(), fake.socket(), cancel.clone()));
    until("renamed", || known(&inventory, &other).is_some_and(|c| c.runtime.container_name == "new")).await;
    // An inspection has 500 ms here, and seven rounds of them are under way.
    assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
    cancel.cancel();
    task.await.unwrap();
}

/// A container that is listed as running and cannot be inspected does not keep the engine from counting as connected.
#[tokio::test]
async fn a_blocked_container_is_known_by_its_listing() {
    let listing = value!([{"Id": ID, "Names": ["/busy"], "Image": "x:1", "State": "running"}]).to_string();
    let answers = vec![
        ("/version", version()),
        ("/containers/json", json(&listing)),
        ("/containers/", Act::Silence),
        ("/events", stream(&event("init", ID, value!({})))),
    ];
    let fake = Fake::start(answers);
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow_engine(Engine::Podman, inventory.clone(), fake.socket(), cancel.clone()));
    until("connected", || state(&inventory) == Some(RuntimeState::Connected)).await;
    assert_eq!(known(&inventory, ID).unwrap().runtime.container_name, "busy");
    cancel.cancel();
    task.await.unwrap();
    // Listed once, it counts as running, and the answer that did not come is the error.
    let once = Inventory::new();
    let error = list_engine(Engine::Podman, &once, &fake.socket()).await.unwrap_err().full();
    assert!(error.starts_with("inspect container: no answer within"), "{error}");
    assert_eq!(once.snapshot().running().count(), 1);
}

/// Garbage, refusals and endless answers of Podman's own API cost what only it tells, not the container.
#[tokio::test]
async fn its_own_api_may_fail() {
    let listing = value!([{"Id": ID, "Names": ["/web"], "Image": "x:1", "State": "running"}]).to_string();
    let inspected = value!({"Id": ID, "Name": "/web", "State": {"Running": true, "Pid": 0}}).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n{\"a\":\"".to_owned();
    for own in [
        Act::HangUp,
        Act::Silence,
        json("[1]"),
        json("{\"IsInfra\": \"yes\"}"),
        Act::Say("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Act::Repeat(head, "a".repeat(4096)),
    ] {
        let fake = Fake::start(vec![
            ("/version", version()),
            ("/libpod/", own),
            ("/containers/json", json(&listing)),
            ("/containers/", json(&inspected)),
        ]);
        let inventory = Inventory::new();
        list_engine(Engine::Podman, &inventory, &fake.socket()).await.unwrap();
        assert_eq!(known(&inventory, ID).unwrap().runtime.container_name, "web");
    }
}
