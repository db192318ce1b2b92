//! What the verifier left of a program.

use std::io;
use std::os::fd::BorrowedFd;

use aya_obj::generated::bpf_insn;

use super::bpf;

/// Bytes of `struct bpf_prog_info` up to the pointer to the translated instructions, it included.
const INFO: usize = 40;
/// Where in it the size and the address of the translated instructions stand.
const SIZE_AT: usize = 20;
const ADDRESS_AT: usize = 32;
const INSTRUCTION: usize = 8;

/// Whether constants have switched off everything that a program does: calls and writes to anywhere but its own stack. Its result does
/// not count. The verifier takes dead code out, so what it left is compared with what it was given. False for a program that never did
/// anything, and when the kernel does not show what it left.
///
/// # Errors
/// The kernel's.
pub fn is_switched_off(program: BorrowedFd<'_>, given: &[bpf_insn]) -> io::Result<bool> {
    let left = instructions(program)?;
    let given = given.iter().any(|instruction| acts(instruction.code, instruction.dst_reg()));
    Ok(given && !left.is_empty() && !acts_somewhere(&left))
}

/// The kernel's number of a program.
///
/// # Errors
/// The kernel's.
pub fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(info(program, &mut [])?.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes))
}

/// The instructions in the kernel's own encoding; empty when it does not show them.
fn instructions(program: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let size = bpf::get32(&info(program, &mut [])?, SIZE_AT);
    let mut code = vec![0; size as usize];
    let shown = info(program, &mut code)?;
    // The kernel takes the address back when it keeps the instructions to itself.
    let hidden = shown.get(ADDRESS_AT..).is_none_or(|address| address.iter().all(|b| *b == 0));
    Ok(if hidden { Vec::new() } else { code })
}

fn info(program: BorrowedFd<'_>, code: &mut [u8]) -> io::Result<[u8; INFO]> {
    let mut info = [0u8; INFO];
    if let (Ok(size), false) = (u32::try_from(code.len()), code.is_empty()) {
        bpf::put32(&mut info, SIZE_AT, size);
        bpf::put64(&mut info, ADDRESS_AT, code.as_mut_ptr() as u64);
    }
    bpf::object_info(program, &mut info)?;
    Ok(info)
}

/// The same for instructions in the kernel's own encoding.
pub(super) fn acts_somewhere(code: &[u8]) -> bool {
    code.chunks_exact(INSTRUCTION).any(|instruction| match instruction {
        [operation, registers, ..] => acts(*operation, if cfg!(target_endian = "little") { registers & 0xf } else { registers >> 4 }),
        _ => true,
    })
}

/// Calls, and stores whose address is not the frame pointer itself. A store through a copy of it counts as well: better once too often.
fn acts(operation: u8, target: u8) -> bool {
    const CLASS: u8 = 0x07;
    const STORES: [u8; 2] = [0x02, 0x03];
    const CALLS: [u8; 3] = [0x85, 0x8d, 0xf5];
    const FRAME_POINTER: u8 = 10;
    CALLS.contains(&operation) || (STORES.contains(&(operation & CLASS)) && target != FRAME_POINTER)
}
