//! What the root of an image consists of, and whether it is a gadget, a signature, or something else.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

use super::import::bare;
use crate::image::error::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, Files, LAYER_LIMIT, METADATA_LIMIT, OBJECT_LIMIT};
use crate::image::pack::{ARTIFACT_TYPE, BTFGEN_TYPE, CONFIG_TYPE, EBPF_TYPE, WASM_TYPE};

/// Manifests an index may list, and layers a manifest.
const MAX_CHILDREN: usize = 256;
/// Creation time of an image.
const CREATED: &str = "org.opencontainers.image.created";
/// A layer that cosign signs.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Artifact types of signatures, or what they begin with (`gadget-abi.md` section 1.10).
const SIGNATURES: [&str; 3] =
    ["application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.cncf.notary.signature", "application/vnd.dev.sigstore.bundle"];

/// A blob that belongs to a root.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub descriptor: Descriptor,
    /// What it is, for messages.
    pub what: &'static str,
    /// Bytes it may have.
    pub limit: u64,
}

/// What a root is.
#[derive(Debug)]
pub(super) enum Kind {
    /// An index of gadgets.
    Gadget,
    /// A manifest that signs something; what that is when it says so itself.
    Signature { subject: Option<String> },
    /// An index of such manifests, with what each signs.
    Referrers(Vec<(Descriptor, String)>),
    /// None of these, in words.
    Other(String),
}

/// A root and what it leads to.
#[derive(Debug)]
pub(super) struct Tree {
    pub kind: Kind,
    /// All its blobs, the root first.
    pub pieces: Vec<Piece>,
    /// The digests that signatures of it may be about: its own, and those of its manifests.
    pub digests: Vec<String>,
    /// Creation time, RFC 3339.
    pub created: Option<String>,
}

/// By what a document is known: its type, digest and size.
pub(super) type Key = (String, String, u64);

/// That of the document with this descriptor.
pub(super) fn key(document: &Descriptor) -> Key {
    (document.media_type().to_string(), document.digest().to_string(), document.size())
}

/// A manifest and what it leads to.
#[derive(Debug)]
struct Leaf {
    pieces: Vec<Piece>,
    is_gadget: bool,
    signs: bool,
    subject: Option<String>,
}

/// What is known of documents: none is read twice, however many others list it.
#[derive(Debug, Default)]
pub(super) struct Trees {
    trees: HashMap<Key, Rc<Tree>>,
    leaves: HashMap<Key, Rc<Leaf>>,
    pieces: usize,
}

/// Follows a root to all its blobs. Documents are read and checked, the others not.
pub(super) fn of(files: &Files<'_>, root: &Descriptor) -> Result<Tree, ImageError> {
    Trees::default().follow(files, root)
}

impl Trees {
    /// What [`of`] says about a root, from memory if it was asked before.
    pub(super) fn of(&mut self, files: &Files<'_>, root: &Descriptor) -> Result<Rc<Tree>, ImageError> {
        let key = key(root);
        if let Some(tree) = self.trees.get(&key) {
            return Ok(Rc::clone(tree));
        }
        let tree = Rc::new(self.follow(files, root)?);
        self.pieces += tree.pieces.len();
        self.trees.insert(key, Rc::clone(&tree));
        Ok(tree)
    }

    /// How many blobs all trees have; what several of them have counts several times.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    fn follow(&mut self, files: &Files<'_>, root: &Descriptor) -> Result<Tree, ImageError> {
        let digests = vec![root.digest().to_string()];
        let mut tree = Tree { kind: Kind::Other(String::new()), pieces: Vec::new(), digests, created: None };
        tree.kind = match root.media_type() {
            MediaType::ImageIndex => {
                let index = files.index(root)?;
                tree.pieces.push(piece(root, "index", DOCUMENT_LIMIT));
                tree.created = index.annotations().as_ref().and_then(|all| all.get(CREATED).cloned());
                self.index(files, &index, &mut tree)?
            }
            MediaType::ImageManifest => {
                let leaf = self.leaf(files, root)?;
                tree.pieces.extend_from_slice(&leaf.pieces);
                match leaf.signs {
                    true => Kind::Signature { subject: leaf.subject.clone() },
                    false if leaf.is_gadget => Kind::Other("a single manifest of a gadget and not the index of all of them".to_owned()),
                    false => Kind::Other("an image that is no gadget".to_owned()),
                }
            }
            other => Kind::Other(format!("something of the type {:?}", other.as_ref().chars().take(100).collect::<String>())),
        };
        Ok(tree)
    }

    fn index(&mut self, files: &Files<'_>, index: &ImageIndex, tree: &mut Tree) -> Result<Kind, ImageError> {
        few(tree.digests.first(), "index", index.manifests().len())?;
        let (mut seen, mut gadgets, mut referrers) = (HashSet::new(), 0, Vec::new());
        for entry in index.manifests() {
            if *entry.media_type() != MediaType::ImageManifest {
                return Ok(Kind::Other("an index of other things than gadgets".to_owned()));
            }
            if !seen.insert(key(entry)) {
                continue;
            }
            let leaf = self.leaf(files, entry)?;
            tree.pieces.extend_from_slice(&leaf.pieces);
            tree.digests.push(entry.digest().to_string());
            gadgets += usize::from(leaf.is_gadget);
            referrers.extend(leaf.subject.clone().filter(|_| leaf.signs).map(|subject| (bare(entry), subject)));
        }
        Ok(match seen.len() {
            0 => Kind::Other("an index without manifests".to_owned()),
            all if all == gadgets => Kind::Gadget,
            all if all == referrers.len() => Kind::Referrers(referrers),
            _ => Kind::Other("an index of images that are no gadgets".to_owned()),
        })
    }

    fn leaf(&mut self, files: &Files<'_>, descriptor: &Descriptor) -> Result<Rc<Leaf>, ImageError> {
        let key = key(descriptor);
        if let Some(leaf) = self.leaves.get(&key) {
            return Ok(Rc::clone(leaf));
        }
        let manifest = files.manifest_of(descriptor)?;
        few(Some(&key.1), "manifest", manifest.layers().len())?;
        let signs = signs(&manifest);
        let mut pieces = vec![piece(descriptor, "manifest", DOCUMENT_LIMIT), piece(manifest.config(), "metadata", METADATA_LIMIT)];
        pieces.extend(manifest.layers().iter().map(|layer| match layer.media_type().as_ref() {
            _ if signs => piece(layer, "signature", DOCUMENT_LIMIT),
            EBPF_TYPE => piece(layer, "eBPF layer", OBJECT_LIMIT),
            WASM_TYPE => piece(layer, "WASM layer", LAYER_LIMIT),
            BTFGEN_TYPE => piece(layer, "layer of kernel types", LAYER_LIMIT),
            _ => piece(layer, "layer", LAYER_LIMIT),
        }));
        let leaf = Rc::new(Leaf { pieces, is_gadget: is_gadget(&manifest), signs, subject: subject(&manifest) });
        self.leaves.insert(key, Rc::clone(&leaf));
        Ok(leaf)
    }
}

fn few(digest: Option<&String>, what: &'static str, children: usize) -> Result<(), ImageError> {
    if children <= MAX_CHILDREN {
        return Ok(());
    }
    let reason = format!("it lists {children} blobs, more than {MAX_CHILDREN}");
    Err(ImageError::Blob { digest: digest.cloned().unwrap_or_default(), what, reason })
}

fn piece(descriptor: &Descriptor, what: &'static str, limit: u64) -> Piece {
    Piece { descriptor: bare(descriptor), what, limit }
}

/// The artifact type, which older tools give to the config instead.
pub(super) fn artifact_type(manifest: &ImageManifest) -> &MediaType {
    manifest.artifact_type().as_ref().unwrap_or(manifest.config().media_type())
}

fn is_gadget(manifest: &ImageManifest) -> bool {
    let layer = |layer: &Descriptor| matches!(layer.media_type().as_ref(), EBPF_TYPE | WASM_TYPE | BTFGEN_TYPE);
    artifact_type(manifest).as_ref() == ARTIFACT_TYPE
        || manifest.config().media_type().as_ref() == CONFIG_TYPE
        || manifest.layers().iter().any(layer)
}

fn signs(manifest: &ImageManifest) -> bool {
    let made_for = artifact_type(manifest).as_ref();
    let mut layers = manifest.layers().iter();
    SIGNATURES.iter().any(|known| made_for.starts_with(known))
        || (!manifest.layers().is_empty() && layers.all(|layer| layer.media_type().as_ref() == SIMPLE_SIGNING))
}

fn subject(manifest: &ImageManifest) -> Option<String> {
    manifest.subject().as_ref().map(|subject| subject.digest().to_string())
}
