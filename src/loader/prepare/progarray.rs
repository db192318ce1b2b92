//! `__array(values, int ())` of program arrays, which aya takes for the inner map of a map of maps.

use super::Changes;
use crate::gadget::btf::{Btf, BtfError, Kind};

/// Renames the member: aya skips names it does not know.
pub(super) fn hide_values(btf: &mut Btf<'_>, changes: &mut Changes) -> Result<(), BtfError> {
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(()) };
    let variables: Vec<u32> = btf.get(section)?.entries().map(|e| e.type_id).collect();
    for variable in variables {
        let definition = btf.peel(btf.get(variable)?.word)?;
        let members: Vec<_> = btf.get(definition)?.members().enumerate().collect();
        for (index, member) in members {
            if btf.string(member.name)? == "values" && holds_functions(btf, member.type_id)? {
                let name = btf.add_string("program_values")?;
                btf.set_word(definition, 12 + index * 12, name)?;
                changes.program_arrays.push(btf.name(variable).to_owned());
            }
        }
    }
    Ok(())
}

/// Whether the type is an array of pointers to functions.
fn holds_functions(btf: &Btf<'_>, id: u32) -> Result<bool, BtfError> {
    let Some(array) = btf.get(btf.peel(id)?)?.array() else { return Ok(false) };
    let element = btf.get(btf.peel(array.element)?)?;
    Ok(element.kind == Kind::Ptr && btf.get(btf.peel(element.word)?)?.kind == Kind::FuncProto)
}
