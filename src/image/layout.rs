//! Reads an OCI image layout: index, manifest of this machine's architecture, blobs. Trusts nothing but the layout's own
//! `index.json`: every blob is bounded, and its size and digest are checked against the descriptor that led to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

use super::error::ImageError;
use super::pack::{BTFGEN_TYPE, CONFIG_TYPE, EBPF_TYPE, REF_NAME, WASM_TYPE, digest_of};

/// Bytes an index or manifest may have.
const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Bytes `gadget.yaml` may have.
const METADATA_LIMIT: u64 = 1 << 20;
/// Bytes a module or an archive of kernel types may have.
const LAYER_LIMIT: u64 = 64 << 20;
/// Bytes an object may have; upstream's have 50 to 900 KiB.
pub(super) const OBJECT_LIMIT: u64 = 8 << 20;

/// Where the files of a layout come from.
#[derive(Debug, Clone)]
pub enum Files<'a> {
    /// In memory: path relative to the layout's root, content.
    Memory(&'a [(&'a str, &'a [u8])]),
    /// A folder.
    Folder(PathBuf),
}

/// An image taken out of a layout, verified.
#[derive(Debug)]
pub struct Parts {
    /// Digest of the index.
    pub digest: String,
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

impl Files<'_> {
    /// Takes the image of that normalised reference for `architecture` (Go's spelling) out of the layout.
    pub fn image(&self, reference: &str, architecture: &str) -> Result<Parts, ImageError> {
        let root = self.root(reference)?;
        let index = self.index(&root)?;
        let manifest = self.manifest(&index, reference, architecture)?;
        let mut parts = Parts {
            digest: root.digest().to_string(),
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

    /// The descriptor that bears the reference's name.
    fn root(&self, reference: &str) -> Result<Descriptor, ImageError> {
        let bytes = self.read("index.json", DOCUMENT_LIMIT)?;
        let index = ImageIndex::from_reader(&bytes[..]).map_err(|source| document("index.json", source))?;
        let named =
            |entry: &&Descriptor| entry.annotations().as_ref().and_then(|all| all.get(REF_NAME)).is_some_and(|name| name == reference);
        let not_found = || ImageError::NotFound { reference: reference.to_owned(), suggestion: None };
        let root = index.manifests().iter().find(named).ok_or_else(not_found)?;
        match root.media_type() {
            MediaType::ImageIndex => Ok(root.clone()),
            other => Err(ImageError::NotAnIndex { reference: reference.to_owned(), media_type: other.to_string() }),
        }
    }

    fn index(&self, root: &Descriptor) -> Result<ImageIndex, ImageError> {
        let bytes = self.blob(root, "index", DOCUMENT_LIMIT)?;
        ImageIndex::from_reader(&bytes[..]).map_err(|source| document(&format!("index {}", root.digest()), source))
    }

    /// The first manifest for the architecture; entries without a platform match nothing.
    fn manifest(&self, index: &ImageIndex, reference: &str, architecture: &str) -> Result<ImageManifest, ImageError> {
        let made_for = |entry: &Descriptor| entry.platform().as_ref().map(|platform| platform.architecture().to_string());
        let chosen = index.manifests().iter().find(|entry| made_for(entry).as_deref() == Some(architecture));
        let Some(chosen) = chosen else {
            let available: Vec<_> = index.manifests().iter().filter_map(made_for).collect();
            let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
            return Err(ImageError::NoManifest { reference: reference.to_owned(), architecture: architecture.to_owned(), available });
        };
        let bytes = self.blob(chosen, "manifest", DOCUMENT_LIMIT)?;
        ImageManifest::from_reader(&bytes[..]).map_err(|source| document(&format!("manifest {}", chosen.digest()), source))
    }

    /// The config blob. An image without metadata has another type of config and gives empty metadata.
    fn metadata(&self, config: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let bytes = self.blob(config, "metadata", METADATA_LIMIT)?;
        Ok(if config.media_type().as_ref() == CONFIG_TYPE { bytes } else { Vec::new() })
    }

    /// A blob that is what its descriptor says and no larger than `limit` bytes.
    fn blob(&self, descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let digest = descriptor.digest().to_string();
        let refused = |reason: String| ImageError::Blob { digest: digest.clone(), what, reason };
        // The digest becomes part of a path: only the one form that cannot lead elsewhere is taken.
        let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let hex = hex.ok_or_else(|| refused("its digest is not SHA-256".to_owned()))?;
        if descriptor.size() > limit {
            return Err(refused(format!("{} bytes are more than the {limit} allowed", descriptor.size())));
        }
        let bytes = self.read(&format!("blobs/sha256/{hex}"), limit)?;
        if bytes.len() as u64 != descriptor.size() {
            return Err(refused(format!("it has {} bytes instead of {}", bytes.len(), descriptor.size())));
        }
        let found = digest_of(&bytes);
        if found != digest {
            return Err(refused(format!("its content has the digest {found}")));
        }
        Ok(bytes.into_owned())
    }

    /// A file of the layout, of which no more than `limit` bytes are read.
    fn read(&self, path: &str, limit: u64) -> Result<Cow<'_, [u8]>, ImageError> {
        let failed = |path: PathBuf, source| ImageError::Io { action: "read", path, source };
        match self {
            Self::Memory(files) => files
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, bytes)| Cow::Borrowed(*bytes))
                .ok_or_else(|| failed(PathBuf::from(path), std::io::ErrorKind::NotFound.into())),
            Self::Folder(folder) => {
                let place = folder.join(path);
                let mut bytes = Vec::new();
                let file = std::fs::File::open(&place).map_err(|source| failed(place.clone(), source))?;
                // One byte more than allowed tells "too large" from "just fits".
                file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| failed(place.clone(), source))?;
                if bytes.len() as u64 > limit {
                    return Err(failed(place, std::io::ErrorKind::FileTooLarge.into()));
                }
                Ok(Cow::Owned(bytes))
            }
        }
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
