//! The filesystem in which pinned maps have names.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{host_path, mounts};

const MOUNTED: &str = "/sys/fs/bpf";
/// `BPF_FS_MAGIC` of `linux/magic.h`.
const MAGIC: u64 = 0xcafe_4a11;

/// A folder for pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// Whether other processes find it: it is `/sys/fs/bpf`. If not, it is of this process alone and ends with it.
    pub shared: bool,
}

/// Where maps are pinned: `/sys/fs/bpf`, or, where that is not mounted, a filesystem that only this process knows (5.2 and newer).
///
/// # Errors
/// When there is neither.
pub fn place() -> io::Result<Place> {
    let folder = host_path(Path::new(MOUNTED));
    if is_bpffs(&folder) {
        return Ok(Place { folder, shared: true });
    }
    static DETACHED: Mutex<Option<OwnedFd>> = Mutex::new(None);
    let mut detached = DETACHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let fd = match detached.as_ref() {
        Some(fd) => fd.as_raw_fd(),
        None => detached.insert(mounts::detached(c"bpf")?).as_raw_fd(),
    };
    Ok(Place { folder: PathBuf::from(format!("/proc/self/fd/{fd}")), shared: false })
}

fn is_bpffs(folder: &Path) -> bool {
    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else { return false };
    // SAFETY: all zeros is a valid value of this structure of numbers.
    let mut facts: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is NUL-terminated, and the structure is ours.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut facts) };
    result == 0 && facts.f_type as u64 & 0xffff_ffff == MAGIC
}
