//! Blobs of a layout, read piece by piece and checked on the way.

use std::io::Read;

use oci_spec::image::Descriptor;
use sha2::{Digest, Sha256};

use super::Files;
use crate::image::error::ImageError;

/// A blob being read. What has been read is only worth something once [`Blob::read`] has given nothing more.
pub struct Blob<'a> {
    content: Box<dyn Read + 'a>,
    digest: String,
    what: &'static str,
    size: u64,
    received: u64,
    hash: Sha256,
    failed: Box<dyn Fn(std::io::Error) -> ImageError + 'a>,
}

impl Files<'_> {
    /// Begins to read a blob that has no more than `limit` bytes.
    ///
    /// # Errors
    /// When its descriptor cannot be true, or it is not there.
    pub fn stream(&self, descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<Blob<'_>, ImageError> {
        let path = path_of(descriptor, what, limit)?;
        let place = self.place(&path);
        let failed = Box::new(move |source| ImageError::Io { action: "read", path: place.clone(), source });
        let content = self.open(&path).map_err(&failed)?;
        let (digest, size) = (descriptor.digest().to_string(), descriptor.size());
        Ok(Blob { content, digest, what, size, received: 0, hash: Sha256::new(), failed })
    }
}

impl Blob<'_> {
    /// The next bytes; none at the end, where size and digest have turned out to be what the descriptor says.
    ///
    /// # Errors
    /// When it cannot be read or is not what its descriptor says.
    pub fn read<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], ImageError> {
        let got = loop {
            match self.content.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.map_err(&self.failed)?,
            }
        };
        let piece = buffer.get(..got).unwrap_or_default();
        self.received = self.received.saturating_add(got as u64);
        if self.received > self.size || (piece.is_empty() && self.received < self.size) {
            let more = if self.received > self.size { "more than " } else { "" };
            return Err(self.refused(format!("it has {more}{} bytes instead of {}", self.received.min(self.size), self.size)));
        }
        self.hash.update(piece);
        if piece.is_empty() {
            let found: String = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if self.digest != format!("sha256:{found}") {
                return Err(self.refused(format!("its content has the digest sha256:{found}")));
            }
        }
        Ok(piece)
    }

    fn refused(&self, reason: String) -> ImageError {
        ImageError::Blob { digest: self.digest.clone(), what: self.what, reason }
    }
}

/// Where a blob is in its layout. The digest becomes part of a path: only the one form that cannot lead elsewhere is taken.
pub(super) fn path_of(descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<String, ImageError> {
    let digest = descriptor.digest().to_string();
    let refused = |reason: String| ImageError::Blob { digest: digest.clone(), what, reason };
    let is_hex = |hex: &&str| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let hex = digest.strip_prefix("sha256:").filter(is_hex).ok_or_else(|| refused("its digest is not SHA-256".to_owned()))?;
    if descriptor.size() > limit {
        return Err(refused(format!("{} bytes are more than the {limit} allowed", descriptor.size())));
    }
    Ok(format!("blobs/sha256/{hex}"))
}
