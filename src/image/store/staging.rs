//! Blobs on their way into a store. They become part of it together, or not at all.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::image::Descriptor;
use sha2::{Digest, Sha256};

use super::change::Locked;
use super::graph::{self, descend};
use super::incoming::Incoming;
use super::{Store, blob_path, durable, hex_of, ingest};
use crate::image::error::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, Files, LAYER_LIMIT};
use crate::image::pack::digest_of;

/// Blobs that are collected for new roots, in a folder that is this value's as long as it lives.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    folder: PathBuf,
    /// Tells apart attempts at the same blob.
    count: AtomicU32,
    /// Says to other processes that the owner lives.
    _lock: File,
}

impl Staging {
    pub(super) fn new(store: Store) -> Result<Self, ImageError> {
        let lock = super::change::lock(&store.folder)?;
        ingest::collect(&store.folder, false);
        let (folder, owner) = ingest::make(&store.folder)?;
        drop(lock);
        Ok(Staging { store, folder, count: AtomicU32::new(0), _lock: owner })
    }

    /// Whether the blob is there already, here or in the store; it will not go away while this lives. One in the store that is not what
    /// its digest says does not count.
    pub fn has(&self, digest: &str) -> bool {
        let (Some(here), Some(there)) = (blob_path(&self.folder, digest), blob_path(&self.store.folder, digest)) else { return false };
        if here.exists() {
            return true;
        }
        // What has a second name stays when the first one is pruned. Nobody sees it here before it was checked.
        let part = self.part(digest);
        let linked = fs::hard_link(there, &part).is_ok() && is_whole(&part, digest) && fs::rename(&part, &here).is_ok();
        if !linked {
            // Most often it is not there; else it goes with the folder.
            let _ = fs::remove_file(&part);
        }
        linked
    }

    /// A path for something that is not whole yet.
    fn part(&self, digest: &str) -> PathBuf {
        let hex = hex_of(digest).unwrap_or_default();
        self.folder.join(format!("{hex}.{}.part", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    /// Adds a whole blob; gives its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<String, ImageError> {
        let digest = digest_of(bytes);
        if !self.has(&digest) {
            let mut incoming = self.begin(&digest, bytes.len() as u64)?;
            incoming.write(bytes)?;
            incoming.finish()?;
        }
        Ok(digest)
    }

    /// Adds all blobs that a root of another layout leads to.
    ///
    /// # Errors
    /// When one is missing there or not what its descriptor says, or cannot be written.
    pub fn copy(&self, files: &Files<'_>, root: &Descriptor) -> Result<(), ImageError> {
        descend(root, &mut HashSet::new(), &mut |blob| {
            let content = files.blob(blob, "blob", if graph::is_document(blob) { DOCUMENT_LIMIT } else { LAYER_LIMIT })?;
            self.put(&content)?;
            Ok(Some(content))
        })
    }

    /// Begins a blob of which digest and size are known, and of which the content arrives in pieces, perhaps in several attempts.
    ///
    /// # Errors
    /// When it cannot be written, or the digest is none.
    pub fn begin(&self, digest: &str, size: u64) -> Result<Incoming, ImageError> {
        let refused = || ImageError::Blob { digest: digest.to_owned(), what: "blob", reason: "its digest is not SHA-256".to_owned() };
        let place = blob_path(&self.folder, digest).ok_or_else(refused)?;
        Incoming::new(digest, size, self.part(digest), place)
    }

    /// Makes blobs and roots part of the store. A root takes its name from the one that had it, which stays without
    /// one if it is an image.
    ///
    /// # Errors
    /// When a blob that a root leads to is neither here nor in the store, or the store cannot be written; nothing has changed then that
    /// anyone could see.
    pub fn commit(self, roots: Vec<Descriptor>) -> Result<(), ImageError> {
        let mut locked = Locked::open(&self.store.folder)?;
        let mut followed = HashSet::new();
        roots.iter().try_for_each(|root| self.check(root, &mut followed))?;
        self.publish()?;
        locked.put(roots);
        locked.write()
    }

    /// Whether all blobs are there that a root leads to. Documents that are `followed` already, by type and digest, are not read again.
    fn check(&self, root: &Descriptor, followed: &mut HashSet<(String, String)>) -> Result<(), ImageError> {
        let (here, there) = (Files::Folder(self.folder.clone()), self.store.files());
        descend(root, &mut HashSet::new(), &mut |blob| {
            let digest = blob.digest().to_string();
            let refused = |reason: &str| ImageError::Blob { digest: digest.clone(), what: "blob", reason: reason.to_owned() };
            let size = |folder: &Path| fs::metadata(blob_path(folder, &digest)?).ok().map(|found| found.len());
            let (files, size) = match size(&self.folder) {
                Some(size) => (&here, size),
                None => (&there, size(&self.store.folder).ok_or_else(|| refused("it is neither new nor in the store"))?),
            };
            if size != blob.size() {
                return Err(refused(&format!("it has {size} bytes instead of {}", blob.size())));
            }
            let follow = graph::is_document(blob) && followed.insert((blob.media_type().to_string(), digest.clone()));
            follow.then(|| files.blob(blob, "manifest", DOCUMENT_LIMIT)).transpose()
        })
    }

    /// Moves the blobs into the store, for good.
    fn publish(&self) -> Result<(), ImageError> {
        let (from, to) = (self.folder.join("blobs/sha256"), self.store.folder.join("blobs/sha256"));
        let moved = || -> std::io::Result<()> {
            for entry in fs::read_dir(&from)? {
                let entry = entry?;
                fs::rename(entry.path(), to.join(entry.file_name()))?;
            }
            durable::sync_folder(&to)
        };
        moved().map_err(|source| ImageError::Io { action: "store the blobs of", path: from.clone(), source })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays behind is collected later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether the content of a file has that digest.
fn is_whole(path: &Path, digest: &str) -> bool {
    let read = || -> std::io::Result<String> {
        let (mut hash, mut file, mut buffer) = (Sha256::new(), File::open(path)?, vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
                count => hash.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    };
    read().is_ok_and(|hex| hex_of(digest) == Some(&hex))
}
