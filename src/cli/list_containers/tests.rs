//! Flags and output of the command.

use std::time::{Duration, Instant};

use clap::Parser;

use super::columns::Format;
use super::output::{self, Event, Events};
use super::warnings::Reachability;
use super::watch::{Shown, utc};
use super::{ListContainers, Look, add_configuration, run, sort};
use crate::container::runtime::{RuntimeState, RuntimeStatus};
use crate::container::{Container, Inventory};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    list: ListContainers,
}

fn args(flags: &[&str]) -> ListContainers {
    Command::try_parse_from([&["list-containers"], flags].concat()).unwrap().list
}

fn refused(flags: &[&str]) -> String {
    Command::try_parse_from([&["list-containers"], flags].concat()).err().unwrap().to_string()
}

fn container(id: &str, name: &str) -> Container {
    let mut c = Container { mntns: 10, ..Container::default() };
    c.runtime.runtime_name = "docker".to_owned();
    c.runtime.container_id = id.to_owned();
    c.runtime.container_name = name.to_owned();
    c.runtime.container_pid = 42;
    c
}

fn format(format: &str) -> Format {
    format.parse().unwrap()
}

fn text(name: &str, look: Look, containers: &[Container]) -> String {
    let mut out = Vec::new();
    output::list(&format(name), look, containers, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Columns fit their content, are sorted by name and cannot write to the terminal; other columns can be asked for.
#[test]
fn columns() {
    let (a, mut b) = (container("1", "web"), container("2", "db\u{1b}[31m"));
    b.runtime.container_image_name = "sha256:0123456789abcdef".to_owned();
    let mut all = [a.clone(), b];
    sort(&mut all);
    let shown = text("columns", Look::default(), &all);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("RUNTIME.RUNTIMENAME RUNTIME.CONTAINERID RUNTIME.CONTAINERNAME RUNTIME.CONTAINERPID"), "{shown}");
    assert!(lines[1].contains("db?[31m") && lines[1].contains(" 0123456789ab ") && lines[2].contains(" web "), "{shown}");
    let two = text("columns=runtime.containername,mntns", Look::default(), &[a]);
    assert_eq!(two, "RUNTIME.CONTAINERNAME MNTNS\nweb                   10\n");
}

/// On a terminal hashes are short and the header stands out; ids that somebody chose stay whole.
#[test]
fn people_get_short_hashes() {
    let (id, digest) = ("0123456789abcdef".repeat(4), format!("sha256:{}", "fedcba9876543210".repeat(4)));
    let mut web = container(&id, "web");
    web.runtime.container_image_digest.clone_from(&digest);
    let look = Look { short: true, bold: true };
    let names = "columns=runtime.containerid,runtime.containerimagedigest";
    let shown = text(names, look, &[web.clone(), container("a-name-of-more-than-twelve", "x")]);
    assert!(shown.starts_with("\u{1b}[1mRUNTIME.CONTAINERID") && shown.contains("\u{1b}[0m\n0123456789ab "), "{shown}");
    assert!(shown.contains(" fedcba987654\n") && shown.contains("\na-name-of-more-than-twelve\n"), "{shown}");
    let whole = text(names, Look::default(), &[web]);
    assert!(whole.contains(&id) && whole.contains(&digest) && !whole.contains('\u{1b}'), "{whole}");
}

/// JSON is one array, YAML a list of the same.
#[test]
fn json_and_yaml() {
    let web = [container("1", "web")];
    let json = text("json", Look::default(), &web);
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed[0]["runtime"]["containerName"], "web");
    assert!(json.starts_with("[\n  {\n    \"runtime\": {"));
    assert_eq!(text("json", Look::default(), &[]), "[]\n");
    assert_eq!(text("jsonpretty", Look::default(), &web), json);
    let yaml: serde_json::Value = serde_saphyr::from_str(&text("yaml", Look::default(), &web)).unwrap();
    assert_eq!(yaml, parsed);
}

/// The JSON is upstream's to the key: what is empty is left out, `k8s` and `runtime` never are.
#[test]
fn json_has_the_keys_of_upstream() {
    let nothing: serde_json::Value = serde_json::from_str(&text("json", Look::default(), &[Container::default()])).unwrap();
    assert_eq!(nothing, serde_json::json!([{"runtime": {}, "k8s": {}}]));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{\"a\": 1}").unwrap();
    let mut full = container("1", "web");
    (full.netns, full.host_network, full.cgroup_id) = (11, true, 12);
    (full.cgroup_path, full.cgroup_v1, full.cgroup_v2) = ("/sys/x".into(), "/v1".into(), "/v2".into());
    (full.bundle, full.sandbox_id) = (folder.path().to_str().unwrap().into(), "s".into());
    full.k8s.pod_labels.insert("k".into(), "v".into());
    (full.k8s.namespace, full.k8s.pod_name, full.k8s.container_name, full.k8s.pod_uid) = ("n".into(), "p".into(), "c".into(), "u".into());
    full.runtime.container_started_at = 7;
    let image = |text: &str| text.to_owned();
    full.runtime.container_image_name = image("i");
    full.runtime.container_image_id = image("sha256:1");
    full.runtime.container_image_digest = image("sha256:2");
    full.labels.insert("never".into(), "shown".into());
    add_configuration(&mut full);
    let parsed: serde_json::Value = serde_json::from_str(&text("json", Look::default(), &[full.clone()])).unwrap();
    let expected = serde_json::json!([{
        "runtime": {
            "runtimeName": "docker", "containerId": "1", "containerName": "web", "containerPid": 42, "containerImageName": "i",
            "containerImageId": "sha256:1", "containerImageDigest": "sha256:2", "containerStartedAt": 7,
        },
        "k8s": {"namespace": "n", "podName": "p", "podLabels": {"k": "v"}, "containerName": "c", "podUID": "u"},
        "ociConfig": "{\"a\": 1}", "bundle": full.bundle, "sandboxId": "s", "mntns": 10, "netns": 11, "hostNetwork": true,
        "cgroupPath": "/sys/x", "cgroupID": 12, "cgroupV1": "/v1", "cgroupV2": "/v2",
    }]);
    assert_eq!(parsed, expected);
}

/// Events of `--watch` carry time and kind in every format; a table's columns stay where they are.
#[test]
fn event_shapes() {
    let event = |name: &str| [Event { timestamp: "2026-11-21T10:00:00Z".to_owned(), event: "CREATED", container: container("1", name) }];
    let write = |name: &str, all: &[[Event; 1]]| {
        let (mut out, mut events) = (Vec::new(), Events::new(&format(name), Look::default()));
        all.iter().for_each(|some| events.write(some, &mut out).unwrap());
        String::from_utf8(out).unwrap()
    };
    let parsed: serde_json::Value = serde_json::from_str(&write("json", &[event("web")])).unwrap();
    assert_eq!(
        (&parsed["event"], &parsed["timestamp"], &parsed["container"]["mntns"]),
        (&"CREATED".into(), &"2026-11-21T10:00:00Z".into(), &10.into())
    );
    assert_eq!(
        write("columns=runtime.containername,mntns", &[event("a-name-that-is-longer-than-others"), event("db")]),
        "TIMESTAMP            EVENT   RUNTIME.CONTAINERNAME             MNTNS\n\
         2026-11-21T10:00:00Z CREATED a-name-that-is-longer-than-others 10\n\
         2026-11-21T10:00:00Z CREATED db                                10\n"
    );
    assert_eq!(write("columns=mntns", &[]), "");
}

/// Bad flags are refused with a hint.
#[test]
fn bad_flags() {
    assert!(refused(&["-o", "xml"]).contains("expected columns"));
    assert!(refused(&["-o", "columns=runtime.containername,"]).contains("a column without a name"));
    assert!(refused(&["-o", "columns="]).contains("a column without a name"));
    assert!(refused(&["-o", "columns=mntnss"]).contains("did you mean \"mntns\"?"));
    assert!(refused(&["-r", "rkt"]).contains("docker"));
    assert!(refused(&["-c", "a,,b"]).contains("empty value"));
}

/// Every flag selects by what it says, exclusions and upstream's other spellings included.
#[test]
fn selection() {
    let (mut web, mut db) = (container("1", "web"), container("2", "k8s_db"));
    (db.k8s.namespace, db.k8s.pod_name, db.k8s.container_name) = ("shop".into(), "db-0".into(), "db".into());
    db.k8s.pod_labels.insert("app".into(), "db".into());
    web.runtime.container_image_id = "sha256:0123456789abcdef".into();
    web.runtime.container_image_digest = "sha256:fedcba9876543210".into();
    for (flags, on_web, on_db) in [
        (vec![], true, true),
        (vec!["-c", "web"], true, false),
        (vec!["-c", "!web"], false, true),
        (vec!["--containername", "db"], false, true),
        (vec!["--runtime-containername", "web,k8s_db"], true, true),
        (vec!["--k8s-namespace", "x"], false, false),
        (vec!["--k8s-namespace", "shop"], false, true),
        (vec!["--k8s-podname", "!db-0"], true, false),
        (vec!["--k8s-containername", "db"], false, true),
        (vec!["--k8s-selector", "app=db"], false, true),
        (vec!["--containerimage-id", "0123456789ab"], true, false),
        (vec!["--runtime-containerimage-id", "!0123456789ab"], false, true),
        (vec!["--containerimage-digest", "sha256:fedcba987654"], true, false),
        (vec!["--runtime-containerimage-digest", "x"], false, false),
        (vec!["--host"], true, true),
    ] {
        let selector = args(&flags).selector();
        assert_eq!((selector.matches(&web), selector.matches(&db)), (on_web, on_db), "{flags:?}");
    }
}

/// An engine that was asked for and is not there: an empty list, a warning that names the socket, exit code 0.
#[tokio::test]
async fn no_engine_is_a_warning() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = args(&["-o", "json", "-r", "docker,docker", "--docker-socketpath", "/nonexistent/docker.sock"]);
    let code = run(&args, &mut out, &mut err, Default::default()).await;
    let err = String::from_utf8(err).unwrap();
    assert_eq!((code, out.as_slice()), (0, b"[]\n".as_slice()));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[0], "Info: docker is listed more than once in --runtimes");
    assert!(lines.len() == 2 && lines[1].starts_with("Warning: docker at /nonexistent/docker.sock cannot be reached: connect: "), "{err}");
}

/// While watching, a runtime that was heard is missed when it goes, and each change is told once.
#[test]
fn changes_of_runtimes_are_told_once() {
    let (mut told, flags) = (Reachability::default(), args(&[]).runtimes);
    let mut update = |state: RuntimeState| {
        let mut err = Vec::new();
        told.update(&[RuntimeStatus { name: "docker", socket: "/nonexistent/d.sock".into(), state }], &flags, &mut err).unwrap();
        String::from_utf8(err).unwrap()
    };
    let waiting = || RuntimeState::Waiting("gone".to_owned());
    assert_eq!([RuntimeState::Connecting, waiting(), waiting()].map(&mut update), ["", "", ""]);
    assert_eq!(update(RuntimeState::Connected), "Info: docker at /nonexistent/d.sock can be reached\n");
    assert_eq!(update(waiting()), "Warning: docker at /nonexistent/d.sock cannot be reached: gone\n");
    assert_eq!([waiting(), RuntimeState::Connecting].map(&mut update), ["", ""]);
    assert_eq!(update(RuntimeState::Connected), "Info: docker at /nonexistent/d.sock can be reached\n");
}

/// Each container is told once as created, complete or after some patience, and once as deleted, even if it was too quick.
#[test]
fn watch_tells_each_once() {
    let (inventory, now) = (Inventory::new(), Instant::now());
    let mut shown = Shown::default();
    let mut update = |now| shown.update(&inventory, now).into_iter().map(|(e, c)| (e, c.runtime.container_id)).collect::<Vec<_>>();
    let told = |event: &'static str, id: &str| (event, id.to_owned());
    let mut bare = container("2", "");
    bare.runtime.container_pid = 0;
    inventory.insert(container("1", "web"));
    inventory.insert(bare.clone());
    assert_eq!(update(now), [told("CREATED", "1")]);
    assert_eq!(update(now + Duration::from_secs(1)), [told("CREATED", "2")]);
    bare.runtime.container_id = "3".to_owned();
    inventory.insert(bare);
    assert_eq!(update(now), []);
    inventory.remove("3");
    inventory.remove("1");
    assert_eq!(update(now), [told("CREATED", "3"), told("DELETED", "3"), told("DELETED", "1")]);
    assert_eq!(update(now), []);
}

/// Time stamps of events, leap days included.
#[test]
fn time_stamps() {
    assert_eq!(utc(0), "1970-01-01T00:00:00Z");
    assert_eq!(utc(1_709_208_000), "2024-02-29T12:00:00Z");
    assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
}
