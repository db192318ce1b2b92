//! Signatures as they lie in a layout or store: found, bounded, told apart.

mod find;

use oci_spec::image::{Descriptor, ImageManifest};

pub use find::artifacts;

use crate::image::reference::Reference;

/// A layer that cosign signs, with the signature in an annotation.
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A sigstore bundle, of whatever version.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The version that is written.
pub(super) const BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A signature by cosign that refers to its image.
const COSIGN_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// A signature by notation.
const NOTATION_ARTIFACT: &str = "application/vnd.cncf.notary.signature";
/// Layers of one manifest that are looked at.
pub(super) const LAYER_COUNT: usize = 16;
/// Bytes one of them may have.
pub(super) const LAYER_SIZE: u64 = 1 << 20;

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

impl Subject {
    /// The image of that name whose root that is.
    pub fn of(name: &Reference, root: &Descriptor) -> Self {
        Subject {
            reference: name.to_string(),
            repository: format!("{}/{}", name.domain, name.repository),
            digest: root.digest().to_string(),
            size: root.size(),
            media_type: root.media_type().to_string(),
        }
    }
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

impl Kind {
    /// What a manifest says of itself: by its `artifactType`, else by the type of its config, else by those of its layers. Some registries and
    /// clients lose the first.
    fn of(manifest: &ImageManifest) -> Option<Self> {
        let types = manifest.artifact_type().iter().chain([manifest.config().media_type()]);
        types.chain(manifest.layers().iter().map(Descriptor::media_type)).find_map(|media_type| match media_type.as_ref() {
            COSIGN_ARTIFACT | SIMPLE_SIGNING => Some(Self::CosignReferrer),
            NOTATION_ARTIFACT => Some(Self::Notation),
            other if other.starts_with(BUNDLE) => Some(Self::Bundle),
            _ => None,
        })
    }
}

/// One manifest with signatures.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Its form.
    pub kind: Kind,
    /// Its own digest.
    pub digest: String,
    /// The manifest, without the layers that could not be read.
    pub manifest: ImageManifest,
    /// Content of each of its layers, checked against its descriptor.
    pub layers: Vec<Vec<u8>>,
}

/// The signatures of an image, as far as they could be found.
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    /// Those that could be read.
    pub artifacts: Vec<Artifact>,
    /// What is wrong with the others, for people.
    pub broken: Vec<String>,
}

impl Signatures {
    /// Whether there is none, not even a broken one.
    pub fn is_empty(&self) -> bool {
        self.artifacts.is_empty() && self.broken.is_empty()
    }

    /// Adds those of another store.
    pub fn extend(&mut self, other: Signatures) {
        self.artifacts.extend(other.artifacts);
        self.broken.extend(other.broken);
    }
}

impl From<Vec<Artifact>> for Signatures {
    fn from(artifacts: Vec<Artifact>) -> Self {
        Signatures { artifacts, broken: Vec::new() }
    }
}

/// The tag under which cosign 1 and 2 keep the signatures of an image.
pub(super) fn legacy_tag(digest: &str) -> String {
    format!("{}.sig", digest.replacen(':', "-", 1))
}
