//! A store of images: an OCI image layout on disk that other tools can read, whose images are named by their full reference. Blobs are
//! staged beside it and become visible together, under the lock that upstream's tool takes too.

mod change;
mod durable;
mod find;
mod graph;
mod incoming;
mod ingest;
pub mod listing;
mod prune;
mod scan;
mod staging;
mod survey;
#[cfg(test)]
mod tests;
mod verified;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;

use self::change::Locked;
use super::error::ImageError;
use super::layout::{DOCUMENT_LIMIT, Files};
use super::pack::REF_NAME;
pub use find::{is_image, short};
pub use incoming::Incoming;
pub use staging::Staging;
pub use survey::told_by_name;

/// Annotation of a root without a name: the digest of the image that it says something about, a signature for example.
pub const SUBJECT: &str = "io.gadgetry.subject";

/// A store that can be written. Nothing is created before something is written.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Blobs that nothing referred to.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// The store in that folder.
    pub fn at(folder: PathBuf) -> Self {
        Store { folder }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its files, for reading.
    pub fn files(&self) -> Files<'static> {
        Files::Folder(self.folder.clone())
    }

    /// A place for the blobs of new images.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn stage(&self) -> Result<Staging, ImageError> {
        self.create()?;
        Staging::new(self.clone())
    }

    /// Gives the image of that name, or of that digest (`sha256:...`), a further name, taking it from whatever had it.
    ///
    /// # Errors
    /// When there is no image `from`, or the store cannot be written.
    pub fn tag(&self, from: &str, to: &str) -> Result<(), ImageError> {
        let absent = || ImageError::Absent { reference: from.to_owned() };
        if !self.folder.exists() {
            return Err(absent());
        }
        let mut locked = Locked::open(&self.folder)?;
        let named = locked.roots.iter().find(|root| root.name() == Some(from));
        let found = named.or_else(|| locked.roots.iter().find(|root| root.digest() == from)).ok_or_else(absent)?;
        let mut root = found.descriptor.clone();
        set_name(&mut root, to);
        locked.put(vec![root]);
        locked.write()
    }

    /// The bytes of an image: the blobs of all architectures, each counted once, as far as its documents can be read.
    pub fn size(files: &Files<'_>, root: &Descriptor) -> Option<u64> {
        let mut bytes = 0u64;
        let mut look = |blob: &Descriptor| {
            bytes = bytes.saturating_add(blob.size());
            graph::is_document(blob).then(|| files.blob(blob, "manifest", DOCUMENT_LIMIT)).transpose()
        };
        graph::descend(root, &mut HashSet::new(), &mut look).ok()?;
        Some(bytes)
    }

    fn create(&self) -> Result<(), ImageError> {
        let failed = |source| ImageError::Io { action: "create", path: self.folder.clone(), source };
        let folder = self.folder.join("blobs/sha256");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let marker = self.folder.join("oci-layout");
        if fs::metadata(&marker).is_ok_and(|found| found.len() > 0) {
            return Ok(());
        }
        let new = self.folder.join(format!("oci-layout.{:016x}", fastrand::u64(..)));
        durable::replace(&marker, &new, &[br#"{"imageLayoutVersion":"1.0.0"}"#], 0o644).map_err(failed)
    }
}

/// Names a root.
pub fn set_name(root: &mut Descriptor, name: &str) {
    let mut annotations: HashMap<String, String> = root.annotations().clone().unwrap_or_default();
    annotations.insert(REF_NAME.to_owned(), name.to_owned());
    root.set_annotations(Some(annotations));
}

/// The digits of a SHA-256 digest: the only form that becomes part of a path.
fn hex_of(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then_some(hex)
}

/// Where the blob of that digest lies in the layout in `folder`.
fn blob_path(folder: &Path, digest: &str) -> Option<PathBuf> {
    Some(folder.join("blobs/sha256").join(hex_of(digest)?))
}
