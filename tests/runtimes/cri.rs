//! Pods of a real containerd, by its own API and by the Container Runtime Interface.

use std::time::Duration;

use gadgetry::container::Container;
use gadgetry::container::ProcessOwner;
use gadgetry::container::runtime::{self, Protocol, Settings};

use crate::follow::{Following, SECOND, list, namespace, running, until};
use crate::harness::{Containerd, Version};
use crate::kubelet::{Kubelet, Network, Pod};

fn settings(containerd: &Containerd, protocol: Protocol) -> Settings {
    let wanted = runtime::Containerd { socket: containerd.socket(), namespaces: Vec::new() };
    Settings { containerd: Some(wanted), protocol, ..Settings::default() }
}

/// The pods of containerd 1.6: see [`pods`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_containerd_1_6() {
    pods(Version::Installed).await;
}

/// The pods of containerd 1.7: see [`pods`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_containerd_1_7() {
    pods(Version::Cached("containerd-1.7")).await;
}

/// The pods of containerd 2: see [`pods`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_containerd_2() {
    pods(Version::Cached("containerd-2")).await;
}

/// A pod's containers are known by all their names, whichever way containerd is spoken to, and its pause container is known as such.
async fn pods(version: Version) {
    let Some(mut containerd) = Containerd::prepare_version("pods", version) else { return };
    containerd.start();
    containerd.import("k8s.io");
    let kubelet = Kubelet::connect(&containerd.socket(), containerd.dir()).await;
    for image in ["localhost/pause:1", "localhost/busybox:1"] {
        kubelet.expect_image(image).await;
    }
    let old = kubelet.run_pod("old", Network::Node).await;
    let before = kubelet.create(&old, "before", 0, Network::Node).await;
    kubelet.start(&before).await;

    let internal = Following::start(&settings(&containerd, Protocol::Internal));
    let by_cri = Following::start(&settings(&containerd, Protocol::Cri));
    for following in [&internal, &by_cri] {
        until("connection", 5 * SECOND, || following.connected()).await;
        complete(&running(&following.inventory, "before").expect("listed with the connection"), &before, &old, "before");
        sandbox(&following.by_id(&old.id).unwrap(), &old);
    }
    for protocol in [Protocol::Internal, Protocol::Cri] {
        let listed = list(&settings(&containerd, protocol)).await;
        complete(&running(&listed, "before").expect("listed"), &before, &old, "before");
        let pause = listed.snapshot().by_id(&old.id).and_then(|entry| listed.snapshot().container(entry).cloned()).unwrap();
        assert!(pause.sandbox && pause.mntns != 0, "{pause:?}");
    }

    new_pod(&kubelet, &internal, &by_cri, version).await;
    kubelet.remove_pod(&old).await;
    let over = |following: &Following| !following.runs(&old.id) && !following.runs(&before);
    until("the end of the pod", SECOND, || over(&internal)).await;
    until("the end of the pod, by CRI", 15 * SECOND, || over(&by_cri)).await;
}

/// A pod that starts while it is followed. By CRI, runtimes before containerd 2 have no events for us: there the kernel tells of containers, by
/// the first event of each, or the next listing does.
async fn new_pod(kubelet: &Kubelet, internal: &Following, by_cri: &Following, version: Version) {
    let network = Network::Pod;
    let pod = kubelet.run_pod("fresh", network).await;
    let id = kubelet.create(&pod, "main", 2, network).await;
    let known = || internal.by_id(&id).is_some_and(|c| c.runtime.container_name == "main");
    until("its name, before it is started", SECOND, known).await;
    assert_eq!(internal.by_id(&id).unwrap().runtime.container_image_name, "localhost/busybox:1");
    kubelet.start(&id).await;
    let took = until("its process", SECOND, || internal.running("main").is_some_and(|c| c.mntns != 0)).await;
    println!("new container of a pod in the inventory {took:?} after StartContainer returned");
    let main = internal.running("main").unwrap();
    complete(&main, &id, &pod, "main");
    let pause = internal.by_id(&pod.id).unwrap();
    sandbox(&pause, &pod);
    assert!(!main.host_network && main.netns == pause.netns && main.mntns != pause.mntns);

    let limit = if version == Version::Cached("containerd-2") { SECOND } else { 2 * SECOND };
    if limit > SECOND {
        assert!(matches!(by_cri.inventory.resolve(main.mntns, main.runtime.container_pid), ProcessOwner::Container(_)));
        assert!(matches!(by_cri.inventory.resolve(pause.mntns, pause.runtime.container_pid), ProcessOwner::Container(_)));
    }
    let took = until("its name by CRI", limit, || by_cri.running("main").is_some_and(|c| c.runtime.container_pid != 0)).await;
    println!("by CRI after {took:?}");
    complete(&by_cri.running("main").unwrap(), &id, &pod, "main");
    until("its sandbox by CRI", limit, || by_cri.by_id(&pod.id).is_some_and(|c| c.sandbox && c.runtime.container_pid != 0)).await;
    sandbox(&by_cri.by_id(&pod.id).unwrap(), &pod);

    kubelet.remove(&id).await;
    until("its end", SECOND, || internal.running("main").is_none()).await;
    until("its end by CRI", 3 * SECOND, || by_cri.running("main").is_none()).await;
    kubelet.remove_pod(&pod).await;
    until("the sandbox's end", SECOND, || !internal.runs(&pod.id)).await;
}

/// All that is to be known of a running container of a pod.
fn complete(container: &Container, id: &str, pod: &Pod, name: &str) {
    let pid = container.runtime.container_pid;
    assert_eq!((container.mntns, container.netns), (namespace(pid, "mnt"), namespace(pid, "net")));
    assert_eq!((container.runtime.container_id.as_str(), container.runtime.runtime_name.as_str()), (id, "containerd"));
    assert_eq!((container.runtime.container_name.as_str(), container.k8s.container_name.as_str()), (name, name));
    assert_eq!((container.k8s.namespace.as_str(), container.k8s.pod_uid.as_str()), ("shop", pod.uid.as_str()));
    assert!(pod.uid.ends_with(&container.k8s.pod_name));
    assert_eq!(container.sandbox_id, pod.id);
    assert_eq!(container.runtime.container_image_name, "localhost/busybox:1");
    assert!(container.runtime.container_image_id.starts_with("sha256:"), "{container:?}");
    let started = std::time::UNIX_EPOCH + Duration::from_nanos(container.runtime.container_started_at as u64);
    assert!(started.elapsed().unwrap() < 60 * SECOND);
    assert!(container.annotations.contains_key("io.kubernetes.container.restartCount"), "{:?}", container.annotations);
    assert!(container.cgroup_v2.starts_with(&format!("/kubepods/besteffort/pod{}/", pod.uid)), "{}", container.cgroup_v2);
    assert!(!container.sandbox);
    // What only the sandbox is told.
    assert_eq!(container.k8s.pod_labels.keys().collect::<Vec<_>>(), ["app"], "{:?}", container.k8s.pod_labels);
    assert_eq!(container.k8s.pod_annotations.get("team").map(String::as_str), Some("blue"));
}

/// All that is to be known of a pod's pause container, whose labels and annotations are the pod's.
fn sandbox(pause: &Container, pod: &Pod) {
    assert!(pause.sandbox && pause.mntns != 0, "{pause:?}");
    assert_eq!(pause.mntns, namespace(pause.runtime.container_pid, "mnt"));
    assert_eq!((pause.k8s.pod_uid.as_str(), pause.k8s.namespace.as_str()), (pod.uid.as_str(), "shop"));
    let labels: Vec<&str> = pause.labels.keys().map(String::as_str).collect();
    assert_eq!(labels, ["app"], "the pod's own");
    assert_eq!(pause.annotations.get("team").map(String::as_str), Some("blue"));
}
