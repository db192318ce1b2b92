//! The shape: keys, types, what must be there.

use super::*;

/// Proves that a right configuration loads without a warning and resolves to what it says.
#[test]
fn good_configuration_loads() {
    let plan = load_text(GOOD).unwrap();
    assert_eq!(plan.warnings, []);
    assert_eq!(plan.gadgets[0].params["ignore-failed"], "false");
    assert_eq!(plan.gadgets[0].operators, [OperatorPlan { kind: "filter".to_owned(), settings: "proc.comm != \"pause\"".into() }]);
    assert_eq!(plan.exporters[0].settings["path"], "/tmp/a.jsonl");
    assert_eq!(plan.service.telemetry, Some("127.0.0.1:8888".parse().unwrap()));
    assert_eq!(plan.service.health, None);
    assert_eq!(plan.service.shutdown_timeout.as_secs(), 10);
    assert_eq!(plan.runtimes.docker.as_deref(), Some(Path::new("/run/docker.sock")));
}

/// Proves that all errors of a file come at once, in the order of their places, with hints.
#[test]
fn all_errors_at_once_in_order() {
    let yaml = "\
version: v2
gadget: []
gadgets:
  - name: execs
    image: trace_exec
    exporter: [file/audit]
  - image: 5
    exporters: file
exporters:
  file/audit: {path: /tmp/a, rotation: {max_backups: 300}}
  otlp: {endpoint: x, compression: gzp}
  fil: {}
service: {shutdown_timeout: 10 seconds, telemetry: {endpoint: 8888}}
";
    assert_eq!(
        complaints(yaml),
        [
            "1:10: version must be v1, not the text \"v2\"",
            "2:1: unknown key \"gadget\" [gadgets]",
            "6:5: unknown key \"exporter\" in gadgets[0] [exporters]",
            "7:5: missing key \"name\" in gadgets[1]",
            "7:12: gadgets[1].image must be text, not 5: put it in quotes",
            "8:16: gadgets[1].exporters must be a list, not the text \"file\"",
            "10:3: no gadget uses the exporter \"file/audit\": it will not be started",
            "10:54: exporters.file/audit.rotation.max_backups must be at most 255, not 300",
            "11:3: no gadget uses the exporter \"otlp\": it will not be started",
            "11:36: exporters.otlp.compression must be one of none, gzip, not the text \"gzp\" [gzip]",
            "12:3: unknown exporter type \"fil\" in exporters [file]",
            "13:29: service.shutdown_timeout must be a duration such as 500ms, 10s or 1m30s, not the text \"10 seconds\"",
            "13:63: service.telemetry.endpoint must be text, not 8888: put it in quotes",
        ]
    );
}

/// Proves how an error looks: place, message, hint, the line with a mark; colours only when asked for.
#[test]
fn display_shows_the_line() {
    let errors = load_text(&GOOD.replace("    image:", "    imagee:")).unwrap_err();
    let text = errors.to_string();
    let from = text.find("collector.yaml:4:5").unwrap();
    assert_eq!(
        &text[from..],
        "collector.yaml:4:5: error: unknown key \"imagee\" in gadgets[0], did you mean \"image\"?\n 4 |     imagee: trace_exec\n   |     ^"
    );
    assert!(errors.render(true).contains("\x1b[1;31merror\x1b[0m"));
    assert_eq!(errors.count(), 1);
}

/// Proves that an operator item holds exactly one known operator.
#[test]
fn operators_are_one_key_each() {
    let unknown = complaint(&GOOD.replace("- filter:", "- filtr:"));
    assert_eq!(unknown, "7:9: unknown key \"filtr\" in gadgets[0].operators[0] [filter]".replace("key", "operator"));
    let two = complaints(&GOOD.replace("- filter: 'proc.comm != \"pause\"'", "- {filter: proc.comm, limit: 5}"));
    assert_eq!(two[0], "7:9: gadgets[0].operators[0] must have exactly one key, not 2");
}

/// Proves that a key whose content is commented out counts as empty, and a missing list item does not pass.
#[test]
fn empty_values() {
    assert_eq!(load_text(&GOOD.replace("{ignore-failed: false}", "")).unwrap().gadgets[0].params.len(), 0);
    assert_eq!(complaints(&GOOD.replace("[file/audit]", ""))[0], "8:14: gadgets[0].exporters must have at least 1 item");
}

/// Proves that the schema is closed: every reference in it resolves.
#[test]
fn schema_references_resolve() {
    fn walk(value: &serde_json::Value, root: &serde_json::Value) {
        if let Some(reference) = value.get("$ref").and_then(|r| r.as_str()) {
            assert!(root.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        match value {
            serde_json::Value::Object(object) => object.values().for_each(|v| walk(v, root)),
            serde_json::Value::Array(items) => items.iter().for_each(|v| walk(v, root)),
            _ => {}
        }
    }
    let schema = schema::schema(&COMPONENTS);
    walk(&schema, &schema);
    assert!(schema.pointer("/$defs/exporter.file.Rotation").is_some());
}
