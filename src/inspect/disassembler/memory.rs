//! Loads, stores and atomic operations.

use super::{Instruction, LDX, ST, STX, WIDE, signed};

const ABSOLUTE: u8 = 0x20;
const INDIRECT: u8 = 0x40;
const PLAIN: u8 = 0x60;
const SIGNED: u8 = 0x80;
const ATOMIC: u8 = 0xc0;

/// Atomic operations that also give the old value.
const FETCH: i32 = 1;
const EXCHANGE: i32 = 0xe0 | FETCH;
const COMPARE_EXCHANGE: i32 = 0xf0 | FETCH;
const LOAD_ACQUIRE: i32 = 0x100;
const STORE_RELEASE: i32 = 0x110;

/// A load of class LD: a number of 64 bits, or bytes of a packet.
pub(super) fn load(i: &Instruction, note: Option<&str>) -> Option<String> {
    if i.opcode == WIDE {
        let value = note.map_or_else(|| wide(i), |note| Some(note.to_owned()))?;
        return Some(format!("r{} = {value} ll", i.dst));
    }
    let bits = bits(i);
    match i.opcode & 0xe0 {
        _ if bits == 64 => None,
        ABSOLUTE => Some(format!("r0 = *(u{bits} *)skb[{}]", i.imm)),
        INDIRECT => Some(format!("r0 = *(u{bits} *)skb[r{} {}]", i.src, signed(i.imm.into()))),
        _ => None,
    }
}

/// What a wide load loads: a number, or something that the kernel is to put in.
fn wide(i: &Instruction) -> Option<String> {
    let high = i.high?;
    Some(match i.src {
        0 => (i64::from(high) << 32 | i64::from(i.imm as u32)).to_string(),
        1 => format!("map fd {}", i.imm),
        2 => format!("map value fd {} {}", i.imm, signed(high.into())),
        3 => format!("type {}", i.imm),
        4 => format!("code {:+}", i.imm),
        5 => format!("map index {}", i.imm),
        6 => format!("map value index {} {}", i.imm, signed(high.into())),
        _ => return None,
    })
}

/// A load, store or atomic operation on memory.
pub(super) fn text(i: &Instruction) -> Option<String> {
    let bits = bits(i);
    let place = |base: u8| format!("(r{base} {})", signed(i.offset.into()));
    match (i.class(), i.opcode & 0xe0) {
        (LDX, PLAIN) => Some(format!("r{} = *(u{bits} *){}", i.dst, place(i.src))),
        (LDX, SIGNED) if bits != 64 => Some(format!("r{} = *(s{bits} *){}", i.dst, place(i.src))),
        (ST, PLAIN) => Some(format!("*(u{bits} *){} = {}", place(i.dst), i.imm)),
        (STX, PLAIN) => Some(format!("*(u{bits} *){} = r{}", place(i.dst), i.src)),
        (STX, ATOMIC) => atomic(i, bits),
        _ => None,
    }
}

fn atomic(i: &Instruction, bits: u8) -> Option<String> {
    let place = |base: u8| format!("((u{bits} *)(r{base} {})", signed(i.offset.into()));
    match i.imm {
        LOAD_ACQUIRE => return Some(format!("r{} = load_acquire{})", i.dst, place(i.src))),
        STORE_RELEASE => return Some(format!("store_release{}, r{})", place(i.dst), i.src)),
        _ => {}
    }
    // Nothing smaller than a word is changed atomically.
    let prefix = match bits {
        64 => "atomic64",
        32 => "atomic",
        _ => return None,
    };
    let (place, value) = (place(i.dst), format!("r{}", i.src));
    match i.imm {
        EXCHANGE => return Some(format!("{value} = {prefix}_xchg{place}, {value})")),
        COMPARE_EXCHANGE => return Some(format!("r0 = {prefix}_cmpxchg{place}, r0, {value})")),
        _ => {}
    }
    let (sign, name) = match i.imm & !FETCH {
        0x00 => ('+', "add"),
        0x40 => ('|', "or"),
        0x50 => ('&', "and"),
        0xa0 => ('^', "xor"),
        _ => return None,
    };
    if i.imm & FETCH != 0 {
        return Some(format!("{value} = {prefix}_fetch_{name}{place}, {value})"));
    }
    Some(format!("lock *(u{bits} *)(r{} {}) {sign}= {value}", i.dst, signed(i.offset.into())))
}

fn bits(i: &Instruction) -> u8 {
    match i.opcode & 0x18 {
        0x00 => 32,
        0x08 => 16,
        0x10 => 8,
        _ => 64,
    }
}
