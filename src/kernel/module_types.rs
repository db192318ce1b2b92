//! Descriptors of the types that kernel modules have, which the kernel wants when a program hooks into a module or calls one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::bpf;

const BTF_GET_FD_BY_ID: u32 = 19;
const BTF_GET_NEXT_ID: u32 = 23;
/// More than any machine has; each gadget has some of its own.
const MAX_OBJECTS: usize = 100_000;
const MAX_NAME: usize = 64;

/// The descriptor of a module's types.
///
/// # Errors
/// The kernel's; not found when no module of that name is loaded.
pub fn open(module: &str) -> io::Result<OwnedFd> {
    let mut id = 0u32;
    for _ in 0..MAX_OBJECTS {
        let mut next = [0u8; 16];
        next[..4].copy_from_slice(&id.to_ne_bytes());
        match bpf::call(BTF_GET_NEXT_ID, &mut next) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            other => other?,
        };
        id = next.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        let mut by_id = [0u8; 16];
        by_id[..4].copy_from_slice(&id.to_ne_bytes());
        // It may have gone meanwhile.
        let Ok(fd) = bpf::call_for_fd(BTF_GET_FD_BY_ID, &mut by_id) else { continue };
        if is_kernels(&fd, module)? {
            return Ok(fd);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Whether the types are those of the kernel's module of this name.
fn is_kernels(fd: &OwnedFd, module: &str) -> io::Result<bool> {
    let mut name = [0u8; MAX_NAME];
    // struct bpf_btf_info: btf, btf_size, id, name, name_len, kernel_btf.
    let mut info = [0u8; 32];
    info[16..24].copy_from_slice(&(name.as_mut_ptr() as u64).to_ne_bytes());
    info[24..28].copy_from_slice(&(MAX_NAME as u32).to_ne_bytes());
    match bpf::object_info(fd.as_fd(), &mut info) {
        // A longer name than any module has.
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => return Ok(false),
        other => other?,
    };
    let end = name.iter().position(|b| *b == 0).unwrap_or(MAX_NAME);
    Ok(info[28..32] != [0; 4] && name.get(..end) == Some(module.as_bytes()))
}
