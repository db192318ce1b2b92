//! Writes tar archives whose bytes depend on names, contents and times alone: regular files of root with mode 0644.

use std::io::{self, Write};

use super::BLOCK;

/// An archive being written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Bytes the current file still lacks.
    missing: u64,
    /// Zeros behind it.
    padding: u64,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`, which had better be buffered.
    pub fn new(out: W) -> Self {
        Writer { out, missing: 0, padding: 0 }
    }

    /// Begins a file of so many bytes, which have to be written before the next one begins; `modified` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// When the name (100 bytes) or a number is too long for the format, the file before lacks bytes, or it cannot be written.
    pub fn file(&mut self, name: &str, size: u64, modified: u64) -> io::Result<()> {
        self.end()?;
        let mut header = [0; BLOCK as usize];
        if name.len() > 100 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name is too long for an archive"));
        }
        let fields: [(usize, &[u8]); 10] = [
            (0, name.as_bytes()),
            (100, b"0000644\0"),
            (108, b"0000000\0"),
            (116, b"0000000\0"),
            (124, &digits(size)?),
            (136, &digits(modified)?),
            (148, b"        "),
            (156, b"0"),
            (257, b"ustar\x0000"),
            (329, b"0000000\x000000000\0"),
        ];
        for (at, field) in fields {
            header.iter_mut().skip(at).zip(field).for_each(|(to, from)| *to = *from);
        }
        let sum: u64 = header.iter().map(|b| u64::from(*b)).sum();
        header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").as_bytes()).for_each(|(to, from)| *to = *from);
        (self.missing, self.padding) = (size, size.next_multiple_of(BLOCK) - size);
        self.out.write_all(&header)
    }

    /// Writes the next bytes of the current file.
    ///
    /// # Errors
    /// When they are more than announced, or cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.missing.checked_sub(bytes.len() as u64);
        self.missing = left.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file has more bytes than announced"))?;
        self.out.write_all(bytes)
    }

    /// Ends the archive and gives back what it was written to.
    ///
    /// # Errors
    /// When the last file lacks bytes, or it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.end()?;
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.missing > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file has fewer bytes than announced"));
        }
        let zeros = [0; BLOCK as usize];
        let padding = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or_default();
        self.out.write_all(zeros.get(..padding).unwrap_or_default())
    }
}

/// Eleven octal digits.
fn digits(number: u64) -> io::Result<[u8; 12]> {
    let text = format!("{number:011o}\0");
    text.into_bytes().try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a number is too large for an archive"))
}
