//! Reads files out of a tar archive, plain or gzip-compressed, without unpacking it. Only what an OCI layout consists of is looked
//! at: regular files with short names. The archive is foreign: entries, names and sizes are bounded.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::ImageError;

/// Entries an archive may have.
const MAX_ENTRIES: usize = 20_000;
/// Bytes a compressed archive may have once it is expanded: it is kept in memory.
const MAX_EXPANDED: u64 = 128 << 20;
/// Bytes of a header, and what contents are padded to.
const BLOCK: u64 = 512;

/// An archive whose table of contents has been read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    source: Mutex<Source>,
    /// Where the content of each file is: first byte and length.
    entries: HashMap<String, (u64, u64)>,
}

#[derive(Debug)]
enum Source {
    File(File),
    Memory(std::io::Cursor<Vec<u8>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
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
    /// Reads the table of contents of the archive at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is no archive, is too large, or names places outside of itself.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mut start = [0; 2];
        let begun = file.read(&mut start).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let mut source = if is_gzip(start.get(..begun).unwrap_or_default()) { expand(file, path)? } else { Source::File(file) };
        let entries = contents(&mut source, path)?;
        Ok(Archive { path: path.to_owned(), source: Mutex::new(source), entries })
    }

    /// Whether it has a file of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// When there is no such file or it has more than `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let failed = |source| ImageError::Io { action: "read", path: self.path.join(name), source };
        let (start, length) = *self.entries.get(name).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        if length > limit {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut *source).take(length).read_to_end(&mut bytes).map_err(failed)?;
        if (bytes.len() as u64) < length {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}

fn expand(file: File, path: &Path) -> Result<Source, ImageError> {
    let failed = |source| ImageError::Io { action: "decompress", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    flate2::read::MultiGzDecoder::new(file).take(MAX_EXPANDED + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_EXPANDED {
        return Err(refused(path, format!("it expands to more than {} MiB; decompress it first", MAX_EXPANDED >> 20)));
    }
    Ok(Source::Memory(std::io::Cursor::new(bytes)))
}

fn refused(path: &Path, reason: String) -> ImageError {
    ImageError::Archive { path: path.to_owned(), reason }
}

/// Walks the headers. Format: POSIX.1-2017 `pax`, "ustar Interchange Format".
fn contents(source: &mut Source, path: &Path) -> Result<HashMap<String, (u64, u64)>, ImageError> {
    let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
    let end = source.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut entries = HashMap::new();
    let mut at = 0;
    for count in 0.. {
        if count == MAX_ENTRIES {
            return Err(refused(path, format!("it has more than {MAX_ENTRIES} entries")));
        }
        if at + BLOCK > end {
            break;
        }
        let mut block = [0; BLOCK as usize];
        source.seek(SeekFrom::Start(at)).map_err(failed)?;
        source.read_exact(&mut block).map_err(failed)?;
        if block.iter().all(|b| *b == 0) {
            break;
        }
        let header = Header::parse(&block).map_err(|reason| refused(path, format!("at byte {at}: {reason}")))?;
        at += BLOCK;
        if header.size > end - at {
            return Err(refused(path, format!("{:?} reaches beyond its end", header.name)));
        }
        if header.is_file {
            entries.insert(inner(&header.name).map_err(|reason| refused(path, reason))?, (at, header.size));
        }
        at += header.size.next_multiple_of(BLOCK);
    }
    Ok(entries)
}

/// The name without `./` in front. One that leads out of the archive condemns it.
fn inner(name: &str) -> Result<String, String> {
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(format!("{name:?} leads out of it"));
    }
    Ok(name.trim_start_matches("./").to_owned())
}

struct Header {
    name: String,
    size: u64,
    is_file: bool,
}

impl Header {
    fn parse(block: &[u8; BLOCK as usize]) -> Result<Self, String> {
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
        let size = octal(part(124, 12)).ok_or_else(|| format!("the size of {name:?} is no octal number"))?;
        let kind = part(156, 1).first().copied().unwrap_or_default();
        // Links and devices have no content, whatever their size says.
        let size = if (b'1'..=b'6').contains(&kind) { 0 } else { size };
        Ok(Header { name, size, is_file: matches!(kind, b'0' | 0) })
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = text(field);
    u64::from_str_radix(digits.trim_matches(' '), 8).ok()
}
