//! Makes a gadget's object one that aya 0.14 accepts, and cuts the kernel's BTF down to what the object asks about.
//!
//! Bytes in, bytes out. Each file here closes one gap; all of them work on one [`edit::Editor`] and one [`Btf`].

mod answers;
mod clock;
mod datasec;
mod edit;
mod error;
pub(crate) mod extension;
mod flexible;
mod host;
mod kconfig;
mod ksyms;
mod linkage;
mod matching;
mod progarray;
mod relocations;
mod sections;
mod shield;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use error::PrepareError;
pub use host::Host;

use crate::gadget::btf::{Btf, KernelTypes};
use crate::gadget::elf::Elf;
use edit::Editor;

/// What an object may ask about the running kernel, apart from its types.
pub trait KernelFacts {
    /// `LINUX_VERSION_CODE`: major << 16 | minor << 8 | patch.
    fn version(&self) -> u32;
    /// Value of a `CONFIG_…` option: `y`, `m`, a number or a quoted text; `None` when it is not set or not known.
    fn config(&self, option: &str) -> Option<String>;
    /// Address of a kernel symbol; 0 for one whose address is hidden.
    fn symbol(&self, name: &str) -> Option<u64>;
    /// Whether programs can call `bpf_ktime_get_boot_ns`.
    fn has_boot_clock(&self) -> bool {
        true
    }
}

/// What an object is prepared for.
pub struct Target<'a> {
    /// The kernel's types, and its modules'.
    pub btf: &'a KernelTypes,
    /// Everything else.
    pub facts: &'a dyn KernelFacts,
    /// Types of the host's own that objects may be fitted to as well, and which of them; merged only into what an object that asks for
    /// one of them is fitted to.
    pub extra: Option<(&'a Btf<'a>, &'a [u32])>,
}

/// An object that aya accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The ELF object.
    pub object: Vec<u8>,
    /// Types to relocate against, for `EbpfLoader::btf` or `Object::relocate_btf`. A subset of the kernel's with ids of its own:
    /// never look up attach targets in it.
    pub target_btf: Vec<u8>,
    /// Section of each program before anything was renamed.
    pub sections: BTreeMap<String, String>,
    /// Kernel modules whose functions are called: the descriptors of their types go into `fd_array` from index 1 on, in this order.
    pub modules: Vec<String>,
    /// What was changed.
    pub changes: Changes,
}

/// What was changed in an object, for logs and tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Program sections: old and new name.
    pub renamed: Vec<(String, String)>,
    /// Program sections of kinds that aya does not know. Whether their programs can be loaded, the loader says.
    pub unknown: Vec<String>,
    /// Program arrays whose `values` member was hidden.
    pub program_arrays: Vec<String>,
    /// Kernel configuration values that were put in.
    pub kconfig: Vec<(String, u64)>,
    /// `bpf_core_type_matches()` that were evaluated: type and answer.
    pub type_matches: Vec<(String, bool)>,
    /// Accesses into flexible arrays: type and access string.
    pub flexible: Vec<(String, String)>,
    /// Calls of `bpf_ktime_get_boot_ns` that were replaced because the kernel lacks it.
    pub boot_clock: usize,
    /// Hidden functions, which the verifier is to check with their callers.
    pub hidden: Vec<String>,
    /// Kernel symbols and functions: BTF id, address, or 0 for a weak one that is absent.
    pub kernel_symbols: Vec<(String, u64)>,
}

/// Prepares an object for aya and the kernel.
///
/// # Errors
/// When the object is malformed or beyond limits, or asks for a kernel symbol or configuration value that is not there.
pub fn prepare(object: &[u8], target: &Target<'_>) -> Result<Prepared, PrepareError> {
    let elf = Elf::parse(object)?;
    let sections = elf.programs().map(|(program, section)| (program.to_owned(), section.to_owned())).collect();
    let mut editor = Editor::parse(object)?;
    let btf_section = editor.find(".BTF").ok_or(PrepareError::NoBtf)?;
    let blob = editor.data(btf_section).to_vec();
    let mut btf = Btf::parse(&blob)?;
    let mut changes = Changes::default();
    let renamed = sections::rename(&mut editor, &mut changes)?;
    if !target.facts.has_boot_clock() {
        changes.boot_clock = clock::replace(&mut editor)?;
    }
    progarray::hide_values(&mut btf, &mut changes)?;
    linkage::hide(&editor, &mut btf, &mut changes)?;
    kconfig::resolve(&mut editor, &mut btf, target, &mut changes)?;
    let modules = ksyms::resolve(&mut editor, &mut btf, target, &mut changes)?;
    let types = relocations::rewrite(&mut editor, &mut btf, &renamed, target, &mut changes)?;
    datasec::place(&editor, &mut btf)?;
    editor.blank(".rel.BTF");
    editor.blank(".rel.BTF.ext");
    shield::check(&editor, &btf)?;
    *editor.data_mut(btf_section)? = btf.to_bytes();
    Ok(Prepared { object: editor.finish()?, target_btf: types.to_bytes(), sections, modules, changes })
}
