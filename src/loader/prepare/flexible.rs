//! Accesses into flexible arrays (`args[n]`): aya-obj 0.3 refuses an index into a zero-length array of the local type.
//!
//! The types on the access path are copied, with the array long enough and the structs grown to hold it (the kernel refuses a
//! member that exceeds its struct). Only the relocation record refers to the copies; nothing else changes its size.

use crate::gadget::btf::{Btf, BtfError, Kind, put_word};

/// Deepest access that is followed.
const MAX_PATH: usize = 32;
const MAX_INDEX: u32 = 1 << 16;
/// Most accesses of an object; each costs a copy of the types on the way.
pub(super) const MAX_COPIES: usize = 1000;
/// Most bytes of a type that is copied: the kernel's largest has a few hundred members.
const MAX_COPIED: usize = 32 << 10;

/// A copy of type `id` for an access string such as `0:2:1`; `None` when the access needs none.
pub(super) fn copy_for(btf: &mut Btf<'_>, id: u32, access: &str) -> Result<Option<u32>, BtfError> {
    let path: Option<Vec<u32>> = access.split(':').skip(1).map(|part| part.parse().ok().filter(|i| *i < MAX_INDEX)).collect();
    let Some(path) = path.filter(|p| p.len() <= MAX_PATH) else { return Ok(None) };
    let Some(copy) = walk(btf, id, &path)? else { return Ok(None) };
    if btf.get(id)?.kind != Kind::Typedef {
        return Ok(Some(copy));
    }
    // A typedef at the root carries the name that is searched for.
    let mut raw = btf.raw(id)?.to_vec();
    put_word(&mut raw, 8, copy);
    btf.add_type(&raw).map(Some)
}

fn walk(btf: &mut Btf<'_>, id: u32, path: &[u32]) -> Result<Option<u32>, BtfError> {
    let Some((&index, rest)) = path.split_first() else { return Ok(None) };
    let id = btf.peel(id)?;
    let mut raw = btf.raw(id).map(<[u8]>::to_vec).unwrap_or_default();
    if raw.len() > MAX_COPIED {
        return Ok(None);
    }
    let t = btf.get(id)?;
    if let Some(array) = t.array() {
        let element = walk(btf, array.element, rest)?;
        if array.len != 0 && element.is_none() {
            return Ok(None);
        }
        put_word(&mut raw, 12, element.unwrap_or(array.element));
        put_word(&mut raw, 20, if array.len == 0 { index + 1 } else { array.len });
        return btf.add_type(&raw).map(Some);
    }
    let size = t.word;
    let Some(member) = t.members().nth(index as usize) else { return Ok(None) };
    let Some(copy) = walk(btf, member.type_id, rest)? else { return Ok(None) };
    let end = u64::from(member.bit_offset / 8) + btf.size(copy)?;
    let grown = u32::try_from(end.next_multiple_of(8)).map_err(|_| BtfError::Size { id })?;
    put_word(&mut raw, 8, size.max(grown));
    put_word(&mut raw, 16 + index as usize * 12, copy);
    btf.add_type(&raw).map(Some)
}
