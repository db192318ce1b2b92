//! Maps that are known by their name in the BPF filesystem, to other gadgets and other processes.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::spec::{Spec, describe};
use crate::kernel::{bpffs, maps};
use crate::loader::error::LoadError;

/// The map pinned as `name`, made and pinned if there is none. Nobody ever removes a pin.
pub(super) fn open_or_make(gadget: &str, name: &str, spec: &Spec, btf: Option<BorrowedFd<'_>>) -> Result<OwnedFd, LoadError> {
    let fail = |what: &str, e: io::Error| LoadError::kernel(format!("{what} map {name:?} of gadget {gadget:?}"), e);
    if name.contains('/') || name.starts_with('.') {
        return Err(LoadError::Invalid(format!("map {name:?} of gadget {gadget:?} cannot be pinned under that name")));
    }
    let place = bpffs::place().map_err(|e| fail("find a BPF filesystem (mount -t bpf bpf /sys/fs/bpf) to pin", e))?;
    if !place.shared {
        tracing::warn!(
            gadget,
            map = name,
            "no BPF filesystem is mounted at /sys/fs/bpf, so other processes do not see this pinned map, and it ends with this process"
        );
    }
    let path = CString::new(place.folder.join(name).as_os_str().as_bytes()).map_err(|e| fail("pin", e.into()))?;
    let missing = |e: &io::Error| e.raw_os_error() == Some(libc::ENOENT);
    let found = match maps::pinned(&path) {
        Err(error) if missing(&error) => {
            let made = spec.make(name, btf).map_err(|e| fail("create", e))?;
            match maps::pin(made.as_fd(), &path) {
                Ok(()) => return Ok(made),
                // Somebody else was faster.
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => maps::pinned(&path),
                Err(error) => return Err(fail("pin", error)),
            }
        }
        other => other,
    };
    let found = found.map_err(|e| fail("open pinned", e))?;
    let shape = maps::shape(found.as_fd()).map_err(|e| fail("look at pinned", e))?;
    // The kernel changes flags of its own accord, so those are not compared.
    if !spec.accepts(&shape) || spec.shape.entries != shape.entries {
        let (wanted, there) = (describe(&spec.shape), describe(&shape));
        return Err(LoadError::Invalid(format!(
            "map {name:?} of gadget {gadget:?} is to be {wanted}, but the one pinned as {:?} is {there}",
            place.folder.join(name)
        )));
    }
    Ok(found)
}
