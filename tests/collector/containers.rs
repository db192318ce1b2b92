//! Real Docker containers, named in the events and selected in the kernel.

use crate::support::docker::Engine;
use crate::support::podman::Podman;
use crate::support::{Collector, can_trace, free_port, get, wait_for};

fn config(docker: &std::path::Path, containers: &str) -> String {
    with_runtimes(&format!("  docker: {{socket: {}}}", docker.display()), containers)
}

fn with_runtimes(runtimes: &str, containers: &str) -> String {
    format!(
        "version: v1\ngadgets:\n  - name: execs\n    image: trace_exec\n    {containers}\n    exporters: [file]\n  - name: opens\n    image: trace_open\n    {containers}\n    exporters: [file]\nexporters:\n  file: {{path: DIR/events.jsonl}}\nruntimes:\n{runtimes}\n"
    )
}

#[test]
fn a_container_that_execs_and_opens_is_named_within_a_second() {
    if !can_trace("container names") {
        return;
    }
    let Some(mut docker) = Engine::prepare("container-names") else { return };
    docker.start();
    let collector = Collector::start(&config(&docker.socket(), "containers: {}"));
    docker.run_container("web-1", "cat /etc/passwd > /dev/null; sleep 0.5; cat /etc/group > /dev/null");
    let named = |gadget: &'static str, key: &'static str, value: &'static str| {
        wait_for(1, "an event with the container's name", || {
            let wanted = |e: &serde_json::Value| e["gadget"] == gadget && e[key] == value && e["runtime"]["containerName"] == "web-1";
            collector.events("events.jsonl").into_iter().find(wanted)
        })
    };
    let opened = named("opens", "fname", "/etc/group");
    assert_eq!(opened["runtime"]["runtimeName"], "docker");
    assert_eq!(opened["runtime"]["containerImageName"], "localhost/busybox:1");
    assert_eq!(opened["runtime"]["containerId"].as_str().unwrap().len(), 64);
    named("execs", "args", "cat /etc/group");
    // The very first exec of a container is named as well.
    named("execs", "args", "cat /etc/passwd");
    assert_eq!(collector.stop().0, 0);
}

#[test]
fn kubernetes_names_come_from_the_containers_labels() {
    if !can_trace("kubernetes labels") {
        return;
    }
    let Some(mut docker) = Engine::prepare("kubernetes-labels") else { return };
    docker.start();
    let collector = Collector::start(&config(&docker.socket(), "containers: {}"));
    let labels = ["io.kubernetes.pod.name=shop-0", "io.kubernetes.pod.namespace=shop", "io.kubernetes.container.name=app"];
    let mut args = vec!["run", "--rm", "--network", "none"];
    labels.iter().for_each(|l| args.extend(["-l", l]));
    args.extend(["localhost/busybox:1", "sh", "-c", "sleep 0.5; cat /etc/group"]);
    docker.docker(&args);
    let event = wait_for(2, "an event with the pod's name", || {
        collector.events("events.jsonl").into_iter().find(|e| e["args"] == "cat /etc/group" && e["k8s"]["podName"] == "shop-0")
    });
    assert_eq!((event["k8s"]["namespace"].as_str(), event["k8s"]["containerName"].as_str()), (Some("shop"), Some("app")));
}

#[test]
fn the_kernel_filter_lets_only_selected_containers_through() {
    if !can_trace("container selection") {
        return;
    }
    let Some(mut docker) = Engine::prepare("container-selection") else { return };
    docker.start();
    let collector = Collector::start(&config(&docker.socket(), "containers: {names: [chosen]}"));
    docker.run_container("other", "cat /etc/passwd > /dev/null; sleep 0.3; cat /etc/passwd > /dev/null");
    docker.run_container("chosen", "sleep 0.5; cat /etc/group > /dev/null");
    std::fs::read("/etc/hostname").unwrap();
    wait_for(2, "an event of the chosen container", || collector.events("events.jsonl").into_iter().find(|e| e["fname"] == "/etc/group"));
    let names: std::collections::BTreeSet<String> =
        collector.events("events.jsonl").iter().map(|e| e["runtime"]["containerName"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["chosen"]);
}

#[test]
fn docker_may_come_later_and_restart() {
    if !can_trace("docker comes and goes") {
        return;
    }
    let Some(mut docker) = Engine::prepare("docker-comes-and-goes") else { return };
    docker.start();
    // A link that does not exist yet stands for an engine that was not started yet.
    let link = tempfile::tempdir().unwrap();
    let socket = link.path().join("docker.sock");
    let collector = Collector::start(&config(&socket, "containers: {}"));
    collector.wait_log(5, "docker");
    std::os::unix::fs::symlink(docker.socket(), &socket).unwrap();
    let named = |name: &str, seconds| {
        wait_for(seconds, "a named event", || {
            docker_probe(&docker, name);
            collector.events("events.jsonl").into_iter().find(|e| e["runtime"]["containerName"] == name)
        })
    };
    named("late", 20);
    docker.stop();
    docker.start();
    wait_for(30, "a named event after the restart", || {
        docker_probe(&docker, "again");
        collector.events("events.jsonl").into_iter().find(|e| e["runtime"]["containerName"] == "again")
    });
    assert_eq!(collector.stop().0, 0);
}

fn docker_probe(docker: &Engine, name: &str) {
    docker.run_container(name, "sleep 0.3; cat /etc/group > /dev/null");
}

/// Every exec of Podman's containers is named, of those that live 50 ms and of those of a pod, too.
#[test]
fn podmans_containers_are_named() {
    if !can_trace("podman's containers") {
        return;
    }
    let Some(mut podman) = Podman::prepare("podman-names") else { return };
    podman.start();
    let runtimes = format!("  podman: {{socket: {}}}", podman.socket().display());
    let collector = Collector::start(&with_runtimes(&runtimes, "containers: {host: false}"));
    let names: Vec<String> = (0..6).map(|i| format!("quick-{i}")).collect();
    for name in &names {
        let script = format!("cat /{name}; usleep 50000; cat /{name}");
        podman.podman(&["run", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", &format!("({script}) 2>&1 | true")]);
    }
    podman.podman(&["pod", "create", "--name", "shop", "--network", "none"]);
    podman.podman(&["run", "--pod", "shop", "--name", "member", "localhost/busybox:1", "sh", "-c", "cat /member 2>&1 | true"]);
    let wanted = names.len() * 2 + 1;
    let of = |events: &[serde_json::Value]| -> Vec<(String, String)> {
        let cats = events.iter().filter_map(|e| Some((e["args"].as_str()?.strip_prefix("cat /")?.to_owned(), e)));
        cats.map(|(name, e)| (name, e["runtime"]["containerName"].as_str().unwrap_or_default().to_owned())).collect()
    };
    let told = wait_for(5, "every exec", || Some(of(&collector.events("events.jsonl"))).filter(|told| told.len() >= wanted));
    let wrong: Vec<_> = told.iter().filter(|(ran, named)| ran != named).collect();
    assert!(wrong.is_empty() && told.len() == wanted, "{wrong:?} of {told:?}");
    let events = collector.events("events.jsonl");
    let member = events.iter().find(|e| e["args"] == "cat /member").unwrap();
    assert_eq!(
        (member["runtime"]["runtimeName"].as_str(), member["runtime"]["containerImageName"].as_str()),
        (Some("podman"), Some("localhost/busybox:1"))
    );
    assert_eq!(collector.stop().0, 0);
}

fn opened(collector: &Collector, prefix: &str) -> Vec<String> {
    let events = collector.events("events.jsonl");
    events.iter().filter_map(|e| e["fname"].as_str()).filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

/// A selection that a reload changes lets through what the new one says, and no event of a container in both is lost or told twice.
#[test]
fn a_reload_changes_the_selection_and_loses_nothing() {
    const OPENS: usize = 30_000;
    if !can_trace("changing a selection") {
        return;
    }
    let Some(mut docker) = Engine::prepare("changing-selection") else { return };
    docker.start();
    let with = |containers: &str| config(&docker.socket(), containers);
    let mut collector = Collector::start(&with("containers: {names: [storm]}"));
    let script = format!("sleep 1; i=0; while [ $i -lt {OPENS} ]; do {{ true < /storm-$i; }} 2>/dev/null; i=$((i+1)); done; sleep 1");
    let run = |name: &str, script: &str| {
        docker.docker(&["run", "-d", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", script]);
    };
    run("other", "while true; do { true < /other; } 2>/dev/null; usleep 10000; done");
    run("storm", &script);
    wait_for(10, "the storm", || opened(&collector, "/storm-").first().cloned());
    assert!(opened(&collector, "/other").is_empty());
    collector.rewrite(&with("containers: {names: [storm, other]}"));
    wait_for(20, "an event of the container that was added", || opened(&collector, "/other").first().cloned());
    collector.rewrite(&with("containers: {names: '!other', host: false}"));
    wait_for(20, "the second reload", || (collector.log().matches("configuration applied").count() == 2).then_some(()));
    let before = opened(&collector, "/other").len();
    wait_for(60, "the end of the storm", || docker.docker(&["ps", "-q", "-f", "name=storm"]).is_empty().then_some(()));
    assert_eq!(opened(&collector, "/other").len(), before, "events of a container that is selected no more");
    docker.docker(&["rm", "-f", "other"]);
    collector.signal(libc::SIGINT);
    assert_eq!(collector.wait(30), 0, "{}", collector.log());
    let mut numbers: Vec<usize> =
        opened(&collector, "/storm-").iter().map(|name| name.trim_start_matches("/storm-").parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers == (0..OPENS).collect::<Vec<_>>(), "{} events of {OPENS}", numbers.len());
}

/// A reload follows the runtimes that the new configuration names, and forgets the others; the gadgets do not notice.
#[test]
fn a_reload_changes_the_runtimes() {
    if !can_trace("changing the runtimes") {
        return;
    }
    let Some(mut docker) = Engine::prepare("changing-runtimes") else { return };
    docker.start();
    let health = free_port();
    let with = |runtimes: &str| {
        let off = "  podman: {enabled: false}\n  containerd: {enabled: false}\n  crio: {enabled: false}";
        with_runtimes(&format!("{off}\n{runtimes}"), "containers: {}")
            + &format!("service:\n  health: {{endpoint: \"127.0.0.1:{health}\"}}\n")
    };
    let runtimes = || {
        let (_, body) = get(&format!("127.0.0.1:{health}"), "/", "application/json").unwrap();
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["runtimes"].clone()
    };
    let collector = Collector::start(&with("  docker: {enabled: false}"));
    assert_eq!(runtimes(), serde_json::json!([]));
    docker.docker(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "localhost/busybox:1",
        "sh",
        "-c",
        "while true; do cat /web; usleep 50000; done",
    ]);
    let socket = docker.socket();
    collector.rewrite(&with(&format!("  docker: {{socket: {}}}", socket.display())));
    collector.wait_log(20, "other runtimes are followed");
    wait_for(5, "a named event", || collector.events("events.jsonl").into_iter().find(|e| e["runtime"]["containerName"] == "web"));
    let connected =
        wait_for(5, "the health page", || runtimes().as_array().and_then(|all| all.first().cloned()).filter(|r| r["connected"] == true));
    assert_eq!((connected["state"].as_str(), connected["socket"].as_str()), (Some("connected"), socket.to_str()));
    assert!(connected["since_unix_seconds"].as_u64().is_some_and(|since| since > 1_700_000_000), "{connected}");
    collector.rewrite(&with("  docker: {enabled: false}"));
    wait_for(20, "no runtime", || (runtimes() == serde_json::json!([])).then_some(()));
    assert!(collector.log().contains("kept 2"), "{}", collector.log());
    assert_eq!(collector.stop().0, 0);
}
