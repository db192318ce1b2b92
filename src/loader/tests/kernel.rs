//! Against the running kernel.

use std::collections::BTreeMap;

use crate::loader::testing::{GETPPID, can_load, gadget, getppid, load_with, quiet};
use crate::loader::{LoadError, MntnsFilter, Reader};

fn refused(source: &str) -> LoadError {
    let gadget = gadget(source, "");
    load_with(&gadget, &[], None).and_then(|mut loaded| loaded.attach()).expect_err("it should be refused")
}

/// What a ring holds by now.
fn records(reader: &mut Reader) -> Vec<Vec<u8>> {
    let Reader::Ring(source) = reader else { panic!("not a ring") };
    std::iter::from_fn(|| source.ring.next().unwrap().map(|r| r.to_vec())).collect()
}

fn only(readers: Vec<(String, Reader)>) -> Reader {
    readers.into_iter().next().unwrap().1
}

#[test]
fn nothing_runs_before_attach_nor_after_detach() {
    if !can_load() {
        return;
    }
    let gadget = gadget(GETPPID, "");
    let _quiet = quiet();
    let mut loaded = load_with(&gadget, &[("tag", "4711")], None).unwrap();
    let mut ring = only(loaded.readers().unwrap());
    getppid(3);
    assert_eq!(records(&mut ring).len(), 0);
    loaded.attach().unwrap();
    getppid(3);
    loaded.detach();
    getppid(3);
    loaded.detach();
    let records = records(&mut ring);
    assert_eq!(records.len(), 3);
    let mut expected = 2u64.to_ne_bytes().to_vec();
    expected.extend(std::process::id().to_ne_bytes());
    expected.extend(4711u32.to_ne_bytes());
    assert_eq!(records[2], expected, "the parameter is in the record");
}

#[test]
fn readers_are_handed_out_once() {
    if !can_load() {
        return;
    }
    let mut loaded = load_with(&gadget(GETPPID, ""), &[], None).unwrap();
    assert_eq!(loaded.readers().unwrap().len(), 1);
    assert!(matches!(loaded.readers(), Err(LoadError::Invalid(_))));
}

#[test]
fn unknown_and_unusable_parameters_are_refused_by_name() {
    let gadget = gadget(GETPPID, "");
    let error = load_with(&gadget, &[("tagg", "1")], None).err().unwrap().to_string();
    assert_eq!(error, "gadget \"test\" has no parameter \"tagg\", did you mean \"tag\"?");
    let error = load_with(&gadget, &[("tag", "many")], None).err().unwrap();
    assert!(matches!(&error, LoadError::Parameter { key, value, .. } if key == "tag" && value == "many"), "{error}");
}

#[test]
fn the_filter_map_is_shared_and_switched_on_only_with_a_filter() {
    if !can_load() {
        return;
    }
    let source = GETPPID.replace("if (!wanted()) return 0;", "if (!wanted() || skipped()) return 0;");
    let source = format!(
        "struct {{ __uint(type, 1); __uint(max_entries, 1024); __type(key, __u64); __type(value, __u32); }} gadget_mntns_filter_map SEC(\".maps\");\n\
         const volatile bool gadget_filter_by_mntns = 0;\n\
         static inline bool skipped(void) {{ __u64 mntns = 42; return gadget_filter_by_mntns && !bpf_map_lookup_elem(&gadget_mntns_filter_map, &mntns); }}\n{source}"
    );
    let gadget = gadget(&source, "");
    let filter = MntnsFilter::create().unwrap();
    let mut open = load_with(&gadget, &[], None).unwrap();
    let mut filtered = load_with(&gadget, &[], Some(&filter)).unwrap();
    assert_eq!((open.filters_in_kernel(), filtered.filters_in_kernel()), (false, true));
    let (mut all, mut some) = (only(open.readers().unwrap()), only(filtered.readers().unwrap()));
    open.attach().unwrap();
    filtered.attach().unwrap();
    getppid(1);
    filter.insert(42).unwrap();
    getppid(2);
    filter.remove(42).unwrap();
    filter.remove(42).unwrap();
    getppid(4);
    assert_eq!((records(&mut all).len(), records(&mut some).len()), (7, 2));
}

#[test]
fn a_full_filter_says_so() {
    if !can_load() {
        return;
    }
    let filter = MntnsFilter::with_entries(2).unwrap();
    filter.insert(1).unwrap();
    filter.insert(1).unwrap();
    filter.insert(2).unwrap();
    assert_eq!(filter.insert(3).unwrap_err().raw_os_error(), Some(libc::E2BIG));
    assert!(filter.contains(1).unwrap() && !filter.contains(3).unwrap());
}

#[test]
fn the_verifiers_words_are_in_the_error() {
    if !can_load() {
        return;
    }
    let source = "SEC(\"raw_tp/sys_enter\") int broken(void *ctx) { __u32 key = 0; return *(int *)bpf_map_lookup_elem(&some, &key); }";
    let source = format!(
        "struct {{ __uint(type, 1); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }} some SEC(\".maps\");\n{source}"
    );
    match refused(&source) {
        LoadError::Verifier { program, log, .. } => {
            assert_eq!(program, "broken");
            assert!(log.contains("map_value_or_null"), "{log}");
            assert!((2..=20).contains(&log.lines().count()), "{log}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_missing_hook_is_named_with_its_program() {
    if !can_load() {
        return;
    }
    for (section, hook, meant) in [
        ("tracepoint/sched/sched_proces_exec", "tracepoint sched/sched_proces_exec", "sched/sched_process_exec"),
        ("raw_tp/sched_swich", "tracepoint sched_swich", "sched_switch"),
        ("tp_btf/sched_swich", "tracepoint sched_swich", "sched_switch"),
        ("fentry/vfs_raed", "function vfs_raed", "vfs_read"),
        ("fentry/0000", "function 0000", ""),
    ] {
        let error = refused(&format!("SEC(\"{section}\") int lonely(void *ctx) {{ return 0; }}"));
        let question = if meant.is_empty() { String::new() } else { format!("; did you mean {meant}?") };
        assert_eq!(error.to_string(), format!("the kernel has no {hook}, which program \"lonely\" needs{question}"));
    }
}

#[test]
fn unsupported_sections_are_refused_before_anything_is_loaded() {
    for (section, beginning, end) in [
        ("kprobe.multi/vfs_*", "unsupported section \"kprobe.multi/vfs_*\" of program \"probe\"; supported are kprobe", "cgroup"),
        ("xdp", "unsupported section \"xdp\" of program \"probe\"", "cgroup"),
        ("classifier/ingress", "invalid section name \"classifier/ingress\" of program \"probe\"", "classifier/egress/<name>"),
        ("classifier/sideways/x", "invalid section name", "classifier/egress/<name>"),
        ("tracepoint/sched", "invalid section name", "tracepoint/<category>/<name>"),
        ("sk_skb/x", "invalid section name", "sk_skb/verdict"),
        ("iter/no_such_thing", "invalid section name", "iter/ and one of task, task_file, tcp, udp, ksym, bpf_map_elem"),
        ("perf_event", "invalid section name", "perf_event/<name>"),
    ] {
        let error = refused(&format!("SEC(\"{section}\") int probe(void *ctx) {{ return 0; }}")).to_string();
        assert!(error.starts_with(beginning) && error.ends_with(end), "{error}");
    }
}

/// A disabled program is neither attached nor in the way, whatever its section says.
#[test]
fn disabled_programs_are_in_nobodys_way() {
    if !can_load() {
        return;
    }
    let source = "SEC(\"kprobe/gadget_program_disabled\") int a(void *ctx) { return 0; }\n\
                  SEC(\"fentry/no_such_function\") int b(void *ctx) { return 0; }\n\
                  SEC(\"xdp\") int c(void *ctx) { return 0; }\n\
                  SEC(\"perf_event/unknown\") int d(void *ctx) { return 0; }\n\
                  SEC(\"raw_tp/gadget_program_disabled\") int e(void *ctx) { return 0; }";
    let metadata = "programs:\n  b: &off {attach_to: gadget_program_disabled}\n  c: *off\n  d: *off\n  e: {attach_to: sched_switch}\n";
    let mut loaded = load_with(&gadget(source, metadata), &[], None).unwrap();
    loaded.attach().unwrap();
    assert_eq!(loaded.links.len(), 1, "the metadata has the last word: it turns e on");
}

/// A program that a map holds from the start is loaded although it is disabled.
#[test]
fn disabled_programs_in_maps_are_loaded() {
    if !can_load() {
        return;
    }
    let source = "SEC(\"raw_tp/gadget_program_disabled\") int target(void *ctx) { return 0; }\n\
                  struct { __uint(type, 3); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4); int (*values[])(void *); } tails SEC(\".maps\") = \
                  { .values = { &target } };\n\
                  SEC(\"raw_tp/sched_switch\") int jump(void *ctx) { ((long (*)(void *, void *, __u32))12)(ctx, &tails, 0); return 0; }";
    let mut loaded = load_with(&gadget(source, ""), &[], None).unwrap();
    let mut names: Vec<_> = loaded.programs.iter().map(|p| (p.name.as_str(), p.switched_off)).collect();
    names.sort_unstable();
    assert_eq!(names, [("jump", false), ("target", true)]);
    loaded.attach().unwrap();
    assert_eq!(loaded.links.len(), 1);
}

#[test]
fn a_failed_attach_detaches_what_was_attached() {
    if !can_load() {
        return;
    }
    let source = format!("{GETPPID}\nSEC(\"tracepoint/zz/no_such_event\") int zz(void *ctx) {{ return 0; }}");
    let gadget = gadget(&source, "");
    let _quiet = quiet();
    let mut loaded = load_with(&gadget, &[], None).unwrap();
    let mut ring = only(loaded.readers().unwrap());
    assert!(matches!(loaded.attach(), Err(LoadError::NoHook { .. })));
    getppid(3);
    assert_eq!(records(&mut ring).len(), 0);
}

#[test]
fn kprobes_work_or_the_error_names_what_is_missing() {
    if !can_load() {
        return;
    }
    let source = "SEC(\"kprobe/vfs_read\") int probe(void *ctx) { return 0; }";
    let result = load_with(&gadget(source, ""), &[], None).and_then(|mut loaded| loaded.attach());
    if std::path::Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        return result.unwrap();
    }
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "attach program \"probe\" to function vfs_read");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("no kprobes"), "{source}");
}

#[test]
fn trampolines_work_or_the_error_says_that_they_are_refused() {
    if !can_load() {
        return;
    }
    let result = load_with(&gadget("SEC(\"fentry/vfs_read\") int enter(void *ctx) { return 0; }", ""), &[], None);
    match result {
        Ok(mut loaded) => loaded.attach().unwrap(),
        Err(error) => assert!(matches!(&error, LoadError::Permission { reason, .. } if reason.contains("security module")), "{error}"),
    }
}

#[test]
fn variables_size_maps_and_options_size_rings() {
    if !can_load() {
        return;
    }
    let source = format!(
        "struct {{ __uint(type, 1); __type(key, __u32); __type(value, __u64); }} seen SEC(\".maps\");\n\
         const volatile __u32 seen_max_entries = 3;\nPARAM(seen_max_entries)\n{GETPPID}\n\
         SEC(\"raw_tp/sys_exit\") int touch(void *ctx) {{ __u32 k = seen_max_entries; bpf_map_lookup_elem(&seen, &k); return 0; }}"
    );
    let gadget = gadget(&source, "");
    let sizes = |params: &[(&str, &str)]| load_with(&gadget, params, None).unwrap().maps["seen"].info().unwrap().max_entries();
    assert_eq!((sizes(&[]), sizes(&[("seen_max_entries", "9")])), (3, 9));
    let params = Default::default();
    let options = crate::loader::Options { ring_bytes: Some(10_000), ..crate::loader::Options::new(&params) };
    let loaded = crate::loader::load(&gadget, &options).unwrap();
    assert_eq!(loaded.maps["events"].info().unwrap().max_entries(), 16384);
}

#[test]
fn samplers_and_typed_tracepoints_attach() {
    if !can_load() {
        return;
    }
    let source =
        "SEC(\"perf_event/clock\") int sample(void *ctx) { return 0; }\nSEC(\"tp_btf/sched_switch\") int typed(void *ctx) { return 0; }";
    let perf = "perf: {type: software, config: count_sw_cpu_clock, sampleType: sample_raw}";
    let metadata = format!("programs:\n  clock:\n    {perf}\n    sampler:\n      frequency: 99\n");
    let error = load_with(&gadget(source, &metadata.replace("99", "no")), &[], None).err().unwrap().to_string();
    assert!(error.starts_with("program \"sample\" cannot sample: programs.clock.sampler.frequency"), "{error}");
    let mut loaded = load_with(&gadget(source, &metadata), &[], None).unwrap();
    assert_eq!(loaded.frequencies["clock"], 99);
    loaded.attach().unwrap();
    assert_eq!(loaded.links.len(), aya::util::online_cpus().unwrap().len() + 1);
}

const SHARED: &str = r#"
struct event { __u64 number; };
RING(events, 4096)
TRACER(calls, events, event)
struct { __uint(type, 1); __uint(max_entries, 64); __type(key, __u64); __type(value, __u32); } theirs SEC(".maps");
SEC("tracepoint/syscalls/sys_enter_getppid") int enter(void *ctx) {
    __u64 key = 5; __u32 value[16] = { 6 };
    if (wanted()) bpf_map_update_elem(&theirs, &key, value, 0);
    return 0;
}
"#;

#[test]
fn a_map_of_the_hosts_stands_in_if_it_fits_and_else_the_gadget_has_its_own() {
    use crate::kernel::bpf::{Shape, lookup};
    use crate::kernel::maps::{MapShape, NewMap, create, shape};
    use std::os::fd::AsFd;
    if !can_load() {
        return;
    }
    let gadget = gadget(SHARED, "");
    // SAFETY: the call takes nothing and cannot fail.
    let params = BTreeMap::from([("thread".to_owned(), unsafe { libc::gettid() }.to_string())]);
    for (value, fits) in [(4, true), (8, false)] {
        let host = create(&NewMap { shape: MapShape { kind: 1, key: 8, value, entries: 7, flags: 1 }, ..NewMap::default() }).unwrap();
        let options = crate::loader::Options { shared: vec![("theirs", host.as_fd())], ..crate::loader::Options::new(&params) };
        let mut loaded = crate::loader::load(&gadget, &options).unwrap();
        assert_eq!(loaded.map("theirs").is_none(), fits, "whose map it is");
        loaded.attach().unwrap();
        getppid(1);
        let mut found = vec![0; value as usize];
        let seen = lookup(host.as_fd(), Shape { key: 8, value: value as usize }, &5u64.to_ne_bytes(), &mut found);
        assert_eq!(seen.is_ok(), fits, "{seen:?}");
        assert_eq!(found[0], if fits { 6 } else { 0 });
    }
    let options = crate::loader::Options { value_sizes: vec![("theirs", 40)], ..crate::loader::Options::new(&params) };
    let own = crate::loader::load(&gadget, &options).unwrap().map("theirs").unwrap();
    assert_eq!(shape(own.as_fd()).unwrap(), MapShape { kind: 1, key: 8, value: 40, entries: 64, flags: 0 });
}

#[test]
fn absurd_maps_are_refused_at_once() {
    if !can_load() {
        return;
    }
    for (from, to) in [("max_entries, 64", "max_entries, 200000000"), ("RING(events, 4096)", "RING(events, 0x3fffffff)")] {
        let gadget = gadget(&SHARED.replace(from, to), "");
        let began = std::time::Instant::now();
        let params = BTreeMap::new();
        let result = crate::loader::load(&gadget, &crate::loader::Options::new(&params));
        let text = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text.contains("more than the limit"), "{text}");
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    }
}
