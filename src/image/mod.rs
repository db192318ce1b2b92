//! Gadget images: names, OCI layouts, the compiler and packer that make them, stores, and those built into the program.
//!
//! An embedded image takes the same road as any other from the layout down: its digests are verified each time it is opened.

use std::collections::BTreeMap;

pub mod archive;
pub mod auth;
pub mod build;
pub mod compile;
mod embedded;
pub mod error;
mod images;
pub mod layout;
mod local;
pub mod pack;
pub mod reference;
pub mod registry;
pub mod store;
mod stores;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod trust;

pub use error::ImageError;
pub use images::{Images, Pull, Settings};
pub use reference::Reference;
pub use stores::{DATA_VARIABLE, Stores, data_dir};

/// Version of the embedded gadgets: they are part of the program. Their images do not say it, as no built image does by itself.
const EMBEDDED_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A gadget image of this machine's architecture, verified.
#[derive(Debug, Clone, Default)]
pub struct GadgetImage {
    /// The normalised reference, with tag or digest.
    pub reference: String,
    /// `sha256:...` of the index, which is what a registry would publish.
    pub digest: String,
    /// What the image says of itself, else its tag, else its digest.
    pub version: String,
    /// The manifest of this machine's architecture, byte for byte; empty for what was no image, such as a folder with an object.
    pub manifest: Vec<u8>,
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

/// Opens the image of that name with the stores of this process; as [`open_in`], whoever has signed it.
///
/// # Errors
/// As [`open_in`].
pub fn open(reference: &str) -> Result<GadgetImage, ImageError> {
    open_in(reference, &Stores::of_process(None))
}

/// Opens an image: a place on disk (`/...`, `./...`: an OCI image layout as folder or tar, with `:NAME` behind it if it has several images,
/// or a folder with an object and its `gadget.yaml`), an embedded gadget (names of the default repository, without a tag, with `latest`
/// or the version of this program, or with their very digest), or an image in one of the stores, by name or `sha256:...`.
/// Asks neither rules nor signatures: what is to run is opened by [`Images`], this is for tests and benchmarks.
///
/// # Errors
/// When there is no such image, or it is not what it should be.
pub fn open_in(reference: &str, stores: &Stores) -> Result<GadgetImage, ImageError> {
    let architecture = architecture();
    if local::is_path(reference) {
        return local::open(reference, architecture);
    }
    if is_digest(reference) {
        let found = stores.by_digest(reference, architecture)?;
        return found.map(|(name, parts)| parts.into_image(name, None)).ok_or_else(|| not_found(reference, reference, stores));
    }
    let wanted = Reference::parse(reference)?;
    if let Some(parts) = embedded(&wanted, architecture)? {
        return Ok(parts.into_image(wanted.to_string(), Some(EMBEDDED_VERSION.to_owned())));
    }
    let parts = stores.image(&wanted, architecture)?;
    let short = wanted.gadget_name().unwrap_or(&wanted.repository);
    let parts = parts.ok_or_else(|| not_found(&wanted.to_string(), short, stores))?;
    Ok(parts.into_image(wanted.to_string(), wanted.tag.clone()))
}

/// This machine's architecture in Go's spelling.
fn architecture() -> &'static str {
    compile::go_architecture(std::env::consts::ARCH)
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn embedded(wanted: &Reference, architecture: &str) -> Result<Option<layout::Parts>, ImageError> {
    let Some(files) = wanted.gadget_name().and_then(embedded::layout) else { return Ok(None) };
    let stored = Reference { tag: Some("latest".to_owned()), digest: None, ..wanted.clone() };
    let parts = files.image(&stored.to_string(), architecture)?;
    let same_tag = wanted.tag.as_deref().is_none_or(|tag| tag == "latest" || tag.strip_prefix('v').unwrap_or(tag) == EMBEDDED_VERSION);
    let same_digest = wanted.digest.as_ref().is_none_or(|digest| *digest == parts.digest);
    Ok((same_tag && same_digest).then_some(parts))
}

fn not_found(reference: &str, short: &str, stores: &Stores) -> ImageError {
    let looked = std::iter::once("the embedded gadgets".to_owned()).chain(stores.places()).collect();
    ImageError::NotFound { reference: reference.to_owned(), looked, suggestion: suggestion(short, stores) }
}

/// The image of this machine whose short name is most like that.
fn suggestion(short: &str, stores: &Stores) -> Option<String> {
    let stored = stores
        .names()
        .into_iter()
        .map(|name| Reference::parse(&name).ok().and_then(|r| r.gadget_name().map(str::to_owned)).unwrap_or(name));
    let names = embedded::names().into_iter().map(str::to_owned).chain(stored);
    let scored = names.map(|name| (strsim::jaro_winkler(&name, short), name)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The names of the images built into this program, in order.
pub fn embedded_names() -> Vec<&'static str> {
    embedded::names()
}

/// The layout of the image of that name that is built into this program.
pub fn embedded_layout(name: &str) -> Option<layout::Files<'static>> {
    embedded::layout(name)
}
