//! Dispatchers, run by the kernel's own test harness.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::dispatcher::Slot;
use crate::kernel::bpf;
use crate::loader::LoadError;
use crate::loader::testing::{can_load, gadget, load_with};

const PROGRAMS: &str = r#"
struct skb { __u32 before[12]; __u32 cb[5]; };
SEC("socket1") int packets(struct skb *skb) { return skb->cb[0] == 4026531840u ? 77 : 1; }
SEC("classifier/ingress/x") int incoming(struct skb *skb) { return skb->cb[0] == 4026531840u ? 78 : 1; }
"#;

/// Result of a program for an empty packet.
fn run(program: BorrowedFd<'_>) -> i32 {
    const TEST_RUN: u32 = 10;
    let packet = [0u8; 64];
    let mut attr = [0u8; 64];
    attr[0..4].copy_from_slice(&program.as_raw_fd().to_ne_bytes());
    attr[8..12].copy_from_slice(&64u32.to_ne_bytes());
    attr[16..24].copy_from_slice(&(packet.as_ptr() as u64).to_ne_bytes());
    attr[32..36].copy_from_slice(&1u32.to_ne_bytes());
    bpf::call(TEST_RUN, &mut attr).unwrap();
    i32::from_ne_bytes(attr[4..8].try_into().unwrap())
}

/// A dispatcher tells the program the namespace and gives its result, or what it was told to once the program is gone.
#[test]
fn dispatchers_tell_the_namespace_and_outlive_the_program() {
    if !can_load() {
        return;
    }
    let loaded = load_with(&gadget(PROGRAMS, ""), &[], None).unwrap();
    for (name, result, otherwise) in [("packets", 77, 0), ("incoming", 78, -1)] {
        let program = loaded.programs.iter().find(|p| p.name == name).unwrap();
        let slot = Slot::holding(program).unwrap();
        let dispatcher = slot.dispatcher(4_026_531_840, otherwise).unwrap();
        assert_eq!(run(program.fd.as_fd()), 1, "{name} by itself");
        assert_eq!(run(dispatcher.as_fd()), result, "{name}");
        assert_eq!(run(slot.dispatcher(5, otherwise).unwrap().as_fd()), 1, "{name} in another namespace");
        slot.empty();
        assert_eq!(run(dispatcher.as_fd()), otherwise, "{name} when it is gone");
    }
}

/// `iface` is a parameter of gadgets with traffic control programs only, and of no other section form.
#[test]
fn interfaces_are_for_classifiers() {
    let has = |source: &str| gadget(source, "").params.iter().any(|p| p.key == "iface");
    assert!(has(PROGRAMS));
    assert!(!has(r#"SEC("socket") int packets(void *skb) { return 0; }"#));
    let wrong = gadget(r#"SEC("classifier/ingress/x/y") int incoming(void *skb) { return 0; }"#, "");
    assert!(matches!(load_with(&wrong, &[], None), Err(LoadError::Section { .. })));
}
