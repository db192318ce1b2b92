//! Names of kernel addresses, in a table that is small enough to keep.

use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::sync::OnceLock;

use super::{Line, each, list};

/// More symbols than any kernel with its modules has, and most bytes of their names.
const MAX_SYMBOLS: usize = 2_000_000;
const MAX_NAMES: usize = 64 << 20;

/// The functions of the kernel and its modules, sorted by address. 16 bytes and the name for each: 2 to 4 MiB for a distribution's kernel.
#[derive(Default)]
pub struct Symbols {
    /// Address, and where the name begins.
    places: Vec<(u64, u32)>,
    /// Each ends with a zero.
    names: Vec<u8>,
    hidden: bool,
}

impl Symbols {
    /// The running kernel's, read from `/proc/kallsyms` at the first call (some 20 ms) and shared from then on. Modules that are loaded
    /// later are not in it.
    ///
    /// # Errors
    /// When it cannot be read; the next call tries again.
    pub fn shared() -> io::Result<&'static Symbols> {
        static SYMBOLS: OnceLock<Symbols> = OnceLock::new();
        if let Some(symbols) = SYMBOLS.get() {
            return Ok(symbols);
        }
        let symbols = Symbols::read(list()?)?;
        Ok(SYMBOLS.get_or_init(|| symbols))
    }

    pub(in crate::kernel) fn read(list: impl BufRead) -> io::Result<Self> {
        let mut symbols = Symbols { hidden: true, ..Symbols::default() };
        each(list, |line| {
            symbols.add(line);
            match symbols.places.len() < MAX_SYMBOLS && symbols.names.len() < MAX_NAMES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        // Stable: of several names of an address the first one is found.
        symbols.places.sort_by_key(|(address, _)| *address);
        symbols.places.dedup_by_key(|(address, _)| *address);
        symbols.places.shrink_to_fit();
        symbols.names.shrink_to_fit();
        Ok(symbols)
    }

    /// A restricted reader (kptr_restrict) sees every address as zero.
    fn add(&mut self, line: &Line<'_>) {
        if !line.is_function() || line.address == 0 {
            return;
        }
        self.hidden = false;
        self.places.push((line.address, self.names.len() as u32));
        self.names.extend_from_slice(line.name);
        self.names.push(0);
    }

    /// Whether the kernel keeps its addresses to itself (`kptr_restrict`), so that there are no names.
    pub fn are_hidden(&self) -> bool {
        self.hidden
    }

    /// The function that `address` is in: the one with the nearest lower (or the same) address.
    pub fn name(&self, address: u64) -> Option<&[u8]> {
        let behind = self.places.partition_point(|(start, _)| *start <= address);
        let (_, at) = self.places.get(behind.checked_sub(1)?)?;
        self.names.get(*at as usize..)?.split(|b| *b == 0).next()
    }
}
