//! Which functions and symbols the kernel has, and where.

mod symbols;

pub use symbols::Symbols;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;

const LIST: &str = "/proc/kallsyms";

/// Whether the kernel or one of its modules has a function of this name. Reads the whole list: some 10 ms.
///
/// # Errors
/// When `/proc/kallsyms` cannot be read.
pub fn has_function(name: &str) -> io::Result<bool> {
    find_function(list()?, name.as_bytes())
}

/// Address of a symbol of the kernel or one of its modules, the first of that name; 0 when the kernel hides addresses from this process.
///
/// # Errors
/// When `/proc/kallsyms` cannot be read.
pub fn address(name: &str) -> io::Result<Option<u64>> {
    find_address(list()?, name.as_bytes())
}

fn list() -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, File::open(LIST)?))
}

/// A line of the list: `<address> <type> <name>[\t[module]]`.
struct Line<'a> {
    address: u64,
    kind: &'a [u8],
    name: &'a [u8],
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.split(|b| b.is_ascii_whitespace());
        let address = u64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok()?;
        Some(Line { address, kind: parts.next()?, name: parts.next()? })
    }

    fn is_function(&self) -> bool {
        matches!(self.kind, b"t" | b"T" | b"w" | b"W")
    }
}

/// Shows each line until one of them is enough.
fn each(mut list: impl BufRead, mut see: impl FnMut(&Line<'_>) -> ControlFlow<()>) -> io::Result<()> {
    let mut line = Vec::with_capacity(256);
    while list.read_until(b'\n', &mut line)? > 0 {
        if Line::parse(&line).is_some_and(|line| see(&line).is_break()) {
            break;
        }
        line.clear();
    }
    Ok(())
}

fn find(list: impl BufRead, name: &[u8], fits: impl Fn(&Line<'_>) -> bool) -> io::Result<Option<u64>> {
    let mut found = None;
    each(list, |line| {
        if line.name != name || !fits(line) {
            return ControlFlow::Continue(());
        }
        found = Some(line.address);
        ControlFlow::Break(())
    })?;
    Ok(found)
}

pub(super) fn find_address(list: impl BufRead, name: &[u8]) -> io::Result<Option<u64>> {
    find(list, name, |_| true)
}

pub(super) fn find_function(list: impl BufRead, name: &[u8]) -> io::Result<bool> {
    Ok(find(list, name, |line| line.is_function())?.is_some())
}
