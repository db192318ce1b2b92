//! The files under `config/`, and what the commands print.

use super::*;
use std::path::PathBuf;

fn under_config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn validated(path: &Path, output: Output) -> (u8, String) {
    let mut out = Vec::new();
    let code = validate(path, &Environment::default(), &Access::default(), output, false, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

/// Proves that every configuration we ship is valid without a warning, against the components and gadgets compiled in.
#[test]
fn shipped_configurations_are_valid() {
    let mut files = vec![under_config("collector.yaml")];
    let examples = std::fs::read_dir(under_config("examples")).unwrap();
    files.extend(examples.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")));
    assert!(files.len() >= 4);
    for file in files {
        let (code, text) = validated(&file, Output::Text);
        assert_eq!((code, text.contains("warning")), (0, false), "{text}");
    }
}

/// Proves that `config/schema.json` is what the types say. `UPDATE=1 cargo test schema_is_fresh` rewrites it.
#[test]
fn schema_is_fresh() {
    let mut fresh = Vec::new();
    schema(&mut fresh).unwrap();
    let path = under_config("schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(committed == fresh, "config/schema.json is stale: run UPDATE=1 cargo test schema_is_fresh");
}

/// Proves that an invalid file gives exit code 64 and its errors, as text and as JSON.
#[test]
fn invalid_file_is_reported() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "version: v1\ngadget: []\n").unwrap();
    let (code, text) = validated(file.path(), Output::Text);
    assert_eq!(code, 64);
    assert!(text.contains(":2:1: error: unknown key \"gadget\", did you mean \"gadgets\"?") && text.ends_with(": 1 error\n"), "{text}");
    let (code, json) = validated(file.path(), Output::Json);
    let problems: serde_json::Value = serde_json::from_str(&json).unwrap();
    let error = problems.as_array().unwrap().iter().find(|p| p["severity"] == "error").unwrap();
    assert_eq!((code, &error["line"], &error["hint"]), (64, &2.into(), &"gadgets".into()));
}

/// Proves that the view shows what is in effect, defaults and environment included, but no header's value.
#[test]
fn view_shows_what_is_in_effect_without_secrets() {
    let environment = [("TENANT", "s3cret"), ("GADGETRY__SERVICE__SHUTDOWN_TIMEOUT", "3s")].into_iter().collect();
    let mut out = Vec::new();
    assert_eq!(view(&under_config("examples/otlp.yaml"), &environment, false, &mut out).unwrap(), 0);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("shutdown_timeout: 3s") && text.contains("/run/docker.sock"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
