//! Looks up the ids of single types in the running kernel's BTF, without building a table of them.

use std::io;

use super::features::KERNEL_BTF;

/// What kind of type a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// `typedef`, as `btf_trace_<tracepoint>` is.
    Typedef,
    /// A function.
    Function,
}

impl TypeKind {
    fn number(self) -> u32 {
        match self {
            TypeKind::Typedef => 8,
            TypeKind::Function => 12,
        }
    }
}

/// The running kernel's types, to look some up and drop again (some 6 MB).
pub struct KernelTypes(Vec<u8>);

impl KernelTypes {
    /// Reads them; 2 ms.
    ///
    /// # Errors
    /// NotFound when the kernel brings none.
    pub fn read() -> io::Result<Self> {
        std::fs::read(KERNEL_BTF).map(KernelTypes)
    }

    /// The id of the first type of this name and kind; some ms.
    pub fn find(&self, name: &str, kind: TypeKind) -> Option<u32> {
        find(&self.0, name.as_bytes(), kind.number())
    }
}

/// Walks the type section. `None` also for bytes that are not BTF.
pub(super) fn find(btf: &[u8], name: &[u8], kind: u32) -> Option<u32> {
    if btf.get(..2)? != 0xeb9f_u16.to_ne_bytes() {
        return None;
    }
    let header = word(btf, 4)? as usize;
    let section = |at: usize| -> Option<&[u8]> {
        let start = header.checked_add(word(btf, at)? as usize)?;
        btf.get(start..start.checked_add(word(btf, at + 4)? as usize)?)
    };
    let (types, strings) = (section(8)?, section(16)?);
    let (mut at, mut id) = (0, 1);
    while at < types.len() {
        let (name_at, info) = (word(types, at)? as usize, word(types, at + 4)?);
        if info >> 24 & 0x1f == kind && string_is(strings, name_at, name) {
            return Some(id);
        }
        at += 12 + tail(info)?;
        id += 1;
    }
    None
}

/// Bytes behind the 12 that every type has.
fn tail(info: u32) -> Option<usize> {
    let members = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        1 | 14 | 17 => 4,
        2 | 7..=12 | 16 | 18 => 0,
        3 => 12,
        4 | 5 | 15 | 19 => members * 12,
        6 | 13 => members * 8,
        _ => return None,
    })
}

fn string_is(strings: &[u8], at: usize, name: &[u8]) -> bool {
    let end = at + name.len();
    strings.get(at..end) == Some(name) && strings.get(end) == Some(&0)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
