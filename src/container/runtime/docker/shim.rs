//! The folder of a container's bundle, which Docker does not tell: its shim, the parent of its first process, works in it.

use std::path::Path;

use crate::kernel::{host_path, procstat};

/// The bundle of the container `id` whose first process is `pid`. `None` when the parent is no shim.
pub(super) fn bundle(pid: u32, id: &str) -> Option<String> {
    let parent = procstat::process(pid).ok()?.ppid;
    let folder = std::fs::read_link(host_path(Path::new("/proc")).join(format!("{parent}/cwd"))).ok()?;
    let is_bundle = folder.file_name().is_some_and(|name| name == id);
    folder.to_str().filter(|_| is_bundle).map(str::to_owned)
}
