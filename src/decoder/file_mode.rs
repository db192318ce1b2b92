//! `gadget_file_mode`: a file's mode as Go's `fs.FileMode` writes it.

use super::unsigned;
use crate::batch::Decode;

/// `-rw-r--r--`. As upstream, the number is read as Go's own modes, whose type bits begin at bit 19: those of Linux are below and not shown.
pub struct FileMode;

/// The letters of bits 31 to 19.
const LETTERS: &[u8] = b"dalTLDpSugct?";

impl Decode for FileMode {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let mode = unsigned(raw);
        let start = out.len();
        out.extend((19..32).rev().zip(LETTERS).filter(|(bit, _)| mode >> bit & 1 == 1).map(|(_, letter)| *letter));
        if out.len() == start {
            out.push(b'-');
        }
        for (bit, letter) in (0..9).rev().zip(b"rwx".iter().cycle()) {
            out.push(if mode >> bit & 1 == 1 { *letter } else { b'-' });
        }
    }
}
