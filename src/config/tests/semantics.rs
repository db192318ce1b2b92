//! What the settings mean: names, references, gadgets, contradictions.

use super::*;

/// Proves that names must be unique and references must lead somewhere.
#[test]
fn names_and_references() {
    let twice = GOOD.replace(
        "exporters:\n  file",
        "  - {name: execs, image: trace_open, exporters: [file/audt, file/audit, file/audit, 'a b']}\nexporters:\n  file",
    );
    assert_eq!(
        complaints(&twice),
        [
            "9:12: the gadget name \"execs\" is taken by an earlier gadget; names must be unique",
            "9:50: the exporter \"file/audt\" is not defined [file/audit]",
            "9:73: the exporter \"file/audit\" is listed twice",
            "9:85: \"a b\" is not a component id: expected `type` or `type/name`",
        ]
    );
}

/// Proves that an alias is the exporter it stands for, in definitions and in references.
#[test]
fn aliases_are_the_same_exporter() {
    let plan =
        load_text(&GOOD.replace("[file/audit]", "[otlp_grpc/a]").replace("file/audit: {path: /tmp/a.jsonl}", "otlp/a: {endpoint: x}"))
            .unwrap();
    assert_eq!(plan.exporters[0].id.to_string(), "otlp_grpc/a");
    let both = GOOD.replace("  file/audit: {path", "  otlp: {endpoint: x}\n  otlp_grpc: {endpoint: x}\n  file/audit: {path");
    assert!(complaints(&both).contains(&"11:3: \"otlp_grpc\" is the same exporter as \"otlp\"".to_owned()), "{:?}", complaints(&both));
}

/// Proves that gadgets are checked against what they say of themselves.
#[test]
fn gadgets_know_their_images_params_and_fields() {
    assert_eq!(complaint(&GOOD.replace("trace_exec", "trace_exce")), "4:12: no gadget image \"trace_exce\" [trace_exec]");
    assert_eq!(
        complaint(&GOOD.replace("ignore-failed", "ignore-faild")),
        "5:14: the gadget has no parameter \"ignore-faild\" [ignore-failed]"
    );
    assert_eq!(complaint(&GOOD.replace("false", "7")), "5:29: parameter \"ignore-failed\": \"7\" is not true or false");
    assert_eq!(complaint(&GOOD.replace("proc.comm !=", "proc.com !=")), "7:17: filter: no such field");
    assert_eq!(complaint(&GOOD.replace("!=", "!!")), "7:17: filter: unexpected \"!\"");
    let metric = GOOD.replace("    exporters:", "    metrics: [{name: a, type: counter, attributes: [nope]}]\n    exporters:");
    assert_eq!(complaint(&metric), "8:15: metric \"a\": no such field");
    let kind = GOOD.replace("    exporters:", "    metrics: [{name: a, type: countr}]\n    exporters:");
    assert_eq!(
        complaint(&kind),
        "8:31: gadgets[0].metrics[0].type must be one of counter, gauge, histogram, not the text \"countr\" [counter]"
    );
}

/// Proves that an exporter's own check points at the setting.
#[test]
fn exporter_checks_point_at_the_setting() {
    assert_eq!(complaint(&GOOD.replace("/tmp/a.jsonl", "a.jsonl")), "10:22: exporters.file/audit.path: must be absolute");
}

/// Proves that two components cannot have the same file or address.
#[test]
fn contradictions() {
    let yaml = GOOD.replace("[file/audit]", "[file/audit, file, prometheus]")
        + "  file: {path: /tmp/./a.jsonl}\n  prometheus: {endpoint: '0.0.0.0:8888'}\nservice: {health: {endpoint: 'localhost:8888'}}\n";
    assert_eq!(
        complaints(&yaml),
        [
            "11:16: exporters.file.path and exporters.file/audit.path would write the same file /tmp/a.jsonl",
            "12:26: exporters.prometheus.endpoint and service.telemetry.endpoint would listen on the same address 0.0.0.0:8888",
            "13:30: service.health.endpoint and service.telemetry.endpoint would listen on the same address 127.0.0.1:8888",
        ]
    );
}

/// Proves that what is useless but harmless is a warning.
#[test]
fn warnings_do_not_fail() {
    let plan = load_text(&format!("{GOOD}  prometheus:\n")).unwrap();
    assert_eq!(plan.warnings.len(), 1);
    assert_eq!(plan.warnings[0].severity, Severity::Warning);
    assert_eq!(plan.exporters.len(), 1);
    assert!(complaints("version: v1\n")[0].contains("no gadgets are listed"));
}

/// Proves that a gadget's buffer is a size within limits, written either way, and that leaving it out leaves it to the loader.
#[test]
fn buffers_are_sizes() {
    let with = |value: &str| GOOD.replace("    exporters: [", &format!("    buffer: {value}\n    exporters: ["));
    assert_eq!(load_text(GOOD).unwrap().gadgets[0].buffer, None);
    for (value, bytes) in [("4MiB", 4 << 20), ("65536", 65536), ("512MiB", 512 << 20)] {
        assert_eq!(load_text(&with(value)).unwrap().gadgets[0].buffer, Some(bytes), "{value}");
    }
    assert_eq!(
        complaint(&with("4 apples")),
        "8:13: gadgets[0].buffer must be a size from 4KiB to 512MiB such as 4MiB, not the text \"4 apples\""
    );
    assert_eq!(complaint(&with("2GiB")), "8:13: gadgets[0].buffer must be a size from 4KiB to 512MiB such as 4MiB, not the text \"2GiB\"");
    assert_eq!(complaint(&with("100")), "8:13: gadgets[0].buffer must be at least 4096, not 100");
}

/// Proves that what is kept about sockets is read from the list, has a default, and is refused at its place.
#[test]
fn fields_of_sockets_are_checked() {
    let with = |fields: &str| format!("{GOOD}service: {{socket_enricher: {{fields: {fields}}}}}\n");
    let text = |yaml: &str| load_text(yaml).unwrap().service.sockets.to_string();
    assert_eq!(text(GOOD), "cwd=512,exepath=512");
    assert_eq!(text(&with("[exepath=64]")), "exepath=64");
    assert_eq!(text(&with("[exepath, cwd=4096]")), "cwd=4096,exepath=512");
    assert_eq!(text(&with("[]")), "");
    let expected = "must be cwd or exepath, alone or with a size that is a power of two up to 4096, such as cwd=512";
    let wrong =
        |at: &str, index: usize, value: &str| format!("{at}: service.socket_enricher.fields[{index}] {expected}, not the text {value:?}");
    assert_eq!(complaint(&with("[cwd, exepaht]")), wrong("11:43", 1, "exepaht"));
    assert_eq!(complaint(&with("[cwd=100]")), wrong("11:38", 0, "cwd=100"));
}
