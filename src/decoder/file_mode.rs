//! `gadget_file_mode`: permissions as `ls -l` shows them.

use super::unsigned;
use crate::batch::Decode;

/// `-rw-r--r--`. As upstream, the file's type is not shown: the first character is always a dash.
pub struct FileMode;

impl Decode for FileMode {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let mode = unsigned(raw);
        out.push(b'-');
        for (bit, letter) in (0..9).rev().zip(b"rwx".iter().cycle()) {
            out.push(if mode >> bit & 1 == 1 { *letter } else { b'-' });
        }
    }
}
