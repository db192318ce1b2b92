//! Argument vectors: NUL-separated strings shown with blanks between them.

use crate::batch::Decode;

/// `ls -l /tmp` of `ls\0-l\0/tmp\0`.
pub struct Args;

impl Decode for Args {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let end = raw.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let start = out.len();
        out.extend_from_slice(raw.get(..end).unwrap_or(&[]));
        for byte in out.iter_mut().skip(start).filter(|b| **b == 0) {
            *byte = b' ';
        }
    }
}
