//! Gadget images: names, OCI layouts, the compiler and packer that make them, and those built into the program.
//!
//! An embedded image takes the same road as any other from the layout down: its digests are verified each time it is opened.

use std::collections::BTreeMap;

pub mod compile;
mod embedded;
pub mod error;
pub mod layout;
mod local;
pub mod pack;
pub mod reference;
#[cfg(test)]
mod tests;

pub use error::ImageError;
pub use reference::Reference;

/// A gadget image of this machine's architecture, verified.
#[derive(Debug, Clone, Default)]
pub struct GadgetImage {
    /// The normalised reference, with tag or digest.
    pub reference: String,
    /// `sha256:...` of the index, which is what a registry would publish.
    pub digest: String,
    /// What the image says of itself, else its tag, else its digest.
    pub version: String,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// `gadget.yaml`; empty for an image without.
    pub metadata: Vec<u8>,
    /// The BPF object, an ELF file.
    pub ebpf: Option<Vec<u8>>,
    /// The WASM module.
    pub wasm: Option<Vec<u8>>,
    /// Types of kernels that have none of their own: a gzip-compressed tar (`gadget-abi.md` section 7.4).
    pub btfgen: Option<Vec<u8>>,
}

/// Opens the image of that name. Only embedded images can be had so far: names of the default repository, without a tag, with
/// `latest` or the version of this program, or with their very digest.
pub fn open(reference: &str) -> Result<GadgetImage, ImageError> {
    if local::is_path(reference) {
        return local::open(reference);
    }
    let wanted = Reference::parse(reference)?;
    let name = wanted.gadget_name().unwrap_or(&wanted.repository);
    let not_found = || ImageError::NotFound { reference: wanted.to_string(), suggestion: embedded::similar(name) };
    let files = wanted.gadget_name().and_then(embedded::layout).ok_or_else(not_found)?;
    let stored = Reference { tag: Some("latest".to_owned()), digest: None, ..wanted.clone() };
    let architecture = compile::go_architecture(std::env::consts::ARCH);
    let parts = files.image(&stored.to_string(), architecture)?;
    let version = parts.annotations.get(pack::VERSION).cloned().or_else(|| wanted.tag.clone()).unwrap_or_else(|| parts.digest.clone());
    let same_tag = wanted.tag.as_deref().is_none_or(|tag| tag == "latest" || tag.strip_prefix('v').unwrap_or(tag) == version);
    if !same_tag || wanted.digest.as_ref().is_some_and(|digest| *digest != parts.digest) {
        return Err(not_found());
    }
    Ok(GadgetImage {
        reference: wanted.to_string(),
        digest: parts.digest,
        version,
        annotations: parts.annotations,
        metadata: parts.metadata,
        ebpf: parts.ebpf,
        wasm: parts.wasm,
        btfgen: parts.btfgen,
    })
}

/// The names of the images built into this program, in order.
pub fn embedded_names() -> Vec<&'static str> {
    embedded::names()
}
