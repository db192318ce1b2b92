//! Fills the slots of program arrays and maps of maps that an object initialises itself.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::error::LoadError;
use super::object::LoadedProgram;
use super::prepare::Slot;
use crate::kernel::bpf::{self, Shape};

/// Keys are indices and values descriptors, in all maps of this kind.
const SLOT: Shape = Shape { key: 4, value: 4 };

/// Fills them. What is switched off and not loaded leaves its slot empty.
pub(super) fn fill<'m>(
    gadget: &str,
    slots: &[Slot],
    maps: impl Fn(&str) -> Option<BorrowedFd<'m>>,
    programs: &[LoadedProgram],
) -> Result<(), LoadError> {
    for slot in slots {
        let Some(map) = maps(&slot.map) else {
            return Err(LoadError::Invalid(format!("gadget {gadget:?} has no map {:?}, which it fills", slot.map)));
        };
        let value = if slot.program {
            programs.iter().find(|p| p.name == slot.value).map(|p| p.fd.as_fd().as_raw_fd())
        } else {
            maps(&slot.value).map(|m| m.as_raw_fd())
        };
        let Some(value) = value else {
            tracing::debug!(gadget, map = slot.map, value = slot.value, "slot left empty");
            continue;
        };
        bpf::update(map, SLOT, &slot.index.to_ne_bytes(), &value.to_ne_bytes()).map_err(|source| {
            let Slot { map, index, value, .. } = slot;
            LoadError::kernel(format!("put {value:?} into slot {index} of map {map:?} of gadget {gadget:?}"), source)
        })?;
    }
    Ok(())
}
