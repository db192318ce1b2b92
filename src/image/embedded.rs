//! The images built into the program: each an OCI layout, kept file by file.

use super::layout::Files;

/// Gadget name and layout files, ordered by name.
static GADGETS: &[(&str, &[(&str, &[u8])])] = include!(concat!(env!("OUT_DIR"), "/embedded_gadgets.rs"));

/// The names of all embedded gadgets, in order.
pub fn names() -> Vec<&'static str> {
    GADGETS.iter().map(|(name, _)| *name).collect()
}

/// The layout of the gadget of that name.
pub fn layout(name: &str) -> Option<Files<'static>> {
    GADGETS.iter().find(|(known, _)| *known == name).map(|(_, files)| Files::Memory(files))
}

/// The embedded name most like `name`, if any is alike at all.
pub fn similar(name: &str) -> Option<&'static str> {
    let scored = GADGETS.iter().map(|(known, _)| (strsim::jaro_winkler(known, name), *known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
