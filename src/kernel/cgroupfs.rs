//! Where the cgroup2 file system is mounted.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{files, host_path, mounts, procfs};

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

/// Number of the hierarchy that processes are best told apart in: 0, version 2, where it is mounted, else that of `pids` or another
/// controller of version 1.
pub fn watched_hierarchy() -> u32 {
    if !matches!(unified_mount(), Ok(None)) {
        return 0;
    }
    let lines = procfs::cgroups(1).or_else(|_| procfs::cgroups(std::process::id())).unwrap_or_default();
    let has = |name: &str| lines.iter().find(|line| line.controllers.split(',').any(|controller| controller == name));
    ["pids", "memory", "cpu"].into_iter().find_map(has).map_or(0, |line| line.hierarchy)
}

/// The id of a cgroup by its folder, which is what `bpf_get_current_cgroup_id` returns.
///
/// # Errors
/// The kernel's.
pub fn id_of(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(folder)?.ino())
}

/// Whether there are processes in a cgroup or below it; false for one that is gone.
pub fn is_populated(folder: &Path) -> bool {
    let events = std::fs::read_to_string(folder.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "populated 1")
}

/// The path, from the root of the hierarchy, of the cgroup with this id in the hierarchy mounted at `mount`.
///
/// # Errors
/// ESTALE when it is gone; EPERM without CAP_DAC_READ_SEARCH.
pub fn path_of(mount: &Path, id: u64) -> io::Result<String> {
    let root = std::fs::File::open(mount)?;
    let folder = files::open_by_kernfs_id(root.as_fd(), id)?;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
    let below = path.strip_prefix(mount.canonicalize()?).map_err(io::Error::other)?;
    below.to_str().map(|path| format!("/{path}")).ok_or_else(|| io::ErrorKind::InvalidData.into())
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
