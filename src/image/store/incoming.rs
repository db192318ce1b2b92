//! One blob that arrives, perhaps in several attempts. It counts once all of it is there and is what was announced.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::image::error::ImageError;

/// A blob that arrives.
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
    /// A blob that grows at `part` and comes to lie at `place`.
    pub(super) fn new(digest: &str, size: u64, part: PathBuf, place: PathBuf) -> Result<Self, ImageError> {
        let file = File::create(&part).map_err(|source| ImageError::Io { action: "create", path: part.clone(), source })?;
        Ok(Incoming { digest: digest.to_owned(), size, received: 0, hash: Sha256::new(), file, part, place })
    }

    /// Bytes so far: where a further attempt goes on.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// When there are more than announced, or they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let received = self.received.saturating_add(bytes.len() as u64);
        if received > self.size {
            return Err(self.refused(format!("more than the {} bytes announced arrive", self.size)));
        }
        self.file.write_all(bytes).map_err(|source| ImageError::Io { action: "write", path: self.part.clone(), source })?;
        self.hash.update(bytes);
        self.received = received;
        Ok(())
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

    /// Checks size and digest, and makes the bytes last.
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
        let stored = self.file.sync_all().and_then(|()| fs::rename(&self.part, &self.place));
        stored.map_err(|source| ImageError::Io { action: "store", path: self.place.clone(), source })
    }

    fn refused(&self, reason: String) -> ImageError {
        ImageError::Blob { digest: self.digest.clone(), what: "blob", reason }
    }
}
