//! From a C type to the type of a field's value.

use crate::batch::{Element, Kind};
use crate::gadget::btf::{Btf, BtfError, Kind as BtfKind};

/// Kind of a number; `None` for everything else, 128-bit integers included.
pub(super) fn scalar(btf: &Btf<'_>, id: u32) -> Option<Kind> {
    let t = btf.get(id).ok()?;
    let size = u8::try_from(t.word).ok().filter(|size| matches!(size, 1 | 2 | 4 | 8));
    match t.kind {
        BtfKind::Int => {
            let (int, size) = (t.int()?, size?);
            Some(match int {
                _ if int.bool => Kind::Bool,
                _ if int.signed => Kind::Int(size),
                _ => Kind::Uint(size),
            })
        }
        BtfKind::Enum | BtfKind::Enum64 => Some(if t.flag { Kind::Int(size?) } else { Kind::Uint(size?) }),
        BtfKind::Float => size.filter(|s| *s >= 4).map(Kind::Float),
        _ => None,
    }
}

/// Kind of a member's type, typedefs and qualifiers behind it. `types` are all names on the way.
///
/// # Errors
/// When an element's type is broken.
pub(super) fn of(btf: &Btf<'_>, id: u32, types: &[&str]) -> Result<Option<Kind>, BtfError> {
    let Some(array) = btf.get(id)?.array() else { return Ok(scalar(btf, id)) };
    let element = btf.peel(array.element)?;
    if btf.get(element)?.kind == BtfKind::Array {
        // Nobody has a type for these: the bytes are kept.
        return Ok(Some(Kind::Bytes));
    }
    let array = |size, signed, float| Some(Kind::Array(Element { size, signed, float }));
    Ok(match scalar(btf, element) {
        Some(Kind::Int(1)) if types.contains(&"char") => Some(Kind::Text),
        Some(Kind::Int(size)) => array(size, true, false),
        Some(Kind::Uint(size)) => array(size, false, false),
        Some(Kind::Bool) => array(1, false, false),
        Some(Kind::Float(size)) => array(size, false, true),
        _ => None,
    })
}
