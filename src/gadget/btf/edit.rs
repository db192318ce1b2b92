//! Changes to a BTF blob: new strings, new types, single words.

use super::types::word;
use super::{Btf, BtfError, HEADER, Kind, MAGIC, MAX_BYTES, MAX_TYPES, Type};

/// The info word of a type.
pub(crate) fn info(kind: Kind, flag: bool, len: u16) -> u32 {
    u32::from(flag) << 31 | (kind as u32) << 24 | u32::from(len)
}

impl Btf<'_> {
    /// A blob with no types.
    pub fn empty() -> Btf<'static> {
        Btf { base: None, types: Vec::new().into(), strings: vec![0].into(), offsets: Vec::new() }
    }

    /// Appends a string and returns its offset.
    ///
    /// # Errors
    /// When the blob would grow beyond [`MAX_BYTES`].
    pub fn add_string(&mut self, text: &str) -> Result<u32, BtfError> {
        if text.is_empty() {
            return Ok(0);
        }
        let before = self.before().1;
        let strings = self.strings.to_mut();
        let offset = before + strings.len();
        if offset.saturating_add(text.len()) >= MAX_BYTES {
            return Err(BtfError::TooLarge { bytes: offset + text.len() });
        }
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        Ok(offset as u32)
    }

    /// Appends an encoded type and returns its id.
    ///
    /// # Errors
    /// When it is not exactly one type, or the blob would grow beyond its limits.
    pub fn add_type(&mut self, raw: &[u8]) -> Result<u32, BtfError> {
        if Type::decode(raw)?.1 != raw.len() {
            return Err(BtfError::Truncated { what: "new type" });
        }
        let start = self.types.len();
        if start.saturating_add(raw.len()) > MAX_BYTES {
            return Err(BtfError::TooLarge { bytes: start + raw.len() });
        }
        if self.offsets.len() >= MAX_TYPES {
            return Err(BtfError::TooManyTypes { limit: MAX_TYPES });
        }
        self.types.to_mut().extend_from_slice(raw);
        self.offsets.push(start as u32);
        Ok((self.before().0 + self.offsets.len()) as u32)
    }

    /// The encoded bytes of a type.
    ///
    /// # Errors
    /// When there is no such type.
    pub fn raw(&self, id: u32) -> Result<&[u8], BtfError> {
        match &self.base {
            Some(base) if id as usize <= base.offsets.len() => base.raw(id),
            _ => self.range(id).and_then(|r| self.types.get(r)).ok_or(BtfError::UnknownType { id }),
        }
    }

    /// Overwrites the word at byte `at` of type `id`, one of its own. Must not change the type's length; that is checked.
    ///
    /// # Errors
    /// When the type has no such word or would get another length.
    pub fn set_word(&mut self, id: u32, at: usize, value: u32) -> Result<(), BtfError> {
        let unknown = BtfError::UnknownType { id };
        let Some(range) = self.range(id) else { return Err(unknown) };
        let Some(raw) = self.types.to_mut().get_mut(range) else { return Err(unknown) };
        let before = word(raw, at).ok_or(BtfError::UnknownType { id })?;
        put(raw, at, value);
        if Type::decode(raw).is_ok_and(|(_, len)| len == raw.len()) {
            return Ok(());
        }
        put(raw, at, before);
        Err(BtfError::Truncated { what: "changed type" })
    }

    /// Puts another type, of any length, in the place of type `id`, one of its own.
    ///
    /// # Errors
    /// When there is no such type, or the new bytes are not exactly one type.
    pub fn replace(&mut self, id: u32, raw: &[u8]) -> Result<(), BtfError> {
        if Type::decode(raw)?.1 != raw.len() {
            return Err(BtfError::Truncated { what: "new type" });
        }
        let range = self.range(id).ok_or(BtfError::UnknownType { id })?;
        let (old, new) = (range.len() as u32, raw.len() as u32);
        if self.types.len() - range.len() + raw.len() > MAX_BYTES {
            return Err(BtfError::TooLarge { bytes: self.types.len() + raw.len() });
        }
        self.types.to_mut().splice(range, raw.iter().copied());
        let behind = id as usize - self.before().0;
        for offset in self.offsets.iter_mut().skip(behind) {
            *offset = *offset - old + new;
        }
        Ok(())
    }

    /// The whole blob, as the kernel and aya read it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.types.len() + self.strings.len());
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[1, 0]);
        for value in [HEADER, 0, self.types.len(), self.types.len(), self.strings.len()] {
            out.extend_from_slice(&(value as u32).to_le_bytes());
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

/// Writes a little-endian word; outside of `raw` it does nothing.
pub(crate) fn put(raw: &mut [u8], at: usize, value: u32) {
    if let Some(slot) = raw.get_mut(at..).and_then(|r| r.first_chunk_mut::<4>()) {
        *slot = value.to_le_bytes();
    }
}
