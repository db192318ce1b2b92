//! A real Docker engine of our own: its containers are in the inventory within a second, gone after their grace time, and an
//! engine that appears late or restarts is followed again. Says why it does nothing where there is no Docker or no root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "support/docker.rs"]
mod engine;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use engine::Engine;
use gadgetry::cli::list_containers::{self, ListContainers};
use gadgetry::container::runtime::{self, RuntimeState, Settings, docker};
use gadgetry::container::sighting::Wanted;
use gadgetry::container::{Container, GRACE, Inventory, ProcessOwner};
use gadgetry::kernel::cgroupfs;
use gadgetry::loader::containers;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    list: ListContainers,
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

fn find(inventory: &Inventory, name: &str) -> Option<Container> {
    inventory.snapshot().running().find(|c| c.runtime.container_name == name).cloned()
}

fn connected(inventory: &Inventory) -> bool {
    inventory.runtimes().first().is_some_and(|r| r.state == RuntimeState::Connected)
}

const SECOND: Duration = Duration::from_secs(1);

/// One test, because each engine start costs time: see the module.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_a_real_engine() {
    let Some(mut engine) = Engine::prepare("inventory") else { return };
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    containers::watch(&inventory, Wanted::default(), &cancel).unwrap();
    // What is over is let go by the keeper, which runs whatever is followed.
    runtime::follow(&inventory, &Settings::default(), &cancel);
    let task = tokio::spawn(docker::follow(inventory.clone(), engine.socket(), cancel.clone()));

    // Docker is not there yet: said in the status, not an error.
    until("waiting status", SECOND, || matches!(inventory.runtimes().first().map(|r| &r.state), Some(RuntimeState::Waiting(_)))).await;
    engine.start();
    until("connection to an engine that appeared late", 5 * SECOND, || connected(&inventory)).await;

    // As on a machine that never ran a container: the engine makes the parent cgroup with the first one.
    if let Ok(Some(mount)) = cgroupfs::unified_mount() {
        let _ = std::fs::remove_dir(mount.join("docker"));
    }
    short_lived(&engine, &inventory, "first").await;
    short_lived(&engine, &inventory, "second").await;
    started_and_removed(&engine, &inventory).await;
    listed(&engine).await;
    restart(&mut engine, &inventory).await;

    cancel.cancel();
    tokio::time::timeout(SECOND, task).await.expect("ends when cancelled").unwrap();
}

async fn started_and_removed(engine: &Engine, inventory: &Arc<Inventory>) {
    let id = engine.docker(&["run", "-d", "--name", "web", "-l", "app=web", "--network", "none", "localhost/busybox:1", "sleep", "1000"]);
    let took = until("container in the inventory", SECOND, || find(inventory, "web").is_some()).await;
    println!("in the inventory {took:?} after docker run returned");
    until("its record complete", SECOND, || {
        find(inventory, "web").is_some_and(|c| c.runtime.container_pid != 0 && !c.runtime.container_image_id.is_empty())
    })
    .await;
    let web = find(inventory, "web").unwrap();
    let pid = web.runtime.container_pid;
    let link = std::fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("mnt:[{}]", web.mntns));
    assert_eq!((web.runtime.container_id.as_str(), web.runtime.runtime_name.as_str()), (id.as_str(), "docker"));
    assert_eq!(web.runtime.container_image_name, "localhost/busybox:1");
    assert!(web.runtime.container_started_at > 1_700_000_000_000_000_000);
    assert_eq!(web.labels.get("app").map(String::as_str), Some("web"));
    assert!(web.cgroup_id != 0 && web.cgroup_path.ends_with(&web.cgroup_v2), "{web:?}");

    engine.docker(&["rename", "web", "shop"]);
    until("new name", SECOND, || find(inventory, "shop").is_some()).await;
    engine.docker(&["rm", "-f", "shop"]);
    until("not running any more", SECOND, || find(inventory, "shop").is_none()).await;
    let entry = inventory.snapshot().by_mntns(web.mntns).expect("events that come late are still named");
    assert_eq!(inventory.snapshot().container(entry).unwrap().runtime.container_name, "shop");
    until("let go after the grace time", GRACE + 3 * SECOND, || inventory.snapshot().by_id(&id).is_none()).await;
    assert!(inventory.snapshot().by_mntns(web.mntns).is_none());
}

/// A container that is over at once is known by name and by mount namespace all the same.
async fn short_lived(engine: &Engine, inventory: &Arc<Inventory>, name: &str) {
    let out = engine.docker(&["run", "--name", name, "--network", "none", "localhost/busybox:1", "readlink", "/proc/self/ns/mnt"]);
    let mntns: u64 = out.trim().trim_start_matches("mnt:[").trim_end_matches(']').parse().unwrap();
    let named = || {
        let snapshot = inventory.snapshot();
        snapshot.by_mntns(mntns).and_then(|e| snapshot.container(e)).is_some_and(|c| c.runtime.container_name == name)
    };
    until("short-lived container named by its mount namespace", SECOND, named).await;
    engine.docker(&["rm", "-f", name]);
}

/// `list-containers` shows what runs at once, with its selector; and a process of a container nobody told of leads to its id.
async fn listed(engine: &Engine) {
    for name in ["one", "two"] {
        engine.docker(&["run", "-d", "--name", name, "--network", "none", "localhost/busybox:1", "sleep", "1000"]);
    }
    let socket = engine.socket();
    let list = async |flags: &[&str]| {
        let socket = ["list-containers", "-r", "docker", "-o", "json", "--docker-socketpath", socket.to_str().unwrap()];
        let args = Command::try_parse_from([&socket, flags].concat()).unwrap().list;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = list_containers::run(&args, &mut out, &mut err, CancellationToken::new()).await;
        assert_eq!((code, String::from_utf8_lossy(&err).as_ref()), (0, ""));
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()
    };
    let names = |listed: &serde_json::Value| -> Vec<String> {
        listed.as_array().unwrap().iter().map(|c| c["runtime"]["containerName"].as_str().unwrap().to_owned()).collect()
    };
    let all = list(&[]).await;
    assert_eq!(names(&all), ["one", "two"]);
    assert_eq!(names(&list(&["-c", "!one"]).await), ["two"]);
    let config: serde_json::Value = serde_json::from_str(all[0]["ociConfig"].as_str().expect("its configuration")).unwrap();
    assert_eq!(config["process"]["args"], serde_json::json!(["sleep", "1000"]));
    assert!(
        all[0]["bundle"].as_str().is_some_and(|bundle| bundle.ends_with(all[0]["runtime"]["containerId"].as_str().unwrap())),
        "{}",
        all[0]
    );

    let one = &all[0];
    let (mntns, pid) = (one["mntns"].as_u64().unwrap(), one["runtime"]["containerPid"].as_u64().unwrap());
    let strangers = Inventory::new();
    let ProcessOwner::Container(entry) = strangers.resolve(mntns, pid as u32) else { panic!("the cgroup names the container") };
    let snapshot = strangers.snapshot();
    let runtime = &snapshot.container(entry).unwrap().runtime;
    assert_eq!((runtime.container_id.as_str(), runtime.runtime_name.as_str()), (one["runtime"]["containerId"].as_str().unwrap(), "docker"));
    assert_eq!(strangers.resolve(mntns + 1, pid as u32), ProcessOwner::Unknown);
    engine.docker(&["rm", "-f", "one", "two"]);
}

async fn restart(engine: &mut Engine, inventory: &Arc<Inventory>) {
    engine.docker(&["run", "-d", "--name", "gone", "--network", "none", "localhost/busybox:1", "sleep", "1000"]);
    engine.docker(&["run", "-d", "--name", "back", "--restart", "always", "--network", "none", "localhost/busybox:1", "sleep", "1000"]);
    until("both", SECOND, || find(inventory, "gone").is_some() && find(inventory, "back").is_some()).await;
    let before = find(inventory, "back").unwrap();
    engine.stop();
    until("loss of the connection noticed", 5 * SECOND, || !connected(inventory)).await;
    engine.start();
    until("connection after a restart", 10 * SECOND, || connected(inventory)).await;
    let back = |c: Container| c.runtime.container_pid != 0 && c.runtime.container_started_at != before.runtime.container_started_at;
    until("restarted container", 5 * SECOND, || find(inventory, "back").is_some_and(back)).await;
    assert!(find(inventory, "gone").is_none());
    engine.docker(&["rm", "-f", "gone", "back"]);
    until("the end of both", SECOND, || find(inventory, "gone").is_none() && find(inventory, "back").is_none()).await;
}
