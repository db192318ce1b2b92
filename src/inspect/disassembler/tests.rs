//! Each class of instructions, and any bytes.

use proptest::prelude::*;

use super::{Instruction, helpers};
use crate::inspect::disassemble;

fn text(bytes: &[u8]) -> String {
    Instruction::decode(bytes).unwrap().text(None)
}

fn slot(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> [u8; 8] {
    let mut bytes = [opcode, src << 4 | dst, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&imm.to_le_bytes());
    bytes
}

/// Opcode, destination, source, offset, immediate; what is expected.
type Case = ((u8, u8, u8, i16, i32), &'static str);

fn check(cases: &[Case]) {
    for ((opcode, dst, src, offset, imm), expected) in cases {
        assert_eq!(text(&slot(*opcode, *dst, *src, *offset, *imm)), *expected, "opcode {opcode:#x}");
    }
}

/// Arithmetic of 64 and 32 bits, with and without sign, moves that extend the sign, negation, orders of bytes.
#[test]
fn arithmetic() {
    check(&[
        ((0x07, 1, 0, 0, -8), "r1 += -8"),
        ((0x0f, 1, 2, 0, 0), "r1 += r2"),
        ((0x1f, 1, 2, 0, 0), "r1 -= r2"),
        ((0x27, 3, 0, 0, 10), "r3 *= 10"),
        ((0x37, 3, 0, 0, 10), "r3 /= 10"),
        ((0x3f, 3, 4, 1, 0), "r3 s/= r4"),
        ((0x94, 3, 0, 1, 7), "w3 s%= 7"),
        ((0x9f, 3, 4, 0, 0), "r3 %= r4"),
        ((0x47, 1, 0, 0, 1), "r1 |= 1"),
        ((0x54, 1, 0, 0, 255), "w1 &= 255"),
        ((0x67, 1, 0, 0, 32), "r1 <<= 32"),
        ((0x77, 1, 0, 0, 32), "r1 >>= 32"),
        ((0xc7, 1, 0, 0, 32), "r1 s>>= 32"),
        ((0xac, 1, 2, 0, 0), "w1 ^= w2"),
        ((0x87, 5, 0, 0, 0), "r5 = -r5"),
        ((0x84, 5, 0, 0, 0), "w5 = -w5"),
        ((0xb7, 0, 0, 0, 0), "r0 = 0"),
        ((0xbf, 6, 1, 0, 0), "r6 = r1"),
        ((0xbc, 6, 1, 0, 0), "w6 = w1"),
        ((0xbf, 6, 1, 8, 0), "r6 = (s8)r1"),
        ((0xbf, 6, 1, 32, 0), "r6 = (s32)r1"),
        ((0xbc, 6, 1, 16, 0), "w6 = (s16)w1"),
        ((0xbf, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"),
        ((0xdc, 2, 0, 0, 16), "r2 = be16 r2"),
        ((0xd4, 2, 0, 0, 64), "r2 = le64 r2"),
        ((0xd7, 2, 0, 0, 32), "r2 = bswap32 r2"),
    ]);
}

/// Jumps of 64 and 32 bits, long ones, patient ones, calls of helpers, functions and the kernel.
#[test]
fn jumps_and_calls() {
    check(&[
        ((0x05, 0, 0, -3, 0), "goto -3"),
        ((0x06, 0, 0, 0, 70_000), "gotol +70000"),
        ((0x15, 1, 0, 5, 0), "if r1 == 0 goto +5"),
        ((0x1e, 1, 2, 5, 0), "if w1 == w2 goto +5"),
        ((0x25, 1, 0, 5, 9), "if r1 > 9 goto +5"),
        ((0x3d, 1, 2, 5, 0), "if r1 >= r2 goto +5"),
        ((0x45, 1, 0, 5, 4), "if r1 & 4 goto +5"),
        ((0x55, 1, 0, 5, 4), "if r1 != 4 goto +5"),
        ((0x65, 1, 0, 5, -1), "if r1 s> -1 goto +5"),
        ((0x76, 1, 0, 5, -1), "if w1 s>= -1 goto +5"),
        ((0xa5, 1, 0, 5, 1), "if r1 < 1 goto +5"),
        ((0xb5, 1, 0, 5, 1), "if r1 <= 1 goto +5"),
        ((0xc5, 1, 0, 5, 1), "if r1 s< 1 goto +5"),
        ((0xd5, 1, 0, 5, 1), "if r1 s<= 1 goto +5"),
        ((0xe5, 0, 0, 2, 0), "may_goto +2"),
        ((0x85, 0, 0, 0, 1), "call bpf_map_lookup_elem#1"),
        ((0x85, 0, 0, 0, 211), "call bpf_cgrp_storage_delete#211"),
        ((0x85, 0, 0, 0, 5000), "call helper#5000"),
        ((0x85, 0, 1, 0, -1), "call -1"),
        ((0x85, 0, 2, 0, 77), "call kernel-function#77"),
        ((0x8d, 3, 0, 0, 0), "callx r3"),
        ((0x95, 0, 0, 0, 0), "exit"),
    ]);
    let jump = Instruction::decode(&slot(0x15, 1, 0, 5, 0)).unwrap();
    assert_eq!(jump.text(Some("L9")), "if r1 == 0 goto +5 <L9>");
    assert_eq!(Instruction::decode(&slot(0x85, 0, 1, 0, -1)).unwrap().text(Some("fill")), "call fill");
    assert_eq!(helpers::name(0), None);
    assert_eq!(helpers::name(-1), None);
}

/// Loads and stores of every size, those that extend the sign, those of packets, atomic operations.
#[test]
fn memory() {
    check(&[
        ((0x79, 1, 2, 8, 0), "r1 = *(u64 *)(r2 + 8)"),
        ((0x61, 1, 2, -4, 0), "r1 = *(u32 *)(r2 - 4)"),
        ((0x69, 1, 2, 0, 0), "r1 = *(u16 *)(r2 + 0)"),
        ((0x71, 1, 2, 0, 0), "r1 = *(u8 *)(r2 + 0)"),
        ((0x81, 1, 2, 4, 0), "r1 = *(s32 *)(r2 + 4)"),
        ((0x89, 1, 2, 4, 0), "r1 = *(s16 *)(r2 + 4)"),
        ((0x91, 1, 2, 4, 0), "r1 = *(s8 *)(r2 + 4)"),
        ((0x7a, 10, 0, -8, 5), "*(u64 *)(r10 - 8) = 5"),
        ((0x72, 10, 0, -8, 5), "*(u8 *)(r10 - 8) = 5"),
        ((0x7b, 10, 3, i16::MIN, 0), "*(u64 *)(r10 - 32768) = r3"),
        ((0x63, 10, 3, -8, 0), "*(u32 *)(r10 - 8) = r3"),
        ((0x20, 0, 0, 0, 12), "r0 = *(u32 *)skb[12]"),
        ((0x48, 0, 6, 0, 14), "r0 = *(u16 *)skb[r6 + 14]"),
        ((0xdb, 1, 2, 8, 0x00), "lock *(u64 *)(r1 + 8) += r2"),
        ((0xc3, 1, 2, 8, 0x40), "lock *(u32 *)(r1 + 8) |= r2"),
        ((0xdb, 1, 2, 8, 0x50), "lock *(u64 *)(r1 + 8) &= r2"),
        ((0xdb, 1, 2, 8, 0xa1), "r2 = atomic64_fetch_xor((u64 *)(r1 + 8), r2)"),
        ((0xc3, 1, 2, 8, 0x01), "r2 = atomic_fetch_add((u32 *)(r1 + 8), r2)"),
        ((0xdb, 1, 2, 0, 0xe1), "r2 = atomic64_xchg((u64 *)(r1 + 0), r2)"),
        ((0xdb, 1, 2, 0, 0xf1), "r0 = atomic64_cmpxchg((u64 *)(r1 + 0), r0, r2)"),
        ((0xd3, 1, 2, 0, 0x100), "r1 = load_acquire((u8 *)(r2 + 0))"),
        ((0xdb, 1, 2, 0, 0x110), "store_release((u64 *)(r1 + 0), r2)"),
    ]);
}

/// A number of 64 bits takes two slots, and may be something that the kernel puts in.
#[test]
fn wide_loads() {
    let wide = |src, low: i32, high: i32| [slot(0x18, 1, src, 0, low), slot(0, 0, 0, 0, high)].concat();
    assert_eq!(text(&wide(0, -1, 0)), "r1 = 4294967295 ll");
    assert_eq!(text(&wide(0, 0, -1)), "r1 = -4294967296 ll");
    assert_eq!(text(&wide(1, 7, 0)), "r1 = map fd 7 ll");
    assert_eq!(text(&wide(2, 7, 16)), "r1 = map value fd 7 + 16 ll");
    let instruction = Instruction::decode(&wide(0, 0, 0)).unwrap();
    assert_eq!((instruction.slots(), instruction.text(Some("map events"))), (2, "r1 = map events ll".to_owned()));
}

/// What no kernel knows comes out as its bytes.
#[test]
fn unknown_instructions_are_raw() {
    check(&[
        ((0xe5, 0, 5, 2, 0), "raw e5 50 02 00 00 00 00 00"),
        ((0xf5, 0, 0, 2, 0), "raw f5 00 02 00 00 00 00 00"),
        ((0xff, 15, 15, -1, -1), "raw ff ff ff ff ff ff ff ff"),
        ((0xb7, 11, 0, 0, 1), "raw b7 0b 00 00 01 00 00 00"),
        ((0x07, 1, 0, 3, 1), "raw 07 01 03 00 01 00 00 00"),
        ((0xd4, 1, 0, 0, 24), "raw d4 01 00 00 18 00 00 00"),
        ((0xdb, 1, 2, 0, 0x20), "raw db 21 00 00 20 00 00 00"),
        ((0xcb, 1, 2, 0, 0x00), "raw cb 21 00 00 00 00 00 00"),
        ((0x99, 1, 2, 0, 0), "raw 99 21 00 00 00 00 00 00"),
    ]);
    // The second slot of a wide load is missing, or is none.
    assert_eq!(text(&slot(0x18, 1, 0, 0, 5)), "raw 18 01 00 00 05 00 00 00");
    assert_eq!(text(&[slot(0x18, 1, 0, 0, 5), slot(0x95, 0, 0, 0, 0)].concat()), "raw 18 01 00 00 05 00 00 00");
}

proptest! {
    /// Any bytes give a line for each instruction, and nothing panics.
    #[test]
    fn any_bytes_give_text(code in proptest::collection::vec(any::<u8>(), 0..256)) {
        let count = Instruction::all(&code).count();
        let slots: usize = Instruction::all(&code).map(|(_, i)| i.slots()).sum();
        prop_assert_eq!(slots, code.len() / 8);
        prop_assert_eq!(disassemble(&code).lines().filter(|line| !line.ends_with(':')).count(), count);
    }
}
