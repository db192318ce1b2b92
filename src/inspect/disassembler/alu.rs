//! Arithmetic.

use super::{ALU64, Instruction, letter};

const NEGATE: u8 = 8;
const MOVE: u8 = 0xb;
const SWAP: u8 = 0xd;

/// As text; `None` for what is no instruction.
pub(super) fn text(i: &Instruction) -> Option<String> {
    let wide = i.class() == ALU64;
    let (letter, code) = (letter(wide), i.opcode >> 4);
    let to = format!("{letter}{}", i.dst);
    match code {
        NEGATE => (i.offset == 0 && !i.by_register()).then(|| format!("{to} = -{to}")),
        MOVE => moved(i, &to, letter),
        SWAP => swapped(i, wide),
        _ => {
            let sign = operator(code, i.offset)?;
            Some(format!("{to} {sign}= {}", i.operand(letter)))
        }
    }
}

fn operator(code: u8, offset: i16) -> Option<&'static str> {
    Some(match (code, offset) {
        (0x0, 0) => "+",
        (0x1, 0) => "-",
        (0x2, 0) => "*",
        (0x3, 0) => "/",
        (0x3, 1) => "s/",
        (0x4, 0) => "|",
        (0x5, 0) => "&",
        (0x6, 0) => "<<",
        (0x7, 0) => ">>",
        (0x9, 0) => "%",
        (0x9, 1) => "s%",
        (0xa, 0) => "^",
        (0xc, 0) => "s>>",
        _ => return None,
    })
}

fn moved(i: &Instruction, to: &str, letter: char) -> Option<String> {
    let wide = letter == 'r';
    match (i.offset, i.by_register()) {
        (0, _) => Some(format!("{to} = {}", i.operand(letter))),
        (8 | 16, true) => Some(format!("{to} = (s{}){letter}{}", i.offset, i.src)),
        (32, true) if wide => Some(format!("{to} = (s32)r{}", i.src)),
        (1, true) if wide => {
            let spaces = i.imm as u32;
            Some(format!("{to} = addr_space_cast(r{}, {}, {})", i.src, spaces >> 16, spaces & 0xffff))
        }
        _ => None,
    }
}

/// The order of bytes: of the machine to one that is named, or turned around in any case.
fn swapped(i: &Instruction, wide: bool) -> Option<String> {
    if i.offset != 0 || !matches!(i.imm, 16 | 32 | 64) {
        return None;
    }
    let how = match (wide, i.by_register()) {
        (false, false) => "le",
        (false, true) => "be",
        (true, false) => "bswap",
        (true, true) => return None,
    };
    Some(format!("r{0} = {how}{1} r{0}", i.dst, i.imm))
}
