//! Puts a compiled filter in front of the function that stands for it.

use aya_obj::Object;
use aya_obj::generated::bpf_insn;

/// Where no relocation of a section lies: aya-obj looks relocations up by the place that a function had, and a grown function would
/// reach those of its neighbour.
const NOWHERE: usize = 1 << 40;

/// Inserts `filter` before the first instruction of `function`. False when the object has no function of that name.
///
/// Done after the object was fitted to the kernel's types and before its maps and calls are linked. The first line record stays at the
/// first instruction, the others move with theirs.
pub(in crate::loader) fn inject(object: &mut Object, function: &str, filter: &[bpf_insn]) -> bool {
    let mut found = false;
    for target in object.functions.values_mut().filter(|f| f.name == function) {
        found = true;
        target.instructions.splice(0..0, filter.iter().copied());
        target.section_offset = NOWHERE;
        for line in target.line_info.line_info.iter_mut().skip(1) {
            line.insn_off = line.insn_off.saturating_add(filter.len() as u32);
        }
    }
    found
}
