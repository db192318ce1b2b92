//! `.BTF.ext`: records about instructions, by section. Read with every bound checked, and written anew.

use super::edit::u32_at;
use super::error::{PrepareError, malformed};

const MAGIC: u32 = 0xeb9f;
const HEADER: u32 = 32;
const MAX_RECORD: usize = 256;

/// One of the three lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Functions,
    Lines,
    Relocations,
}

impl List {
    pub(super) const ALL: [List; 3] = [List::Functions, List::Lines, List::Relocations];

    /// Where the header says where the list is, and the least length of a record.
    fn layout(self) -> (usize, usize) {
        match self {
            List::Functions => (8, 8),
            List::Lines => (16, 16),
            List::Relocations => (24, 16),
        }
    }
}

/// The records of one section in one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Offset of the section's name in BTF.
    pub section: u32,
    /// The records, each of the list's record length.
    pub records: Vec<u8>,
}

/// A list: length of a record, and the blocks.
pub(crate) type Blocks = (usize, Vec<Block>);

/// Reads one list.
pub(crate) fn read(data: &[u8], list: List) -> Result<Blocks, PrepareError> {
    let broken = || malformed(".BTF.ext section");
    let header = u32_at(data, 4).ok_or_else(broken)? as usize;
    if u32_at(data, 0).map(|word| word & 0xffff) != Some(MAGIC) || header > data.len() {
        return Err(broken());
    }
    let (at, least) = list.layout();
    if at + 8 > header {
        return Ok((least, Vec::new()));
    }
    let (offset, len) = (u32_at(data, at).ok_or_else(broken)? as usize, u32_at(data, at + 4).ok_or_else(broken)? as usize);
    let body = data.get(header..).and_then(|d| d.get(offset..)).and_then(|d| d.get(..len)).ok_or_else(broken)?;
    if body.is_empty() {
        return Ok((least, Vec::new()));
    }
    let record = u32_at(body, 0).ok_or_else(broken)? as usize;
    if !(least..=MAX_RECORD).contains(&record) || !record.is_multiple_of(4) {
        return Err(broken());
    }
    let mut blocks = Vec::new();
    let mut rest = body.get(4..).unwrap_or_default();
    while !rest.is_empty() {
        let (section, count) = (u32_at(rest, 0).ok_or_else(broken)?, u32_at(rest, 4).ok_or_else(broken)? as usize);
        let end = count.checked_mul(record).and_then(|n| n.checked_add(8)).ok_or_else(broken)?;
        let records = rest.get(8..end).filter(|r| !r.is_empty()).ok_or_else(broken)?.to_vec();
        blocks.push(Block { section, records });
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok((record, blocks))
}

/// Writes the lists, in the order of [`List::ALL`]. Empty blocks are left out: the kernel refuses them.
pub(super) fn write(lists: &[Blocks; 3]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER as usize);
    header.extend_from_slice(&(MAGIC | 1 << 16).to_le_bytes());
    header.extend_from_slice(&HEADER.to_le_bytes());
    let mut body: Vec<u8> = Vec::new();
    for (record, blocks) in lists {
        let start = body.len();
        for block in blocks.iter().filter(|b| !b.records.is_empty()) {
            if body.len() == start {
                body.extend_from_slice(&(*record as u32).to_le_bytes());
            }
            body.extend_from_slice(&block.section.to_le_bytes());
            body.extend_from_slice(&((block.records.len() / record.max(&1)) as u32).to_le_bytes());
            body.extend_from_slice(&block.records);
        }
        header.extend_from_slice(&(start as u32).to_le_bytes());
        header.extend_from_slice(&((body.len() - start) as u32).to_le_bytes());
    }
    header.extend_from_slice(&body);
    header
}
