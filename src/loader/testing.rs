//! Gadgets compiled on the spot for the tests that load them into the running kernel.

#![allow(clippy::print_stderr)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::{LoadError, Loaded, MntnsFilter, Options, load};
use crate::gadget::{self, Gadget};
use crate::image::GadgetImage;
use crate::kernel::{capabilities, features};

/// What every test object begins with: no header of the system is needed.
const PRELUDE: &str = r#"
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef _Bool bool;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define PARAM(name) const void *gadget_param_##name __attribute__((unused));
#define RING(ring, size) \
    struct { __uint(type, 27); __uint(max_entries, size); } ring SEC(".maps"); \
    struct { __uint(type, 6); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } ring##_lost_samples SEC(".maps");
#define TRACER(name, ring, type) const void *gadget_tracer_##name##___##ring##___##type __attribute__((unused)); \
    const struct type *unused_##name __attribute__((unused));
#define MAPITER(name, map) const void *gadget_mapiter_##name##___##map __attribute__((unused));
#define ITER(name, type, program) const void *gadget_iter_##name##___##type##___##program __attribute__((unused)); \
    const struct type *unused_##name __attribute__((unused));
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static __u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*bpf_seq_write)(void *seq, const void *data, __u32 len) = (void *)127;
static long (*bpf_ringbuf_output)(void *ring, void *data, __u64 size, __u64 flags) = (void *)130;
char _license[] SEC("license") = "GPL";
static inline void emit(void *ring, void *lost, void *record, __u64 size) {
    if (bpf_ringbuf_output(ring, record, size, 0)) {
        __u32 zero = 0; __u64 *count = bpf_map_lookup_elem(lost, &zero);
        if (count) __sync_fetch_and_add(count, 1);
    }
}
const volatile __u32 thread = 0;
PARAM(thread)
static inline bool wanted(void) { return (__u32)bpf_get_current_pid_tgid() == thread; }
"#;

/// Each call of getppid by the thread that loaded it is a record, since other tests run in other threads.
pub(crate) const GETPPID: &str = r#"
struct event { __u64 number; __u32 pid; __u32 tag; };
RING(events, 4096)
TRACER(calls, events, event)
const volatile __u32 tag = 7;
PARAM(tag)
__u64 number = 0;
SEC("tracepoint/syscalls/sys_enter_getppid") int enter(void *ctx) {
    if (!wanted()) return 0;
    struct event e = { number++, bpf_get_current_pid_tgid() >> 32, tag };
    emit(&events, &events_lost_samples, &e, sizeof(e));
    return 0;
}
"#;

/// Whether programs can be loaded here; says why not.
pub(crate) fn can_load() -> bool {
    let missing = capabilities::missing_capabilities();
    if !missing.is_empty() {
        eprintln!("skipped: this process lacks {}", missing.join(" and "));
    } else if !features::has_btf() {
        eprintln!("skipped: the kernel has no BTF");
    } else {
        return true;
    }
    false
}

static FORKS: RwLock<()> = RwLock::new(());

/// While it is held no test starts a compiler. A process between fork and exec holds our descriptors, which keeps programs attached.
pub(crate) fn quiet() -> RwLockReadGuard<'static, ()> {
    FORKS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Compiles a gadget.
pub(crate) fn compile(source: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("program.bpf.c"), directory.path().join("program.o"));
    std::fs::write(&input, format!("{PRELUDE}{source}")).unwrap();
    let _forks = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    let mut clang = Command::new(std::env::var_os("CLANG").unwrap_or_else(|| "clang-16".into()));
    let result =
        clang.args(["-target", "bpf", "-g", "-O2", "-Wno-unused-value", "-c"]).arg(&input).arg("-o").arg(&output).output().unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    std::fs::read(output).unwrap()
}

/// Compiles a gadget and opens it with this metadata.
pub(crate) fn gadget(source: &str, metadata: &str) -> Gadget {
    let image = GadgetImage {
        reference: "test".to_owned(),
        digest: String::new(),
        version: String::new(),
        annotations: BTreeMap::new(),
        metadata: format!("name: test\n{metadata}").into_bytes(),
        ebpf: Some(compile(source)),
        ..GadgetImage::default()
    };
    gadget::open(&image, "test").unwrap()
}

/// Loads a gadget that looks at this thread, with more parameters.
pub(crate) fn load_with(gadget: &Gadget, params: &[(&str, &str)], filter: Option<&MntnsFilter>) -> Result<Loaded, LoadError> {
    let mut all: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    // SAFETY: the call takes nothing and cannot fail.
    let thread = unsafe { libc::gettid() };
    all.insert("thread".to_owned(), thread.to_string());
    // No larger than declared, so that a test can fill it.
    load(gadget, &Options { mntns_filter: filter, ring_bytes: Some(4096), ..Options::new(&all) })
}

/// Calls getppid `count` times.
pub(crate) fn getppid(count: usize) {
    for _ in 0..count {
        // SAFETY: the call takes nothing and cannot fail.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}
