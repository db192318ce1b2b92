//! Metadata as found in the wild, and as an attacker would write it.

use super::*;

const SAMPLE: &str = r#"
name: trace exec
dataSources:
  exec:
    Annotations: {cli.clear-screen-before: true}
    fields:
      Proc.Comm:
        annotations: {columns.maxWidth: 20, columns.width:: 3, json.skip: true}
        tags: [a, b]
      args:
        annotations:
          columns: {hidden: true}
params:
  ebpf:
    Ignore_Failed: {key: ignore-failed, defaultValue: true, description: Only successes}
ebpfParams:
  old: {key: old-key}
paramDefaults:
  operator.oci.ebpf.map-fetch-interval: 500ms
programs:
  ig_execve_e: {attach_to: gadget_program_disabled}
  cpu:
    sampler: {frequency: 49}
"#;

/// Keys are found in any case, dotted or nested, and scalars are text.
#[test]
fn finds_keys_without_regard_to_case() {
    let manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(manifest.name, "trace exec");
    assert_eq!(manifest.source("Exec").annotations["cli.clear-screen-before"], "true");
    let comm = manifest.field("exec", "proc.comm");
    assert_eq!((comm.annotations["columns.maxwidth"].as_str(), comm.tags.len()), ("20", 2));
    assert_eq!(manifest.field("exec", "args").annotations["columns.hidden"], "true");
    assert_eq!(manifest.field("exec", "nothing"), Notes::default());
    assert_eq!(manifest.param("ignore_failed").default, "true");
    assert_eq!(manifest.param("old").key, "old-key");
    assert_eq!(manifest.param_default("map-fetch-interval"), Some("500ms"));
    assert_eq!(manifest.attach_to("ig_execve_e"), Some("gadget_program_disabled"));
}

/// `y`, `no` and `off` are words, not truth values: fields are called so.
#[test]
fn only_true_and_false_are_truth_values() {
    let manifest = Manifest::parse(b"y: n\nno: off\non: true\nvalue: 1.5").unwrap();
    let text = |key: &str| manifest.get(key).and_then(Node::text);
    assert_eq!((text("y"), text("no"), text("on"), text("value")), (Some("n"), Some("off"), Some("true"), Some("1.5")));
}

/// Every template of the ABI, with its widths and flags.
#[test]
fn templates_are_those_of_the_abi() {
    let (right, middle, hidden) = ("columns.alignment=right", "columns.ellipsis=middle", "columns.hidden=true");
    let shown = |name: &str| {
        let known = template(name).unwrap_or_else(|| panic!("no template {name}"));
        known.iter().filter(|(k, _)| *k != "description").map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
    };
    let width = |n: u8| format!("columns.width={n}");
    for (names, expected) in [
        ("timestamp", format!("{} columns.maxwidth=35 columns.ellipsis=end {hidden}", width(35))),
        ("bytes", format!("{} {right}", width(10))),
        ("duration", format!("{} {right}", width(20))),
        ("node pod", format!("{} {middle}", width(30))),
        ("container namespace containerImageName containerImageDigest", width(30)),
        ("containerPid", format!("{} {right} {hidden}", width(6))),
        ("containerStartedAt", format!("{} {hidden}", width(35))),
        ("comm", "columns.maxwidth=16".to_owned()),
        ("pcomm", format!("columns.maxwidth=16 {hidden}")),
        ("errorString", width(12)),
        ("pid tid", format!("columns.minwidth=7 {right}")),
        ("ppid ptid", format!("columns.minwidth=7 {right} {hidden}")),
        ("uid gid", format!("columns.minwidth=8 {right}")),
        ("ns mntns_id netns_id", format!("{} {right} {hidden}", width(12))),
        ("l4endpoint", format!("columns.minwidth=22 {} columns.maxwidth=52 {middle}", width(40))),
        ("syscall", format!("{} columns.maxwidth=28", width(18))),
        ("user_stack", hidden.to_owned()),
    ] {
        names.split(' ').for_each(|name| assert_eq!(shown(name), expected, "{name}"));
    }
    assert!(template("nothing").is_none());
    assert!(templates_of_type("gadget_ptid").is_none() && templates_of_type("pid").is_none() && templates_of_type("gadget_pid").is_some());
}

/// A look-up prefers the longest literal key and falls back to nesting.
#[test]
fn prefers_the_longest_literal_key() {
    let manifest = Manifest::parse(b"a.b: {c: 1}\na: {b.c: 2, b: {d: 3}}").unwrap();
    assert_eq!(manifest.get("a.b.c").and_then(Node::text), Some("1"));
    assert_eq!(manifest.get("a.b.d").and_then(Node::text), Some("3"));
}

/// Nothing and comments are empty metadata; lists and broken YAML are errors.
#[test]
fn tells_empty_from_wrong() {
    assert_eq!(Manifest::parse(b"").unwrap(), Manifest::default());
    assert_eq!(Manifest::parse(b"# nothing\n").unwrap(), Manifest::default());
    assert!(matches!(Manifest::parse(b"- a"), Err(ManifestError::NotAMapping)));
    assert!(matches!(Manifest::parse(b"a: [b"), Err(ManifestError::Yaml(_))));
    assert!(matches!(Manifest::parse(b"a: b\n\xff\xfe"), Err(ManifestError::Yaml(_))));
    assert!(matches!(Manifest::parse(&vec![b' '; MAX_BYTES + 1]), Err(ManifestError::TooLarge { .. })));
}

/// Deep nesting and exploding aliases end in an error, not in a full stack or memory.
#[test]
fn bounds_depth_and_aliases() {
    let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(Manifest::parse(deep.as_bytes()).is_err());
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
    }
    assert!(Manifest::parse(bomb.as_bytes()).is_err());
}

proptest::proptest! {
    /// No bytes make the parser panic.
    #[test]
    fn survives_any_bytes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = Manifest::parse(&bytes);
    }

    /// No mutation of a real document makes the parser panic.
    #[test]
    fn survives_mutations(at in 0..SAMPLE.len(), byte: u8, cut in 0..SAMPLE.len()) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Manifest::parse(&bytes);
        let _ = Manifest::parse(&bytes[..cut]);
    }
}

/// An annotation set from outside wins over the metadata's, whatever its spelling there, and leaves the others.
#[test]
fn annotations_are_set_over_the_metadata() {
    let text = "dataSources:\n  open:\n    annotations: {fetch-interval: 1s}\n    fields:\n      proc:\n        comm:\n          annotations: {columns.width: 8, columns: {alias: c}}\n";
    let mut manifest = Manifest::parse(text.as_bytes()).unwrap();
    for annotation in ["open:fetch-interval=2s", "open.proc.comm:columns.width=20", "open.new:description=a=b:c", "other:x=y"] {
        manifest.annotate(&annotation.parse().unwrap());
    }
    let field = |name: &str, key: &str| manifest.field("open", name).annotations.get(key).cloned().unwrap_or_default();
    assert_eq!(manifest.source("open").annotations["fetch-interval"], "2s");
    assert_eq!((field("proc.comm", "columns.width"), field("proc.comm", "columns.alias")), ("20".to_owned(), "c".to_owned()));
    assert_eq!(field("new", "description"), "a=b:c");
    assert_eq!(manifest.source("other").annotations["x"], "y");
    for malformed in ["open", "open:x", ":x=y", "open.:x=y", "open:=y", "open:x=", "open:a:b=c"] {
        assert!(malformed.parse::<Annotation>().is_err(), "{malformed}");
    }
}
