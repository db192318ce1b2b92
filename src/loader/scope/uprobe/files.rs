//! The files of a container that a program means.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::ldcache;
use super::target::Object;
use crate::kernel::{files, host_path, procfs};
use crate::loader::scope::Workload;

const CACHE: &str = "/etc/ld.so.cache";

/// A container's root.
pub(super) struct Root {
    directory: OwnedFd,
    cache: Option<Vec<u8>>,
}

impl Root {
    /// Of a container that runs.
    ///
    /// # Errors
    /// When its process is gone, perhaps replaced by another.
    pub(super) fn of(workload: &Workload) -> io::Result<Self> {
        let path = host_path(Path::new("/proc")).join(workload.pid.to_string()).join("root");
        let directory = files::open_root(&path)?;
        // Asked after the directory was opened: a process of the same number may have come into its place.
        match procfs::namespace_inode(workload.pid, "mnt") {
            Ok(mntns) if mntns != workload.mntns && workload.mntns != 0 => Err(io::Error::other("another process has its number")),
            _ => Ok(Root { directory, cache: None }),
        }
    }

    /// The files that a program means, as far as they are there, opened.
    pub(super) fn find(&mut self, object: &Object) -> Vec<File> {
        let paths = match object {
            Object::Path(path) => vec![path.clone()],
            Object::Library(library) => ldcache::find(self.cache(), library),
        };
        if paths.is_empty() {
            tracing::debug!(?object, "no library of this name is known there");
        }
        let open = |path: String| match files::open_below(self.directory.as_fd(), &path) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::debug!(path, error = &error as &dyn std::error::Error, "file is not there");
                None
            }
        };
        paths.into_iter().filter_map(open).collect()
    }

    /// The loader's cache; empty when there is none, as with musl. It is read once.
    fn cache(&mut self) -> &[u8] {
        let directory = &self.directory;
        self.cache.get_or_insert_with(|| match read_cache(directory) {
            Ok(cache) => cache,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no cache of libraries can be read");
                Vec::new()
            }
        })
    }
}

fn read_cache(root: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut cache = Vec::new();
    files::open_below(root.as_fd(), CACHE)?.take(ldcache::LARGEST + 1).read_to_end(&mut cache)?;
    if cache.len() as u64 > ldcache::LARGEST { Err(io::Error::other("it is larger than 16 MiB")) } else { Ok(cache) }
}
