//! Bytes of files that somebody else made: read in pieces, never mapped (who cuts a mapped file short kills its reader).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes read at a time.
pub(super) const PIECE: usize = 64 << 10;

/// What can be read anywhere.
pub trait Bytes {
    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    fn fill(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Bytes for File {
    fn fill(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }
}

impl Bytes for Vec<u8> {
    fn fill(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let found = usize::try_from(offset).ok().and_then(|at| self.get(at..)?.get(..into.len()));
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why something cannot be found in a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read, or ends too early.
    #[error("read file")]
    Read(#[from] io::Error),
    /// It is not what it should be, as a sentence.
    #[error("{0}")]
    Malformed(&'static str),
}

/// All of a range, unless it is longer than `limit`.
pub(super) fn read(bytes: &dyn Bytes, offset: u64, size: u64, limit: u64) -> Result<Vec<u8>, FileError> {
    if size > limit {
        return Err(FileError::Malformed("a table is too large"));
    }
    let mut found = vec![0; usize::try_from(size).unwrap_or_default()];
    bytes.fill(offset, &mut found)?;
    Ok(found)
}

/// Little-endian number of `size` bytes (at most 8) at `at`.
pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide.get_mut(..size)?.copy_from_slice(bytes.get(at..)?.get(..size)?);
    Some(u64::from_le_bytes(wide))
}

/// The text up to a NUL at `at`, when it is not longer than `limit`: many may refer to the same bytes.
pub(super) fn text(bytes: &[u8], at: usize, limit: usize) -> Option<&str> {
    let rest = bytes.get(at..)?;
    let rest = rest.get(..rest.len().min(limit + 1))?;
    std::str::from_utf8(rest.get(..rest.iter().position(|b| *b == 0)?)?).ok()
}

/// Bytes that a [`Window`] reads at most: it is made for going ahead, and a broken table may send it back and forth.
const MOST_READ: u64 = 512 << 20;

/// A range read from its beginning to its end, with jumps ahead that are mostly short.
pub(super) struct Window<'a> {
    bytes: &'a dyn Bytes,
    end: u64,
    at: u64,
    piece: Vec<u8>,
    read: u64,
}

impl<'a> Window<'a> {
    /// Over what is before `end`.
    pub(super) fn new(bytes: &'a dyn Bytes, end: u64) -> Self {
        Window { bytes, end, at: 0, piece: Vec::new(), read: 0 }
    }

    /// `size` bytes (at most [`PIECE`]) at `offset`.
    pub(super) fn get(&mut self, offset: u64, size: usize) -> Result<&[u8], FileError> {
        const CUT: FileError = FileError::Malformed("a table is cut short");
        let held =
            |at: u64, piece: &[u8]| offset.checked_sub(at).is_some_and(|skip| skip.saturating_add(size as u64) <= piece.len() as u64);
        if !held(self.at, &self.piece) {
            let left = self.end.checked_sub(offset).filter(|left| *left >= size as u64).ok_or(CUT)?;
            self.piece.resize(usize::try_from(left).unwrap_or(usize::MAX).min(PIECE), 0);
            self.at = offset;
            self.read = self.read.saturating_add(self.piece.len() as u64);
            if self.read > MOST_READ {
                return Err(FileError::Malformed("a table goes back and forth"));
            }
            if let Err(error) = self.bytes.fill(offset, &mut self.piece) {
                self.piece.clear();
                return Err(error.into());
            }
        }
        let skip = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
        self.piece.get(skip..).and_then(|rest| rest.get(..size)).ok_or(CUT)
    }
}
