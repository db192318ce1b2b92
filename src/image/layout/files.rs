//! The files of a layout: bounded, and for a folder nothing outside of it, whatever links are in it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::Files;
use crate::image::error::ImageError;
use crate::kernel::files;

impl Files<'_> {
    /// A file of the layout, of which no more than `limit` bytes are read.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let failed = |source| ImageError::Io { action: "read", path: self.place(path), source };
        bounded(self.open(path).map_err(failed)?, limit).map_err(failed)
    }

    /// A file of the layout, to be read piece by piece.
    pub(super) fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Memory(files) => match files.iter().find(|(name, _)| *name == path) {
                Some((_, bytes)) => Ok(Box::new(*bytes)),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Self::Folder(folder) => Ok(Box::new(open_inside(folder, path)?)),
            Self::Archive(archive) => Ok(Box::new(archive.content(path)?)),
        }
    }

    /// What a file is called in messages.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        match self {
            Self::Memory(_) => PathBuf::from(path),
            Self::Folder(folder) => folder.join(path),
            Self::Archive(archive) => archive.path().join(path),
        }
    }

    /// Whether both files are there that make a layout of a folder or archive; `path` is its name in messages.
    ///
    /// # Errors
    /// When one is missing.
    pub fn check(&self, path: &Path) -> Result<(), ImageError> {
        let has = |name: &str| match self {
            Self::Memory(files) => files.iter().any(|(known, _)| *known == name),
            Self::Folder(folder) => folder.join(name).symlink_metadata().is_ok(),
            Self::Archive(archive) => archive.contains(name),
        };
        match ["oci-layout", "index.json"].into_iter().find(|name| !has(name)) {
            None => Ok(()),
            Some(missing) => Err(ImageError::Unusable {
                path: path.to_owned(),
                reason: format!("it is no OCI image layout: it has no file {missing:?}"),
            }),
        }
    }
}

/// A regular file of at most `limit` bytes in a folder of somebody else's.
pub(in crate::image) fn read_inside(folder: &Path, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    bounded(open_inside(folder, path)?, limit)
}

/// A regular file of at most `limit` bytes, at a place of our own.
pub(in crate::image) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write to it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    bounded(File::open(path)?, limit)
}

fn bounded(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = if limit < 1 << 20 { format!("{limit} bytes") } else { format!("{} MiB", limit >> 20) };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {text}")));
    }
    Ok(bytes)
}

/// Opens a regular file, with the folder as `/` for the links in it: it may come from a hostile hand and we may be root.
fn open_inside(folder: &Path, path: &str) -> io::Result<File> {
    let root = files::open_root(folder)?;
    match files::open_below(root.as_fd(), path) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => open_without_links(folder, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && passes_a_link(folder, path) => {
            Err(io::Error::new(error.kind(), "a link there leads out of the folder, or nowhere"))
        }
        other => other,
    }
}

/// For kernels and sandboxes without openat2(2): no links at all.
fn open_without_links(folder: &Path, path: &str) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    if passes_a_link(folder, path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is a link on the way to it"));
    }
    // Opening a pipe would wait for somebody to write to it.
    let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(path))?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
}

fn passes_a_link(folder: &Path, path: &str) -> bool {
    let mut place = folder.to_owned();
    path.split('/').any(|part| {
        place.push(part);
        place.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
    })
}
