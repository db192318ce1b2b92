//! The table of contents of an archive: a walk over its headers.

use std::collections::HashMap;
use std::path::Path;

use super::header::Header;
use super::records::{self, Extended};
use super::source::Source;
use super::{BLOCK, refused};
use crate::image::error::ImageError;

/// Headers an archive may have.
const MAX_ENTRIES: usize = 100_000;

/// First byte and length of each file, by name.
pub(super) type Entries = HashMap<String, (u64, u64)>;

/// Walks the headers. Only files that belong to an OCI layout are kept, but all are checked.
pub(super) fn read(source: &Source, path: &Path) -> Result<Entries, ImageError> {
    let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
    let end = source.length().map_err(failed)?;
    let mut walk = Walk { source, at: 0, end, extended: Extended::default(), entries: HashMap::new() };
    for _ in 0..MAX_ENTRIES {
        match walk.step() {
            Ok(true) => {}
            Ok(false) => return Ok(walk.entries),
            Err(Fault::Io(source)) => return Err(failed(source)),
            Err(Fault::Refused(reason)) => return Err(refused(path, reason)),
        }
    }
    Err(refused(path, format!("it has more than {MAX_ENTRIES} entries")))
}

enum Fault {
    Io(std::io::Error),
    Refused(String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Refused(reason)
    }
}

struct Walk<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    extended: Extended,
    entries: Entries,
}

impl Walk<'_> {
    /// Reads one header; whether there is more.
    fn step(&mut self) -> Result<bool, Fault> {
        if self.end.saturating_sub(self.at) < BLOCK {
            return Err(Fault::Refused("it ends without the mark of an archive's end; it may be cut short".to_owned()));
        }
        let mut block = [0; BLOCK as usize];
        self.source.read_exact_at(&mut block, self.at)?;
        if block.iter().all(|b| *b == 0) {
            self.nothing_up_to(self.end, "there is something behind its end")?;
            return Ok(false);
        }
        let mut header = Header::parse(&block).map_err(|reason| format!("at byte {}: {reason}", self.at))?;
        self.at += BLOCK;
        match header.kind {
            b'x' | b'g' | b'L' | b'K' => self.extend(&header)?,
            _ => {
                let extended = std::mem::take(&mut self.extended);
                header.name = extended.name.unwrap_or(header.name);
                header.size = extended.size.filter(|_| header.kind != b'5').unwrap_or(header.size);
                self.entry(&header)?;
            }
        }
        Ok(true)
    }

    /// An entry that says something about the next one.
    fn extend(&mut self, header: &Header) -> Result<(), Fault> {
        if header.size > records::LIMIT {
            return Err(Fault::Refused(format!("it has an extended header of {} bytes", header.size)));
        }
        let (at, size) = (self.at, usize::try_from(header.size).unwrap_or_default());
        self.skip(header)?;
        let mut bytes = vec![0; size];
        self.source.read_exact_at(&mut bytes, at)?;
        match header.kind {
            b'x' => self.extended.add_records(&bytes)?,
            b'L' => self.extended.add_name(&bytes)?,
            b'g' => {
                let mut all = Extended::default();
                all.add_records(&bytes)?;
                if !all.is_empty() {
                    return Err(Fault::Refused("a header gives one name or size to all files".to_owned()));
                }
            }
            // A long target of a link, which the link itself will be refused for.
            _ => {}
        }
        Ok(())
    }

    /// A file, a folder, or what has no place in an image archive.
    fn entry(&mut self, header: &Header) -> Result<(), Fault> {
        let (name, shown) = (inner(&header.name)?, shortened(&header.name));
        let folder = header.kind == b'5' || header.name.ends_with('/');
        let what = match header.kind {
            b'0' | b'7' | 0 | b'5' => None,
            b'1' => Some("a hard link"),
            b'2' => Some("a symbolic link"),
            b'3' | b'4' => Some("a device"),
            b'6' => Some("a pipe"),
            b'S' => Some("a sparse file"),
            _ => Some("of an unknown type"),
        };
        if let Some(what) = what {
            return Err(Fault::Refused(format!("{shown:?} is {what}; an image archive has regular files only")));
        }
        if folder && header.size > 0 {
            return Err(Fault::Refused(format!("the folder {shown:?} has a content")));
        }
        let at = self.at;
        self.skip(header)?;
        if !folder && is_of_layout(&name) && self.entries.insert(name, (at, header.size)).is_some() {
            return Err(Fault::Refused(format!("it has {shown:?} twice")));
        }
        Ok(())
    }

    /// Goes on behind the content, of which the last block is filled up with zeros.
    fn skip(&mut self, header: &Header) -> Result<(), Fault> {
        let content = header.size.checked_next_multiple_of(BLOCK).filter(|content| *content <= self.end.saturating_sub(self.at));
        let content = content.ok_or_else(|| format!("{:?} reaches beyond its end", shortened(&header.name)))?;
        let next = self.at.saturating_add(content);
        self.at = self.at.saturating_add(header.size);
        self.nothing_up_to(next, "there is something between its files")
    }

    /// Checks that all is zero up to a place, and goes there.
    fn nothing_up_to(&mut self, place: u64, otherwise: &str) -> Result<(), Fault> {
        let mut buffer = [0; 4096];
        while self.at < place {
            let most = usize::try_from(place - self.at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..most).unwrap_or_default();
            self.source.read_exact_at(piece, self.at)?;
            if piece.iter().any(|b| *b != 0) {
                return Err(Fault::Refused(otherwise.to_owned()));
            }
            self.at = self.at.saturating_add(most as u64);
        }
        Ok(())
    }
}

/// The name without what leads nowhere (`./`). One that leads out of the archive condemns it.
fn inner(name: &str) -> Result<String, String> {
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(format!("{:?} leads out of it", shortened(name)));
    }
    Ok(name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/"))
}

fn is_of_layout(name: &str) -> bool {
    let hex = name.strip_prefix("blobs/sha256/");
    matches!(name, "oci-layout" | "index.json") || hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// As much of a name as belongs into a message.
fn shortened(name: &str) -> String {
    name.chars().take(120).collect()
}
