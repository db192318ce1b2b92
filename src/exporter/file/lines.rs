//! A file that only ever holds whole lines: appended to, rotated between lines, opened anew when it was moved away.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use super::config::Rotation;
use super::rotate;

/// What became of some lines.
#[derive(Debug)]
pub(super) struct Written {
    /// Lines that are in the file.
    pub lines: u64,
    /// Why the others are not.
    pub error: Option<io::Error>,
    /// Why a rotation that was due did not happen; nothing is lost by that.
    pub rotation: Option<io::Error>,
}

/// The file.
pub(super) struct LineFile {
    path: PathBuf,
    rotation: Option<Rotation>,
    file: File,
    /// Whether to empty the file before the first line; not earlier, because a reload may still be called off.
    truncate: bool,
    /// Whether the file ends in a part of a line that could not be taken back.
    torn: bool,
}

impl LineFile {
    /// Opens or makes the file.
    pub fn open(path: PathBuf, rotation: Option<Rotation>, append: bool) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(LineFile { path, rotation, file, truncate: !append, torn: false })
    }

    /// Opens the file of this name anew; goes on with the old one when that fails.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.torn = false;
        Ok(())
    }

    /// Appends `text`, which consists of whole lines.
    pub fn append(&mut self, mut text: &[u8]) -> Written {
        let mut result = Written { lines: 0, error: None, rotation: None };
        while !text.is_empty() {
            let room = match self.prepare() {
                Ok(size) => self.room(size, text, &mut result),
                Err(error) => {
                    result.error = Some(error);
                    return result;
                }
            };
            let (part, rest) = text.split_at_checked(room).unwrap_or((text, &[]));
            let (lines, error) = self.write(part);
            result.lines += lines;
            if error.is_some() {
                result.error = error;
                return result;
            }
            text = rest;
        }
        result
    }

    /// Makes sure that the open file is the one of the name, and says how long it is.
    fn prepare(&mut self) -> io::Result<u64> {
        if std::mem::take(&mut self.truncate) {
            // Fails for pipes and terminals, which have nothing to be emptied.
            let _ = self.file.set_len(0);
        }
        let ours = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(size(&ours)),
            // Moved away or removed by somebody else: what we write must be found under the name.
            _ => {
                self.reopen()?;
                self.file.metadata().map(|m| size(&m))
            }
        }
    }

    /// How much of `text` goes into the file now, which is `size` bytes long; rotates when no line fits any more.
    fn room(&mut self, size: u64, text: &[u8], result: &mut Written) -> usize {
        let Some(rotation) = &self.rotation else { return text.len() };
        let limit = rotation.limit();
        if size > 0 && whole_lines(text, limit.saturating_sub(size)) == 0 {
            match rotate::rotate(&self.path, rotation).and_then(|()| self.reopen()) {
                Ok(()) => {}
                Err(error) => {
                    result.rotation = Some(error);
                    return text.len();
                }
            }
            return whole_lines(text, limit).max(first_line(text));
        }
        whole_lines(text, limit.saturating_sub(size)).max(first_line(text))
    }

    /// Writes whole lines; after an error takes the beginning of a line back.
    pub fn write(&mut self, text: &[u8]) -> (u64, Option<io::Error>) {
        if self.torn {
            match self.file.write(b"\n") {
                Ok(1) => self.torn = false,
                Ok(_) => return (0, Some(io::ErrorKind::WriteZero.into())),
                Err(error) => return (0, Some(error)),
            }
        }
        let mut rest = text;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return self.give_up(text, rest, io::ErrorKind::WriteZero.into()),
                Ok(n) => rest = rest.get(n..).unwrap_or(&[]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.give_up(text, rest, error),
            }
        }
        (count_lines(text), None)
    }

    fn give_up(&mut self, text: &[u8], rest: &[u8], error: io::Error) -> (u64, Option<io::Error>) {
        let written = text.get(..text.len() - rest.len()).unwrap_or(&[]);
        let whole = whole_lines(written, u64::MAX);
        if whole < written.len() {
            self.torn = self.take_back((written.len() - whole) as u64).is_err();
        }
        (count_lines(written), Some(error))
    }

    /// Cuts the last `bytes` bytes off, which are ours, unless somebody else has written behind them.
    fn take_back(&mut self, bytes: u64) -> io::Result<()> {
        let end = self.file.stream_position()?;
        if self.file.metadata()?.len() != end {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        self.file.set_len(end.saturating_sub(bytes))
    }

    /// Puts another file under the same name, to see what happens when it cannot be written.
    #[cfg(test)]
    pub fn replace_file(&mut self, file: File) {
        self.file = file;
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    // Appending, so that the exporter that a reload replaces and its successor can write side by side.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Length of what can be rotated: pipes and devices count as empty.
fn size(metadata: &Metadata) -> u64 {
    if metadata.is_file() { metadata.len() } else { 0 }
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().filter(|b| **b == b'\n').count() as u64
}

/// Length of the longest run of whole lines at the start of `text` within `limit` bytes.
fn whole_lines(text: &[u8], limit: u64) -> usize {
    let within = usize::try_from(limit).ok().and_then(|limit| text.get(..limit)).unwrap_or(text);
    within.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

fn first_line(text: &[u8]) -> usize {
    text.iter().position(|b| *b == b'\n').map_or(text.len(), |at| at + 1)
}
