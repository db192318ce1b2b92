//! Network namespaces of other processes, entered by threads of their own.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::host_path;

/// A network namespace, which lasts as long as this does.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    inode: u64,
}

impl NetNs {
    /// The namespace that process `pid` is in.
    ///
    /// # Errors
    /// When the process is gone (see [`is_gone`]), or may not be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        let file = File::open(host_path(Path::new("/proc")).join(pid.to_string()).join("ns/net"))?;
        let inode = file.metadata()?.ino();
        Ok(NetNs { file, inode })
    }

    /// The same, if it still is the one with number `inode` (0: any); `None` when it is not, or the process is gone.
    ///
    /// # Errors
    /// When the process may not be looked at.
    pub fn find(inode: u64, pid: u32) -> io::Result<Option<Self>> {
        match NetNs::of(pid) {
            Ok(found) => Ok(Some(found).filter(|found| inode == 0 || found.inode == inode)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its number.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Does `work` inside the namespace: in this thread if it is there already, else in one that enters the namespace and then ends.
    ///
    /// # Errors
    /// When there is no thread left, the namespace may not be entered (CAP_SYS_ADMIN), or `work` fails.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        if std::fs::metadata("/proc/thread-self/ns/net").is_ok_and(|here| here.ino() == self.inode) {
            return work();
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("network ns".to_owned());
            let thread = thread.spawn_scoped(scope, || self.enter().and_then(|()| work()))?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace ended in a panic")))
        })
    }

    fn enter(&self) -> io::Result<()> {
        // SAFETY: the call takes no pointer; it changes nothing but the calling thread's network namespace.
        let result = unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether looking at a process failed because it has ended.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}
