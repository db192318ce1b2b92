//! Tests of the configuration against stand-ins for components and gadgets: they prove the machinery, not the kinds.

mod bad_input;
mod diff;
mod images;
mod kubernetes;
mod layers;
mod reading;
mod runtimes;
mod semantics;
mod shape;
mod stand_ins;

use std::path::Path;

use super::*;
use stand_ins::{COMPONENTS, Gadgets};

/// A configuration that is right, to be spoilt by the tests.
pub const GOOD: &str = "\
version: v1
gadgets:
  - name: execs
    image: trace_exec
    params: {ignore-failed: false}
    operators:
      - filter: 'proc.comm != \"pause\"'
    exporters: [file/audit]
exporters:
  file/audit: {path: /tmp/a.jsonl}
";

/// Loads `path` with the stand-ins.
pub fn load(path: &Path, environment: &Environment) -> Result<Plan, ConfigErrors> {
    load_with(path, environment, &COMPONENTS, &Gadgets)
}

/// Loads `yaml` as a file of its own.
pub fn load_text(yaml: &str) -> Result<Plan, ConfigErrors> {
    load_bytes(yaml.as_bytes(), &Environment::default())
}

/// Loads `bytes` as a file of its own, named `collector.yaml`.
pub fn load_bytes(bytes: &[u8], environment: &Environment) -> Result<Plan, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("collector.yaml");
    std::fs::write(&path, bytes).unwrap();
    load(&path, environment)
}

/// Each problem of `yaml` as `line:column: message`, the hint behind it in brackets.
pub fn complaints(yaml: &str) -> Vec<String> {
    let problems = match load_text(yaml) {
        Ok(plan) => plan.warnings,
        Err(errors) => errors.problems,
    };
    problems
        .iter()
        .map(|p| format!("{}:{}: {}{}", p.line, p.column, p.message, p.hint.as_ref().map(|h| format!(" [{h}]")).unwrap_or_default()))
        .collect()
}

/// The only problem of `yaml`.
pub fn complaint(yaml: &str) -> String {
    let all = complaints(yaml);
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}
