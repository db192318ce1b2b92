//! Where variables are in their sections. The compiler leaves that to whoever links the object; aya does it for global variables only, and
//! the kernel refuses types whose variables overlap.

use std::collections::{BTreeSet, HashMap};

use super::edit::Editor;
use super::error::{PrepareError, too_much};
use crate::gadget::btf::{Btf, DatasecEntry, Kind, encode_info};

const MAX_SECTIONS: usize = 256;
const STT_SECTION: u8 = 3;

/// Fills in sizes and offsets, and leaves out variables that ended up elsewhere: compilers move constants into sections of their own.
pub(super) fn place(editor: &Editor<'_>, btf: &mut Btf<'_>) -> Result<(), PrepareError> {
    let sections: Vec<u32> =
        btf.ids().filter(|id| btf.get(*id).is_ok_and(|t| t.kind == Kind::Datasec && t.word == 0 && t.len > 0)).collect();
    if sections.len() > MAX_SECTIONS {
        return Err(too_much(format!("{} sections of variables", sections.len()), MAX_SECTIONS.to_string()));
    }
    let symbols = symbols(editor);
    for id in sections {
        let Some(section) = editor.find(btf.name(id)) else { continue };
        let size = editor.size(section);
        let mut placed: Vec<DatasecEntry> = Vec::new();
        for entry in btf.get(id)?.entries() {
            let symbol = symbols.get(&(section, btf.string(btf.get(entry.type_id)?.name)?));
            if let Some(&(offset, _)) = symbol {
                placed.push(DatasecEntry { offset, ..entry });
            }
        }
        placed.sort_by_key(|e| e.offset);
        let mut end = 0u64;
        placed.retain(|e| {
            let fits = u64::from(e.offset) >= end && u64::from(e.offset) + u64::from(e.size) <= size;
            end = if fits { u64::from(e.offset) + u64::from(e.size) } else { end };
            fits
        });
        // What is empty is left as it was: aya knows what old kernels want then.
        let (Ok(len), false, Ok(size)) = (u16::try_from(placed.len()), placed.is_empty(), u32::try_from(size)) else { continue };
        let name = btf.get(id)?.name;
        let words = [name, encode_info(Kind::Datasec, false, len), size];
        let entries = placed.iter().flat_map(|e| [e.type_id, e.offset, e.size]);
        btf.replace(id, &words.into_iter().chain(entries).flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
    }
    Ok(())
}

/// Offset and size of each named symbol, by section and name.
fn symbols<'e>(editor: &'e Editor<'_>) -> HashMap<(usize, &'e str), (u32, u64)> {
    let mut found = HashMap::new();
    let mut doubled = BTreeSet::new();
    for symbol in editor.symbols().into_iter().filter(|s| s.section != 0 && s.info & 0xf != STT_SECTION) {
        let key = (usize::from(symbol.section), editor.symbol_name(symbol));
        let Ok(offset) = u32::try_from(symbol.value) else { continue };
        // Static variables of several functions may share a name; nobody can tell which is which.
        if found.insert(key, (offset, symbol.size)).is_some() {
            doubled.insert(key);
        }
    }
    found.retain(|key, _| !doubled.contains(key));
    found
}
