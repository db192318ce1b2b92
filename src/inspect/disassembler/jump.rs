//! Jumps and calls.

use super::{CALL, EXIT, Instruction, JMP, REGISTER, helpers, letter};

/// A call of what a register points to, which only the compiler knows.
const CALL_REGISTER: u8 = CALL | REGISTER;
/// Jumps as long as the kernel's patience lasts.
const MAY_JUMP: u8 = 0xe5;

/// As text; `None` for what is no instruction.
pub(super) fn text(i: &Instruction, note: Option<&str>) -> Option<String> {
    let wide = i.class() == JMP;
    match (i.opcode, i.opcode >> 4) {
        (EXIT, _) => Some("exit".to_owned()),
        (CALL, _) => call(i, note),
        (CALL_REGISTER, _) => Some(format!("callx r{}", i.dst)),
        (MAY_JUMP, _) if i.src == 0 => Some(format!("may_goto {}", target(i.offset.into(), note))),
        (_, 0) if i.by_register() => None,
        (_, 0) if wide => Some(format!("goto {}", target(i.offset.into(), note))),
        (_, 0) => Some(format!("gotol {}", target(i.imm.into(), note))),
        (_, code) => {
            let letter = letter(wide);
            let target = target(i.offset.into(), note);
            Some(format!("if {letter}{} {} {} goto {target}", i.dst, comparison(code)?, i.operand(letter)))
        }
    }
}

fn target(slots: i64, note: Option<&str>) -> String {
    let label = note.map(|note| format!(" <{note}>")).unwrap_or_default();
    format!("{slots:+}{label}")
}

fn call(i: &Instruction, note: Option<&str>) -> Option<String> {
    let number = i.imm;
    Some(match (i.src, note) {
        (0, _) => format!("call {}#{number}", helpers::name(number).map_or_else(|| "helper".to_owned(), |name| format!("bpf_{name}"))),
        (1 | 2, Some(name)) => format!("call {name}"),
        (1, None) => format!("call {number:+}"),
        (2, None) => format!("call kernel-function#{number}"),
        _ => return None,
    })
}

fn comparison(code: u8) -> Option<&'static str> {
    Some(match code {
        0x1 => "==",
        0x2 => ">",
        0x3 => ">=",
        0x4 => "&",
        0x5 => "!=",
        0x6 => "s>",
        0x7 => "s>=",
        0xa => "<",
        0xb => "<=",
        0xc => "s<",
        0xd => "s<=",
        _ => return None,
    })
}
