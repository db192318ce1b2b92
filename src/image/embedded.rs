//! The images built into the program: each an OCI layout, kept file by file.

use super::layout::Files;

/// Path relative to the layout's root, content.
type File = (&'static str, &'static [u8]);

/// Gadget name and layout files, ordered by name.
static GADGETS: &[(&str, &[File])] = include!(concat!(env!("OUT_DIR"), "/embedded_gadgets.rs"));

/// The names of all embedded gadgets, in order.
pub fn names() -> Vec<&'static str> {
    GADGETS.iter().map(|(name, _)| *name).collect()
}

/// The layout of the gadget of that name.
pub fn layout(name: &str) -> Option<Files<'static>> {
    GADGETS.iter().find(|(known, _)| *known == name).map(|(_, files)| Files::Memory(files))
}
