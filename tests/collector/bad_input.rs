//! Bad input of every kind: a clear error that names the object and the place, and the right exit code.

use std::process::{Command, Output, Stdio};

use crate::support::{Collector, binary, can_trace, free_port};

fn gadgetry(args: &[&str]) -> Output {
    Command::new(binary()).args(args).stdin(Stdio::null()).output().unwrap()
}

fn validate(config: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("collector.yaml");
    std::fs::write(&path, config).unwrap();
    let output = gadgetry(&["validate", "-c", path.to_str().unwrap()]);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}

fn refused(config: &str, words: &[&str]) {
    let (code, text) = validate(config);
    assert_eq!(code, 64, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
}

const EXPORTERS: &str = "exporters:\n  file: {path: /tmp/never-written.jsonl}\n";

#[test]
fn all_errors_are_reported_at_once_with_their_places() {
    refused(
        "version: v1\ngadgets:\n  - name: a\n    imag: trace_open\n    exporters: [flie]\n  - name: a\n    image: trace_open\n    exporters: [file]\nexporters:\n  file: {paht: /tmp/x}\n",
        &[":4:5", "\"imag\"", "did you mean \"image\"", ":5:17", "flie", ":6:11", ":10:10", "paht", "path"],
    );
}

#[test]
fn unknown_gadgets_parameters_exporters_and_fields_are_named() {
    let gadget = |rest: &str| format!("version: v1\ngadgets:\n  - name: opens\n{rest}{EXPORTERS}");
    refused(&gadget("    image: trace_opne\n    pull: never\n    exporters: [file]\n"), &["trace_opne", "trace_open", ":4:12"]);
    refused(&gadget("    image: trace_open\n    params: {pidd: 1}\n    exporters: [file]\n"), &["pidd", "\"pid\"", ":5:14"]);
    refused(&gadget("    image: trace_open\n    params: {pid: many}\n    exporters: [file]\n"), &["many", ":5:19"]);
    refused(
        &gadget("    image: trace_open\n    operators: [{filter: 'proc.com == \"x\"'}]\n    exporters: [file]\n"),
        &["proc.com", "proc.comm", ":5:"],
    );
    refused(&gadget("    image: trace_open\n    operators: [{filter: 'proc.comm =='}]\n    exporters: [file]\n"), &["filter", ":5:"]);
    refused(&gadget("    image: trace_open\n    operators: [{fitler: 'a == 1'}]\n    exporters: [file]\n"), &["fitler", "filter", ":5:"]);
    refused("version: v1\ngadgets: []\nexporters:\n  otpl_grpc: {endpoint: 'http://x'}\n", &["otpl_grpc", "otlp_grpc", ":4:3"]);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let missing = gadgetry(&["collect", "-c", "/nowhere/collector.yaml"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere/collector.yaml"));
    let folder = gadgetry(&["validate", "-c", "/tmp"]);
    assert_eq!(folder.status.code(), Some(64));
    refused("version: v1\ngadgets: [\n", &["collector.yaml:"]);
    refused("version: v1\nversion: v1\n", &["version"]);
    refused("version: v7\n", &["v7", "v1"]);
    refused("\u{0}\u{1}\u{2}", &["collector.yaml"]);
}

#[test]
fn the_command_line_is_checked_and_explained() {
    assert_eq!(gadgetry(&["colect"]).status.code(), Some(64));
    assert_eq!(gadgetry(&["collect", "--nonsense"]).status.code(), Some(64));
    let help = gadgetry(&["collect", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"));
    assert_eq!(gadgetry(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_port_in_use_and_an_unwritable_file_end_the_start_and_are_named() {
    if !can_trace("start errors") {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let gadget = "version: v1\ngadgets:\n  - {name: opens, image: trace_open, exporters: [out]}\n";
    let port = format!("{}exporters:\n  prometheus: {{endpoint: \"{address}\"}}\n", gadget.replace("out", "prometheus"));
    let mut collector = Collector::spawn(&port);
    assert_eq!(collector.wait(10), 1);
    collector.wait_log(1, &format!("listen on {address}"));
    let file = format!("{}exporters:\n  file: {{path: /proc/nowhere/x.jsonl}}\n", gadget.replace("out", "file"));
    let mut collector = Collector::spawn(&file);
    assert_eq!(collector.wait(10), 1);
    collector.wait_log(1, "/proc/nowhere/x.jsonl");
}

#[test]
fn a_missing_capability_is_named() {
    if !can_trace("capabilities") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("collector.yaml");
    std::fs::write(
        &path,
        format!(
            "version: v1\ngadgets:\n  - {{name: opens, image: trace_open, exporters: [file]}}\nexporters:\n  file: {{path: {}/x.jsonl}}\n",
            dir.path().display()
        ),
    )
    .unwrap();
    std::process::Command::new("chmod").args(["777", dir.path().to_str().unwrap()]).status().unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
        .arg(binary_for_everybody(dir.path()))
        .args(["collect", "-c", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("CAP_BPF") || text.contains("CAP_SYS_ADMIN"), "{text}");
}

/// The build folder may be closed to other users.
fn binary_for_everybody(dir: &std::path::Path) -> std::path::PathBuf {
    let copy = dir.join("gadgetry");
    std::fs::copy(binary(), &copy).unwrap();
    copy
}

#[test]
fn a_gadget_that_cannot_select_containers_says_so() {
    if !can_trace("unsupported selection") {
        return;
    }
    let config = format!(
        "version: v1\ngadgets:\n  - {{name: blockio, image: profile_blockio, containers: {{names: [x]}}, exporters: [prometheus]}}\nexporters:\n  prometheus: {{endpoint: \"127.0.0.1:{}\"}}\n",
        free_port()
    );
    let mut collector = Collector::spawn(&config);
    assert_ne!(collector.wait(10), 0);
    collector.wait_log(1, "cannot select containers");
}
