//! Files below somebody else's root, which nothing there can lead out of, and where a file is mapped.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_IN_ROOT: u64 = 0x10;
/// How often a walk that somebody's renaming disturbed is begun anew.
const ATTEMPTS: usize = 8;

/// `struct open_how`, as its first version had it.
#[repr(C)]
struct How {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens a directory as a root for [`open_below`], following all links.
///
/// # Errors
/// The kernel's.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated.
    owned(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) }.into())
}

/// Opens (O_PATH) the file of a kernfs file system, such as cgroup2, that has this id; `mount` is any file of it.
///
/// The file handle is that of `fs/kernfs/mount.c`: type FILEID_KERNFS (0xfe) and the id, since Linux 5.5.
///
/// # Errors
/// ESTALE when there is none any more; EPERM without CAP_DAC_READ_SEARCH.
pub fn open_by_kernfs_id(mount: BorrowedFd<'_>, id: u64) -> io::Result<OwnedFd> {
    /// `struct file_handle` with eight bytes of handle.
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: [u8; 8],
    }
    let mut handle = Handle { bytes: 8, kind: 0xfe, id: id.to_ne_bytes() };
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: the handle is as long as its first member says, and both outlive the call.
    owned(unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), &raw mut handle, flags) })
}

/// Opens a regular file for reading, with `root` as `/` for the path and every link on it. Nothing else is ever opened: a device or a
/// FIFO could do anything.
///
/// # Errors
/// The kernel's; InvalidInput when it is not a regular file.
pub fn open_below(root: BorrowedFd<'_>, path: &str) -> io::Result<File> {
    let path = CString::new(path)?;
    let found = File::from(retried(|| resolve(root, &path))?);
    if !found.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

fn resolve(root: BorrowedFd<'_>, path: &CString) -> io::Result<OwnedFd> {
    let how = How { flags: (libc::O_PATH | libc::O_CLOEXEC) as u64, mode: 0, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    // SAFETY: the path is NUL-terminated, and the structure is as long as is said.
    owned(unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<How>()) })
}

fn retried(open: impl Fn() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    for _ in 1..ATTEMPTS {
        match open() {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            other => return other,
        }
    }
    open()
}

/// The first page of a file in this process's memory, never to be touched: somebody may cut the file short.
pub struct Mapping {
    address: *mut libc::c_void,
}

/// Bytes of a [`Mapping`]; the kernel rounds it up to a page.
const MAPPED: usize = 1;

impl Mapping {
    /// Maps a file.
    ///
    /// # Errors
    /// The kernel's (ENODEV: its file system cannot do that).
    pub fn of(file: BorrowedFd<'_>) -> io::Result<Self> {
        let none = std::ptr::null_mut();
        // SAFETY: a new mapping at an address of the kernel's choice, read-only, which nothing points into.
        let address = unsafe { libc::mmap(none, MAPPED, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Mapping { address }) }
    }

    /// Where it is.
    pub fn address(&self) -> u64 {
        self.address as u64
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is a mapping of our own, of that size, and nobody has a reference into it.
        unsafe { libc::munmap(self.address, MAPPED) };
    }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;

    use super::{Mapping, open_below, open_root};

    /// Links stay below the root, and only regular files are opened: no FIFO, no directory, no link of procfs.
    #[test]
    fn opens_below_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("etc")).unwrap();
        std::fs::write(at("etc/inside"), "inside").unwrap();
        symlink("/etc/inside", at("absolute")).unwrap();
        symlink("../../../../etc/inside", at("relative")).unwrap();
        symlink("/etc/hostname", at("outside")).unwrap();
        let fifo = std::ffi::CString::new(at("fifo").to_str().unwrap()).unwrap();
        // SAFETY: the path is NUL-terminated.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let root = open_root(folder.path()).unwrap();
        for path in ["/etc/inside", "etc/inside", "absolute", "/relative"] {
            let mut text = String::new();
            open_below(root.as_fd(), path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside", "{path}");
        }
        for path in ["outside", "fifo", "etc", "nothing", ""] {
            assert!(open_below(root.as_fd(), path).is_err(), "{path}");
        }
        let real = open_root(std::path::Path::new("/")).unwrap();
        assert!(open_below(real.as_fd(), "/proc/self/exe").is_err());
    }

    /// Two mappings of one file are two places.
    #[test]
    fn maps() {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let (one, two) = (Mapping::of(file.as_fd()).unwrap(), Mapping::of(file.as_fd()).unwrap());
        assert_ne!(one.address(), two.address());
    }
}
