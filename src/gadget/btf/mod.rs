//! BTF from foreign hands: a reader that copies nothing and trusts nothing, and the edits the loader needs.
//!
//! One pass finds where each type starts; everything else is decoded when asked for, bounds-checked, with recursion capped.

mod archive;
mod copy;
mod edit;
mod error;
mod kernel;
mod query;
mod types;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use archive::OsRelease;
pub(crate) use edit::{info as encode_info, put as put_word};
pub use error::BtfError;
pub use kernel::{InModule, KernelTypes, Module, Places};
pub use query::{Resolved, essential_name};
pub use types::{Array, DatasecEntry, EnumValue, Int, Kind, Member, Param, Type};

/// Longest BTF that is read, in bytes. A distribution kernel's is 5 to 10 MiB.
pub const MAX_BYTES: usize = 64 << 20;
/// Most types that are read. A distribution kernel has 120,000 to 200,000.
pub const MAX_TYPES: usize = 2_000_000;
/// Most types of a gadget's object, which names what it uses of the kernel's.
pub const MAX_OBJECT_TYPES: usize = 200_000;
/// Longest name. The kernel takes 511 bytes, and readers look for the end again and again.
const MAX_NAME: usize = 1024;
/// Longest chain of types that is followed before it is taken for a cycle.
pub(crate) const MAX_DEPTH: usize = 64;

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;

/// A BTF blob. Type ids start at 1, or behind those of its base; 0 is void.
#[derive(Debug, Clone)]
pub struct Btf<'a> {
    /// What it continues: a kernel module's types refer to the kernel's.
    base: Option<Arc<Btf<'static>>>,
    types: Cow<'a, [u8]>,
    strings: Cow<'a, [u8]>,
    /// Where each type starts in `types`; index 0 is the first type id.
    offsets: Vec<u32>,
}

impl<'a> Btf<'a> {
    /// Reads a blob without copying it.
    ///
    /// # Errors
    /// When it is no little-endian BTF, is cut short, too large, or has a type of an unknown kind.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (types, strings) = parts(bytes, bytes.len())?;
        let types = bytes.get(types).ok_or(BtfError::Truncated { what: "type section" })?;
        let strings = bytes.get(strings).ok_or(BtfError::Truncated { what: "string section" })?;
        Self::of(None, Cow::Borrowed(types), Cow::Borrowed(strings), MAX_OBJECT_TYPES)
    }

    fn of(base: Option<Arc<Btf<'static>>>, types: Cow<'a, [u8]>, strings: Cow<'a, [u8]>, limit: usize) -> Result<Self, BtfError> {
        // What continues another blob continues its strings too, and has none of its own if it needs none.
        let begins = base.is_some() || strings.first() == Some(&0);
        if !begins || strings.last().is_some_and(|b| *b != 0) {
            return Err(BtfError::Strings);
        }
        let offsets = index(&types, limit)?;
        Ok(Btf { base, types, strings, offsets })
    }

    /// The running kernel's types.
    ///
    /// # Errors
    /// When the kernel offers none (it was built without `CONFIG_DEBUG_INFO_BTF`) or they cannot be read.
    pub fn kernel() -> Result<Btf<'static>, BtfError> {
        Btf::read(Path::new(crate::kernel::features::KERNEL_BTF))
    }

    /// A raw BTF file.
    ///
    /// # Errors
    /// When it cannot be read, or as [`Btf::parse`].
    pub fn read(path: &Path) -> Result<Btf<'static>, BtfError> {
        let unreadable = |source| BtfError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        Btf::load(&mut file, usize::try_from(bytes).unwrap_or(usize::MAX), None, unreadable)
    }

    /// A raw BTF file that continues `base`, as a module's does.
    ///
    /// # Errors
    /// As [`Btf::read`].
    pub fn read_split(path: &Path, base: Arc<Btf<'static>>) -> Result<Btf<'static>, BtfError> {
        let unreadable = |source| BtfError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        Btf::load(&mut file, usize::try_from(bytes).unwrap_or(usize::MAX), Some(base), unreadable)
    }

    /// Reads a blob of so many bytes, section by section, so that a kernel's few megabytes are never in memory twice.
    fn load(
        source: &mut (impl Read + Seek),
        bytes: usize,
        base: Option<Arc<Btf<'static>>>,
        unreadable: impl Fn(std::io::Error) -> BtfError,
    ) -> Result<Btf<'static>, BtfError> {
        let header = section(source, 0..HEADER.min(bytes)).map_err(&unreadable)?;
        let (types, strings) = parts(&header, bytes)?;
        let types = section(source, types).map_err(&unreadable)?;
        let strings = section(source, strings).map_err(&unreadable)?;
        Btf::of(base, Cow::Owned(types), Cow::Owned(strings), MAX_TYPES)
    }

    /// How many types and bytes of strings are in front of its own.
    fn before(&self) -> (usize, usize) {
        self.base.as_ref().map_or((0, 0), |base| (base.offsets.len(), base.strings.len()))
    }

    /// Number of types of its own, void not counted.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is no type at all.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// All type ids of its own, void left out.
    pub fn ids(&self) -> impl Iterator<Item = u32> + use<> {
        let first = self.before().0 as u32;
        first + 1..=first + self.offsets.len() as u32
    }

    /// A type; id 0 is void.
    ///
    /// # Errors
    /// When there is no type of that id.
    pub fn get(&self, id: u32) -> Result<Type<'_>, BtfError> {
        if id == 0 {
            return Ok(Type::VOID);
        }
        Type::decode(self.raw(id)?).map(|(decoded, _)| decoded)
    }

    /// The string at an offset of the string section.
    ///
    /// # Errors
    /// When the offset is outside of it, or the string is not UTF-8 or longer than any name.
    pub fn string(&self, offset: u32) -> Result<&str, BtfError> {
        let bad = BtfError::BadString { offset };
        let Some(rest) = self.text_from(offset) else { return Err(bad) };
        let window = rest.get(..MAX_NAME).unwrap_or(rest);
        let Some(end) = window.iter().position(|b| *b == 0) else { return Err(bad) };
        window.get(..end).and_then(|s| std::str::from_utf8(s).ok()).ok_or(bad)
    }

    /// The string section from an offset on.
    fn text_from(&self, offset: u32) -> Option<&[u8]> {
        match (&self.base, (offset as usize).checked_sub(self.before().1)) {
            (Some(base), None) => base.text_from(offset),
            (_, own) => self.strings.get(own?..),
        }
    }

    /// Offset of a type's name and its kind, without decoding the rest: what searches over all types look at.
    fn head(&self, index: usize) -> Option<(u32, u32)> {
        let head = self.types.get(*self.offsets.get(index)? as usize..)?.first_chunk::<8>()?;
        let &[a, b, c, d, _, _, _, kind] = head;
        Some((u32::from_le_bytes([a, b, c, d]), u32::from(kind & 0x1f)))
    }

    /// Bytes of type `id`, one of its own, in the type section.
    fn range(&self, id: u32) -> Option<Range<usize>> {
        let index = (id as usize).checked_sub(self.before().0 + 1)?;
        let start = *self.offsets.get(index)? as usize;
        let end = self.offsets.get(index + 1).map_or(self.types.len(), |o| *o as usize);
        Some(start..end)
    }
}

/// Where types and strings are in a blob of so many bytes.
fn parts(header: &[u8], bytes: usize) -> Result<(Range<usize>, Range<usize>), BtfError> {
    if bytes > MAX_BYTES {
        return Err(BtfError::TooLarge { bytes });
    }
    let (Some(&[a, b]), Some(header)) = (header.first_chunk::<2>(), header.get(..HEADER)) else {
        return Err(BtfError::Truncated { what: "header" });
    };
    if u16::from_le_bytes([a, b]) != MAGIC {
        return Err(BtfError::Magic);
    }
    let word = |at: usize| types::word(header, at).map(|w| w as usize);
    let range = |offset: usize, len: usize, what| {
        let start = word(4).and_then(|header| header.checked_add(word(offset)?));
        let end = start.and_then(|start| start.checked_add(word(len)?)).filter(|end| *end <= bytes);
        start.zip(end).map(|(start, end)| start..end).ok_or(BtfError::Truncated { what })
    };
    Ok((range(8, 12, "type section")?, range(16, 20, "string section")?))
}

/// Some bytes of a file.
fn section(source: &mut (impl Read + Seek), range: Range<usize>) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; range.len()];
    source.seek(SeekFrom::Start(range.start as u64))?;
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The one pass over all types.
fn index(types: &[u8], limit: usize) -> Result<Vec<u32>, BtfError> {
    // Kernel types take 24 bytes and more on average, so this rarely grows.
    let mut offsets = Vec::with_capacity((types.len() / 24).min(limit));
    let mut at = 0;
    while let Some(rest) = types.get(at..).filter(|rest| !rest.is_empty()) {
        if offsets.len() == limit {
            return Err(BtfError::TooManyTypes { limit });
        }
        offsets.push(at as u32);
        at += Type::decode(rest)?.1;
    }
    Ok(offsets)
}
