//! Blobs on their way into a store. They become part of it together, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::image::Descriptor;
use sha2::{Digest, Sha256};

use super::{Store, put};
use crate::image::error::ImageError;
use crate::image::pack::digest_of;

/// Tells apart what one process stages at a time.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Blobs that are collected for new roots.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    folder: PathBuf,
}

impl Staging {
    pub(super) fn new(store: Store) -> Result<Self, ImageError> {
        let folder = store.folder.join(format!("ingest/{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).map_err(|source| ImageError::Io { action: "create", path: folder.clone(), source })?;
        Ok(Staging { store, folder })
    }

    /// Whether the blob is there already, here or in the store; it will not go away while this lives.
    pub fn has(&self, digest: &str) -> bool {
        self.place(digest).exists() || self.store.folder.join("blobs").join(digest.replacen(':', "/", 1)).exists()
    }

    /// Adds a whole blob; gives its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<String, ImageError> {
        let digest = digest_of(bytes);
        let mut incoming = self.begin(&digest, bytes.len() as u64)?;
        incoming.write(bytes)?;
        incoming.finish()?;
        Ok(digest)
    }

    /// Begins a blob of which digest and size are known, and of which the content arrives in pieces, perhaps in several attempts.
    ///
    /// # Errors
    /// When it cannot be written, or the digest is none.
    pub fn begin(&self, digest: &str, size: u64) -> Result<Incoming, ImageError> {
        if digest.strip_prefix("sha256:").is_none_or(|hex| hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(ImageError::Blob { digest: digest.to_owned(), what: "blob", reason: "its digest is not SHA-256".to_owned() });
        }
        let place = self.place(digest);
        let part = place.with_extension("part");
        let file = File::create(&part).map_err(|source| ImageError::Io { action: "create", path: part.clone(), source })?;
        Ok(Incoming { digest: digest.to_owned(), size, received: 0, hash: Sha256::new(), file, part, place })
    }

    /// Makes blobs and roots part of the store. A root takes its name from the one that had it.
    ///
    /// # Errors
    /// When the store cannot be written; nothing has changed then that anyone could see.
    pub fn commit(self, roots: Vec<Descriptor>) -> Result<(), ImageError> {
        self.store.change(|all| {
            let failed = |source| ImageError::Io { action: "store the blobs of", path: self.folder.clone(), source };
            for entry in fs::read_dir(&self.folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let Some(name) = path.file_name().filter(|_| path.extension().is_none()) else { continue };
                fs::rename(&path, self.store.folder.join("blobs/sha256").join(name)).map_err(failed)?;
            }
            roots.into_iter().for_each(|root| put(all, root));
            Ok(())
        })
    }

    fn place(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.trim_start_matches("sha256:"))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays behind is collected by the next prune.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One blob that arrives.
#[derive(Debug)]
pub struct Incoming {
    digest: String,
    size: u64,
    received: u64,
    hash: Sha256,
    file: File,
    part: PathBuf,
    place: PathBuf,
}

impl Incoming {
    /// Bytes so far: where a further attempt goes on.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// When there are more than announced, or they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.received += bytes.len() as u64;
        if self.received > self.size {
            return Err(self.refused(format!("more than the {} bytes announced arrive", self.size)));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|source| ImageError::Io { action: "write", path: self.part.clone(), source })
    }

    /// Forgets what has arrived: the next attempt begins at the start.
    ///
    /// # Errors
    /// When the file cannot be emptied.
    pub fn restart(&mut self) -> Result<(), ImageError> {
        let failed = |source| ImageError::Io { action: "empty", path: self.part.clone(), source };
        self.file = File::create(&self.part).map_err(failed)?;
        (self.received, self.hash) = (0, Sha256::new());
        Ok(())
    }

    /// Checks size and digest.
    ///
    /// # Errors
    /// When either is not what was announced.
    pub fn finish(self) -> Result<(), ImageError> {
        if self.received != self.size {
            return Err(self.refused(format!("{} bytes arrived instead of {}", self.received, self.size)));
        }
        let found: String = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if self.digest != format!("sha256:{found}") {
            return Err(self.refused(format!("its content has the digest sha256:{found}")));
        }
        fs::rename(&self.part, &self.place).map_err(|source| ImageError::Io { action: "store", path: self.place.clone(), source })
    }

    fn refused(&self, reason: String) -> ImageError {
        ImageError::Blob { digest: self.digest.clone(), what: "blob", reason }
    }
}
