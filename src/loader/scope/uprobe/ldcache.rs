//! The dynamic loader's cache of libraries: what `ldconfig` of glibc writes to `/etc/ld.so.cache`, in its new form, its old form, or the
//! new one behind the old one.

use super::bytes::{number, text};
use super::names::LONGEST;

/// A larger cache is not read.
pub(super) const LARGEST: u64 = 16 << 20;
/// Files of one library that are looked at.
const MOST: usize = 64;
const OLD: &[u8] = b"ld.so-1.7.0\0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const NEW: &[u8] = b"glibc-ld.so.cache1.1";
const NEW_HEADER: usize = 48;
const NEW_ENTRY: usize = 24;

/// Paths of the libraries whose name is `library` with `.so` and a version behind it, each once, at most 64.
pub fn find(cache: &[u8], library: &str) -> Vec<String> {
    let prefix = format!("{library}.so");
    let mut paths: Vec<String> = Vec::new();
    for (_, path) in entries(cache).into_iter().flatten().filter(|(name, _)| name.starts_with(&prefix)) {
        if paths.len() >= MOST {
            break;
        }
        if !paths.iter().any(|p| p == path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

/// Names and paths, from the new part where there is one; `None` for what is no cache.
fn entries(cache: &[u8]) -> Option<Entries<'_>> {
    if cache.starts_with(NEW) {
        return Entries::new(cache, NEW.len(), NEW_HEADER, NEW_ENTRY, |_| 0);
    }
    if !cache.starts_with(OLD) {
        return None;
    }
    let count = number(cache, 12, 4)? as usize;
    let end = count.checked_mul(OLD_ENTRY)?.checked_add(OLD_HEADER)?;
    // The new part begins where its alignment lets it.
    match cache.get(end.checked_next_multiple_of(8)?..).filter(|rest| rest.starts_with(NEW)) {
        Some(new) => Entries::new(new, NEW.len(), NEW_HEADER, NEW_ENTRY, |_| 0),
        None => Entries::new(cache, 12, OLD_HEADER, OLD_ENTRY, |table_end| table_end),
    }
}

/// Entries begin with flags, then where the name is and where the path is.
struct Entries<'a> {
    table: std::slice::ChunksExact<'a, u8>,
    strings: &'a [u8],
}

impl<'a> Entries<'a> {
    /// `count_at`: where the number of entries stands. `strings`: what strings are counted from, given where the table ends.
    fn new(cache: &'a [u8], count_at: usize, header: usize, entry: usize, strings: impl Fn(usize) -> usize) -> Option<Self> {
        let count = number(cache, count_at, 4)? as usize;
        let end = count.checked_mul(entry)?.checked_add(header)?;
        Some(Entries { table: cache.get(header..end)?.chunks_exact(entry), strings: cache.get(strings(end)..)? })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, &'a str);

    /// An entry whose strings are broken is left out.
    fn next(&mut self) -> Option<Self::Item> {
        let strings = self.strings;
        let string = |entry: &[u8], at| text(strings, number(entry, at, 4)? as usize, LONGEST);
        self.table.find_map(|entry| Some((string(entry, 4)?, string(entry, 8)?)))
    }
}
