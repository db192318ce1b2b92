//! Sections of ELF files that are too large to be read as a whole, such as images of kernels.

#[cfg(test)]
pub(in crate::gadget) mod tests;

use std::io::{Read, Seek, SeekFrom};

/// Where a section of a 64-bit little-endian ELF file of any size is: offset and length. `None` when it is no such file or has no such section.
///
/// # Errors
/// When it cannot be read.
pub fn find_section(file: &mut (impl Read + Seek), wanted: &str) -> std::io::Result<Option<(u64, u64)>> {
    let mut header = [0u8; 64];
    if let Err(error) = file.read_exact(&mut header) {
        return if error.kind() == std::io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    if header.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (start, count, names) = (number(&header, 0x28, 8), number(&header, 0x3c, 2), number(&header, 0x3e, 2));
    let table = part(file, start, count.saturating_mul(64))?;
    let place = |header: &[u8]| (number(header, 24, 8), number(header, 32, 8));
    let Some((at, len)) = table.chunks_exact(64).nth(names as usize).map(place) else { return Ok(None) };
    let strings = part(file, at, len)?;
    let is_it = |header: &&[u8]| {
        let rest = strings.get(number(header, 0, 4) as usize..).and_then(|s| s.strip_prefix(wanted.as_bytes()));
        rest.and_then(<[u8]>::first) == Some(&0)
    };
    Ok(table.chunks_exact(64).find(is_it).map(place))
}

/// Bytes of a file, no more than tables of sections have.
fn part(file: &mut (impl Read + Seek), start: u64, len: u64) -> std::io::Result<Vec<u8>> {
    const MOST: u64 = 8 << 20;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(len.min(MOST)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Little-endian number of `len` bytes; 0 when they are not there.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|b| b.get(..len)).unwrap_or_default();
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A file from some byte on.
#[derive(Debug)]
pub struct Window<F> {
    file: F,
    start: u64,
}

impl<F> Window<F> {
    /// From `start` on.
    pub fn new(file: F, start: u64) -> Self {
        Window { file, start }
    }
}

impl<F: Read> Read for Window<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl<F: Seek> Seek for Window<F> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.start.saturating_add(at)),
            other => other,
        };
        self.file.seek(to).map(|at| at.saturating_sub(self.start))
    }
}
