//! What is made of declarations.

use super::spec::{PERF_EVENT_ARRAY, RINGBUF, Spec, describe, ring_bytes};
use crate::kernel::maps::MapShape;

fn spec(kind: u32, key: u32, value: u32, entries: u32) -> Spec {
    Spec::of(&aya_obj::Map::new_from_params(kind, key, value, entries, 0))
}

fn completed(kind: u32, key: u32, value: u32, entries: u32) -> MapShape {
    let mut spec = spec(kind, key, value, entries);
    spec.complete(8);
    spec.shape
}

#[test]
fn ring_sizes_are_rounded_up_to_what_the_kernel_takes() {
    assert_eq!((ring_bytes(0), ring_bytes(4096), ring_bytes(5000), ring_bytes(u32::MAX)), (4096, 4096, 8192, 1 << 31));
}

#[test]
fn perf_event_arrays_have_an_entry_per_possible_cpu_at_most() {
    for (declared, made) in [(0, 8), (3, 3), (8, 8), (9, 8), (u32::MAX, 8)] {
        let shape = completed(PERF_EVENT_ARRAY, 0, 0, declared);
        assert_eq!((shape.key, shape.value, shape.entries), (4, 4, made), "{declared}");
    }
}

#[test]
fn a_ring_becomes_a_perf_event_array_and_nothing_else_does() {
    let mut ring = spec(RINGBUF, 0, 0, 1 << 18);
    ring.without_ring();
    ring.complete(8);
    assert_eq!(ring.shape, MapShape { kind: PERF_EVENT_ARRAY, key: 4, value: 4, entries: 8, flags: 0 });
    let hash = spec(1, 8, 8, 10);
    let mut same = hash.clone();
    same.without_ring();
    assert_eq!(same, hash);
}

#[test]
fn another_map_stands_in_when_kind_and_sizes_of_key_and_value_agree() {
    let filter = spec(1, 8, 4, 1024);
    let other = |kind, key, value| MapShape { kind, key, value, entries: 7, flags: 1 };
    assert!(filter.accepts(&other(1, 8, 4)));
    for (kind, key, value) in [(2, 8, 4), (1, 4, 4), (1, 8, 8)] {
        assert!(!filter.accepts(&other(kind, key, value)));
    }
}

#[test]
fn shapes_are_described_in_words() {
    assert_eq!(describe(&completed(1, 8, 4, 10)), "hash of 10 entries, key 8 bytes, value 4 bytes, flags 0x0");
    assert_eq!(
        describe(&MapShape { kind: 99, flags: 3, ..MapShape::default() }),
        "type 99 of 0 entries, key 0 bytes, value 0 bytes, flags 0x3"
    );
}

#[test]
fn sizes_that_no_machine_has_are_known_before_the_kernel_is_asked() {
    assert_eq!(spec(1, 8, 8, 1000).memory(4), 80_000);
    assert_eq!(spec(6, 4, 8, 10).memory(4), 320);
    assert_eq!(spec(RINGBUF, 0, 0, 1 << 20).memory(4), 1 << 20);
    assert_eq!(spec(1, u32::MAX, u32::MAX, u32::MAX).memory(u32::MAX), u64::MAX);
    let mut sparse = spec(1, 8, 8, u32::MAX);
    sparse.shape.flags = 1;
    assert!(sparse.memory(4) < 64 << 30);
}

#[test]
fn an_object_that_cannot_be_read_has_no_values() {
    assert_eq!(super::values::read(b""), []);
    assert_eq!(super::values::read(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]), []);
}
