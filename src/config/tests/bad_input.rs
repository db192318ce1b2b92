//! Whatever a file may hold: an error that says where, never a panic.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;

fn error_of(path: &Path) -> String {
    load(path, &Environment::default()).unwrap_err().to_string()
}

/// Proves that what cannot be read is named with the reason.
#[test]
fn unreadable_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    assert!(error_of(&root.join("none.yaml")).contains("none.yaml: No such file"));
    assert!(error_of(root).contains("it is a directory"));
    symlink("loop.yaml", root.join("loop.yaml")).unwrap();
    assert!(error_of(&root.join("loop.yaml")).contains("loop.yaml: "));
    fs::write(root.join("big.yaml"), vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(error_of(&root.join("big.yaml")).contains("larger than"));
    fs::write(root.join("binary.yaml"), b"version: v1\n\x7fELF\xff\xfe").unwrap();
    assert!(error_of(&root.join("binary.yaml")).contains("binary.yaml: line 2 is not UTF-8 text"));
    assert!(error_of(Path::new("/dev/null")).contains("it is not a regular file"));
}

/// Proves that malformed YAML is an error at its place.
#[test]
fn malformed_yaml() {
    for (yaml, place, part) in [
        ("version: v1\ngadgets: [a, b\n", "", "not valid YAML"),
        ("version: v1\n  x: 1\n", "2:", "not valid YAML"),
        ("a: \"open\n", "", "not valid YAML"),
        ("\tversion: v1\n", "1:", ""),
        ("- a\n", "1:1: ", "a configuration is a mapping"),
        ("text", "1:1: ", "a configuration is a mapping"),
        ("version: v1\n---\nversion: v1\n", "2:1: ", "a second document"),
        ("version: v1\nversion: v1\n", "2:1: ", "the key \"version\" stands here a second time"),
        ("? [a]\n: b\n", "1:3: ", "a key must be text"),
        ("version: !!python/object v1\n", "1:", "is not supported"),
        ("a: &a [*a]\n", "1:", ""),
        ("a: *b\n", "1:", ""),
        ("kind: instance-spec\n", "1:1: ", "instance-spec"),
    ] {
        let all = complaints(yaml);
        assert!(all.iter().any(|c| c.starts_with(place) && c.contains(part)), "{yaml:?}: {all:?}");
    }
}

/// Proves that an empty file says what is missing.
#[test]
fn empty_file() {
    assert!(complaints("").contains(&"1:1: missing key \"version\"".to_owned()));
    assert!(complaints("# nothing\n").contains(&"1:1: missing key \"version\"".to_owned()));
}

/// Proves that nesting and alias bombs end at a limit.
#[test]
fn bombs_end_at_a_limit() {
    let deep = format!("a: {}{}\n", "[".repeat(200), "]".repeat(200));
    assert!(complaint(&deep).contains("nested deeper"), "{:?}", complaint(&deep));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    }
    assert!(complaint(&bomb).contains("more than 50000 values"));
    let nested = format!("a: '{}x{}'\n", "${env:A:-".repeat(50), "}".repeat(50));
    assert!(complaints(&nested).iter().any(|c| c.contains("nested deeper")));
}

/// Proves that control characters of a file do not reach the terminal.
#[test]
fn control_characters_stay_out_of_messages() {
    let text = load_text("version: v1\n\"\\e[31mx\": 1\n").unwrap_err().to_string();
    assert!(!text.contains('\x1b'), "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Proves that no bytes make loading panic.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_bytes(&bytes, &Environment::default()).map_err(|e| e.render(true));
    }

    /// Proves that no damage to a right file makes loading panic.
    #[test]
    fn damaged_files_never_panic(at in 0..GOOD.len(), cut in 0..20_usize, put in "[-\\[\\]{}:,&*!|>'\"%@`$# \n\ta-z0-9]{0,12}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + cut).min(GOOD.len()), &put);
        let _ = load_text(&text).map_err(|e| e.render(true));
    }
}
