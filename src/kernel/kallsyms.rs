//! Which functions and symbols the kernel has, and where.

mod symbols;

pub use symbols::Symbols;

use std::io::{self, BufRead, BufReader};

/// Whether the kernel or one of its modules has a function of this name. Reads the whole list: some 10 ms.
///
/// # Errors
/// When `/proc/kallsyms` cannot be read.
pub fn has_function(name: &str) -> io::Result<bool> {
    find_function(BufReader::with_capacity(1 << 16, std::fs::File::open("/proc/kallsyms")?), name.as_bytes())
}

/// Address of a symbol of the kernel or one of its modules, the first of that name; 0 when the kernel hides addresses from this process.
///
/// # Errors
/// When `/proc/kallsyms` cannot be read.
pub fn address(name: &str) -> io::Result<Option<u64>> {
    find_address(BufReader::with_capacity(1 << 16, std::fs::File::open("/proc/kallsyms")?), name.as_bytes())
}

pub(super) fn find_address(mut list: impl BufRead, name: &[u8]) -> io::Result<Option<u64>> {
    let mut line = Vec::with_capacity(256);
    while list.read_until(b'\n', &mut line)? > 0 {
        let mut parts = line.split(|b| b.is_ascii_whitespace());
        let address = parts.next().and_then(|a| std::str::from_utf8(a).ok()).and_then(|a| u64::from_str_radix(a, 16).ok());
        if parts.nth(1) == Some(name) && address.is_some() {
            return Ok(address);
        }
        line.clear();
    }
    Ok(None)
}

/// Lines are `<address> <type> <name>[\t[module]]`; functions have type t, T, w or W.
pub(super) fn find_function(mut list: impl BufRead, name: &[u8]) -> io::Result<bool> {
    let mut line = Vec::with_capacity(256);
    while list.read_until(b'\n', &mut line)? > 0 {
        let mut parts = line.split(|b| b.is_ascii_whitespace()).skip(1);
        let kind = parts.next().unwrap_or_default();
        if matches!(kind, b"t" | b"T" | b"w" | b"W") && parts.next() == Some(name) {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}
