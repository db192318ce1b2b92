//! Objects compiled on the spot, loaded into the running kernel; and what is decided without one.
#![allow(clippy::print_stderr)]

mod gadgets;
mod kernel;

use super::error::explain;
use super::hook::{Direction, Hook, SocketHook, is_sleepable};
use super::program::last_lines;

#[test]
fn sections_name_hooks() {
    let tracepoint = Hook::Tracepoint { category: "sched".into(), name: "sched_process_exec".into() };
    assert_eq!(Hook::parse("tracepoint/sched/sched_process_exec"), tracepoint);
    assert_eq!(Hook::parse("?tp/sched/sched_process_exec"), tracepoint);
    assert_eq!(Hook::parse("raw_tp/block_rq_issue"), Hook::RawTracepoint("block_rq_issue".into()));
    assert_eq!(Hook::parse("tp_btf/x"), Hook::TypedTracepoint("x".into()));
    assert_eq!(Hook::parse("iter/task"), Hook::Iterator("task".into()));
    for filter in ["socket", "socket1", "socket/x", "?socket/x/y"] {
        assert_eq!(Hook::parse(filter), Hook::SocketFilter, "{filter}");
    }
    assert_eq!(Hook::parse("classifier/egress/x"), Hook::Tc(Direction::Egress));
    assert_eq!(Hook::parse("lsm.s/file_open"), Hook::Lsm("file_open".into()));
    assert_eq!(Hook::parse("sk_skb/verdict"), Hook::Sockets(SocketHook::Verdict));
    assert_eq!(Hook::parse("sk_msg/x"), Hook::parse("sk_msg"));
    assert_eq!(Hook::parse("sockops").program_type(), Some((13, 3)));
    assert_eq!(Hook::parse("cgroup_skb/egress/x").program_type(), Some((8, 1)));
    assert_eq!(Hook::parse("cgroup/sock_release").program_type(), Some((9, 34)));
    assert!(is_sleepable("?fentry.s/f") && !is_sleepable("fentry/f.s"));
    for other in [
        "tracepoint/x",
        "kprobe/",
        "classifier/ingress",
        "classifier/ingress/x/y",
        "classifier/across/x",
        "xdp",
        "",
        "sk_skb",
        "cgroup_skb/sideways",
        "cgroup_skb",
        "fmod_ret/f",
    ] {
        assert_eq!(Hook::parse(other), Hook::Other, "{other}");
    }
}

#[test]
fn metadata_aims_programs_elsewhere_but_not_trampolines() {
    assert_eq!(Hook::parse("kprobe/dummy").aimed_at("vfs_read"), Hook::Kprobe("vfs_read".into()));
    assert_eq!(Hook::parse("tracepoint/a/b").aimed_at("c/d"), Hook::parse("tp/c/d"));
    assert_eq!(Hook::parse("tracepoint/a/b").aimed_at("c"), Hook::Other);
    assert_eq!(Hook::parse("fentry/f").aimed_at("g"), Hook::Fentry("f".into()));
    assert_eq!(Hook::parse("lsm/f").aimed_at("g"), Hook::Lsm("f".into()));
}

#[test]
fn the_end_of_a_verifier_log_is_kept() {
    assert_eq!(last_lines(b"a\nb\nc\n\0garbage", 2), "b\nc");
    assert_eq!(last_lines(b"", 2), "");
}

#[test]
fn a_refusal_names_the_missing_capability_first() {
    assert_eq!(explain(&["CAP_BPF", "CAP_PERFMON"], true, ""), "this process lacks CAP_BPF and CAP_PERFMON");
    assert!(explain(&[], true, "lockdown").contains("locked down"));
    assert!(explain(&[], false, "lockdown,bpf").contains("(active: lockdown,bpf)"));
}

#[test]
fn a_ring_is_given_room_for_a_burst_within_limits() {
    const MIB: u64 = 1 << 20;
    let room = |record, memory| u64::from(super::plan::room(record, memory));
    let large = 64 << 30;
    assert_eq!((room(0, large), room(120, large), room(200, large)), (MIB, 16 * MIB, 32 * MIB));
    assert_eq!((room(600, large), room(100_000, large), room(usize::MAX / 2, large)), (64 * MIB, 64 * MIB, 64 * MIB));
    assert_eq!((room(600, 1 << 30), room(600, 3 << 30), room(600, 0)), (8 * MIB, 16 * MIB, 1), "a 128th of the memory");
}
