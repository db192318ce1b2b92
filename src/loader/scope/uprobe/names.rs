//! Finds names in string tables, in one pass and without holding the table.

use std::collections::HashMap;
use std::ops::Range;

use super::bytes::{Bytes, FileError, PIECE};

/// Tables beyond that are not searched.
const LARGEST: u64 = 256 << 20;
/// A name stands in few places: once, and at the end of others.
const MOST: usize = 1 << 16;
/// Longer names are not looked for.
pub(super) const LONGEST: usize = 4096;

/// Where in `range` (counted from its beginning) each of `names` ends in a NUL, with the name's index. A name may be the end of another.
pub(super) fn find(bytes: &dyn Bytes, range: Range<u64>, names: &[&str]) -> Result<HashMap<u64, usize>, FileError> {
    if range.end.saturating_sub(range.start) > LARGEST {
        return Err(FileError::Malformed("a string table is too large"));
    }
    let names: Vec<&[u8]> = names.iter().map(|n| if n.len() > LONGEST { &[] } else { n.as_bytes() }).collect();
    let last: Vec<u8> = names.iter().filter_map(|n| n.last().copied()).collect();
    let longest = names.iter().map(|n| n.len()).max().unwrap_or(0);
    let (mut found, mut held, mut at) = (HashMap::new(), Vec::new(), range.start);
    while at < range.end {
        let kept = held.len().min(longest);
        held.drain(..held.len() - kept);
        let size = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(PIECE);
        held.resize(kept + size, 0);
        bytes.fill(at, held.get_mut(kept..).unwrap_or_default())?;
        let begins = at - kept as u64;
        for end in ends(&held, kept) {
            let before = held.get(..end).unwrap_or_default();
            if before.last().is_none_or(|b| !last.contains(b)) || found.len() >= MOST {
                continue;
            }
            for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty() && before.ends_with(name)) {
                found.insert(begins + (end - name.len()) as u64 - range.start, index);
            }
        }
        at += size as u64;
    }
    Ok(found)
}

/// Where NULs are, from `start` on.
fn ends(bytes: &[u8], start: usize) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().skip(start).filter(|(_, b)| **b == 0).map(|(at, _)| at)
}
