//! Kinds of programs: each form of section, where the metadata aims them, and what becomes of those that cannot be attached.

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::{Run, Setup, compiled, logged, not_here, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

/// Runs a gadget that looks at this thread, with more parameters.
fn start(gadget: &str, compiler: &str, params: &[(&str, &str)]) -> Result<Run, String> {
    let own = thread();
    let mut all = vec![("thread", own.as_str())];
    all.extend(params);
    Run::try_start(&compiled(gadget, compiler), &Setup::params(&all))
}

fn started(gadget: &str, compiler: &str, params: &[(&str, &str)]) -> Run {
    start(gadget, compiler, params).unwrap_or_else(|e| panic!("{gadget} by {compiler}: {e}"))
}

/// The hooks that were hit, once all of `expected` are among them.
fn hooks(run: Run, expected: &[&str]) -> BTreeSet<String> {
    for hook in expected {
        run.event(|e| e["hook"] == *hook);
    }
    run.stop().iter().map(|e| e.json["hook"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// Whether this machine's kernel refuses iterators over maps, as those of the machines that this is developed on have come to do.
pub fn refused_map_iterators(feature: &str) -> bool {
    let error = start("iter_map", "clang-16", &[]).err().unwrap_or_default();
    let here = error.contains("\"walk\"") && error.contains("processed 0 insns") && error.contains("Operation not permitted");
    if here {
        not_here(feature, "the kernel refuses iterators over maps before it has looked at them");
    }
    here
}

/// Whether a failure is this machine's: its kernel has no kprobes and refuses trampolines and security hooks.
fn refused_here(feature: &str, error: &str) -> bool {
    let refused = ["no kprobes", "security module refuses", "is not among the active security modules", "has no security hook"];
    let here = refused.iter().any(|reason| error.contains(reason));
    if here {
        not_here(feature, error);
    }
    here
}

fn unlink() {
    let path = std::env::temp_dir().join(format!("gadgetry-unlink-{}", thread()));
    std::fs::write(&path, "").unwrap();
    std::fs::remove_file(path).unwrap();
}

/// Tracepoints by both spellings, raw, typed, with a question mark, and two programs in one section: all are hit once per call.
#[test]
fn tracepoints() {
    with_each_compiler(|compiler| {
        let run = started("tracepoints", compiler, &[("number", &libc::SYS_getppid.to_string())]);
        getppid(1);
        let all = ["tracepoint", "tp", "first", "second", "raw_tracepoint", "raw_tp", "tp_btf"];
        assert_eq!(hooks(run, &all), set(&all));
    });
    seen("programs: tracepoint, raw_tp, tp_btf, several per section");
}

/// Kprobes find system calls behind their prefix, and go where the metadata says.
#[test]
fn kprobes() {
    with_each_compiler(|compiler| match start("kprobes", compiler, &[]) {
        Err(error) => assert!(refused_here("programs: kprobe, kretprobe", &error), "{error}"),
        Ok(run) => {
            getppid(1);
            unlink();
            let all = ["kprobe", "kretprobe", "aimed"];
            assert_eq!(hooks(run, &all), set(&all));
            seen("programs: kprobe, kretprobe");
        }
    });
}

/// Trampolines stay where their section put them; only turning them off works.
#[test]
fn trampolines() {
    with_each_compiler(|compiler| match start("trampolines", compiler, &[]) {
        Err(error) => assert!(refused_here("programs: fentry, fexit", &error), "{error}"),
        Ok(run) => {
            unlink();
            let all = ["fentry", "fexit"];
            assert_eq!(hooks(run, &all), set(&all));
            seen("programs: fentry, fexit");
        }
    });
}

/// Security hooks are called where the bpf security module is active; where it is not, the error says so. Some kernels let
/// programs on this hook sleep.
#[test]
fn security_hooks() {
    for (gadget, section) in [("security", "lsm"), ("security_sleepable", "lsm.s")] {
        with_each_compiler(|compiler| match start(gadget, compiler, &[]) {
            Err(error) if error.contains("bpf_lsm_file_open is not sleepable") => not_here("programs: lsm.s", &error),
            Err(error) => assert!(refused_here(&format!("programs: {section}"), &error), "{error}"),
            Ok(run) => {
                std::fs::File::open("/proc/self/stat").unwrap();
                assert_eq!(hooks(run, &[section]), set(&[section]));
                seen(&format!("programs: {section}"));
            }
        });
    }
}

/// The metadata aims programs elsewhere, turns them off, and turns on what its section turns off.
#[test]
fn overrides() {
    with_each_compiler(|compiler| {
        let run = started("overrides", compiler, &[]);
        getppid(1);
        assert_eq!(hooks(run, &["aimed", "turned_on"]), set(&["aimed", "turned_on"]));
    });
    seen("programs: attach_to, disabled");
}

/// A hook that is not there fails the gadget, with the name that may have been meant.
#[test]
fn missing_hook() {
    let error = start("missing", "clang-16", &[]).err().unwrap();
    assert!(error.contains("no tracepoint syscalls/sys_enter_getpid_, which program \"missing\" needs"), "{error}");
    assert!(error.contains("did you mean syscalls/sys_enter_getp"), "{error}");
}

/// Every CPU is sampled as often as the metadata says.
#[test]
fn sampler() {
    with_each_compiler(|compiler| {
        let run = started("sampler", compiler, &[("process", &std::process::id().to_string())]);
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let samples = run.stop().len();
        // 300 ms at 199 Hz are 60; other tests of this process run meanwhile, and slow machines miss some.
        assert!((5..=60 * 64).contains(&samples), "{samples} samples");
    });
    seen("programs: perf_event");
}

/// Iterators over tasks, in the form of former headers, and over open files.
#[test]
fn iterators_over_tasks() {
    with_each_compiler(|compiler| {
        let run = Run::start("iter_tasks", compiler, &Setup::default());
        let (pid, tid) = (std::process::id(), thread().parse::<u32>().unwrap());
        run.event_of("tasks", |e| e["pid"] == pid && e["tid"] == tid);
        run.event_of("files", |e| e["pid"] == pid && e["fd"] == 1);
    });
    seen("programs: iter/task, iter/task_file");
}

/// An iterator that may sleep.
#[test]
fn iterator_that_sleeps() {
    with_each_compiler(|compiler| match Run::try_start(&compiled("iter_sleepable", compiler), &Setup::default()) {
        // Kernels before 5.19 refuse the flag.
        Err(error) if error.contains("Sleepable programs can only be") => not_here("programs: iter.s", &error),
        Err(error) => panic!("{error}"),
        Ok(run) => {
            run.event(|e| e["pid"] == std::process::id());
            seen("programs: iter.s");
        }
    });
}

/// An iterator over the kernel's symbols.
#[test]
fn iterator_over_symbols() {
    with_each_compiler(|compiler| match Run::try_start(&compiled("iter_ksym", compiler), &Setup::default()) {
        Err(error) if error.contains("no iterator ksym") => not_here("programs: iter/ksym", &error),
        Err(error) => panic!("{error}"),
        Ok(run) => {
            run.event(|e| e["name"] == "vfs_read");
            seen("programs: iter/ksym");
        }
    });
}

/// An iterator over the elements of the map that a marker names; without the marker the gadget does not start.
#[test]
fn iterator_over_a_map() {
    if refused_map_iterators("programs: iter/bpf_map_elem") {
        return;
    }
    with_each_compiler(|compiler| {
        let run = started("iter_map", compiler, &[]);
        getppid(3);
        let key: u32 = thread().parse().unwrap();
        run.event(|e| e["key"] == key && e["value"] == 3);
    });
    let error = start("iter_no_map", "clang-16", &[]).err().unwrap();
    assert!(error.contains("no marker gadget_mapelem_iter_target_walk___<map> says which map"), "{error}");
    seen("programs: iter/bpf_map_elem");
}

/// A connection to `port` of this machine, with one message sent through it and received.
fn talk(listener: &TcpListener, text: &[u8]) {
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(text).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut received = vec![0; text.len()];
    server.read_exact(&mut received).unwrap();
    assert_eq!(received, text);
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap()
}

/// Connections are put into a map by a sockops program, and the programs on that map see what goes through them.
#[test]
fn programs_on_a_map_of_sockets() {
    if release().starts_with("5.10.") {
        // "soft lockup": the test's thread never leaves the kernel again.
        return not_here("programs: sockops, sk_msg, sk_skb", "connections of a map with both kinds of programs hang kernel 5.10");
    }
    with_each_compiler(|compiler| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let run = started("sockets_of_map", compiler, &[("port", &port)]);
        talk(&listener, b"eleven byte");
        for hook in ["sockops", "sk_msg", "stream_parser", "stream_verdict"] {
            let event = run.event(|e| e["hook"] == hook);
            assert!(hook == "sockops" || event["value"] == 11, "{event:#}");
        }
        let before = run.stop().len();
        talk(&listener, b"not seen");
        assert!(before >= 4, "{before}");
    });
    seen("programs: sockops, sk_msg, sk_skb/stream_parser, sk_skb/stream_verdict");
}

/// The verdict without a parser (5.13 and newer).
#[test]
fn verdict_on_a_map_of_sockets() {
    with_each_compiler(|compiler| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        match start("socket_verdict", compiler, &[("port", &port)]) {
            Err(error) if error.contains("attach program") => not_here("programs: sk_skb/verdict", &error),
            Err(error) => panic!("{error}"),
            Ok(run) => {
                talk(&listener, b"eleven byte");
                assert_eq!(run.event(|e| e["hook"] == "verdict")["value"], 11);
                seen("programs: sk_skb/verdict");
            }
        }
    });
}

/// Packets, connections and sockets are seen at the root of the cgroups.
#[test]
fn cgroups() {
    with_each_compiler(|compiler| {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = receiver.local_addr().unwrap();
        let run = started("cgroups", compiler, &[("port", &address.port().to_string())]);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(address).unwrap();
        sender.send(b"four").unwrap();
        for hook in ["egress", "ingress"] {
            assert_eq!(run.event(|e| e["hook"] == hook)["value"], 32, "IP and UDP header and 4 bytes");
        }
        run.event(|e| e["hook"] == "connect4");
        run.stop();
    });
    seen("programs: cgroup_skb, cgroup/connect4, cgroup/sock_create");
}

/// What programs print is in the log at info level, as long as `trace-pipe` is on.
#[test]
fn trace_pipe() {
    let expected = format!("getppid of thread {} is printed", thread());
    let run = started("prints", "clang-16", &[]);
    getppid(1);
    drop(run);
    let run = started("prints", "clang-16", &[("trace-pipe", "true")]);
    getppid(2);
    let until = Instant::now() + Duration::from_secs(5);
    let count = || logged().lines().filter(|l| l.contains(&expected) && l.contains("INFO")).count();
    while count() < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(run);
    assert!((2..=3).contains(&count()), "{}", logged());
    seen("params: trace-pipe");
}
