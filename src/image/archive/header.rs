//! One header of a tar archive. Format: POSIX.1-2017 `pax`, "ustar Interchange Format", with what GNU tar and Go write for large sizes.

use super::{BLOCK, is_tar};

/// A header as it stands; extended headers before it may say otherwise.
pub(super) struct Header {
    pub name: String,
    /// Bytes of content.
    pub size: u64,
    /// The type flag.
    pub kind: u8,
}

impl Header {
    /// Reads a header; the error says what is wrong with it.
    pub(super) fn parse(block: &[u8; BLOCK as usize]) -> Result<Self, String> {
        let part = |from: usize, len: usize| block.get(from..from + len).unwrap_or_default();
        if !is_tar(block) {
            return Err("no ustar header".to_owned());
        }
        let sum: u64 = block.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u64::from(*b) }).sum();
        if octal(part(148, 8)) != Some(sum) {
            return Err("the checksum of its header is wrong".to_owned());
        }
        let (name, prefix) = (text(part(0, 100)), text(part(345, 155)));
        // GNU archives keep other things where POSIX has the prefix.
        let posix = part(257, 6) == b"ustar\0";
        let name = if prefix.is_empty() || !posix { name } else { format!("{prefix}/{name}") };
        let kind = part(156, 1).first().copied().unwrap_or_default();
        // A folder has no content, whatever its size says.
        let size = if kind == b'5' { Some(0) } else { number(part(124, 12)) };
        let size = size.ok_or_else(|| format!("the size of {name:?} is no number that an archive can have"))?;
        Ok(Header { name, size, kind })
    }
}

/// Text up to the first NUL.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// Octal digits, or, with the highest bit set, a number in base 256 (GNU).
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest.iter().try_fold(0u64, |sum, digit| sum.checked_mul(256)?.checked_add(u64::from(*digit))),
        Some((0x81.., _)) => None,
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = text(field);
    let digits = digits.trim_matches(' ');
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| u64::from_str_radix(digits, 8).ok()).flatten()
}
