//! Substitution and the environment layer.

use super::*;

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

/// Proves that a substituted value is typed like a plain scalar, is text where text is wanted, and brings in no structure.
#[test]
fn substitution_types_values_and_injects_nothing() {
    let yaml = GOOD
        .replace("{path: /tmp/a.jsonl}", "{path: '${env:A}', rotation: {max_backups: '${env:B}'}}")
        .replace("false}", "'${env:C:-true}'}");
    let plan = load_bytes(yaml.as_bytes(), &env(&[("A", "/x: {y: [\n# z"), ("B", "7")])).unwrap();
    assert_eq!(plan.exporters[0].settings["path"], "/x: {y: [\n# z");
    assert_eq!(plan.exporters[0].settings["rotation"]["max_backups"], 7);
    assert_eq!(plan.gadgets[0].params["ignore-failed"], "true");
    let number = load_bytes(GOOD.replace("/tmp/a.jsonl", "'/${env:B}$$5$'").as_bytes(), &env(&[("B", "7")])).unwrap();
    assert_eq!(number.exporters[0].settings["path"], "/7$5$");
}

/// Proves that a missing variable, a broken reference and a wrong value are errors at their place that show no value.
#[test]
fn substitution_errors() {
    let errors = load_text(&GOOD.replace("/tmp/a.jsonl", "'${env:NOPE}'").replace("trace_exec", "${file:x}")).unwrap_err();
    let all = errors.to_string();
    assert!(all.contains(":10:22: error: the environment variable NOPE is not set"), "{all}");
    assert!(all.contains(":4:12: error: \"${file:x}\" is not known"), "{all}");
    let yaml = GOOD.replace("{path: /tmp/a.jsonl}", "{path: /a, rotation: {max_backups: '${env:B}'}}");
    let unquoted = load_text(&GOOD.replace("false}", "${env:C}}")).unwrap_err().to_string();
    assert!(unquoted.contains("inside {} and [] write \"${env:NAME}\" in quotes"), "{unquoted}");
    let secret = load_bytes(yaml.as_bytes(), &env(&[("B", "s3cret")])).unwrap_err().to_string();
    assert!(secret.contains("must be a whole number, not the value of ${env:B}") && !secret.contains("s3cret"), "{secret}");
}

/// Proves that the environment overrides the file, the file the defaults, and that untouched settings stay.
#[test]
fn environment_overrides_file_overrides_defaults() {
    let yaml = format!("{GOOD}service: {{telemetry: {{endpoint: 127.0.0.1:1, logs: {{level: warn}}}}}}\n");
    let plan = load_bytes(yaml.as_bytes(), &env(&[("GADGETRY__SERVICE__TELEMETRY__ENDPOINT", "127.0.0.1:2")])).unwrap();
    assert_eq!(plan.service.telemetry, Some("127.0.0.1:2".parse().unwrap()));
    assert_eq!(plan.service.log_level, LogLevel::Warn);
    assert_eq!(plan.service.log_encoding, LogEncoding::Console);
    let unset = load_bytes(GOOD.as_bytes(), &env(&[("GADGETRY__SERVICE__TELEMETRY__ENDPOINT", "")])).unwrap();
    assert_eq!(unset.service.telemetry, None);
    let off = load_bytes(GOOD.as_bytes(), &env(&[("GADGETRY__RUNTIMES__DOCKER__ENABLED", "false")])).unwrap();
    assert_eq!(off.runtimes.docker, None);
}

/// Proves that a wrong override is an error that names the variable.
#[test]
fn wrong_overrides_name_the_variable() {
    let errors = load_bytes(
        GOOD.as_bytes(),
        &env(&[
            ("GADGETRY__SERVICE__TELEMETRI__X", "1"),
            ("GADGETRY__A[99999999999]__B", "1"),
            ("GADGETRY__SERVICE__SHUTDOWN_TIMEOUT", "soon"),
        ]),
    );
    let text = errors.unwrap_err().to_string();
    for part in [
        "environment variable GADGETRY__A[99999999999]__B: error: names no setting",
        "error: unknown key \"telemetri\" in service, did you mean \"telemetry\"?",
        "environment variable GADGETRY__SERVICE__SHUTDOWN_TIMEOUT: error: service.shutdown_timeout must be a duration",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
