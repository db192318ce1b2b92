//! `bpf_ktime_get_boot_ns` came with 5.8. Where it is missing each call gives 0, as upstream does, and the reader puts its own time in.

use super::edit::{Editor, SHF_EXECINSTR};
use super::error::PrepareError;
use crate::kernel::features::KTIME_GET_BOOT_NS;

const INSTRUCTION: usize = 8;
const LD_IMM64: u8 = 0x18;
/// `r0 = 0`.
const ZERO: [u8; INSTRUCTION] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

/// Replaces the calls. Says how many there were.
pub(super) fn replace(editor: &mut Editor<'_>) -> Result<usize, PrepareError> {
    let mut call = [0x85, 0, 0, 0, 0, 0, 0, 0];
    call[4..].copy_from_slice(&KTIME_GET_BOOT_NS.to_le_bytes());
    let mut replaced = 0;
    for index in 0..editor.sections.len() {
        if editor.sections.get(index).is_none_or(|s| s.flags & SHF_EXECINSTR == 0) {
            continue;
        }
        let found = places(editor.data(index), &call);
        for at in &found {
            super::edit::write_at(editor.data_mut(index)?, *at, &ZERO)?;
        }
        replaced += found.len();
    }
    Ok(replaced)
}

/// Where an instruction stands; the second half of a wide one is data.
fn places(code: &[u8], wanted: &[u8; INSTRUCTION]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut data = false;
    for (number, instruction) in code.chunks_exact(INSTRUCTION).enumerate() {
        if !data && instruction == wanted {
            found.push(number * INSTRUCTION);
        }
        data = !data && instruction.first() == Some(&LD_IMM64);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only instructions are found, not the data of one.
    #[test]
    fn finds_instructions() {
        let call = [0x85, 0, 0, 0, 125, 0, 0, 0];
        let wide = [LD_IMM64, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(places(&[call, wide, call, call].concat(), &call), [0, 24]);
    }
}
