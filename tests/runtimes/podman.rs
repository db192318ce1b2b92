//! Podman, by the API that its service has for Docker's clients and by its own.

use std::process::Command as Process;

use clap::Parser;
use gadgetry::cli::list_containers::{self, ListContainers};
use gadgetry::container::GRACE;
use gadgetry::container::runtime::Settings;
use tokio_util::sync::CancellationToken;

use crate::follow::{Following, SECOND, list, namespace, running, until};
use crate::podman_service::Podman;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    list: ListContainers,
}

fn settings(podman: &Podman) -> Settings {
    Settings { podman: Some(podman.socket()), ..Settings::default() }
}

/// Containers and pods of a service that comes late and is restarted: see the functions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_and_pods() {
    let Some(mut podman) = Podman::prepare("podman") else { return };
    let following = Following::start(&settings(&podman));
    until("waiting status", SECOND, || following.waiting()).await;
    podman.start();
    until("connection to a service that appeared late", 5 * SECOND, || following.connected()).await;

    started_and_removed(&podman, &following).await;
    known_before_it_runs(&podman, &following).await;
    over_at_once(&podman, &following).await;
    pods(&podman, &following).await;
    watched(&podman).await;
    restarted(&mut podman, &following).await;
}

/// A running container is there with all that Podman knows, under the namespaces the kernel tells, and goes after its end.
async fn started_and_removed(podman: &Podman, following: &Following) {
    let id = podman.run("web", &["-l", "app=shop"], &["sleep", "1000"]);
    let complete = || following.running("web").is_some_and(|c| c.mntns != 0 && !c.runtime.container_image_digest.is_empty());
    let took = until("container in the inventory", SECOND, complete).await;
    println!("in the inventory {took:?} after podman run returned");
    let web = following.running("web").unwrap();
    let pid = web.runtime.container_pid;
    assert_eq!((web.mntns, web.netns), (namespace(pid, "mnt"), namespace(pid, "net")));
    assert_eq!((web.runtime.runtime_name.as_str(), web.runtime.container_id.as_str()), ("podman", id.as_str()));
    assert_eq!(web.runtime.container_image_name, "localhost/busybox:1");
    let inspected = podman.podman(&["inspect", "-f", "{{.ImageDigest}} sha256:{{.Image}} {{.State.Pid}}", "web"]);
    let runtime = &web.runtime;
    assert_eq!(format!("{} {} {pid}", runtime.container_image_digest, runtime.container_image_id), inspected);
    let labels: Vec<(&str, &str)> = web.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("app", "shop"), ("org.example.origin", "test")]);
    assert!(std::path::Path::new(&web.bundle).join("config.json").exists(), "{}", web.bundle);
    assert!(web.cgroup_id != 0 && web.cgroup_v2.ends_with(&format!("/libpod-{id}")), "{web:?}");
    assert!(!web.sandbox && web.sandbox_id.is_empty());
    let listed = list(&settings(podman)).await;
    let once = running(&listed, "web").unwrap();
    assert_eq!((once.mntns, &once.runtime), (web.mntns, &web.runtime));

    podman.podman(&["rename", "web", "shop"]);
    until("its new name", SECOND, || following.running("shop").is_some()).await;
    podman.podman(&["rm", "-ft0", "shop"]);
    until("not running any more", SECOND, || following.running("shop").is_none()).await;
    assert_eq!(following.by_mntns(web.mntns).map(|c| c.runtime.container_name).as_deref(), Some("shop"), "late events are still named");
    until("let go after the grace time", GRACE + 3 * SECOND, || following.by_id(&id).is_none()).await;
}

/// A container is known by name and labels from its creation on, initialised or not, and runs once it is started.
async fn known_before_it_runs(podman: &Podman, following: &Following) {
    let id = podman.podman(&["create", "--network", "none", "--name", "slow", "-l", "a=b", "localhost/busybox:1", "sleep", "1000"]);
    let named = || following.by_id(&id).is_some_and(|c| c.runtime.container_name == "slow" && c.labels.contains_key("a"));
    until("a record without a process", SECOND, named).await;
    podman.podman(&["init", "slow"]);
    assert!(following.running("slow").is_none());
    podman.podman(&["start", "slow"]);
    until("its process", SECOND, || following.running("slow").is_some_and(|c| c.mntns != 0)).await;
    podman.podman(&["rm", "-ft0", "slow"]);
}

/// Containers that are over at once were there by name, and are let go again.
async fn over_at_once(podman: &Podman, following: &Following) {
    let mut changed = following.inventory.changed();
    for name in ["first", "second", "third"] {
        podman.podman(&["run", "--rm", "--network", "none", "--name", name, "localhost/busybox:1", "true"]);
        let ended = || following.inventory.snapshot().ended().any(|c| c.runtime.container_name == name);
        until("a container that ended", SECOND, ended).await;
        assert!(following.running(name).is_none());
    }
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
}

/// The containers of a pod share a network namespace and are told apart; the one that holds it is no container of its own.
async fn pods(podman: &Podman, following: &Following) {
    podman.podman(&["pod", "create", "--name", "shop", "--network", "none", "--label", "tier=front"]);
    let in_pod = |name: &str| podman.podman(&["run", "-d", "--pod", "shop", "--name", name, "localhost/busybox:1", "sleep", "1000"]);
    let (api, side) = (in_pod("api"), in_pod("side"));
    let complete = |name: &str| following.running(name).is_some_and(|c| c.mntns != 0 && !c.sandbox_id.is_empty());
    until("both", SECOND, || complete("api") && complete("side")).await;
    let infra = podman.podman(&["pod", "inspect", "shop", "-f", "{{.InfraContainerID}}"]);
    let (one, two) = (following.by_id(&api).unwrap(), following.by_id(&side).unwrap());
    assert!(one.netns == two.netns && one.mntns != two.mntns);
    assert_eq!((&one.sandbox_id, &two.sandbox_id), (&infra, &infra));
    until("the pod's own container", SECOND, || following.by_id(&infra).is_some_and(|c| c.sandbox && c.labels.contains_key("tier"))).await;
    let once = list(&settings(podman)).await;
    let mut names: Vec<String> = once.snapshot().running().map(|c| c.runtime.container_name.clone()).collect();
    names.sort();
    assert_eq!(names, ["api", "side"]);
    podman.podman(&["pod", "rm", "-ft0", "shop"]);
    until("the end of both", SECOND, || following.running("api").is_none() && following.running("side").is_none()).await;
}

/// `list-containers -w` tells of containers as they come and go, also of those that are over at once, of each once.
async fn watched(podman: &Podman) {
    podman.run("before", &[], &["sleep", "1000"]);
    let socket = podman.socket();
    let flags = ["x", "-w", "-o", "json", "-r", "podman", "--podman-socketpath", socket.to_str().unwrap()];
    let args = Command::try_parse_from(flags).unwrap().list;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let watching = tokio::spawn(async move {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = list_containers::run(&args, &mut out, &mut err, stop).await;
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    });
    tokio::time::sleep(SECOND).await;
    for name in ["q1", "q2", "q3"] {
        podman.podman(&["run", "--rm", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", "usleep 50000"]);
    }
    podman.podman(&["rm", "-ft0", "before"]);
    tokio::time::sleep(SECOND).await;
    cancel.cancel();
    let (code, out, err) = watching.await.unwrap();
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let events: Vec<(String, String)> = serde_json::Deserializer::from_str(&out)
        .into_iter::<serde_json::Value>()
        .map(|event| {
            let event = event.unwrap();
            assert!(event["timestamp"].as_str().is_some_and(|stamp| stamp.len() == 20 && stamp.ends_with('Z')), "{event}");
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&event["event"]), text(&event["container"]["runtime"]["containerName"]))
        })
        .collect();
    for name in ["before", "q1", "q2", "q3"] {
        let of: Vec<&str> = events.iter().filter(|(_, of)| of == name).map(|(event, _)| event.as_str()).collect();
        assert_eq!(of, ["CREATED", "DELETED"], "{name}: {events:?}");
    }
    assert_eq!(events.len(), 8, "{events:?}");
}

/// Containers outlive a restart of the service; what ended meanwhile is noticed without it, and what was started is found afterwards.
async fn restarted(podman: &mut Podman, following: &Following) {
    podman.run("stays", &[], &["sleep", "1000"]);
    podman.run("ends", &[], &["sleep", "1000"]);
    let both = || ["stays", "ends"].iter().all(|name| following.running(name).is_some_and(|c| c.mntns != 0));
    until("both", SECOND, both).await;
    let before = following.running("stays").unwrap();
    podman.stop();
    until("the loss of the connection", 5 * SECOND, || following.waiting()).await;
    let ending = following.running("ends").unwrap().runtime.container_pid.to_string();
    assert!(Process::new("kill").args(["-9", &ending]).status().unwrap().success());
    until("an end that nobody told", 8 * SECOND, || following.running("ends").is_none()).await;
    podman.run("meanwhile", &[], &["sleep", "1000"]);
    podman.start();
    until("connection after a restart", 10 * SECOND, || following.connected()).await;
    until("what started meanwhile", SECOND, || following.running("meanwhile").is_some_and(|c| c.mntns != 0)).await;
    let after = following.running("stays").expect("still running");
    assert_eq!((before.mntns, before.runtime.container_pid), (after.mntns, after.runtime.container_pid));
    assert!(following.running("ends").is_none());
}
