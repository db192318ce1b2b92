//! What an object's symbols say: which variables there are, and the initial values of those that are read-only.

use std::collections::{HashMap, HashSet};

use object::{Object as _, ObjectSymbol as _};

use crate::loader::object::Image;

/// `M<this>` is the variable that holds the number of entries of map M.
const ENTRIES_SUFFIX: &str = "_max_entries";

/// The initial values of read-only variables, and which symbols there are.
pub(super) struct Symbols {
    pub names: HashSet<String>,
    constants: HashMap<String, Vec<u8>>,
}

impl Symbols {
    /// An unreadable object has none; parsing it reports that later.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut symbols = Symbols { names: HashSet::new(), constants: HashMap::new() };
        let Ok(file) = object::File::parse(bytes) else { return symbols };
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            symbols.names.insert(name.to_owned());
            if let Some(value) = constant(&file, &symbol) {
                symbols.constants.insert(name.to_owned(), value);
            }
        }
        symbols
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.constants.get(name).map(Vec::as_slice)
    }
}

fn constant(file: &object::File<'_>, symbol: &object::Symbol<'_, '_>) -> Option<Vec<u8>> {
    use object::ObjectSection as _;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    if symbol.size() > 8 || !section.name().ok()?.starts_with(".rodata") {
        return None;
    }
    let start = usize::try_from(symbol.address()).ok()?;
    section.data().ok()?.get(start..start.checked_add(symbol.size() as usize)?).map(<[u8]>::to_vec)
}

/// Sizes that variables give to maps: a parameter's value, or what the object itself says.
pub(super) fn entries(prepared: &Image<'_>, globals: &[(String, Vec<u8>)], symbols: &Symbols) -> HashMap<String, u32> {
    let mut entries = HashMap::new();
    for (map, _) in prepared.maps() {
        let variable = format!("{map}{ENTRIES_SUFFIX}");
        let set = globals.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.as_slice());
        if let Some(value) = set.or_else(|| symbols.get(&variable)).and_then(number) {
            entries.insert(map.to_owned(), value);
        }
    }
    entries
}

/// A little-endian number of up to 8 bytes that fits into 32 bits.
fn number(bytes: &[u8]) -> Option<u32> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    u64::from_le_bytes(wide).try_into().ok()
}
