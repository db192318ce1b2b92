//! Extended headers: pax records and GNU's long names. Only names and sizes are of interest.

use super::header;

/// Bytes of an extended header.
pub(super) const LIMIT: u64 = 64 << 10;

/// What the extended headers before a header say about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub name: Option<String>,
    pub size: Option<u64>,
}

impl Extended {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        *self == Extended::default()
    }

    /// Takes in pax records: `LENGTH KEY=VALUE\n`, the length being that of the whole record. The error says what is wrong.
    pub(super) fn add_records(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or("an extended header (pax) is malformed")?;
            bytes = rest;
            let text = || std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
            match key {
                b"path" => {
                    let name = text().ok_or("a name in an extended header (pax) is malformed")?;
                    once(&mut self.name, name.to_owned())?;
                }
                b"size" => {
                    let size = text().filter(|text| text.bytes().all(|b| b.is_ascii_digit())).and_then(|text| text.parse().ok());
                    once(&mut self.size, size.ok_or("a size in an extended header (pax) is no number that an archive can have")?)?;
                }
                key if key.starts_with(b"GNU.sparse.") => return Err("it has a sparse file".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes in a long name of GNU tar.
    pub(super) fn add_name(&mut self, bytes: &[u8]) -> Result<(), String> {
        once(&mut self.name, header::text(bytes))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    if slot.replace(value).is_some() { Err("extended headers give a file two names or sizes".to_owned()) } else { Ok(()) }
}

/// Key and value of the first record, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(8).position(|b| *b == b' ')?;
    let (digits, _) = bytes.split_at_checked(space)?;
    let length: usize = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|b| *b == b'=')?;
    Some((body.get(..equals)?, body.get(equals + 1..)?, rest))
}
