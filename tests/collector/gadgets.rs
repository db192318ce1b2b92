//! Real kernel events of the four embedded gadgets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use serde_json::Value;

use crate::support::{Collector, can_trace, free_port, get, wait_for};

fn config(name: &str, image: &str, rest: &str) -> String {
    format!(
        "version: v1\ngadgets:\n  - name: {name}\n    image: {image}\n    exporters: [file]\n{rest}exporters:\n  file: {{path: DIR/events.jsonl}}\n"
    )
}

fn event(collector: &Collector, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(5, "the event", || collector.events("events.jsonl").into_iter().find(&wanted))
}

fn shape(value: &Value) -> Vec<String> {
    let mut members = match value {
        Value::Object(members) => members.iter().flat_map(|(k, v)| shape(v).into_iter().map(move |s| format!("{k}.{s}"))).collect(),
        Value::Number(_) => vec!["number".to_owned()],
        Value::String(_) => vec!["text".to_owned()],
        Value::Array(_) => vec!["array".to_owned()],
        Value::Bool(_) => vec!["bool".to_owned()],
        Value::Null => vec!["null".to_owned()],
    };
    members.sort();
    members
}

/// The event has exactly the golden event's members, of the same types.
fn assert_golden(gadget: &str, event: &Value) {
    let path = format!("{}/gadgets/{gadget}/golden/event.json", env!("CARGO_MANIFEST_DIR"));
    let mut event = event.clone();
    // The file exporter adds the instance's name; the gadget does not know it.
    event.as_object_mut().unwrap().shift_remove("gadget");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&event).unwrap())).unwrap();
    }
    let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(shape(&event), shape(&golden), "{gadget}: {event:#}");
}

#[test]
fn an_open_becomes_an_event_with_its_path_flags_and_result() {
    if !can_trace("trace_open") {
        return;
    }
    let collector = Collector::start(&config("opens", "trace_open", ""));
    let path = collector.path("not there");
    assert!(fs::File::open(&path).is_err());
    let wanted = path.to_str().unwrap().to_owned();
    let failed = event(&collector, |e| e["fname"] == wanted.as_str());
    assert_eq!(failed["error"], "ENOENT");
    assert_eq!(failed["flags"], "O_RDONLY|O_CLOEXEC");
    assert_eq!(failed["proc"]["pid"], std::process::id());
    assert_eq!(failed["proc"]["creds"]["user"], "root");
    assert_golden("trace_open", &failed);
    let made = collector.path("made");
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&made).unwrap();
    let made = event(&collector, |e| e["fname"] == made.to_str().unwrap());
    assert_eq!((made["error"].as_str(), made["mode"].as_str()), (Some(""), Some("-rw-r-----")));
    assert_eq!(made["flags"], "O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC");
    let stamp = made["timestamp"].as_str().unwrap().to_owned();
    let seconds = Command::new("date").args(["+%s", "-d", &stamp]).output().unwrap();
    let seconds: i64 = String::from_utf8_lossy(&seconds.stdout).trim().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now - seconds).abs() < 30, "{stamp} is not now");
}

#[test]
fn an_exec_becomes_an_event_with_its_arguments_and_parent() {
    if !can_trace("trace_exec") {
        return;
    }
    let collector = Collector::start(&config("execs", "trace_exec", "    params: {ignore-failed: false}\n"));
    Command::new("/bin/echo").args(["one two", "three"]).output().unwrap();
    let done = event(&collector, |e| e["args"] == "/bin/echo one two three");
    assert_eq!(done["proc"]["comm"], "echo");
    assert_eq!(done["error"], "");
    assert_eq!(done["proc"]["parent"]["pid"], std::process::id());
    assert_golden("trace_exec", &done);
    let missing = collector.path("missing");
    assert!(Command::new(&missing).arg("x").output().is_err());
    let failed = event(&collector, |e| e["error"] == "ENOENT" && e["args"].as_str().is_some_and(|a| a.contains("missing")));
    assert_eq!(failed["args"], format!("{} x", missing.display()));
}

#[test]
fn processes_that_run_are_listed_by_the_iterator() {
    if !can_trace("snapshot_process") {
        return;
    }
    let collector = Collector::start(&config("processes", "snapshot_process", ""));
    let me = event(&collector, |e| e["pid"] == std::process::id());
    assert_eq!(me["tid"], std::process::id());
    assert_eq!(event(&collector, |e| e["pid"] == 2)["comm"], "kthreadd");
    assert_golden("snapshot_process", &me);
}

#[test]
fn block_io_fills_a_histogram_by_device() {
    if !can_trace("profile_blockio") {
        return;
    }
    let port = free_port();
    let prometheus = format!("  prometheus: {{endpoint: \"127.0.0.1:{port}\"}}\n");
    let config = config("blockio", "profile_blockio", "").replace("[file]", "[file, prometheus]") + &prometheus;
    let collector = Collector::start(&config);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("block-io");
    for _ in 0..20 {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
        file.write_all(&[7; 65536]).unwrap();
        file.sync_all().unwrap();
    }
    let row = event(&collector, |e| e["latency"].as_array().is_some_and(|slots| slots.iter().any(|s| s.as_u64() > Some(0))));
    assert_golden("profile_blockio", &row);
    let page = wait_for(5, "a histogram with observations", || {
        let (_, body) = get(&format!("127.0.0.1:{port}"), "/metrics", "text/plain").ok()?;
        body.lines().any(|l| l.contains("_bucket{") && !l.ends_with(" 0")).then_some(body)
    });
    assert!(page.contains("# TYPE"), "{page}");
    fs::remove_file(path).unwrap();
}
