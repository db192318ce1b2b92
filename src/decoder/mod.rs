//! Text for the special types of gadgets: what `gadget-abi` calls formatters, one file per type.
//!
//! A decoder is given a field's undecoded bytes and appends text. All of them are total: bytes of an
//! unexpected length read as 0 or as nothing.

pub mod args;
pub mod bytes;
pub mod duration;
pub mod endpoint;
pub mod errno;
pub mod file_flags;
pub mod file_mode;
pub mod histogram;
pub mod names;
pub mod signal;
pub mod stack;
pub mod syscall;
#[cfg(test)]
mod tests;
pub mod timestamp;

use crate::batch::unsigned;

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The name at `number`, or `prefix` and the number.
fn name_or_number(names: &[&str], number: u64, prefix: &[u8], out: &mut Vec<u8>) {
    match usize::try_from(number).ok().and_then(|n| names.get(n)) {
        Some(name) if !name.is_empty() => out.extend_from_slice(name.as_bytes()),
        _ => {
            out.extend_from_slice(prefix);
            push_number(out, number);
        }
    }
}

fn join(names: &[&str]) -> String {
    names.iter().filter(|n| !n.is_empty()).copied().collect::<Vec<_>>().join(",")
}
