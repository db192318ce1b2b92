//! What `prepare` does to an object, seen by the values its programs compute: configuration, types, code, symbols.

use std::io::Read as _;

use gadgetry::gadget::{self, btf};
use gadgetry::loader;
use serde_json::Value;

use crate::harness::{COMPILERS, Run, Setup, assert_golden, compiled, not_here, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

/// The first event of a gadget that looks at this thread.
fn event(gadget: &str, compiler: &str, trigger: impl Fn()) -> Value {
    let run = Run::start(gadget, compiler, &Setup::params(&[("thread", &thread())]));
    trigger();
    let event = run.event(|_| true);
    run.stop();
    event
}

fn release() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The kernel's configuration, where it says it.
fn config() -> Option<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open("/proc/config.gz").ok()?).read_to_string(&mut text).ok()?;
    Some(text)
}

fn option(config: &Option<String>, name: &str) -> Option<String> {
    config.as_ref()?.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Configuration values have what the kernel says; all kinds of data sections have their initial values.
#[test]
fn core_values() {
    with_each_compiler(|compiler| {
        let event = event("core_values", compiler, || getppid(1));
        let volatile = ["version", "hz", "syscall_tristate", "bpf", "net_letter", "wrapper", "cookie", "hostname"];
        assert_golden("core_values", &event, &volatile);
        let (major, minor) = release();
        assert_eq!(event["version"].as_u64().unwrap() >> 8, u64::from(major << 8 | minor));
        assert_eq!(event["cookie"], u64::from((major, minor) >= (5, 15)));
        assert_eq!(event["wrapper"], 1, "every x86 kernel since 4.17 has syscall wrappers");
        let config = config();
        let number = |name: &str| option(&config, name).map_or(0, |text| text.parse().unwrap());
        assert_eq!(event["hz"], number("CONFIG_HZ"));
        let there = |name: &str| u64::from(option(&config, name).is_some());
        assert_eq!(event["bpf"], there("CONFIG_BPF"));
        assert_eq!(event["syscall_tristate"], there("CONFIG_BPF_SYSCALL"));
        assert_eq!(event["net_letter"], there("CONFIG_NET") * u64::from(b'y'));
        let hostname = option(&config, "CONFIG_DEFAULT_HOSTNAME").unwrap_or_default();
        assert_eq!(event["hostname"].as_str().unwrap(), hostname.trim_matches('"'));
    });
    seen("prepare: kconfig values");
    seen("prepare: data sections");
}

/// Whatever can be asked about the kernel's types has the right answer.
#[test]
fn core_types() {
    // SAFETY: a valid structure for this thread, which is no other's business; the policy stays the ordinary one.
    let reset_on_fork = |on: bool| unsafe {
        let policy = if on { libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK } else { libc::SCHED_OTHER };
        assert_eq!(libc::sched_setscheduler(0, policy, &libc::sched_param { sched_priority: 0 }), 0);
    };
    with_each_compiler(|compiler| {
        let run = Run::start("core_types", compiler, &Setup::params(&[("thread", &thread())]));
        let pid = std::process::id();
        for on in [false, true] {
            reset_on_fork(on);
            // SAFETY: signal 0 only asks whether the process is there.
            unsafe { libc::kill(pid as i32, 0) };
        }
        reset_on_fork(false);
        let event = run.event(|e| e["bit_field"] == 1);
        assert_golden("core_types", &event, &["pid", "tgid_by_flavour", "first_argument"]);
        assert_eq!(run.events()[0].json["bit_field"], 0);
        assert_eq!((&event["pid"], &event["tgid_by_flavour"], &event["first_argument"]), (&pid.into(), &pid.into(), &pid.into()));
        run.stop();
    });
    seen("prepare: CO-RE relocations of every kind");
    seen("prepare: flexible arrays");
}

/// Functions of all linkages, loops, atomics and a tail call from a function into an array that the object fills.
#[test]
fn core_code() {
    with_each_compiler(|compiler| {
        let event = event("core_code", compiler, || getppid(1));
        assert_golden("core_code", &event, &[]);
    });
    seen("prepare: functions, tail calls, initial values of program arrays");
}

/// Functions that the kernel calls back.
#[test]
fn core_callbacks() {
    if release() < (5, 17) {
        return not_here("prepare: callbacks", "bpf_loop came with 5.17");
    }
    with_each_compiler(|compiler| {
        let event = event("core_callbacks", compiler, || getppid(1));
        assert_golden("core_callbacks", &event, &[]);
    });
    seen("prepare: callbacks");
}

/// Symbols have their addresses and functions are called; what the kernel does not have is absent.
#[test]
fn core_symbols() {
    let kernel = btf::Btf::kernel().unwrap();
    with_each_compiler(|compiler| {
        let event = event("core_symbols", compiler, || getppid(1));
        assert_golden("core_symbols", &event, &["address", "function_there", "type_id"]);
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
        let line = symbols.lines().find(|l| l.split_whitespace().nth(2) == Some("_stext")).unwrap();
        let address = u64::from_str_radix(line.split_whitespace().next().unwrap(), 16).unwrap();
        assert_eq!(event["address"].as_u64().unwrap(), address);
        let there = |name, kind| u64::from(kernel.find(name, kind).is_some());
        assert_eq!(event["function_there"], there("bpf_rcu_read_lock", btf::Kind::Func));
        assert_eq!(event["type_id"], kernel.structure("task_struct").unwrap());
    });
    seen("prepare: kernel symbols");
    if kernel.find("bpf_rcu_read_lock", btf::Kind::Func).is_some() {
        seen("prepare: kernel functions");
    } else {
        not_here("prepare: kernel functions", "bpf_rcu_read_lock came with 6.2");
    }
}

/// A typed variable of each CPU is read through its address.
#[test]
fn core_variable() {
    // Compiled here in any case, for the machines without a compiler.
    with_each_compiler(|compiler| drop(compiled("core_variable", compiler)));
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    if !symbols.lines().any(|l| l.split_whitespace().nth(2) == Some("runqueues")) {
        return not_here("prepare: kernel variables", "the kernel lists no variables (CONFIG_KALLSYMS_ALL)");
    }
    if let Err(error) = load("core_variable", COMPILERS[0], None) {
        assert!(error.contains("no symbol \"runqueues\""), "{error}");
        return not_here("prepare: kernel variables", "the kernel's types have no variables");
    }
    with_each_compiler(|compiler| {
        assert_eq!(event("core_variable", compiler, || getppid(1))["cpu"], 1);
    });
    seen("prepare: kernel variables");
}

/// Packet loads of old filters pass the verifier.
#[test]
fn core_packets() {
    with_each_compiler(|compiler| {
        load("core_packets", compiler, None).unwrap();
    });
    seen("prepare: packet loads");
}

fn load(name: &str, compiler: &str, types: Option<&btf::Places>) -> Result<(), String> {
    let mut image = gadgetry::image::open(compiled(name, compiler).to_str().unwrap()).unwrap();
    image.btfgen = types.map(|places| archive(&places.running));
    let gadget = gadget::open(&image, name).map_err(|e| e.to_string())?;
    let params = Default::default();
    let options = loader::Options { types, ..loader::Options::new(&params) };
    loader::load(&gadget, &options)
        .map(drop)
        .map_err(|e| format!("{e}: {}", std::error::Error::source(&e).map_or(String::new(), |s| s.to_string())))
}

/// An archive with this kernel's types, cut down as those of BTFHub are.
fn archive(running: &btf::OsRelease) -> Vec<u8> {
    use std::io::Write as _;
    let kernel = btf::Btf::kernel().unwrap();
    let names = ["task_struct", "list_head", "pid_type", "syscall_trace_enter", "bpf_func_id"].into();
    let content = kernel.subset(&names).unwrap().to_bytes();
    let mut header = [0u8; 512];
    let path = format!("{}/{}/{}/{}.btf", running.id, running.version, running.machine, running.release);
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = b'0';
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&header).unwrap();
    gzip.write_all(&content).unwrap();
    gzip.write_all(&vec![0; 1024 + content.len().next_multiple_of(512) - content.len()]).unwrap();
    gzip.finish().unwrap()
}

/// On a kernel without types of its own the gadget's archive is used; without one for it, that is the error; hooks by type do not exist.
#[test]
fn core_without_kernel_types() {
    let running = btf::OsRelease::parse("ID=test\nVERSION_ID=\"1\"", "x86_64", "1.2.3");
    let places = btf::Places { folder: "/nowhere".into(), files: Vec::new(), running };
    load("core_types", "clang-16", Some(&places)).unwrap();
    let other = btf::Places { running: btf::OsRelease::default(), ..places.clone() };
    let error = {
        let mut image = gadgetry::image::open(compiled("core_types", "clang-16").to_str().unwrap()).unwrap();
        image.btfgen = Some(archive(&places.running));
        let gadget = gadget::open(&image, "x").unwrap();
        let params = Default::default();
        let error = loader::load(&gadget, &loader::Options { types: Some(&other), ..loader::Options::new(&params) }).err().unwrap();
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert!(error.contains("none are for"), "{error}");
    let error = load("core_symbols", "clang-16", Some(&places)).unwrap_err();
    assert!(error.contains("has no"), "{error}");
    seen("prepare: types from the gadget's archive");
}

/// A library function that a compiler put in is named in the error.
#[test]
fn core_undefined_function() {
    with_each_compiler(|compiler| {
        let error = load("hostile_memcmp", compiler, None).unwrap_err();
        assert!(error.contains("\"memcmp\", which neither it nor the kernel defines (the compiler made it"), "{error}");
    });
}
