//! containerd by its own API.

use std::time::Duration;

use gadgetry::container::GRACE;
use gadgetry::container::runtime::{self, Settings};

use crate::engine::Engine;
use crate::follow::{Following, SECOND, list, namespace, running, until};
use crate::harness::{Containerd, Version};

fn settings(containerd: &Containerd, namespaces: &[&str]) -> Settings {
    let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
    Settings { containerd: Some(runtime::Containerd { socket: containerd.socket(), namespaces }), ..Settings::default() }
}

/// Plain containers of containerd 1.6: see [`containers_of_all_namespaces`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_containerd_1_6() {
    containers_of_all_namespaces(Version::Installed).await;
}

/// Plain containers of containerd 2: see [`containers_of_all_namespaces`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_containerd_2() {
    containers_of_all_namespaces(Version::Cached("containerd-2")).await;
}

/// Containers of `ctr`, from a containerd that comes late, is restarted and hangs: see the functions.
async fn containers_of_all_namespaces(version: Version) {
    let Some(mut containerd) = Containerd::prepare_version("containerd", version) else { return };
    let following = Following::start(&settings(&containerd, &[]));
    until("waiting status", SECOND, || following.waiting()).await;
    containerd.start();
    until("connection to a containerd that appeared late", 5 * SECOND, || following.connected()).await;

    containerd.import("gadgetry-one");
    containerd.import("gadgetry-two");
    started_and_removed(&containerd, &following).await;
    known_before_it_runs(&containerd, &following).await;
    over_at_once(&containerd, &following).await;
    same_id_twice(&containerd, &following).await;
    restarted(&mut containerd, &following).await;
    hanging(&containerd, &following).await;
}

/// A running container is there with all that containerd knows, under the namespaces the kernel tells, and goes after its end.
async fn started_and_removed(containerd: &Containerd, following: &Following) {
    containerd.run("gadgetry-one", "web", &["--label", "app=shop"]);
    let took = until("container in the inventory", SECOND, || following.running("web").is_some_and(|c| c.mntns != 0)).await;
    println!("in the inventory {took:?} after ctr run returned");
    let web = following.running("web").unwrap();
    let pid = web.runtime.container_pid;
    assert_eq!((web.mntns, web.netns), (namespace(pid, "mnt"), namespace(pid, "net")));
    assert_eq!((web.runtime.runtime_name.as_str(), web.runtime.container_id.as_str()), ("containerd", "web"));
    assert_eq!(web.runtime.container_image_name, "localhost/busybox:1");
    let images = containerd.ctr(&["-n", "gadgetry-one", "images", "ls"]);
    assert!(images.contains(&web.runtime.container_image_digest) && web.runtime.container_image_digest.starts_with("sha256:"), "{images}");
    assert_eq!(web.labels.get("app").map(String::as_str), Some("shop"));
    assert!(std::path::Path::new(&web.bundle).join("config.json").exists(), "{}", web.bundle);
    let started = std::time::UNIX_EPOCH + Duration::from_nanos(web.runtime.container_started_at as u64);
    assert!(started.elapsed().unwrap() < 10 * SECOND);
    assert!(web.cgroup_id != 0 && web.cgroup_v2.ends_with("/web"), "{web:?}");

    let listed = list(&settings(containerd, &[])).await;
    let once = running(&listed, "web").unwrap();
    assert_eq!((once.mntns, &once.runtime.container_image_digest), (web.mntns, &web.runtime.container_image_digest));
    assert!(once.runtime.container_started_at.abs_diff(web.runtime.container_started_at) < 2_000_000_000);
    assert_eq!(once.bundle, web.bundle);
    let elsewhere = list(&settings(containerd, &["gadgetry-two"])).await;
    assert_eq!(elsewhere.stats().kept, 0);

    containerd.ctr(&["-n", "gadgetry-one", "containers", "label", "web", "nerdctl/name=frontend"]);
    until("its new name", SECOND, || following.running("frontend").is_some()).await;
    assert!(containerd.remove("gadgetry-one", "web"));
    until("not running any more", SECOND, || following.running("frontend").is_none()).await;
    assert_eq!(following.by_mntns(web.mntns).map(|c| c.runtime.container_id).as_deref(), Some("web"), "late events are still named");
    until("let go after the grace time", GRACE + 3 * SECOND, || following.by_id("web").is_none()).await;
}

/// A container is known by name as soon as its record exists, and by its namespaces as soon as its task does: before it is started.
async fn known_before_it_runs(containerd: &Containerd, following: &Following) {
    containerd.ctr(&["-n", "gadgetry-one", "containers", "create", "localhost/busybox:1", "slow", "sleep", "1000"]);
    until("a record without a process", SECOND, || following.by_id("slow").is_some_and(|c| c.runtime.container_name == "slow")).await;
    assert!(following.running("slow").is_none());
    containerd.ctr(&["-n", "gadgetry-one", "tasks", "start", "-d", "slow"]);
    until("its process", SECOND, || following.running("slow").is_some_and(|c| c.mntns != 0)).await;
    assert!(containerd.remove("gadgetry-one", "slow"));
}

/// Containers that are over at once are known by name and by mount namespace all the same.
async fn over_at_once(containerd: &Containerd, following: &Following) {
    for name in ["first", "second", "third"] {
        let link = containerd.ctr(&["-n", "gadgetry-one", "run", "--rm", "localhost/busybox:1", name, "readlink", "/proc/self/ns/mnt"]);
        let mntns: u64 = link.trim_start_matches("mnt:[").trim_end_matches(']').parse().unwrap();
        let named = || following.by_mntns(mntns).is_some_and(|c| c.runtime.container_name == name);
        until("a short-lived container named by its mount namespace", SECOND, named).await;
        until("its end", SECOND, || following.running(name).is_none()).await;
    }
}

/// The same id in two namespaces stands for two containers.
async fn same_id_twice(containerd: &Containerd, following: &Following) {
    containerd.run("gadgetry-one", "twin", &["--label", "of=one"]);
    containerd.run("gadgetry-two", "twin", &["--label", "of=two"]);
    let of = |label: &str| {
        let snapshot = following.inventory.snapshot();
        snapshot.running().find(|c| c.mntns != 0 && c.labels.get("of").is_some_and(|of| of == label)).cloned()
    };
    until("both", SECOND, || of("one").is_some() && of("two").is_some()).await;
    let (one, two) = (of("one").unwrap(), of("two").unwrap());
    assert!(one.mntns != two.mntns);
    assert_eq!((one.runtime.container_id.as_str(), two.runtime.container_id.as_str()), ("twin", "gadgetry-two/twin"));
    assert!(containerd.remove("gadgetry-one", "twin"));
    until("the end of one", SECOND, || of("one").is_none()).await;
    assert!(of("two").is_some());
    assert!(containerd.remove("gadgetry-two", "twin"));
    until("the end of the other", SECOND, || of("two").is_none()).await;
}

/// Containers outlive a restart of containerd; what ended meanwhile is noticed without it.
async fn restarted(containerd: &mut Containerd, following: &Following) {
    containerd.run("gadgetry-two", "stays", &[]);
    containerd.run("gadgetry-two", "ends", &[]);
    let both = || ["stays", "ends"].iter().all(|name| following.running(name).is_some_and(|c| c.mntns != 0));
    until("both", SECOND, both).await;
    let before = following.running("stays").unwrap();
    containerd.stop();
    until("the loss of the connection", 5 * SECOND, || following.waiting()).await;
    let ending = following.running("ends").unwrap().runtime.container_pid.to_string();
    assert!(std::process::Command::new("kill").args(["-9", &ending]).status().unwrap().success());
    until("an end that nobody told", 3 * SECOND, || following.running("ends").is_none()).await;
    containerd.start();
    until("connection after a restart", 10 * SECOND, || following.connected()).await;
    let after = following.running("stays").expect("still running");
    assert_eq!(before.mntns, after.mntns);
    assert!(following.running("ends").is_none());
    assert!(containerd.remove("gadgetry-two", "stays") && containerd.remove("gadgetry-two", "ends"));
}

/// A containerd that stops answering is reported as such, although its connection stays open.
async fn hanging(containerd: &Containerd, following: &Following) {
    let signal =
        |name: &str| assert!(std::process::Command::new("kill").args([name, &containerd.pid().to_string()]).status().unwrap().success());
    signal("-STOP");
    let took = until("a hanging daemon noticed", 30 * SECOND, || following.waiting()).await;
    signal("-CONT");
    println!("hanging daemon noticed after {took:?}: {:?}", following.state());
    until("connection after a hang", 10 * SECOND, || following.connected()).await;
}

/// Docker's own containerd has Docker's containers in its namespace `moby`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_dockers_own_containerd() {
    let Some(mut engine) = Engine::prepare("moby") else { return };
    engine.start();
    let socket = engine.socket().with_file_name("exec").join("containerd/containerd.sock");
    let wanted = runtime::Containerd { socket, namespaces: Vec::new() };
    let following = Following::start(&Settings { containerd: Some(wanted), ..Settings::default() });
    until("connection", 5 * SECOND, || following.connected()).await;
    let id = engine.docker(&["run", "-d", "--name", "web", "--network", "none", "localhost/busybox:1", "sleep", "1000"]);
    until("the container", SECOND, || following.by_id(&id).is_some_and(|c| c.mntns != 0)).await;
    let web = following.by_id(&id).unwrap();
    assert_eq!(web.mntns, namespace(web.runtime.container_pid, "mnt"));
    assert!(web.bundle.ends_with(&format!("moby/{id}")), "{}", web.bundle);
    engine.docker(&["rm", "-f", "web"]);
    until("its end", SECOND, || !following.runs(&id)).await;
}
