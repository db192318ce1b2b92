//! BPF instructions as text, in the notation of LLVM and the kernel: `r1 = *(u64 *)(r2 + 8)`. Any bytes give some text: what no kernel
//! knows is printed as bytes. Source: `Documentation/bpf/standardization/instruction-set.rst` of the kernel.

mod alu;
mod helpers;
mod jump;
mod memory;
#[cfg(test)]
mod tests;

/// Bytes of a slot; an instruction has one or two.
pub(super) const SLOT: usize = 8;

const LD: u8 = 0;
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;
const ALU: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU64: u8 = 7;

/// Loads 64 bits out of the instruction, which takes two slots.
const WIDE: u8 = 0x18;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Bit of the opcode that says whether the second operand is a register.
const REGISTER: u8 = 8;

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub opcode: u8,
    pub dst: u8,
    pub src: u8,
    pub offset: i16,
    pub imm: i32,
    /// The upper half of what is loaded, of an instruction of two slots.
    pub high: Option<i32>,
    raw: [u8; SLOT],
}

impl Instruction {
    /// The first instruction of `code`; `None` when not even a slot is left.
    pub(super) fn decode(code: &[u8]) -> Option<Self> {
        let raw = *code.first_chunk::<SLOT>()?;
        let [opcode, registers, o0, o1, i0, i1, i2, i3] = raw;
        let second = code.get(SLOT..).and_then(|rest| rest.first_chunk::<SLOT>());
        let high = match second {
            Some(&[0, 0, 0, 0, a, b, c, d]) if opcode == WIDE => Some(i32::from_le_bytes([a, b, c, d])),
            _ => None,
        };
        let (offset, imm) = (i16::from_le_bytes([o0, o1]), i32::from_le_bytes([i0, i1, i2, i3]));
        Some(Instruction { opcode, dst: registers & 0xf, src: registers >> 4, offset, imm, high, raw })
    }

    /// All instructions of `code`, each with the number of its slot.
    pub(super) fn all(code: &[u8]) -> impl Iterator<Item = (usize, Self)> {
        let mut slot = 0;
        std::iter::from_fn(move || {
            let instruction = Self::decode(code.get(slot * SLOT..)?)?;
            let at = slot;
            slot += instruction.slots();
            Some((at, instruction))
        })
    }

    /// How many slots it takes.
    pub(super) fn slots(&self) -> usize {
        if self.high.is_some() { 2 } else { 1 }
    }

    /// How many slots behind the next one the instruction is to which it may jump.
    pub(super) fn jump(&self) -> Option<i64> {
        match (self.class(), self.opcode >> 4) {
            (JMP32, 0) => Some(self.imm.into()),
            (JMP, 0 | 0xe) | (JMP | JMP32, 1..=7 | 0xa..=0xd) => Some(self.offset.into()),
            _ => None,
        }
    }

    /// Whether the next instruction does not follow.
    pub(super) fn ends(&self) -> bool {
        self.opcode == EXIT || matches!((self.class(), self.opcode >> 4), (JMP | JMP32, 0))
    }

    /// The number of the helper that is called.
    pub(super) fn helper(&self) -> Option<i32> {
        (self.opcode == CALL && self.src == 0).then_some(self.imm)
    }

    /// Whether anything is called.
    pub(super) fn calls(&self) -> bool {
        self.opcode == CALL
    }

    /// How many slots behind the next one the function begins that is called.
    pub(super) fn function(&self) -> Option<i64> {
        (self.opcode == CALL && self.src == 1).then_some(self.imm.into())
    }

    /// The register that it copies, if it is nothing but a copy.
    pub(super) fn copied(&self) -> Option<u8> {
        (self.opcode == ALU64 | REGISTER | 0xb0 && self.offset == 0).then_some(self.src)
    }

    /// Whether it writes to `dst`.
    pub(super) fn writes(&self) -> bool {
        matches!(self.class(), LD | LDX | ALU | ALU64)
    }

    /// As text. `note` says what a jump, a call or a load refers to, in its own words.
    pub(super) fn text(&self, note: Option<&str>) -> String {
        let known = self.known().and_then(|()| match self.class() {
            ALU | ALU64 => alu::text(self),
            JMP | JMP32 => jump::text(self, note),
            LD => memory::load(self, note),
            LDX | ST | STX => memory::text(self),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let bytes: Vec<_> = self.raw.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("raw {}", bytes.join(" "))
        })
    }

    fn class(&self) -> u8 {
        self.opcode & 7
    }

    /// Nothing when it names a register that no machine has.
    fn known(&self) -> Option<()> {
        (self.dst <= 10 && self.src <= 10).then_some(())
    }

    fn by_register(&self) -> bool {
        self.opcode & REGISTER != 0
    }

    /// The second operand: a register, with `letter` in front, or a number.
    fn operand(&self, letter: char) -> String {
        if self.by_register() { format!("{letter}{}", self.src) } else { self.imm.to_string() }
    }
}

/// `r` for 64 bits, `w` for the lower 32.
fn letter(wide: bool) -> char {
    if wide { 'r' } else { 'w' }
}

/// `+ 8`, `- 8`.
fn signed(offset: i64) -> String {
    format!("{} {}", if offset < 0 { '-' } else { '+' }, offset.unsigned_abs())
}
