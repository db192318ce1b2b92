//! `image inspect`: everything that is told of an image, selections of it, and what cannot be selected.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{self, Gadgetry};

const GADGETS: [&str; 4] = ["profile_blockio", "snapshot_process", "trace_exec", "trace_open"];

fn inspect(arguments: &[&str]) -> String {
    Gadgetry::new().ok(&[&["image", "inspect"], arguments].concat())
}

fn fails(arguments: &[&str]) -> String {
    let (code, text) = Gadgetry::new().fails(&[&["image", "inspect"], arguments].concat());
    assert_eq!(code, 1, "{text}");
    text
}

/// Compares with `golden/NAME`; `UPDATE_GOLDEN=1` writes it.
fn assert_golden(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e} (UPDATE_GOLDEN=1 writes it)", path.display()));
    assert_eq!(text, golden, "{name}");
}

/// All keys of a gadget with an object, in order, each with its type and content as text.
#[test]
fn all_keys_of_a_gadget_are_told() {
    let all: Value = serde_json::from_str(&inspect(&["trace_open"])).unwrap();
    let keys = [
        "ebpf.flowchart",
        "ebpf.maps",
        "ebpf.programs",
        "ebpf.sections",
        "ebpf.sequence",
        "ebpf.variables",
        "oci.created",
        "oci.digest",
        "oci.image.digest",
        "oci.manifest",
        "oci.metadata",
        "oci.repository",
        "oci.tag",
    ];
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    for (key, kind) in
        [("ebpf.maps", "application/json"), ("ebpf.sequence", "text/mermaid"), ("oci.metadata", "text/yaml"), ("oci.tag", "text/plain")]
    {
        assert_eq!(all[key]["contentType"], kind);
    }
    assert!(all.as_object().unwrap().values().all(|entry| entry["content"].is_string()));
    let metadata = all["oci.metadata"]["content"].as_str().unwrap();
    assert_eq!(metadata, std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gadgets/trace_open/gadget.yaml")).unwrap());
    for (key, text) in [("oci.repository", "ghcr.io/inspektor-gadget/gadget/trace_open"), ("oci.tag", "latest")] {
        assert_eq!(all[key]["content"], text);
    }
}

/// The digests are those of the layout: `oci.digest` of the metadata, `oci.image.digest` of the index.
#[test]
fn digests_are_those_of_the_layout() {
    let layout = harness::layout("trace_open");
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let place = layout.to_str().unwrap();
    assert_eq!(inspect(&[place, "--extra-info", "oci.image.digest"]).trim(), index["manifests"][0]["digest"]);
    let config = inspect(&[place, "--extra-info", "oci.manifest", "--jsonpath", ".config.digest"]);
    assert_eq!(inspect(&[place, "--extra-info", "oci.digest"]), config);
    let blob = layout.join("blobs/sha256").join(config.trim().trim_start_matches("sha256:"));
    let gadget = inspect(&[place, "--extra-info", "oci.metadata", "-o", "yaml"]);
    assert_eq!(std::fs::read_to_string(blob).unwrap(), gadget);
}

/// Diagrams and maps of the embedded gadgets are what they were.
#[test]
fn embedded_gadgets_have_these_diagrams() {
    for gadget in GADGETS {
        for key in ["flowchart", "sequence", "maps"] {
            assert_golden(&format!("{gadget}.{key}"), &inspect(&[gadget, "--extra-info", &format!("ebpf.{key}")]));
        }
    }
}

/// A listing of an embedded gadget is what it was, line by line.
#[test]
fn a_listing_is_what_it_was() {
    let listing = inspect(&["profile_blockio", "--extra-info", "ebpf.programs", "--jsonpath", "[0].SourceWithRelocation"]);
    assert_golden("profile_blockio.listing", &listing);
}

/// The instructions are those that LLVM's disassembler finds, one for one.
#[test]
fn listings_have_the_instructions_that_llvm_finds() {
    let folder = tempfile::tempdir().unwrap();
    for gadget in GADGETS {
        let manifest: Value = serde_json::from_str(&inspect(&[gadget, "--extra-info", "oci.manifest"])).unwrap();
        let digest = manifest["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
        let object = folder.path().join(gadget);
        std::fs::copy(harness::layout(gadget).join("blobs/sha256").join(digest), &object).unwrap();
        let Ok(dumped) = Command::new("llvm-objdump-16").args(["-d", "--no-show-raw-insn"]).arg(&object).output() else {
            println!("SKIPPED listings_have_the_instructions_that_llvm_finds: no llvm-objdump-16");
            return;
        };
        let dumped = String::from_utf8(dumped.stdout).unwrap();
        let programs: Value = serde_json::from_str(&inspect(&[gadget, "--extra-info", "ebpf.programs"])).unwrap();
        for program in programs.as_array().unwrap() {
            let section = format!("Disassembly of section {}:\n", program["Section"].as_str().unwrap());
            let theirs = dumped.split(&section).nth(1).unwrap().split("\nDisassembly").next().unwrap();
            let theirs: Vec<_> = theirs.lines().filter_map(|line| line.split_once(":\t")).map(|(_, text)| plain(text)).collect();
            let source = program["Source"].as_str().unwrap();
            let functions: Vec<_> =
                source.lines().filter(|line| line.ends_with(':') && !line.starts_with('L') && !line.starts_with(';')).collect();
            let ours =
                source.lines().filter(|line| !line.starts_with("; ")).filter_map(|line| line.split_once(": ")).map(|(_, text)| plain(text));
            let ours: Vec<_> = ours.collect();
            // Functions out of other sections come behind, those of other programs of the section are not listed.
            assert!(functions.len() > 1 || contains(&theirs, &ours), "{gadget} {section} {ours:#?}\n{theirs:#?}");
        }
    }
}

/// Without blanks, labels and names, and with numbers in one notation.
fn plain(text: &str) -> String {
    let text = text.split(" <").next().unwrap().trim();
    let word = |word: &str| {
        let (sign, digits) = word.strip_prefix('-').map_or(("", word), |digits| ("-", digits));
        let (sign, digits) = digits.strip_prefix('+').map_or((sign, digits), |digits| ("+", digits));
        let (digits, close) = digits.strip_suffix(')').map_or((digits, ""), |digits| (digits, ")"));
        match digits.strip_prefix("0x").map(|hex| u64::from_str_radix(hex, 16)) {
            Some(Ok(number)) => format!("{sign}{number}{close}"),
            _ => word.to_owned(),
        }
    };
    // A helper is a number there and a name with a number here.
    let text = match text.split_once('#') {
        Some((call, number)) if call.starts_with("call ") => format!("call {number}"),
        _ => text.to_owned(),
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn contains(all: &[String], part: &[String]) -> bool {
    !part.is_empty() && all.windows(part.len()).any(|window| window == part)
}

/// Paths find one value, lists, and texts that are printed as they are; in every form of output.
#[test]
fn paths_select() {
    let manifest = |path: &str, output: &str| inspect(&["trace_open", "--extra-info", "oci.manifest", "--jsonpath", path, "-o", output]);
    let layer = "application/vnd.gadget.ebpf.program.v1+binary";
    assert_eq!(manifest(".layers[*].mediaType", "yaml"), format!("- {layer}\n"));
    assert_eq!(manifest(".layers[*].mediaType", "json"), format!("[\"{layer}\"]\n"));
    assert_eq!(manifest("$.layers[0].mediaType", "jsonpretty"), format!("{layer}\n"));
    assert_eq!(manifest(".schemaVersion", "json"), "2\n");
    assert_eq!(inspect(&["trace_open", "--extra-info", "oci.metadata", "--jsonpath", ".name"]), "trace open\n");
    let names: Vec<String> =
        serde_json::from_str(&inspect(&["trace_open", "--show-datasources", "--jsonpath", "[0].fields[*].fullName"])).unwrap();
    for name in ["timestamp_raw", "timestamp", "proc", "proc.comm", "k8s.podName", "runtime.containerName"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
}

/// The data sources of the embedded gadgets, with everything that other programs read of them.
#[test]
fn data_sources_are_shown() {
    for (gadget, name, kind) in [("trace_open", "open", 1), ("snapshot_process", "processes", 2), ("profile_blockio", "blockio", 2)] {
        let sources: Value = serde_json::from_str(&inspect(&[gadget, "--show-datasources", "-o", "json"])).unwrap();
        assert_eq!((&sources[0]["name"], &sources[0]["type"]), (&Value::from(name), &Value::from(kind)));
        let fields = sources[0]["fields"].as_array().unwrap();
        assert!(fields.iter().enumerate().all(|(i, field)| field.get("index").map_or(0, |n| n.as_u64().unwrap()) == i as u64));
        assert!(
            fields
                .iter()
                .all(|field| field["flags"].as_u64().unwrap_or_default() & 8 == 0 || field["fullName"].as_str().unwrap().contains('.'))
        );
    }
    assert!(inspect(&["trace_open", "--show-datasources", "-o", "yaml"]).starts_with("- name: open\n  type: 1\n"));
}

/// What cannot be selected, and why.
#[test]
fn wrong_selections_are_told() {
    let text = fails(&["trace_open", "--extra-info", "ebpf.program"]);
    assert!(text.contains("did you mean \"ebpf.programs\"?; there is ebpf.flowchart, ebpf.maps, "), "{text}");
    assert!(fails(&["trace_open", "--jsonpath", ".a"]).contains("--jsonpath needs --extra-info or --show-datasources"));
    assert!(fails(&["trace_open", "--extra-info", "oci.tag", "--jsonpath", ".a"]).contains("oci.tag is text/plain"));
    assert!(fails(&["trace_open", "--extra-info", "oci.manifest", "--jsonpath", ".a"]).contains("there is nothing at $.a"));
    assert!(fails(&["trace_open", "--extra-info", "oci.manifest", "--jsonpath", "["]).contains("read --jsonpath \"[\""));
    assert!(fails(&["trace_open", "--extra-info", "oci.tag", "--show-datasources"]).contains("cannot be used with"));
    assert!(fails(&["trace_open", "-o", "columns"]).contains("jsonpretty, json, yaml"));
    assert!(fails(&["trace_opne"]).contains("did you mean \"trace_open\"?"));
}

/// A folder with an object is no image: it has programs and metadata, and no manifest.
#[test]
fn folders_have_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let manifest: Value = serde_json::from_str(&inspect(&["trace_open", "--extra-info", "oci.manifest"])).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    std::fs::copy(harness::layout("trace_open").join("blobs/sha256").join(digest), folder.path().join("program.o")).unwrap();
    std::fs::write(folder.path().join("gadget.yaml"), "name: mine\n").unwrap();
    let all: Value = serde_json::from_str(&inspect(&[folder.path().to_str().unwrap(), "-o", "json"])).unwrap();
    let keys: Vec<_> = all.as_object().unwrap().keys().filter(|key| key.starts_with("oci.")).collect();
    assert_eq!(keys, ["oci.metadata"]);
    assert!(all["ebpf.programs"]["content"].as_str().unwrap().contains("ig_open"));
}

/// The rules for images and annotations are those of `run`, but no signature is asked for unless somebody says so; a refusal says what helps.
#[test]
fn rules_are_those_of_run() {
    let gadgetry = Gadgetry::new();
    gadgetry.ok(&["image", "tag", "trace_open", "127.0.0.1:9/me/mine:1"]);
    let with =
        |flags: &[&'static str]| [&["image", "inspect", "127.0.0.1:9/me/mine:1", "--show-datasources", "-o", "json"], flags].concat();
    let plain = gadgetry.ok(&with(&["--validate-metadata", "--disallow-pulling"]));
    let annotated = gadgetry.ok(&with(&["--annotate", "open:my.key=mine"]));
    assert!(!plain.contains("my.key") && annotated.contains("my.key"), "{annotated}");
    assert!(gadgetry.fails(&with(&["--allowed-gadgets", "trace_exec"])).1.contains("not part of the allowed gadgets"));
    let (code, error) = gadgetry.fails(&with(&["--verify-image"]));
    let last = error.lines().last().unwrap();
    assert!(code == 1 && error.contains("has no signature"), "{error}");
    assert!(
        last.contains("gadgetry image sign") && last.contains("--public-keys @FILE") && last.contains("--verify-image=false"),
        "{error}"
    );
    assert!(gadgetry.fails(&["image", "inspect", "x", "--pull", "often"]).1.contains("[possible values: always, missing, never]"));
}
