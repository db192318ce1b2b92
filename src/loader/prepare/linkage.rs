//! `__hidden` functions: to the compiler they are global, to the verifier they shall be static, checked together with their callers.

use std::collections::HashSet;

use super::Changes;
use super::edit::Editor;
use crate::gadget::btf::{Btf, BtfError, Kind, encode_info};

const STT_FUNC: u8 = 2;
const GLOBAL: u16 = 1;
const STATIC: u16 = 0;

/// Makes hidden functions static. A program is never hidden, so all of them are functions that programs call.
pub(super) fn hide(editor: &Editor<'_>, btf: &mut Btf<'_>, changes: &mut Changes) -> Result<(), BtfError> {
    let symbols = editor.symbols();
    let hidden = symbols.into_iter().filter(|s| s.is_hidden() && s.info & 0xf == STT_FUNC && s.section != 0);
    let hidden: HashSet<String> = hidden.map(|s| editor.symbol_name(s).to_owned()).collect();
    if hidden.is_empty() {
        return Ok(());
    }
    for id in btf.ids() {
        let t = btf.get(id)?;
        if t.kind == Kind::Func && t.len == GLOBAL && hidden.contains(btf.name(id)) {
            changes.hidden.push(btf.name(id).to_owned());
            btf.set_word(id, 4, encode_info(Kind::Func, false, STATIC))?;
        }
    }
    Ok(())
}
