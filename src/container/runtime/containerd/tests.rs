//! A containerd that is made up: its events, its labels by the million, its lies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::events::{Event, What};
use super::{events, follow, list, messages};
use crate::container::Inventory;
use crate::container::record;
use crate::container::record::Container;
use crate::container::runtime::grpc::fixture::{Act, Asked, Fake};
use crate::container::runtime::grpc::wire::Value;
use crate::container::runtime::{Containerd, RuntimeState};

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(map = "string, string", tag = "2")]
    labels: HashMap<String, String>,
    #[prost(string, tag = "3")]
    image: String,
    #[prost(message, optional, tag = "5")]
    spec: Option<Any>,
    #[prost(map = "string, message", tag = "10")]
    extensions: HashMap<String, Any>,
    #[prost(string, tag = "11")]
    sandbox: String,
}

#[derive(Clone, PartialEq, Message)]
struct Records {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Names {
    #[prost(message, repeated, tag = "1")]
    names: Vec<messages::Named>,
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Stamp>,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    topic: String,
    #[prost(message, optional, tag = "4")]
    event: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Stamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct TaskExit {
    #[prost(string, tag = "1")]
    container_id: String,
    #[prost(string, tag = "2")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct TaskCreate {
    #[prost(string, tag = "1")]
    container_id: String,
    #[prost(string, tag = "2")]
    bundle: String,
    #[prost(uint32, tag = "6")]
    pid: u32,
}

fn envelope(topic: &str, body: impl Message) -> Vec<u8> {
    let event = Some(Any { value: body.encode_to_vec(), ..Any::default() });
    Envelope { timestamp: Some(Stamp { seconds: 7 }), namespace: "one".to_owned(), topic: topic.to_owned(), event }.encode_to_vec()
}

fn record(id: &str, labels: &[(&str, &str)]) -> Record {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Record { id: id.to_owned(), labels, image: "busybox:1".to_owned(), ..Record::default() }
}

fn parse(record: &Record) -> Option<Container> {
    messages::container(Value::Bytes(&record.encode_to_vec())).unwrap()
}

/// A daemon of one namespace without tasks, whose containers and events are given.
fn answer(asked: &Asked, records: Vec<Record>, events: Vec<Vec<u8>>) -> Act {
    match asked.method.as_str() {
        "Version/Version" => Act::say(messages::Named::default()),
        "Namespaces/List" => Act::say(Names { names: vec![messages::Named { name: "one".to_owned() }] }),
        "Containers/ListStream" => Act::Say(records.into_iter().map(|r| Records { records: vec![r] }.encode_to_vec()).collect()),
        "Containers/Get" => {
            let id = messages::Named::decode(asked.request.clone()).unwrap().name;
            Act::say(Records { records: vec![record(&id, &[("of", &asked.namespace)])] })
        }
        "Tasks/List" | "Images/List" => Act::say(messages::Empty {}),
        "Events/Subscribe" => Act::Stay(events),
        _ => Act::Refuse(Code::Unimplemented, "unknown"),
    }
}

fn wanted(fake: &Fake) -> Containerd {
    Containerd { socket: fake.socket(), namespaces: Vec::new() }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn by_id(inventory: &Inventory, id: &str) -> Option<Container> {
    let snapshot = inventory.snapshot();
    snapshot.by_id(&record::key("one", id)).and_then(|entry| snapshot.container(entry)).cloned()
}

/// Names come from Kubernetes' label, nerdctl's, or are the id; pods are told by the plugin's JSON, whatever else is in it.
#[test]
fn records() {
    let plain = parse(&record("web", &[("app", "x")])).unwrap();
    assert_eq!((plain.runtime.container_name.as_str(), plain.runtime.container_image_name.as_str()), ("web", "busybox:1"));
    assert_eq!(parse(&record("a1", &[("nerdctl/name", "shop")])).unwrap().runtime.container_name, "shop");
    assert!(parse(&record("../etc", &[])).is_none() && parse(&record("", &[])).is_none());

    let kubelet = [("io.kubernetes.pod.name", "api-1"), ("io.kubernetes.pod.namespace", "prod"), ("io.kubernetes.pod.uid", "u1")];
    let labels = [&kubelet[..], &[("io.kubernetes.container.name", "api"), ("io.cri-containerd.kind", "container")]].concat();
    let mut in_pod = record("c1", &labels);
    in_pod.image = "sha256:77".to_owned();
    let json = br#"{"Version":"v1","Metadata":{"ID":"c1","SandboxID":"p1","ImageRef":"sha256:77","Weird":[{}],
        "Config":{"metadata":{"name":"api","attempt":3},"image":{"image":"sha256:77","user_specified_image":"shop/api:2"},"annotations":{"a":"b"}}}}"#;
    in_pod.extensions.insert("io.cri-containerd.container.metadata".to_owned(), Any { value: json.to_vec(), ..Any::default() });
    let api = parse(&in_pod).unwrap();
    assert_eq!((api.k8s.pod_name.as_str(), api.k8s.namespace.as_str(), api.k8s.pod_uid.as_str()), ("api-1", "prod", "u1"));
    assert_eq!((api.runtime.container_name.as_str(), api.sandbox_id.as_str()), ("api", "p1"));
    assert_eq!((api.runtime.container_image_name.as_str(), api.runtime.container_image_id.as_str()), ("shop/api:2", "sha256:77"));

    let mut pause = record("p1", &[&kubelet[..], &[("io.cri-containerd.kind", "sandbox"), ("of", "the pause image")]].concat());
    let json = br#"{"Metadata":{"Config":{"metadata":{"name":"api-1","uid":"u1","namespace":"prod"},"labels":{"app":"api","io.kubernetes.pod.uid":"u1"},
        "annotations":{"team":"blue"}}}}"#;
    pause.extensions.insert("io.cri-containerd.sandbox.metadata".to_owned(), Any { value: json.to_vec(), ..Any::default() });
    let pause = parse(&pause).unwrap();
    assert!(pause.sandbox && pause.runtime.container_name.is_empty() && pause.sandbox_id == "p1");
    assert_eq!(pause.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["app=api"]);
    assert_eq!(pause.annotations.get("team").map(String::as_str), Some("blue"));
    assert_eq!(pause.k8s.pod_name, "api-1");

    in_pod.extensions.values_mut().for_each(|any| any.value = b"{\"Metadata\":[[[".to_vec());
    assert_eq!(parse(&in_pod).unwrap().k8s.pod_name, "api-1");
}

/// A million labels, a label of a megabyte and a spec of a megabyte leave a small record.
#[test]
fn labels_are_bounded() {
    let mut record = record("web", &[]);
    record.labels = (0..1_000_000).map(|i| (format!("k{i:07}"), String::new())).collect();
    record.labels.insert("big".to_owned(), "x".repeat(1 << 20));
    record.spec = Some(Any { value: vec![7; 1 << 20], ..Any::default() });
    record.image = "i".repeat(1 << 20);
    let start = Instant::now();
    let container = parse(&record).unwrap();
    assert_eq!((container.labels.len(), container.runtime.container_image_name.len()), (256, 4096));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Of a container's events those of its first process count; what is none of ours, or no event, is left out or an error.
#[test]
fn what_events_say() {
    let exit = |id: &str| TaskExit { container_id: "web".to_owned(), id: id.to_owned() };
    let event = Event { namespace: "one".to_owned(), id: "web".to_owned(), what: What::Ended, unix_ns: 7_000_000_000 };
    assert_eq!(events::read(&envelope("/tasks/exit", exit("web"))), Ok(Some(event.clone())));
    assert_eq!(events::read(&envelope("/tasks/exit", exit("exec-1"))), Ok(None));
    let create = TaskCreate { container_id: "web".to_owned(), bundle: "/run/x".to_owned(), pid: 42 };
    let running = What::Running { pid: 42, bundle: "/run/x".to_owned() };
    assert_eq!(events::read(&envelope("/tasks/create", create)), Ok(Some(Event { what: running, ..event.clone() })));
    assert_eq!(events::read(&envelope("/containers/delete", exit(""))), Ok(Some(Event { what: What::Deleted, ..event })));
    assert_eq!(events::read(&envelope("/images/create", exit(""))), Ok(None));
    let strange = TaskExit { container_id: "../x".to_owned(), ..TaskExit::default() };
    assert_eq!(events::read(&envelope("/tasks/exit", strange)), Ok(None));
    assert!(events::read(b"\xff\xff").is_err());
}

/// Ids that somebody chose are told apart by namespace, random ones are one and the same wherever they are heard of.
#[test]
fn ids_of_namespaces() {
    let random = "ab".repeat(32);
    assert_eq!((record::key("a", "x").as_str(), record::key("", "x").as_str()), ("a/x", "x"));
    assert_eq!(record::key("moby", &random), random);
}

/// What is listed and what events tell is in the inventory by name; a record is looked up in its own namespace.
#[tokio::test]
async fn events_fill_the_inventory() {
    let created = |id: &str| envelope("/containers/create", TaskExit { container_id: id.to_owned(), ..TaskExit::default() });
    let deleted = envelope("/containers/delete", TaskExit { container_id: "gone".to_owned(), ..TaskExit::default() });
    let told = vec![created("new"), created("gone"), created("../etc"), deleted];
    let fake = Fake::start(move |asked| answer(asked, vec![record("old", &[]), record("bad id", &[])], told.clone()));
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), wanted(&fake), cancel.clone()));
    until("connected", || inventory.runtimes().first().is_some_and(|r| r.state == RuntimeState::Connected)).await;
    until("listed", || by_id(&inventory, "old").is_some()).await;
    until("created", || by_id(&inventory, "new").is_some()).await;
    assert_eq!(by_id(&inventory, "new").unwrap().labels.get("of").map(String::as_str), Some("one"));
    assert!(by_id(&inventory, "bad id").is_none() && inventory.stats().running == 0);
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
}

/// An old containerd without the streamed listing is listed all the same; one that fails is an error that says at what.
#[tokio::test]
async fn old_and_broken() {
    let old = Fake::start(|asked| match asked.method.as_str() {
        "Containers/ListStream" => Act::Refuse(Code::Unimplemented, "unknown method ListStream"),
        "Containers/List" => Act::say(Records { records: vec![record("web", &[]), record("db", &[])] }),
        _ => answer(asked, Vec::new(), Vec::new()),
    });
    let inventory = Inventory::new();
    list(&inventory, &wanted(&old)).await.unwrap();
    assert_eq!(inventory.stats().kept, 2);
    let many = |asked: &Asked| match asked.method.as_str() {
        "Namespaces/List" => Act::say(Names { names: vec![messages::Named::default(); 5000] }),
        _ => answer(asked, Vec::new(), Vec::new()),
    };
    let error = list(&inventory, &wanted(&Fake::start(many))).await.unwrap_err().full();
    assert!(error.contains("more than 4096 namespaces"), "{error}");
    let fat = record("fat", &[("k", "v")]);
    let fat = Record { labels: (0..256).map(|i| (format!("k{i}"), "x".repeat(4000))).collect(), ..fat };
    let endless = Records { records: vec![fat] }.encode_to_vec();
    let flood = Fake::start(move |asked| match asked.method.as_str() {
        "Containers/ListStream" => Act::Repeat(endless.clone()),
        _ => answer(asked, Vec::new(), Vec::new()),
    });
    let error = list(&inventory, &wanted(&flood)).await.unwrap_err().full();
    assert!(error.contains("bytes of labels") || error.contains("no answer within"), "{error}");
}

/// A daemon that hangs is waited for, although its event stream stays open; one that comes back is followed again.
#[tokio::test]
async fn hanging() {
    let hangs = Arc::new(Mutex::new(false));
    let switch = hangs.clone();
    let fake = Fake::start(move |asked| match *switch.lock().unwrap() {
        true => Act::Silence,
        false => answer(asked, vec![record("web", &[])], Vec::new()),
    });
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), wanted(&fake), cancel.clone()));
    let state = || inventory.runtimes().first().map(|r| r.state.clone());
    until("connected", || state() == Some(RuntimeState::Connected)).await;
    *hangs.lock().unwrap() = true;
    let says = |state| matches!(state, Some(RuntimeState::Waiting(reason)) if reason.contains("no answer within"));
    until("waiting", || says(state())).await;
    *hangs.lock().unwrap() = false;
    until("connected again", || state() == Some(RuntimeState::Connected)).await;
    cancel.cancel();
    task.await.unwrap();
}

/// Events that are none end the session with an error; the inventory keeps what it has.
#[tokio::test]
async fn garbage_events() {
    let fake = Fake::start(|asked| answer(asked, vec![record("web", &[])], vec![b"\xff\xff\xff".to_vec()]));
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), wanted(&fake), cancel.clone()));
    let says = |state: &RuntimeState| matches!(state, RuntimeState::Waiting(reason) if reason.contains("cannot be understood"));
    until("waiting", || inventory.runtimes().first().is_some_and(|r| says(&r.state))).await;
    assert!(by_id(&inventory, "web").is_some());
    cancel.cancel();
    task.await.unwrap();
}

/// Events that pour in while the containers are listed end the session before they fill the memory.
#[tokio::test]
async fn flood_of_events() {
    let event = envelope("/tasks/exit", TaskExit { container_id: "x".repeat(10_000), id: String::new() });
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "Events/Subscribe" => Act::Repeat(event.clone()),
        _ => Act::Silence,
    });
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), wanted(&fake), cancel.clone()));
    let says = |state: &RuntimeState| matches!(state, RuntimeState::Waiting(reason) if reason.contains("bytes of events meanwhile"));
    until("waiting", || inventory.runtimes().first().is_some_and(|r| says(&r.state))).await;
    cancel.cancel();
    task.await.unwrap();
}
