//! Tar archives with OCI layouts: read, plain or gzip-compressed, without unpacking them, and written. An archive that is read is foreign:
//! entries, names and sizes are bounded, and whatever two readers could understand differently is refused.

mod contents;
mod header;
mod records;
mod source;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::ImageError;
use contents::Entries;
use source::Source;
pub use writer::Writer;

/// Bytes that an archive may have which is read as a stream or is compressed, once it is expanded.
pub const EXPANDED_LIMIT: u64 = 128 << 20;
/// Bytes of a header, and what contents are padded to.
const BLOCK: u64 = 512;
/// What is no archive at all.
const NEITHER: &str = "it is neither a tar archive nor a gzip-compressed one";

/// An archive whose table of contents has been read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    source: Source,
    /// Where the content of each file is: first byte and length.
    entries: Entries,
}

/// Whether a file that begins with these bytes is gzip-compressed.
pub fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Whether a file that begins with these bytes, of which it takes 512, is a tar archive.
pub fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

impl Archive {
    /// Reads the table of contents of the archive at `path`, which may expand to [`EXPANDED_LIMIT`] bytes when it is compressed.
    ///
    /// # Errors
    /// When it cannot be read, is no archive, is too large, or has what no image archive has: places outside of itself, links, devices, a
    /// name twice.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        Self::open_within(path, EXPANDED_LIMIT)
    }

    /// The same with another limit for what is compressed, or no regular file.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open_within(path: &Path, expanded: u64) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Self::of_stream(path, &mut file, expanded);
        }
        let mut start = [0; BLOCK as usize];
        let begun = source::read_up_to(&mut file, &mut start).map_err(failed)?;
        std::io::Seek::rewind(&mut file).map_err(failed)?;
        match start.get(..begun).unwrap_or_default() {
            start if is_gzip(start) => Self::of(path, source::expanded(file, path, expanded)?),
            start if is_tar(start) => Self::of(path, Source::File(file)),
            _ => Err(refused(path, NEITHER.to_owned())),
        }
    }

    /// Reads an archive that comes as a stream, plain or compressed, of which no more than `limit` bytes are kept. `path` is its name in
    /// messages.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of_stream(path: &Path, stream: &mut dyn Read, limit: u64) -> Result<Self, ImageError> {
        Self::of(path, source::of_stream(stream, path, limit)?)
    }

    /// Reads an archive in memory, plain or compressed; `path` is its name in messages.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ImageError> {
        let compressed = is_gzip(&bytes);
        Self::of(path, if compressed { source::expanded(bytes.as_slice(), path, EXPANDED_LIMIT)? } else { Source::Memory(bytes) })
    }

    fn of(path: &Path, source: Source) -> Result<Self, ImageError> {
        let entries = contents::read(&source, path)?;
        Ok(Archive { path: path.to_owned(), source, entries })
    }

    /// Where it is, or what it is called in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has a file of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The names of its files, in no order. Only those that belong to an OCI layout are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// When there is no such file or it has more than `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let failed = |source| ImageError::Io { action: "read", path: self.path.join(name), source };
        let mut content = self.content(name).map_err(failed)?;
        if content.left > limit {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// The content of a file, piece by piece. It fails when the archive ends before the file does.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn content(&self, name: &str) -> std::io::Result<Content<'_>> {
        let (at, left) = *self.entries.get(name).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Content { source: &self.source, at, left })
    }
}

/// The content of one file of an archive.
#[derive(Debug)]
pub struct Content<'a> {
    source: &'a Source,
    at: u64,
    left: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let wanted = buffer.get_mut(..most).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(0);
        }
        let got = self.source.read_at(wanted, self.at)?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (self.at, self.left) = (self.at.saturating_add(got as u64), self.left.saturating_sub(got as u64));
        Ok(got)
    }
}

fn refused(path: &Path, reason: String) -> ImageError {
    ImageError::Archive { path: path.to_owned(), reason }
}
