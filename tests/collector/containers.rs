//! Real Docker containers, named in the events and selected in the kernel.

use crate::support::docker::Engine;
use crate::support::{Collector, can_trace, wait_for};

fn config(docker: &std::path::Path, containers: &str) -> String {
    format!(
        "version: v1\ngadgets:\n  - name: execs\n    image: trace_exec\n    {containers}\n    exporters: [file]\n  - name: opens\n    image: trace_open\n    {containers}\n    exporters: [file]\nexporters:\n  file: {{path: DIR/events.jsonl}}\nruntimes:\n  docker: {{socket: {}}}\n",
        docker.display()
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
