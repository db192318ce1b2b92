//! A whole gadget, compiled from C: what `open` makes of it, and that no damage to it makes it panic.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::batch::{Kind, Source};
use crate::image::GadgetImage;

const YAML: &[u8] = include_bytes!("testdata/sample.yaml");

fn image(object: &[u8]) -> GadgetImage {
    GadgetImage {
        reference: "sample:v1".into(),
        version: "v1".into(),
        metadata: YAML.to_vec(),
        ebpf: Some(object.to_vec()),
        ..Default::default()
    }
}

fn sample() -> Option<Gadget> {
    Some(open(&image(fixture::sample()?), "mine").unwrap())
}

/// Declarations become sources with the right origin; a variable that only looks like one does not.
#[test]
fn finds_sources_and_their_origins() {
    let Some(gadget) = sample() else { return };
    let origin = |name: &str| gadget.sources.iter().find(|s| s.name == name).unwrap().origin.clone();
    assert_eq!(gadget.sources.len(), 3);
    assert_eq!(origin("things"), Origin::Tracer { map: "events".into(), lost_map: Some("events_lost_samples".into()) });
    let (interval, count) = (Duration::from_millis(250), 0);
    assert_eq!(
        origin("blocks"),
        Origin::MapIter { map: "counts".into(), key_size: 12, value_size: 112, interval, count, flush_on_stop: true }
    );
    let programs = vec!["walk".to_owned()];
    let expected = Origin::Iter { programs, record_size: 40, interval: Duration::ZERO, count: 1, fetch_on_stop: false };
    assert_eq!(origin("procs"), expected);
    assert_eq!((gadget.identity.name.as_str(), gadget.identity.instance.as_str()), ("sample", "mine"));
}

/// Programs have their section's target unless the metadata says otherwise.
#[test]
fn finds_programs_and_targets() {
    let Some(gadget) = sample() else { return };
    let of = |name: &str| gadget.programs.iter().find(|p| p.name == name).unwrap();
    assert_eq!(of("enter").target, "syscalls/sys_enter_execve");
    assert!(!of("enter").disabled && of("leave").disabled);
    assert_eq!(of("walk").section, "iter/task");
}

/// Fields have the kinds, places and annotations of the ABI.
#[test]
fn makes_fields_of_the_record() {
    let Some(gadget) = sample() else { return };
    let schema = gadget.sources.into_iter().find(|s| s.name == "things").unwrap().schema.finish();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name.as_str()).collect();
    let expected = [
        "timestamp_raw",
        "proc",
        "proc.comm",
        "proc.pid",
        "proc.mntns_id",
        "proc.creds",
        "proc.creds.uid",
        "error_raw",
        "color_raw",
        "flags",
        "fname",
        "args_raw",
        "args",
        "v4",
        "v6",
        "nested",
        "nested.inner",
        "hash",
        "grid",
        "ok",
        "color",
    ];
    assert_eq!(names, expected);
    let field = |name: &str| schema.field(schema.find(name).unwrap()).unwrap();
    assert!(matches!(field("timestamp_raw").source, Source::BootTime { offset: 0 }));
    assert!(field("timestamp_raw").hidden && field("proc").hidden && field("color_raw").hidden && field("flags").hidden);
    assert_eq!(
        (field("proc.comm").kind, field("proc").kind, field("grid").kind, field("ok").kind),
        (Kind::Text, Kind::Struct, Kind::Bytes, Kind::Bool)
    );
    assert_eq!(field("error_raw").types, ["gadget_errno", "__u32", "unsigned int"]);
    assert!(field("error_raw").json_skip && field("error_raw").annotations["columns.width"] == "12");
    let pid = field("proc.pid");
    assert_eq!((pid.annotations["columns.width"].as_str(), pid.annotations["columns.alias"].as_str()), ("9", "pid"));
    assert_eq!((pid.annotations["description"].as_str(), pid.annotations["columns.alignment"].as_str()), ("ours", "right"));
    assert!(matches!(field("fname").source, Source::Tail { .. }) && field("args_raw").json_skip);
}

/// Text made by the gadget's own types: enum names, bit sets stay numbers without a target, arguments joined with blanks.
#[test]
fn decodes_enums_and_arguments() {
    let Some(gadget) = sample() else { return };
    let schema = gadget.sources.into_iter().find(|s| s.name == "things").unwrap().schema.finish();
    let id = |name: &str| schema.find(name).unwrap();
    let offset = |name: &str| match schema.field(id(name)).unwrap().source {
        Source::Row { offset, .. } | Source::Tail { offset } => offset as usize,
        _ => panic!("{name} is not in the row"),
    };
    let (color, args) = (offset("color_raw"), offset("args_raw"));
    let start = schema.fixed_size().next_multiple_of(8);
    let mut record = vec![0u8; start];
    record[color..color + 4].copy_from_slice(&(-2i32).to_le_bytes());
    record[args..args + 4].copy_from_slice(&(7 << 16 | start as u32).to_le_bytes());
    record.extend_from_slice(b"ls\0-la\0");
    let mut batch = crate::batch::Batch::new(schema.clone(), 10, 10_000);
    batch.push(&record);
    let mut scratch = Vec::new();
    assert_eq!(batch.value(0, id("color"), &mut scratch), crate::batch::Value::Text(b"GREEN"));
    assert_eq!(batch.value(0, id("args"), &mut scratch), crate::batch::Value::Text(b"ls -la"));
}

/// What the metadata says about a field that an operator makes waits until the field is added.
#[test]
fn keeps_notes_for_fields_of_operators() {
    let Some(gadget) = sample() else { return };
    let mut schema = gadget.sources.into_iter().find(|s| s.name == "things").unwrap().schema;
    let own = crate::batch::FieldSpec::new("error", Kind::Text, Source::Parent);
    let id = schema.add(own).unwrap();
    let field = schema.field(id).unwrap();
    assert!(field.hidden && field.annotations["columns.width"] == "12" && field.annotations["description"] == "what went wrong");
}

/// Rows of a map are the key, padded, then the value; only key fields are tagged.
#[test]
fn lays_out_map_rows() {
    let Some(gadget) = sample() else { return };
    let schema = &gadget.sources.iter().find(|s| s.name == "blocks").unwrap().schema;
    let field = |name: &str| schema.field(schema.find(name).unwrap()).unwrap();
    assert_eq!(field("name").tags, ["name:name", "src:ebpf", "role:key"]);
    assert!(!field("count").has_tag("role:key"));
    assert!(matches!(field("count").source, Source::Row { offset: 16, size: 4 }));
    assert!(matches!(field("slots").kind, Kind::Array(e) if e.size == 4 && !e.signed));
    assert_eq!(field("count").annotations["metrics.type"], "counter");
}

/// The object's initial value is the default of a scalar, whatever the metadata says; well-known names apply.
#[test]
fn reads_parameters() {
    let Some(gadget) = sample() else { return };
    let of = |key: &str| gadget.params.iter().find(|p| p.key == key).unwrap();
    assert_eq!((of("pid").variable.as_str(), of("pid").kind, of("pid").default.as_str()), ("targ_pid", ParamKind::Uint(4), "0"));
    assert_eq!((of("comm").kind, of("comm").size, of("comm").default.as_str()), (ParamKind::Text(16), 16, ""));
    assert_eq!((of("limit").default.as_str(), of("limit").kind), ("-7", ParamKind::Int(4)));
    assert_eq!((of("verbose").default.as_str(), of("verbose").kind), ("true", ParamKind::Bool));
    assert_eq!(of("map-fetch-interval").default, "250ms");
}

/// Values are checked against what there is, and the host's own parameters take effect.
#[test]
fn configures_sources() {
    let Some(mut gadget) = sample() else { return };
    let values = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
    gadget.configure(&values(&[("map-fetch-interval", "blocks:2s"), ("operator.oci.ebpf.map-fetch-count", "3")])).unwrap();
    let origin = &gadget.sources.iter().find(|s| s.name == "blocks").unwrap().origin;
    assert!(matches!(origin, Origin::MapIter { interval, count: 3, .. } if *interval == Duration::from_secs(2)));
    let errors = gadget.configure(&values(&[("nope", "1"), ("limit", "x"), ("map-fetch-count", "other:1")])).unwrap_err();
    let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{text:?}");
    assert!(text.iter().any(|t| t.contains("there are: ") && t.contains("limit")), "{text:?}");
}

/// A declaration that names something missing says so.
#[test]
fn explains_bad_declarations() {
    let marks = "const void *gadget_tracer_a___nomap___e; struct e { int x; } *keep;";
    let Some(object) = fixture::compile(marks) else { return };
    let Err(error) = open(&image(&object), "x") else { panic!("opened") };
    assert_eq!(error.to_string(), r#"gadget "sample:v1" declares tracer "a", but it has no map "nomap""#);
    let object = fixture::compile("const void *gadget_tracer_a___b; int f(void) { return 0; }").unwrap();
    assert!(open(&image(&object), "x").err().unwrap().to_string().contains("number of parts"));
}

/// Tags declare the same as names do, what both say counts once, and what is wrong with a tag is said.
#[test]
fn reads_tags() {
    const COMMON: &str = "#define SEC(n) __attribute__((section(n), used))\n#define TAG(t) __attribute__((btf_decl_tag(\"ig:\" t)))\n\
        #define SAY(n, t) const int n TAG(t) = 0;\nstruct e { int x; };\nconst volatile int limit;\n\
        struct { int (*type)[27]; int (*max_entries)[4096]; } ring TAG(\"tracer_map\") SEC(\".maps\");\n\
        struct { int (*type)[1]; int (*max_entries)[4]; struct e *key; struct { int y; } *value; } hash SEC(\".maps\");\n\
        int second(void *c) TAG(\"iter:walks\"); SEC(\"iter/task\") int second(void *c) { return 0; }\n\
        SEC(\"iter/bpf_map_elem\") TAG(\"iter:walks\") int first(void *c) { return limit; }\n\
        SEC(\"kprobe/x\") int probe(void *c) { return 0; }\n";
    const WALKS: &str = "const struct e *walks TAG(\"iter_type:walks___e\");";
    let read = |marks: &str| Some(open(&image(&fixture::compile(&format!("{COMMON}{marks}"))?), "x").map_err(|e| e.to_string()));
    let good = format!(
        "{WALKS} SAY(a, \"tracer:t___ring___e\") SAY(b, \"param:limit\") SAY(c, \"iter_target_map:first___hash\") SAY(d, \"new:thing\")\n\
         const void *gadget_mapelem_iter_target_first___hash; const void *gadget_param_limit; const volatile int given TAG(\"var\") = 1;"
    );
    let Some(gadget) = read(&good) else { return };
    let gadget = gadget.unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<_> = gadget.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["t", "walks"]);
    assert!(matches!(&gadget.sources[1].origin, Origin::Iter { programs, .. } if programs == &["first", "second"]));
    assert_eq!((gadget.switchable, gadget.targets["first"].as_str()), (vec!["ring".to_owned()], "hash"));
    assert_eq!(gadget.params.iter().filter(|p| p.key == "limit").count(), 1);
    assert_eq!(gadget.host_variables["given"], "given");
    for (marks, problem) in [
        ("", r#"a program as member of iterator "walks", but there is no such iterator"#),
        ("SAY(a, \"iter_type:x___e\")", "no such iterator"),
        ("SAY(a, \"iter_type:walks___e\") SAY(b, \"iter_type:x___e\")", r#"iterator "x", but no program is a member of it"#),
        ("SAY(a, \"tracer:t___ring\")", r#"tag "ig:tracer:t___ring", but it should be "ig:tracer:<name>___<map>___<struct>""#),
        ("SAY(a, \"param:\")", "ig:param:<variable>"),
        ("SAY(a, \"param:nothing\")", "it has no variable of that name"),
        ("SEC(\"kprobe/y\") TAG(\"attach_to:kallsyms.has(1)\") int other(void *c) { return 0; }", "expressions are not evaluated"),
    ] {
        let marks = if problem.contains("walks") || marks.contains("iter_type") { marks.to_owned() } else { format!("{WALKS}{marks}") };
        let Err(error) = read(&marks).unwrap() else { panic!("{marks} was accepted") };
        assert!(error.contains(problem), "{marks}: {error}");
    }
}

/// Markers whose targets do not fit are refused, each with what is wrong with it.
#[test]
fn refuses_unsuitable_targets() {
    const COMMON: &str = "#define SEC(n) __attribute__((section(n), used))\n#define MARK(name) const void *name __attribute__((unused))\n\
        struct { int (*type)[18]; int (*max_entries)[4]; unsigned *key; unsigned long *value; } socks SEC(\".maps\");\n\
        struct { int (*type)[1]; int (*max_entries)[4]; unsigned *key; unsigned long *value; } hash SEC(\".maps\");\n\
        struct e { int x; } *keep;\n\
        SEC(\"iter/bpf_map_elem\") int walk(void *c) { return 0; }\nSEC(\"sk_msg\") int sent(void *c) { return 0; }\n\
        SEC(\"kprobe/x\") int probe(void *c) { return 0; }\n";
    let read = |marks: &str| Some(open(&image(&fixture::compile(&format!("{COMMON}{marks}"))?), "x").map_err(|e| e.to_string()));
    let good = "MARK(gadget_mapelem_iter_target_walk___hash); MARK(gadget_sk_prog_target_sent___socks); MARK(gadget_map_tracer_hash);\n\
                int gadget_tracer_a___b; const volatile int gadget_var_plain = 1; const volatile int both; const volatile int gadget_var_both;\n\
                __attribute__((noinline)) static int gadget_pf_(int x) { return x * 3; }\n\
                __attribute__((noinline)) static int gadget_pf_in(int x) { return x + 1; }\n\
                SEC(\"tc\") int classify(int *c) { return gadget_pf_(c[0]) + gadget_pf_in(c[1]) + both + gadget_var_both; }";
    let Some(gadget) = read(good) else { return };
    let gadget = gadget.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((gadget.targets["walk"].as_str(), gadget.targets["sent"].as_str()), ("hash", "socks"));
    assert_eq!(gadget.switchable, ["hash"]);
    assert_eq!((gadget.host_variables["plain"].as_str(), gadget.host_variables["both"].as_str()), ("gadget_var_plain", "both"));
    let mut filters = gadget.packet_filters.clone();
    filters.sort();
    assert_eq!(filters, [("pf".into(), "gadget_pf_".into()), ("pf-in".into(), "gadget_pf_in".into())]);
    assert!(["pf", "pf-in", "trace-pipe"].iter().all(|key| gadget.params.iter().any(|p| p.key == *key)));
    for (marks, problem) in [
        ("MARK(gadget_mapelem_iter_target_probe___hash);", "not in iter/bpf_map_elem"),
        ("MARK(gadget_mapelem_iter_target_walk___none);", "it has no such map"),
        ("MARK(gadget_sk_prog_target_none___socks);", "it has no such program"),
        ("MARK(gadget_sk_prog_target_walk___socks);", "not in sk_skb/... or sk_msg"),
        ("MARK(gadget_sk_prog_target_sent___hash);", "no map of sockets"),
        ("MARK(gadget_sk_prog_target_sent___socks); const void *gadget_mapelem_iter_target_walk;", "number of parts"),
        ("MARK(gadget_map_tracer_none);", "it has no such map"),
        ("MARK(gadget_param_none);", "it has no variable of that name"),
        ("MARK(gadget_iter_a___e___probe);", "not in iter/"),
        ("MARK(gadget_snapshotter_a___e___none);", "it has no program"),
        ("MARK(gadget_iter_a___none___walk);", "it has no struct"),
        ("MARK(gadget_mapiter_a___socks);", "not of type BPF_MAP_TYPE_HASH"),
        ("MARK(gadget_mapiter_a___hash);", "not a struct with a name"),
        ("MARK(gadget_tracer_a___hash___e);", "neither a ring buffer nor a perf event array"),
    ] {
        let error = read(marks).unwrap().err().unwrap_or_else(|| panic!("{marks} was accepted"));
        assert!(error.contains(problem), "{marks}: {error}");
    }
}

proptest::proptest! {
    /// Damaged objects are refused or read, never a panic.
    #[test]
    fn survives_damaged_objects(damage in proptest::collection::vec((0usize..20_000, proptest::prelude::any::<u8>()), 1..20), cut in 0usize..40_000) {
        if let Some(object) = fixture::sample() {
            let mut bytes = object.to_vec();
            for (at, byte) in damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = open(&image(&bytes), "x");
            bytes.truncate(cut);
            let _ = open(&image(&bytes), "x");
        }
    }
}

/// What a gadget asks for and nobody can give it is listed, whether the image or the metadata asks.
#[test]
fn lists_what_is_missing() {
    let missing = |metadata: &str, wasm: Option<Vec<u8>>| {
        let image = GadgetImage { metadata: metadata.into(), wasm, ..Default::default() };
        open(&image, "mine").unwrap().missing
    };
    assert!(missing("operator: {process: {emitstats: true}, cgroup: {emitstats: false}}", None).is_empty());
    assert_eq!(missing("operator: {cgroup: {emitstats: true}}", None), ["statistics of cgroups (operator.cgroup)"]);
    let all = missing("annotations: {enable-containers-datasource: true}", Some(vec![0]));
    assert_eq!(all, ["containers as a data source", "its WASM module"]);
}
