//! Runtimes that are made up: CRI-O as it answered once, old ones, slow ones, lying ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::attempts::Attempts;
use super::{CONTAINERD, CRIO, DOCKER, Kind, follow, list};
use crate::container::Inventory;
use crate::container::record::Container;
use crate::container::runtime::RuntimeState;
use crate::container::runtime::grpc::fixture::{Act, Asked, Fake};

const POD: &str = "5f0e1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52";
const API: &str = "a91e1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a52bc8f1a91";

/// What verbose answers of CRI-O 1.37 hold, shortened.
const CRIO_INFO: &str = r#"{"sandboxID":"POD","pid":0,"runtimeSpec":{"ociVersion":"1.2.1","process":{"user":{"uid":0}},"annotations":
    {"io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.cri-o.SandboxID":"POD"},"linux":{"cgroupsPath":"kubepods:crio:a91e"}},"privileged":false}"#;

#[derive(Clone, PartialEq, Message)]
struct Version {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    attempt: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(string, tag = "1")]
    image: String,
    #[prost(string, tag = "18")]
    by_user: String,
}

#[derive(Clone, PartialEq, Message)]
struct Listed {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    sandbox: String,
    #[prost(message, optional, tag = "3")]
    metadata: Option<Name>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
    #[prost(string, tag = "5")]
    image_ref: String,
    #[prost(int32, tag = "6")]
    state: i32,
    #[prost(map = "string, string", tag = "8")]
    labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    metadata: Option<Name>,
    #[prost(int32, tag = "3")]
    state: i32,
    #[prost(int64, tag = "5")]
    started_at: i64,
    #[prost(message, optional, tag = "8")]
    image: Option<Image>,
    #[prost(string, tag = "9")]
    image_ref: String,
    #[prost(map = "string, string", tag = "12")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "13")]
    annotations: HashMap<String, String>,
    #[prost(string, tag = "17")]
    image_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StatusAnswer {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(map = "string, string", tag = "2")]
    info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct PodName {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

/// `PodSandbox` and `PodSandboxStatus`: whichever fields are not the message's are left empty.
#[derive(Clone, PartialEq, Message)]
struct Sandbox {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    metadata: Option<PodName>,
    #[prost(map = "string, string", tag = "5")]
    listed_labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "7")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "8")]
    annotations: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct One<M: Message + Default + std::fmt::Debug> {
    #[prost(message, optional, tag = "1")]
    item: Option<M>,
}

#[derive(Clone, PartialEq, Message)]
struct ImageStatus {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "3")]
    digests: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(int64, tag = "3")]
    created_at: i64,
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn kubelet() -> HashMap<String, String> {
    map(&[
        ("io.kubernetes.container.name", "api"),
        ("io.kubernetes.pod.name", "api-1"),
        ("io.kubernetes.pod.namespace", "prod"),
        ("io.kubernetes.pod.uid", "u-1"),
    ])
}

fn image() -> Option<Image> {
    Some(Image { image: "e7f1".repeat(16), by_user: "registry.test/shop/api:2".to_owned() })
}

fn listed() -> Listed {
    let metadata = Some(Name { name: "api".to_owned(), attempt: 3 });
    let image_ref = format!("registry.test/shop/api@sha256:{}", "d1".repeat(32));
    Listed { id: API.to_owned(), sandbox: POD.to_owned(), metadata, image: image(), image_ref, state: 1, labels: kubelet() }
}

fn status() -> StatusAnswer {
    let Listed { id, metadata, image, image_ref, labels, .. } = listed();
    let annotations = map(&[("io.kubernetes.container.restartCount", "3")]);
    let status = Status {
        id,
        metadata,
        state: 1,
        started_at: 1_795_256_809_000_000_000,
        image,
        image_ref,
        labels,
        annotations,
        ..Status::default()
    };
    StatusAnswer { status: Some(status), info: map(&[("info", &CRIO_INFO.replace("POD", POD))]) }
}

fn pod() -> Sandbox {
    let metadata = Some(PodName { name: "api-1".to_owned(), uid: "u-1".to_owned(), namespace: "prod".to_owned() });
    let labels = map(&[("app", "api"), ("io.kubernetes.pod.uid", "u-1")]);
    let annotations = map(&[("team", "blue")]);
    Sandbox { id: POD.to_owned(), metadata, labels, annotations, ..Sandbox::default() }
}

/// CRI-O with one pod of one container, whose pod events are off.
fn crio(asked: &Asked) -> Act {
    match asked.method.as_str() {
        "RuntimeService/Version" => Act::say(Version { name: "cri-o".to_owned(), version: "1.37.0".to_owned() }),
        "RuntimeService/ListContainers" => Act::say(One { item: Some(listed()) }),
        "RuntimeService/ListPodSandbox" => Act::say(One {
            item: Some(Sandbox { listed_labels: pod().labels, labels: HashMap::new(), annotations: HashMap::new(), ..pod() }),
        }),
        "RuntimeService/ContainerStatus" if mentions(asked, API) => Act::say(status()),
        "RuntimeService/PodSandboxStatus" if mentions(asked, POD) => Act::say(One { item: Some(pod()) }),
        "RuntimeService/ContainerStatus" | "RuntimeService/PodSandboxStatus" => Act::Refuse(Code::NotFound, "no such id"),
        "ImageService/ImageStatus" => {
            let digests = vec![format!("registry.test/shop/api@sha256:{}", "d1".repeat(32))];
            Act::say(One { item: Some(ImageStatus { id: "e7f1".repeat(16), digests }) })
        }
        // Without `enable_pod_events` the stream ends at once.
        "RuntimeService/GetContainerEvents" => Act::Say(Vec::new()),
        _ => Act::Refuse(Code::Unimplemented, "unknown service"),
    }
}

fn mentions(asked: &Asked, id: &str) -> bool {
    String::from_utf8_lossy(&asked.request).contains(id)
}

fn by_id(inventory: &Inventory, id: &str) -> Option<Container> {
    let snapshot = inventory.snapshot();
    snapshot.by_id(id).and_then(|entry| snapshot.container(entry)).cloned()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn following(fake: &Fake, kind: Kind) -> (Arc<Inventory>, CancellationToken) {
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    tokio::spawn(follow(inventory.clone(), kind, fake.socket(), cancel.clone()));
    (inventory, cancel)
}

fn connected(inventory: &Inventory) -> bool {
    inventory.runtimes().first().is_some_and(|r| r.state == RuntimeState::Connected)
}

/// CRI-O's containers have the composed name, the pod's labels and annotations, and all that is told of their image.
#[tokio::test]
async fn crios_answers() {
    let fake = Fake::start(crio);
    let inventory = Inventory::new();
    list(&inventory, CRIO, &fake.socket()).await.unwrap();
    let api = by_id(&inventory, API).unwrap();
    assert_eq!((api.runtime.container_name.as_str(), api.runtime.runtime_name.as_str()), ("k8s_api_api-1_prod_u-1_3", "cri-o"));
    assert_eq!(api.k8s.container_name, "api");
    assert_eq!((api.sandbox_id.as_str(), api.runtime.container_started_at), (POD, 1_795_256_809_000_000_000));
    assert_eq!(api.runtime.container_image_name, "registry.test/shop/api:2");
    assert_eq!(
        (api.runtime.container_image_id, api.runtime.container_image_digest),
        ("e7f1".repeat(16), format!("sha256:{}", "d1".repeat(32)))
    );
    let pause = by_id(&inventory, POD).unwrap();
    assert!(pause.sandbox && pause.k8s.pod_name == "api-1" && pause.runtime.container_name.is_empty());
    assert_eq!(pause.labels, std::collections::BTreeMap::from([("app".to_owned(), "api".to_owned())]));
    assert_eq!(pause.annotations.get("team").map(String::as_str), Some("blue"));
    for (kind, name) in [(CONTAINERD, "api"), (DOCKER, "k8s_api_api-1_prod_u-1_3")] {
        let inventory = Inventory::new();
        list(&inventory, kind, &fake.socket()).await.unwrap();
        let api = by_id(&inventory, API).unwrap();
        assert_eq!((api.runtime.container_name.as_str(), api.runtime.runtime_name.as_str()), (name, kind.name));
    }
}

/// A runtime that only knows the older version of the interface is asked by that.
#[tokio::test]
async fn older_version() {
    let fake = Fake::start(|asked| match asked.method.strip_prefix("v1alpha2.") {
        Some(method) => crio(&Asked { method: method.to_owned(), namespace: String::new(), request: asked.request.clone() }),
        None => Act::Refuse(Code::Unimplemented, "unknown service runtime.v1.RuntimeService"),
    });
    let inventory = Inventory::new();
    list(&inventory, CRIO, &fake.socket()).await.unwrap();
    assert!(by_id(&inventory, API).is_some());
    assert_eq!((fake.count("RuntimeService/Version"), fake.count("v1alpha2.RuntimeService/Version")), (1, 1));
}

/// A container that only the kernel has told of is asked about until the runtime knows it, its sandbox first; a stranger only a few times.
#[tokio::test]
async fn containers_the_kernel_tells_of() {
    let known = Arc::new(AtomicBool::new(false));
    let switch = known.clone();
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "RuntimeService/ListContainers" | "RuntimeService/ListPodSandbox" => Act::say(Version::default()),
        "RuntimeService/ContainerStatus" if !switch.load(Ordering::Relaxed) => Act::Refuse(Code::NotFound, "being created"),
        _ => crio(asked),
    });
    let (inventory, cancel) = following(&fake, CRIO);
    until("connected", || connected(&inventory)).await;
    let sight = |id: &str, mntns: u64| {
        let mut container = Container { mntns, ..Container::default() };
        container.runtime.container_id = id.to_owned();
        inventory.update(|state| state.seen(container, None, Instant::now()));
    };
    sight(API, 4_000_000_001);
    sight(POD, 4_000_000_002);
    until("the sandbox", || by_id(&inventory, POD).is_some_and(|c| c.sandbox)).await;
    assert!(by_id(&inventory, API).unwrap().runtime.container_name.is_empty());
    known.store(true, Ordering::Relaxed);
    until("its name", || by_id(&inventory, API).is_some_and(|c| c.runtime.container_name.starts_with("k8s_api"))).await;
    assert_eq!(by_id(&inventory, API).unwrap().mntns, 4_000_000_001);
    cancel.cancel();
}

/// Events make a container known at once and end it; CRI-O's stream without any is no failure.
#[tokio::test]
async fn events() {
    let events = [Event { id: API.to_owned(), kind: 0, created_at: 1 }, Event { id: "../x".to_owned(), kind: 1, created_at: 1 }];
    let events: Vec<Vec<u8>> = events.iter().map(Message::encode_to_vec).collect();
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "RuntimeService/GetContainerEvents" => Act::Stay(events.clone()),
        // Not listed yet when the event comes.
        "RuntimeService/ListContainers" => Act::say(Version::default()),
        _ => crio(asked),
    });
    let (inventory, cancel) = following(&fake, CRIO);
    until("by an event", || by_id(&inventory, API).is_some_and(|c| !c.runtime.container_image_digest.is_empty())).await;
    cancel.cancel();

    let silent = Fake::start(crio);
    let (inventory, cancel) = following(&silent, CRIO);
    until("connected", || connected(&inventory)).await;
    until("listed again and again", || silent.count("RuntimeService/ListContainers") > 2).await;
    assert!(connected(&inventory));
    assert_eq!(silent.count("RuntimeService/GetContainerEvents"), 1);
    cancel.cancel();
}

/// containerd 1.7 hands each event to one listener only: there the kubelet's are left alone.
#[tokio::test]
async fn nobodys_events_are_taken_away() {
    for (version, asked_for) in [("1.7.24", 0), ("v1.6.20~ds1", 0), ("nonsense", 0), ("v2.1.9", 1), ("10.0", 1)] {
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "RuntimeService/Version" => Act::say(Version { name: "containerd".to_owned(), version: version.to_owned() }),
            _ => crio(asked),
        });
        let (inventory, cancel) = following(&fake, CONTAINERD);
        until("connected", || connected(&inventory)).await;
        until("listed", || fake.count("RuntimeService/ListContainers") > 1).await;
        assert_eq!(fake.count("RuntimeService/GetContainerEvents"), asked_for, "{version}");
        cancel.cancel();
    }
}

/// Answers that lie: other ids, other types, JSON that is none, a flood of labels. None of them ends up in the inventory.
#[tokio::test]
async fn lies() {
    let other = Fake::start(|asked| match asked.method.as_str() {
        "RuntimeService/ContainerStatus" => {
            let mut answer = status();
            answer.status.as_mut().unwrap().id = POD.to_owned();
            answer.info = map(&[("info", "[[[{\"pid\":-1}")]);
            Act::say(answer)
        }
        _ => crio(asked),
    });
    let inventory = Inventory::new();
    list(&inventory, CRIO, &other.socket()).await.unwrap();
    assert!(by_id(&inventory, POD).unwrap().sandbox);
    assert!(by_id(&inventory, API).unwrap().runtime.container_image_digest.len() == 71);

    let many = Fake::start(|asked| match asked.method.as_str() {
        "RuntimeService/ListContainers" => {
            let labels = (0..20_000).map(|i| (format!("label-{i}"), "x".to_owned())).collect();
            Act::say(One { item: Some(Listed { labels, ..listed() }) })
        }
        _ => crio(asked),
    });
    list(&inventory, CRIO, &many.socket()).await.unwrap();
    assert!(by_id(&inventory, API).unwrap().labels.len() <= 256);

    let strange = Fake::start(|asked| match asked.method.as_str() {
        "RuntimeService/ListPodSandbox" => Act::say(Event { id: POD.to_owned(), kind: 1, created_at: 1 }),
        _ => crio(asked),
    });
    let error = list(&inventory, CRIO, &strange.socket()).await.unwrap_err().full();
    assert!(error.contains("list pod sandboxes: the answer cannot be understood"), "{error}");
}

/// A container nobody knows is asked about a bounded number of times with growing pauses; news and listings start anew.
#[test]
fn attempts_are_bounded() {
    let mut attempts = Attempts::default();
    let mut now = Instant::now();
    let start = now;
    attempts.seen("a", now);
    let mut asked = 0;
    while let Some(due) = attempts.next() {
        now = due;
        assert_eq!(attempts.take(9, now), ["a"]);
        assert!(attempts.take(9, now).is_empty());
        attempts.again("a", now);
        asked += 1;
    }
    assert_eq!(asked, 8);
    assert!((5..10).contains(&(now - start).as_secs()), "{:?}", now - start);
    attempts.seen("a", now);
    assert!(attempts.next().is_none());
    attempts.listed("a", now);
    assert_eq!(attempts.take(9, now), ["a"]);
    // News that come while a question is under way are not lost with its answer.
    attempts.changed("a", now);
    attempts.settle("a");
    assert_eq!(attempts.take(9, now), ["a"]);
    attempts.settle("a");
    attempts.seen("a", now);
    attempts.listed("a", now);
    assert!(attempts.next().is_none());
    attempts.retain(|_| false);
    attempts.seen("a", now);
    assert!(attempts.next().is_some());
}
