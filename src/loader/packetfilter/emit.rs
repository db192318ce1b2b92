//! Conditions as BPF instructions. Every access to the frame is checked against its end first; a frame that is too short matches nothing.

use aya_obj::generated::bpf_insn;

use super::FilterError;
use super::ast::{Comparison, Condition, Number, Operation};

/// Jumps reach 32,767 instructions; far less is more than anybody writes.
const MAX_INSTRUCTIONS: usize = 8192;
/// Furthest byte of a frame that can be looked at. The kernel checks no packet access beyond 64 KiB.
const MAX_OFFSET: u32 = 0x7fff;
/// Spill slots: the frame of a function has 512 bytes.
const MAX_SPILLS: i16 = 32;

const START: u8 = 4;
const END: u8 = 5;
const STACK: u8 = 10;

mod code {
    pub const ALU32: u8 = 0x04;
    pub const JUMP: u8 = 0x05;
    pub const ALU64: u8 = 0x07;
    pub const REGISTER: u8 = 0x08;
    pub const MOVE: u8 = 0xb0;
    pub const ADD: u8 = 0x00;
    pub const SUBTRACT: u8 = 0x10;
    pub const BIG_ENDIAN: u8 = 0xdc;
    pub const LOAD: u8 = 0x61;
    pub const LOAD_HALF: u8 = 0x69;
    pub const LOAD_BYTE: u8 = 0x71;
    pub const LOAD_DOUBLE: u8 = 0x79;
    pub const STORE_DOUBLE: u8 = 0x7b;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label(usize);

#[derive(Default)]
struct Emitter {
    instructions: Vec<bpf_insn>,
    /// Where each label stands, once it does.
    labels: Vec<Option<usize>>,
    /// Jumps and the labels they go to.
    jumps: Vec<(usize, Label)>,
    spills: i16,
}

/// Instructions after which nothing matches.
pub(super) fn nothing_matches() -> Vec<bpf_insn> {
    vec![instruction(code::ALU64 | code::REGISTER | code::MOVE, START, END, 0, 0)]
}

/// The whole program for a condition.
pub(super) fn program(condition: &Condition) -> Result<Vec<bpf_insn>, FilterError> {
    let mut emitter = Emitter::default();
    let (yes, no, end) = (emitter.label(), emitter.label(), emitter.label());
    emitter.condition(condition, yes, no, no)?;
    if emitter.is_used(yes) {
        emitter.place(yes);
        emitter.set(0, 1);
        if emitter.is_used(no) {
            emitter.jump(end);
        }
    }
    if emitter.is_used(no) {
        emitter.place(no);
        emitter.set(0, 0);
    }
    emitter.place(end);
    for register in 1..=3 {
        emitter.set(register, 0);
    }
    emitter.push(code::ALU64 | code::REGISTER | code::MOVE, START, 0, 0, 0);
    emitter.set(END, 0);
    emitter.finish()
}

fn instruction(code: u8, to: u8, from: u8, off: i16, imm: i32) -> bpf_insn {
    let mut instruction = bpf_insn { code, _bitfield_align_1: [], _bitfield_1: Default::default(), off, imm };
    instruction.set_dst_reg(to);
    instruction.set_src_reg(from);
    instruction
}

fn too_long() -> FilterError {
    FilterError::new(0, "the filter is too long for the kernel")
}

impl Emitter {
    fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    fn place(&mut self, label: Label) {
        let here = self.instructions.len();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(here);
        }
    }

    fn is_used(&self, label: Label) -> bool {
        self.jumps.iter().any(|(_, to)| *to == label)
    }

    fn push(&mut self, code: u8, to: u8, from: u8, off: i16, imm: i32) {
        self.instructions.push(instruction(code, to, from, off, imm));
    }

    /// Zero-extends.
    fn set(&mut self, register: u8, value: u32) {
        self.push(code::ALU32 | code::MOVE, register, 0, 0, value as i32);
    }

    fn jump(&mut self, to: Label) {
        self.jumps.push((self.instructions.len(), to));
        self.push(code::JUMP, 0, 0, 0, 0);
    }

    fn jump_if(&mut self, operation: u8, left: u8, right: u8, to: Label) {
        self.jumps.push((self.instructions.len(), to));
        self.push(code::JUMP | code::REGISTER | operation, left, right, 0, 0);
    }

    fn finish(mut self) -> Result<Vec<bpf_insn>, FilterError> {
        if self.instructions.len() > MAX_INSTRUCTIONS {
            return Err(too_long());
        }
        for (at, label) in &self.jumps {
            let place = self.labels.get(label.0).copied().flatten().ok_or_else(too_long)?;
            let distance = i16::try_from(place as i64 - *at as i64 - 1).map_err(|_| too_long())?;
            if let Some(jump) = self.instructions.get_mut(*at) {
                jump.off = distance;
            }
        }
        Ok(self.instructions)
    }

    /// Goes to `yes` or `no`, or to `reject` when the frame is too short to tell.
    fn condition(&mut self, condition: &Condition, yes: Label, no: Label, reject: Label) -> Result<(), FilterError> {
        if self.instructions.len() > MAX_INSTRUCTIONS {
            return Err(too_long());
        }
        match condition {
            Condition::Constant(true) => self.jump(yes),
            Condition::Constant(false) => self.jump(no),
            Condition::Not(inner) => return self.condition(inner, no, yes, reject),
            Condition::And(one, other) => {
                let next = self.label();
                self.condition(one, next, no, reject)?;
                self.place(next);
                return self.condition(other, yes, no, reject);
            }
            Condition::Or(one, other) => {
                let next = self.label();
                self.condition(one, yes, next, reject)?;
                self.place(next);
                return self.condition(other, yes, no, reject);
            }
            Condition::Compare(left, how, right) => {
                self.operands(left, right, reject)?;
                self.jump_if(jump_code(*how), 0, 1, yes);
                self.jump(no);
            }
        }
        Ok(())
    }

    /// Leaves `left` in R0 and `right` in R1.
    fn operands(&mut self, left: &Number, right: &Number, reject: Label) -> Result<(), FilterError> {
        if let Number::Constant(value) = right {
            self.number(left, reject)?;
            self.set(1, *value);
            return Ok(());
        }
        self.number(right, reject)?;
        self.spills += 1;
        let slot = -8 * self.spills;
        if self.spills > MAX_SPILLS {
            return Err(too_long());
        }
        self.push(code::STORE_DOUBLE, STACK, 0, slot, 0);
        self.number(left, reject)?;
        self.push(code::LOAD_DOUBLE, 1, STACK, slot, 0);
        self.spills -= 1;
        Ok(())
    }

    /// Leaves a number in R0.
    fn number(&mut self, number: &Number, reject: Label) -> Result<(), FilterError> {
        match number {
            Number::Constant(value) => self.set(0, *value),
            Number::Length => {
                self.push(code::ALU64 | code::REGISTER | code::MOVE, 0, END, 0, 0);
                self.push(code::ALU64 | code::REGISTER | code::SUBTRACT, 0, START, 0, 0);
            }
            Number::Load { at, size } => self.load(at, *size, reject)?,
            Number::Binary(how, left, right) => {
                self.operands(left, right, reject)?;
                if matches!(how, Operation::Divide | Operation::Modulo) {
                    if **right == Number::Constant(0) {
                        return Err(FilterError::new(0, "the filter divides by zero"));
                    }
                    self.set(2, 0);
                    self.jump_if(EQUAL, 1, 2, reject);
                }
                self.push(code::ALU32 | code::REGISTER | alu_code(*how), 0, 1, 0, 0);
            }
        }
        Ok(())
    }

    fn load(&mut self, at: &Number, size: u8, reject: Label) -> Result<(), FilterError> {
        let fixed = if let Number::Constant(offset) = at { Some(*offset) } else { None };
        let offset = match fixed {
            Some(offset) if offset > MAX_OFFSET => {
                return Err(FilterError::new(0, format!("byte {offset} is further into a packet than a filter can look ({MAX_OFFSET})")));
            }
            Some(offset) => offset as i16,
            None => 0,
        };
        if fixed.is_none() {
            self.number(at, reject)?;
            self.set(1, MAX_OFFSET);
            self.jump_if(GREATER, 0, 1, reject);
        }
        self.push(code::ALU64 | code::REGISTER | code::MOVE, 1, START, 0, 0);
        if fixed.is_none() {
            self.push(code::ALU64 | code::REGISTER | code::ADD, 1, 0, 0, 0);
        }
        self.push(code::ALU64 | code::REGISTER | code::MOVE, 2, 1, 0, 0);
        self.push(code::ALU64 | code::ADD, 2, 0, 0, i32::from(offset) + i32::from(size));
        self.jump_if(GREATER, 2, END, reject);
        match size {
            1 => self.push(code::LOAD_BYTE, 0, 1, offset, 0),
            2 => {
                self.push(code::LOAD_HALF, 0, 1, offset, 0);
                self.push(code::BIG_ENDIAN, 0, 0, 0, 16);
            }
            _ => {
                self.push(code::LOAD, 0, 1, offset, 0);
                self.push(code::BIG_ENDIAN, 0, 0, 0, 32);
            }
        }
        Ok(())
    }
}

const EQUAL: u8 = 0x10;
const GREATER: u8 = 0x20;

fn jump_code(how: Comparison) -> u8 {
    match how {
        Comparison::Equal => EQUAL,
        Comparison::NotEqual => 0x50,
        Comparison::Greater => GREATER,
        Comparison::GreaterOrEqual => 0x30,
        Comparison::Less => 0xa0,
        Comparison::LessOrEqual => 0xb0,
    }
}

fn alu_code(how: Operation) -> u8 {
    match how {
        Operation::Add => code::ADD,
        Operation::Subtract => code::SUBTRACT,
        Operation::Multiply => 0x20,
        Operation::Divide => 0x30,
        Operation::Or => 0x40,
        Operation::And => 0x50,
        Operation::ShiftLeft => 0x60,
        Operation::ShiftRight => 0x70,
        Operation::Modulo => 0x90,
        Operation::Xor => 0xa0,
    }
}
