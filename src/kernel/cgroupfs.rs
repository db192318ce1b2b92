//! Where the cgroup2 file system is mounted.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{host_path, mounts};

/// The mount point of cgroup2, as reachable from here, or `None` when it is not mounted.
///
/// Read from mountinfo, because hybrid systems have it below `/sys/fs/cgroup/unified`.
///
/// # Errors
/// When mountinfo cannot be read.
pub fn unified_mount() -> io::Result<Option<PathBuf>> {
    // Process 1 of the host sees the host's mounts; `self` would be the container's.
    let host = host_path(Path::new("/proc"));
    let text = std::fs::read_to_string(host.join("1/mountinfo")).or_else(|_| std::fs::read_to_string("/proc/self/mountinfo"))?;
    Ok(find_unified(&text).map(|path| host_path(&path)))
}

/// The root of the cgroup2 hierarchy as far as it reaches from here, mounted or not, to attach programs to. Every process and socket is
/// below it, also when groups of version 1 are in use. The path is the mount's, if there is one.
///
/// # Errors
/// When there is no mount and none can be made, or it cannot be opened.
pub fn unified_root() -> io::Result<(OwnedFd, Option<PathBuf>)> {
    match unified_mount()? {
        Some(path) => Ok((std::fs::File::open(&path)?.into(), Some(path))),
        None => {
            let root = mounts::open_below(&mounts::detached(c"cgroup2")?, c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
            Ok((root.into(), None))
        }
    }
}

/// The first cgroup2 mount whose root is the root of the hierarchy; else the first of any root.
pub(super) fn find_unified(mountinfo: &str) -> Option<PathBuf> {
    let mounts: Vec<(&str, &str)> = mountinfo.lines().filter_map(parse).collect();
    let whole = mounts.iter().find(|(root, _)| *root == "/");
    whole.or(mounts.first()).map(|(_, mount)| PathBuf::from(unescape(mount)))
}

/// Root and mount point of a cgroup2 line: `24 1 0:21 <root> <mount point> <options> [tags] - cgroup2 …`.
fn parse(line: &str) -> Option<(&str, &str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    (kind.split(' ').next() == Some("cgroup2")).then_some((fields.next()?, fields.next()?))
}

/// Resolves the octal escapes of blanks, tabs, line feeds and backslashes.
fn unescape(text: &str) -> String {
    const ESCAPES: [(&str, &str); 4] = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    ESCAPES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
