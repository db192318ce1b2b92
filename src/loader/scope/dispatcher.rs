//! A tiny program in front of a gadget's: it says which network namespace a packet belongs to, which the packet itself does not.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya_obj::generated::bpf_insn;

use crate::kernel::bpf::{self, Shape};
use crate::kernel::maps::{self, MapShape, NewMap};
use crate::kernel::verifier::{Code, ModuleTypes};
use crate::loader::error::LoadError;
use crate::loader::object::LoadedProgram;
use crate::loader::program;

const PROG_ARRAY: u32 = 3;
const SLOT: Shape = Shape { key: 4, value: 4 };
const FIRST: [u8; 4] = [0; 4];
const MAP_NAME: &str = "gadget_tail_call";
/// Where `cb[0]` is in `struct __sk_buff`.
const CB: i16 = 48;

/// A program array with a gadget's program as its only entry. The kernel empties it when this is dropped: dispatchers that are still
/// attached then run into nothing.
pub(super) struct Slot {
    map: OwnedFd,
    kind: u32,
    name: String,
}

impl Slot {
    /// One with this program in it.
    pub(super) fn holding(program: &LoadedProgram) -> Result<Self, LoadError> {
        let fail = |e| LoadError::kernel(format!("make a program array for program {:?}", program.name), e);
        let shape = MapShape { kind: PROG_ARRAY, key: 4, value: 4, entries: 1, flags: 0 };
        let map = maps::create(&NewMap { name: MAP_NAME, shape, ..NewMap::default() }).map_err(fail)?;
        let value = program.fd.as_raw_fd().to_ne_bytes();
        bpf::update(map.as_fd(), SLOT, &FIRST, &value).map_err(fail)?;
        let kind = program.hook.program_type().map_or(0, |(kind, _)| kind);
        Ok(Slot { map, kind, name: program.name.clone() })
    }

    /// A program that writes `netns` to `cb[0]` of the packet and goes on to the program in the slot; its result is `otherwise` when there
    /// is none.
    pub(super) fn dispatcher(&self, netns: u64, otherwise: i32) -> Result<OwnedFd, LoadError> {
        let code = Code {
            name: &self.name,
            kind: self.kind,
            instructions: &instructions(self.map.as_raw_fd(), netns as u32, otherwise),
            ..Code::default()
        };
        program::load(&code, ModuleTypes::default())
    }

    /// Keeps the program from being called any more.
    pub(super) fn empty(&self) {
        if let Err(error) = bpf::delete(self.map.as_fd(), SLOT, &FIRST) {
            tracing::debug!(program = self.name, %error, "program array cannot be emptied");
        }
    }
}

fn instructions(map: i32, netns: u32, otherwise: i32) -> [bpf_insn; 8] {
    const MOVE: u8 = 0xb7;
    const STORE_WORD: u8 = 0x63;
    const LOAD_WIDE: u8 = 0x18;
    const PSEUDO_MAP_FD: u8 = 1;
    const CALL: u8 = 0x85;
    const TAIL_CALL: i32 = 12;
    const EXIT: u8 = 0x95;
    [
        instruction(MOVE, 2, 0, 0, netns as i32),
        instruction(STORE_WORD, 1, 2, CB, 0),
        instruction(LOAD_WIDE, 2, PSEUDO_MAP_FD, 0, map),
        instruction(0, 0, 0, 0, 0),
        instruction(MOVE, 3, 0, 0, 0),
        instruction(CALL, 0, 0, 0, TAIL_CALL),
        instruction(MOVE, 0, 0, 0, otherwise),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

fn instruction(code: u8, to: u8, from: u8, off: i16, imm: i32) -> bpf_insn {
    bpf_insn { code, _bitfield_align_1: [], _bitfield_1: bpf_insn::new_bitfield_1(to, from), off, imm }
}
