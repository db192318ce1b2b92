//! Reads an OCI image layout: index, manifest of this machine's architecture, blobs. Trusts nothing but the layout's own
//! `index.json`: every blob is bounded, and its size and digest are checked against the descriptor that led to it.

mod blob;
mod files;
mod strict;

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

use super::GadgetImage;
use super::archive::Archive;
use super::error::ImageError;
use super::pack::{BTFGEN_TYPE, CONFIG_TYPE, EBPF_TYPE, REF_NAME, VERSION, WASM_TYPE, digest_of};
pub use blob::Blob;
pub(super) use files::{read_file, read_inside};

/// Bytes an index or manifest may have.
pub const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Bytes `index.json` may have: a store lists all its images there, ten thousand of them in 4 to 5 MB.
pub const INDEX_LIMIT: u64 = 64 << 20;
/// Bytes `gadget.yaml` may have.
pub const METADATA_LIMIT: u64 = 1 << 20;
/// Bytes a module or an archive of kernel types may have.
pub const LAYER_LIMIT: u64 = 64 << 20;
/// Bytes an object may have; upstream's have 50 to 900 KiB.
pub const OBJECT_LIMIT: u64 = 8 << 20;

/// Where the files of a layout come from.
#[derive(Debug)]
pub enum Files<'a> {
    /// In memory: path relative to the layout's root, content.
    Memory(&'a [(&'a str, &'a [u8])]),
    /// A folder.
    Folder(PathBuf),
    /// A tar archive.
    Archive(Archive),
}

/// An image taken out of a layout, verified.
#[derive(Debug)]
pub struct Parts {
    /// Digest of the index.
    pub digest: String,
    /// The manifest chosen, byte for byte.
    pub manifest: Vec<u8>,
    /// Annotations of the manifest chosen.
    pub annotations: BTreeMap<String, String>,
    /// `gadget.yaml`.
    pub metadata: Vec<u8>,
    /// The BPF object.
    pub ebpf: Option<Vec<u8>>,
    /// The WASM module.
    pub wasm: Option<Vec<u8>>,
    /// Types of kernels that have none of their own.
    pub btfgen: Option<Vec<u8>>,
}

impl Parts {
    /// The image they make. Its version is what it says of itself, else `tag`, else its digest.
    pub(super) fn into_image(self, reference: String, tag: Option<String>) -> GadgetImage {
        let version = self.annotations.get(VERSION).cloned().or(tag).unwrap_or_else(|| self.digest.clone());
        let Parts { digest, manifest, annotations, metadata, ebpf, wasm, btfgen } = self;
        GadgetImage { reference, digest, version, manifest, annotations, metadata, ebpf, wasm, btfgen }
    }
}

/// The name of an image in a layout's `index.json`.
pub fn name_of(root: &Descriptor) -> Option<&str> {
    root.annotations().as_ref()?.get(REF_NAME).map(String::as_str)
}

impl Files<'_> {
    /// Takes the image of that normalised reference for `architecture` (Go's spelling) out of the layout.
    pub fn image(&self, reference: &str, architecture: &str) -> Result<Parts, ImageError> {
        let (all, absent) = (self.documents()?, || ImageError::Absent { reference: reference.to_owned() });
        let root = all.iter().find(|entry| name_of(entry) == Some(reference)).ok_or_else(absent)?;
        self.parts(root, reference, architecture)
    }

    /// Takes the image whose root that is out of the layout; `reference` is its name in messages.
    pub fn parts(&self, root: &Descriptor, reference: &str, architecture: &str) -> Result<Parts, ImageError> {
        if *root.media_type() != MediaType::ImageIndex {
            return Err(ImageError::NotAnIndex { reference: reference.to_owned(), media_type: root.media_type().to_string() });
        }
        let index = self.index(root)?;
        let (bytes, manifest) = self.manifest(&index, reference, architecture)?;
        let mut parts = Parts {
            digest: root.digest().to_string(),
            manifest: bytes,
            annotations: manifest.annotations().clone().unwrap_or_default().into_iter().collect(),
            metadata: self.metadata(manifest.config())?,
            ebpf: None,
            wasm: None,
            btfgen: None,
        };
        for layer in manifest.layers() {
            match layer.media_type().as_ref() {
                EBPF_TYPE => set_once(&mut parts.ebpf, self.blob(layer, "eBPF layer", OBJECT_LIMIT)?, layer)?,
                WASM_TYPE => set_once(&mut parts.wasm, self.blob(layer, "WASM layer", LAYER_LIMIT)?, layer)?,
                BTFGEN_TYPE => set_once(&mut parts.btfgen, self.blob(layer, "layer of kernel types", LAYER_LIMIT)?, layer)?,
                unknown => tracing::warn!(reference, media_type = unknown, "image layer of an unknown type is left out"),
            }
        }
        Ok(parts)
    }

    /// What `index.json` lists: images, and whatever else was put beside them.
    pub fn documents(&self) -> Result<Vec<Descriptor>, ImageError> {
        let index: ImageIndex = parsed("index.json", &self.read("index.json", DOCUMENT_LIMIT)?)?;
        Ok(index.manifests().clone())
    }

    /// The same for a layout of our own, whose `index.json` may be as large as that and is not looked at for tricks.
    pub fn documents_within(&self, limit: u64) -> Result<Vec<Descriptor>, ImageError> {
        let bytes = self.read("index.json", limit)?;
        let index = ImageIndex::from_reader(&bytes[..]).map_err(|source| document("index.json", source))?;
        Ok(index.manifests().clone())
    }

    /// The roots of the layout's images, which are indexes. Signatures and single manifests are no images.
    pub fn roots(&self) -> Result<Vec<Descriptor>, ImageError> {
        Ok(self.documents()?.into_iter().filter(|entry| *entry.media_type() == MediaType::ImageIndex).collect())
    }

    /// The index whose descriptor that is.
    pub fn index(&self, root: &Descriptor) -> Result<ImageIndex, ImageError> {
        parsed(&format!("index {}", root.digest()), &self.blob(root, "index", DOCUMENT_LIMIT)?)
    }

    /// The manifest whose descriptor that is.
    pub fn manifest_of(&self, descriptor: &Descriptor) -> Result<ImageManifest, ImageError> {
        parsed(&format!("manifest {}", descriptor.digest()), &self.blob(descriptor, "manifest", DOCUMENT_LIMIT)?)
    }

    /// The first manifest for the architecture, as bytes and read; entries without a platform match nothing.
    fn manifest(&self, index: &ImageIndex, reference: &str, architecture: &str) -> Result<(Vec<u8>, ImageManifest), ImageError> {
        let made_for = |entry: &Descriptor| entry.platform().as_ref().map(|platform| platform.architecture().to_string());
        let chosen = index.manifests().iter().find(|entry| made_for(entry).as_deref() == Some(architecture));
        let Some(chosen) = chosen else {
            let available: Vec<_> = index.manifests().iter().filter_map(made_for).collect();
            let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
            return Err(ImageError::NoManifest { reference: reference.to_owned(), architecture: architecture.to_owned(), available });
        };
        let bytes = self.blob(chosen, "manifest", DOCUMENT_LIMIT)?;
        let manifest = parsed(&format!("manifest {}", chosen.digest()), &bytes)?;
        Ok((bytes, manifest))
    }

    /// The config blob. An image without metadata has another type of config and gives empty metadata.
    fn metadata(&self, config: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let bytes = self.blob(config, "metadata", METADATA_LIMIT)?;
        Ok(if config.media_type().as_ref() == CONFIG_TYPE { bytes } else { Vec::new() })
    }

    /// A blob that is what its descriptor says and no larger than `limit` bytes.
    pub fn blob(&self, descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let path = blob::path_of(descriptor, what, limit)?;
        let digest = descriptor.digest().to_string();
        let refused = |reason: String| ImageError::Blob { digest: digest.clone(), what, reason };
        let bytes = self.read(&path, limit)?;
        if bytes.len() as u64 != descriptor.size() {
            return Err(refused(format!("it has {} bytes instead of {}", bytes.len(), descriptor.size())));
        }
        let found = digest_of(&bytes);
        if found != digest {
            return Err(refused(format!("its content has the digest {found}")));
        }
        Ok(bytes)
    }
}

fn set_once(slot: &mut Option<Vec<u8>>, bytes: Vec<u8>, layer: &Descriptor) -> Result<(), ImageError> {
    match slot.replace(bytes) {
        None => Ok(()),
        Some(_) => Err(ImageError::Blob {
            digest: layer.digest().to_string(),
            what: "layer",
            reason: "a layer of its type came before".to_owned(),
        }),
    }
}

fn document(what: &str, source: oci_spec::OciSpecError) -> ImageError {
    ImageError::Document { what: what.to_owned(), source }
}

/// A document that means the same to everyone.
fn parsed<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    let read = strict::check(bytes).and_then(|()| serde_json::from_slice(bytes));
    read.map_err(|source| document(what, source.into()))
}
