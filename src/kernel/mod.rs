//! What the running kernel says: clocks, features, processes, cgroups.

pub mod bpf;
pub mod bpffs;
pub mod capabilities;
pub mod cgroupfs;
pub mod clock;
pub mod features;
pub mod files;
pub mod kallsyms;
pub mod limits;
pub mod mapping;
pub mod maps;
pub mod memory;
pub mod module_types;
pub mod mounts;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod perf;
pub mod perf_ring;
pub mod priority;
pub mod procfs;
pub mod procstat;
pub mod programs;
pub mod ring;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod tracefs;
pub mod translated;
pub mod uprobe;
pub mod verifier;
pub mod wait;

use std::path::{Path, PathBuf};

/// Where a path of the host is found: below `HOST_ROOT` when that is set (in a container), else as it is.
pub fn host_path(path: &Path) -> PathBuf {
    match std::env::var_os("HOST_ROOT") {
        Some(root) if !root.is_empty() => below(Path::new(&root), path),
        _ => path.to_owned(),
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
