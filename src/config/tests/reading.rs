//! Files and what they include.

use super::*;
use std::fs;

const SMALL: &str = "gadgets:\n  - {name: NAME, image: trace_open, exporters: [file/audit]}\n";

/// Proves that a pattern includes the directory's files by name, hidden ones excepted, and that all of them are watched.
#[test]
fn includes_follow_patterns() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir(root.join("gadgets.d")).unwrap();
    for name in ["b", "a", ".hidden"] {
        fs::write(root.join(format!("gadgets.d/{name}.yaml")), SMALL.replace("NAME", name)).unwrap();
    }
    fs::write(root.join("gadgets.d/readme.txt"), "not: [yaml").unwrap();
    fs::write(root.join("more.yaml"), "exporters: {file/b: {path: /tmp/b}}\n").unwrap();
    fs::write(root.join("c.yaml"), format!("include: ['gadgets.d/*.yaml', more.yaml, 'none.d/*.yaml']\n{GOOD}")).unwrap();
    let plan = load(&root.join("c.yaml"), &Environment::default()).unwrap();
    assert_eq!(plan.gadgets.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["execs", "a", "b"]);
    assert_eq!(plan.warnings.len(), 1, "file/b is known and unused");
    for watched in ["c.yaml", "gadgets.d", "gadgets.d/a.yaml", "more.yaml", "none.d"] {
        assert!(plan.watched.contains(&root.join(watched)), "{watched}: {:?}", plan.watched);
    }
}

/// Proves that errors in an included file name that file, and that cycles and missing files are errors where they are named.
#[test]
fn include_errors() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("a.yaml"), "include: [c.yaml]\nservice: {}\ngadgets: [{nam: x}]\nexporters: {file/audit: {path: /b}}\n").unwrap();
    fs::write(root.join("c.yaml"), format!("include: [a.yaml, missing.yaml]\n{GOOD}")).unwrap();
    let text = load(&root.join("c.yaml"), &Environment::default()).unwrap_err().to_string();
    for part in [
        "a.yaml:1:11: error:",
        "c.yaml: includes itself, directly or through others",
        "c.yaml:1:19: error: cannot read",
        "missing.yaml: No such file",
        "a.yaml:2:1: error: unknown key \"service\" in an included file",
        "a.yaml:3:12: error: unknown key \"nam\" in gadgets[1], did you mean \"name\"?",
        "a.yaml:4:13: error: the exporter \"file/audit\" is defined in another file already",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Proves that a failed load still says which files to watch.
#[test]
fn failed_load_watches_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.yaml");
    assert_eq!(load(&path, &Environment::default()).unwrap_err().watched, [path]);
}
