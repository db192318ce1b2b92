//! Objects compiled here, and what becomes of them when they are cut.
#![allow(clippy::print_stdout)]

use std::process::Command;

use proptest::prelude::*;

use super::super::extra_info;
use super::{json, mermaid, text, told};
use crate::gadget::fixture;
use crate::image::GadgetImage;

/// A program with everything that listings and diagrams show.
const SOURCE: &str = r#"
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
struct { int (*type)[1]; u32 *key; u64 *value; int (*max_entries)[10]; } start SEC(".maps"), other SEC(".maps");
struct { int (*type)[27]; int (*max_entries)[4096]; } events SEC(".maps");
struct { int (*type)[3]; int (*max_entries)[2]; u32 *key; u32 *value; } jumps SEC(".maps");
struct task_struct { int pid; union { int tgid; }; } __attribute__((preserve_access_index));
static void *(*lookup)(void *, const void *) = (void *)1;
static long (*update)(void *, const void *, const void *, u64) = (void *)2;
static long (*delete)(void *, const void *) = (void *)3;
static long (*tail_call)(void *, void *, u32) = (void *)12;
static long (*output)(void *, void *, u64, u64) = (void *)130;
static u64 (*task)(void) = (void *)35;
const volatile u32 wanted = 1;
u64 seen;
static __attribute__((noinline)) int forget(void *map, u32 key) { return delete(map, &key); }
SEC("tracepoint/a/b") int enter(void *ctx) {
    u32 key = ((struct task_struct *)task())->tgid;
    u64 value = wanted;
    if (key == 7) return forget(&other, key);
    update(&start, &key, &value, 0);
    return 0;
}
SEC("kprobe/c") int leave(void *ctx) {
    u32 key = 3;
    u64 *value = lookup(&start, &key);
    if (!value) return 0;
    seen += *value;
    output(&events, value, 8, 0);
    forget(&start, key);
    tail_call(ctx, &jumps, 1);
    return 0;
}
char _license[] SEC("license") = "GPL";
"#;

/// Compiled out of a file: the lines of what comes from standard input are not kept.
fn object() -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("program.bpf.c"), folder.path().join("program.o"));
    std::fs::write(&source, SOURCE).unwrap();
    let mut clang = Command::new("clang-16");
    let Ok(status) = clang.args(["-target", "bpf", "-g", "-O2", "-Wno-everything", "-c"]).arg(source).arg("-o").arg(&object).status()
    else {
        println!("SKIPPED inspect: no clang-16");
        return None;
    };
    assert!(status.success());
    assert!(Command::new("llvm-strip-16").arg("-g").arg(&object).status().unwrap().success());
    Some(std::fs::read(object).unwrap())
}

/// Listings have functions, labels, lines of the source, and in the second form the names of what is referred to.
#[test]
fn programs_are_listed() {
    let Some(object) = object() else { return };
    let programs = json(&told(Some(object), None), "ebpf.programs");
    assert_eq!(programs[0]["Section"], "tracepoint/a/b");
    assert_eq!(programs[1]["Section"], "kprobe/c");
    let plain = programs[1]["Source"].as_str().unwrap();
    let named = programs[1]["SourceWithRelocation"].as_str().unwrap();
    for part in
        ["leave:\n", "\nforget:\n", "call bpf_map_lookup_elem#1\n", "; u64 *value = lookup(&start, &key); @ program.bpf.c:", "exit\n"]
    {
        assert!(plain.contains(part) && named.contains(part), "{part:?} in {named}");
    }
    for part in ["r1 = map start ll", "r1 = map events ll", "map jumps ll", "variable seen ll", "call forget\n"] {
        assert!(named.contains(part) && !plain.contains(part), "{part:?} in {named}");
    }
    let jump = named.lines().find(|line| line.contains(" goto ")).unwrap();
    let label = jump.split(['<', '>']).nth(1).unwrap();
    assert!(named.contains(&format!("\n{label}:\n")), "{label} in {named}");
    let enter = programs[0]["SourceWithRelocation"].as_str().unwrap();
    assert!(enter.contains(" // CO-RE: struct task_struct.tgid\n"), "{enter}");
    assert!(enter.contains("variable wanted ll"), "{enter}");
}

/// Maps with their types, variables with their places, sections in ELF's order.
#[test]
fn maps_and_variables_are_told() {
    let Some(object) = object() else { return };
    let info = told(Some(object), None);
    let map = |name: &str, kind: &str| serde_json::json!({"Name": name, "Type": kind});
    let maps = [map("events", "RingBuf"), map("jumps", "ProgramArray"), map("other", "Hash"), map("start", "Hash")];
    assert_eq!(json(&info, "ebpf.maps").as_array().unwrap(), &maps);
    let variables = json(&info, "ebpf.variables");
    assert!(variables.as_array().unwrap().contains(&serde_json::json!({"Name": "wanted", "Offset": 0, "Size": 4, "Map": ".rodata"})));
    assert!(variables.as_array().unwrap().contains(&serde_json::json!({"Name": "seen", "Offset": 0, "Size": 8, "Map": ".bss"})));
    let sections = json(&info, "ebpf.sections");
    assert_eq!(sections[0], "");
    assert!(sections.as_array().unwrap().contains(&".maps".into()));
}

/// Which program does what to which map, also through a function that gets the map as an argument.
#[test]
fn diagrams_show_who_touches_what() {
    let Some(object) = object() else { return };
    let info = told(Some(object), None);
    let (flowchart, sequence) = (text(&info, "ebpf.flowchart"), text(&info, "ebpf.sequence"));
    mermaid::check_flowchart(&flowchart);
    mermaid::check_sequence(&sequence);
    for line in [
        "start[(\"start\")]",
        "subgraph at_kprobe_c[\"kprobe/c\"]",
        "enter -- \"Update\" --> start",
        "enter -- \"Delete\" --> other",
        "leave -- \"Lookup+Delete\" --> start",
        "leave -- \"EventOutput\" --> events",
        "leave -- \"TailCall\" --> jumps",
    ] {
        assert!(flowchart.lines().any(|l| l == line), "{line:?} in {flowchart}");
    }
    let calls: Vec<_> = sequence.lines().filter(|line| line.starts_with("leave->>")).collect();
    let expected = ["leave->>start: Lookup", "leave->>events: EventOutput", "leave->>start: Delete", "leave->>jumps: TailCall"];
    assert_eq!(calls, expected);
}

/// Without `.BTF.ext`, or with one that is cut, there are listings without lines.
#[test]
fn objects_without_lines_are_listed_without() {
    let Some(object) = object() else { return };
    let whole = json(&told(Some(object.clone()), None), "ebpf.programs");
    let at = object.windows(9).position(|bytes| bytes == b".BTF.ext\0").unwrap();
    let mut renamed = object.clone();
    renamed[at + 1] = b'X';
    let header = extension(&object);
    let mut cut = object;
    // The length of the list of lines, one more than there is.
    cut[header + 20..header + 24].copy_from_slice(&u32::MAX.to_le_bytes());
    for broken in [renamed, cut] {
        let listing = json(&told(Some(broken), None), "ebpf.programs");
        let (with, without) = (whole[0]["Source"].as_str().unwrap(), listing[0]["Source"].as_str().unwrap());
        let instructions: Vec<_> = with.lines().filter(|line| !line.starts_with("; ")).collect();
        assert_eq!(without.lines().collect::<Vec<_>>(), instructions);
        assert!(with.lines().count() > instructions.len());
    }
}

/// Where `.BTF.ext` begins: the second BTF header in the file.
fn extension(object: &[u8]) -> usize {
    let headers = object.windows(8).enumerate().filter(|(_, bytes)| bytes[..4] == [0x9f, 0xeb, 1, 0] && bytes[4..] == [32, 0, 0, 0]);
    headers.map(|(at, _)| at).next_back().unwrap()
}

/// Names that Mermaid would trip over.
#[test]
fn diagrams_survive_any_name() {
    let Some(object) = fixture::compile(
        r#"
#define SEC(n) __attribute__((section(n), used))
struct { int (*type)[1]; int *key; int *value; int (*max_entries)[10]; } end SEC(".maps");
static void *(*lookup)(void *, const void *) = (void *)1;
SEC("kprobe/a\"]; b --> c[(<script>") int subgraph(void *ctx) { int key = 0; return lookup(&end, &key) != 0; }
"#,
    ) else {
        println!("SKIPPED diagrams_survive_any_name: no clang-16");
        return;
    };
    let info = told(Some(object), None);
    mermaid::check_flowchart(&text(&info, "ebpf.flowchart"));
    mermaid::check_sequence(&text(&info, "ebpf.sequence"));
    assert!(text(&info, "ebpf.sequence").contains("participant n_end as end\n"));
    assert!(text(&info, "ebpf.flowchart").contains("n_subgraph -- \"Lookup\" --> n_end"));
}

/// An object that is none is an error.
#[test]
fn what_is_no_object_is_an_error() {
    let image = GadgetImage { ebpf: Some(b"\x7fELF nothing".to_vec()), ..GadgetImage::default() };
    assert_eq!(extra_info(&image).unwrap_err().to_string(), "read the BPF object");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever byte is changed, the answer is an error or a listing, and nothing panics.
    #[test]
    fn damaged_objects_give_an_answer(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        if let Some(sample) = fixture::sample() {
            let mut object = sample.to_vec();
            for (at, byte) in changes {
                let at = at.index(object.len());
                object[at] = byte;
            }
            let _ = extra_info(&GadgetImage { ebpf: Some(object), ..GadgetImage::default() });
        }
    }
}
