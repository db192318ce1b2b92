//! Flags and output of the command.

use std::time::{Duration, Instant};

use clap::Parser;

use super::output::{self, Event, Format};
use super::watch::{Shown, utc};
use super::{ListContainers, run, sort};
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

fn text(format: &str, containers: &[&Container]) -> String {
    let mut out = Vec::new();
    output::list(&format.parse().unwrap(), containers, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Columns fit their content, are sorted by name and cannot write to the terminal; other columns can be asked for.
#[test]
fn columns() {
    let (a, mut b) = (container("1", "web"), container("2", "db\u{1b}[31m"));
    b.runtime.container_image_name = "sha256:0123456789abcdef".to_owned();
    let mut all = [&a, &b];
    sort(&mut all);
    let shown = text("columns", &all);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("RUNTIME.RUNTIMENAME RUNTIME.CONTAINERID RUNTIME.CONTAINERNAME RUNTIME.CONTAINERPID"), "{shown}");
    assert!(lines[1].contains("db?[31m") && lines[1].contains(" 0123456789ab ") && lines[2].contains(" web "), "{shown}");
    assert_eq!(text("columns=runtime.containername,mntns", &[&a]), "RUNTIME.CONTAINERNAME MNTNS\nweb                   10\n");
}

/// JSON is one array, YAML a list of the same.
#[test]
fn json_and_yaml() {
    let web = container("1", "web");
    let parsed: serde_json::Value = serde_json::from_str(&text("json", &[&web])).unwrap();
    assert_eq!(parsed[0]["runtime"]["containerName"], "web");
    assert!(text("json", &[&web]).starts_with("[\n  {\n    \"runtime\": {"));
    assert_eq!(text("json", &[]), "[]\n");
    assert_eq!(text("jsonpretty", &[&web]), text("json", &[&web]));
    let yaml: serde_json::Value = serde_saphyr::from_str(&text("yaml", &[&web])).unwrap();
    assert_eq!(yaml, parsed);
}

/// Events of `--watch` carry time and kind in every format.
#[test]
fn event_shapes() {
    let web = container("1", "web");
    let event = || [Event { timestamp: "2026-11-21T10:00:00Z".to_owned(), event: "CREATED", container: &web }];
    let mut out = Vec::new();
    output::events(&Format::Json, &event(), true, &mut out).unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (&parsed["event"], &parsed["timestamp"], &parsed["container"]["mntns"]),
        (&"CREATED".into(), &"2026-11-21T10:00:00Z".into(), &10.into())
    );
    let mut out = Vec::new();
    output::events(&"columns=mntns".parse().unwrap(), &event(), true, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "TIMESTAMP            EVENT   MNTNS\n2026-11-21T10:00:00Z CREATED 10\n");
}

/// Bad flags are refused with a hint.
#[test]
fn bad_flags() {
    assert!(refused(&["-o", "xml"]).contains("expected columns"));
    assert!(refused(&["-o", "columns=runtime.containername,"]).contains("unknown column"));
    assert!(refused(&["-o", "columns=mntnss"]).contains("did you mean \"mntns\"?"));
    assert!(refused(&["-r", "rkt"]).contains("docker"));
    assert!(refused(&["-c", "a,,b"]).contains("empty value"));
}

/// Names select by the runtime's name, exclusions included.
#[test]
fn selection() {
    let (web, db) = (container("1", "web"), container("2", "db"));
    for (flags, on_web, on_db) in [
        (vec![], true, true),
        (vec!["-c", "web"], true, false),
        (vec!["-c", "!web"], false, true),
        (vec!["--k8s-namespace", "x"], false, false),
    ] {
        let args = args(&flags);
        assert_eq!((args.wants(&web), args.wants(&db)), (on_web, on_db), "{flags:?}");
    }
}

/// No engine: an empty list, a warning that names the socket, exit code 0.
#[tokio::test]
async fn no_engine_is_a_warning() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = args(&["-o", "json", "--docker-socketpath", "/nonexistent/docker.sock"]);
    let code = run(&args, &mut out, &mut err, Default::default()).await;
    let err = String::from_utf8(err).unwrap();
    assert_eq!((code, out.as_slice()), (0, b"[]\n".as_slice()));
    assert!(err.starts_with("Warning: docker at /nonexistent/docker.sock cannot be reached: connect: "), "{err}");
}

/// Each container is told once as created, complete or after some patience, and once as deleted, even if it was too quick.
#[test]
fn watch_tells_each_once() {
    let (inventory, args, now) = (Inventory::new(), args(&[]), Instant::now());
    let mut shown = Shown::default();
    let mut update = |now| shown.update(&inventory, &args, now).into_iter().map(|(e, c)| (e, c.runtime.container_id)).collect::<Vec<_>>();
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
