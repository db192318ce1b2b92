//! Takes the gadget images of a layout, and what signs them, into a store: all or nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use oci_spec::image::Descriptor;

use super::tree::{Key, Kind, Piece, Tree, Trees, key};
use super::{Naming, Progress, TransferError};
use crate::image::error::ImageError;
use crate::image::layout::{Files, name_of};
use crate::image::store::{SUBJECT, Staging, Store, set_name};

/// Blobs that what is imported may have; what two different images share counts twice.
const MAX_BLOBS: usize = 100_000;
/// Images and signatures that `index.json` may list.
const MAX_ROOTS: usize = 1000;

/// What was imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The full names of the images, in order.
    pub images: Vec<String>,
    /// How many signatures came with them.
    pub signatures: usize,
    /// What was left out and why, for people.
    pub skipped: Vec<String>,
}

/// Imports what is in `files` into `store`. Every blob is checked against its descriptor; nothing becomes visible before all are there.
///
/// # Errors
/// When the layout is not as it should be, has nothing for us or an image without a name, or the store cannot be written.
pub fn import(files: &Files<'_>, store: &Store, naming: &Naming, progress: &mut Progress<'_>) -> Result<Imported, TransferError> {
    let mut plan = Plan::of(files, naming)?;
    plan.attach(&store.roots()?)?;
    if plan.named.is_empty() && plan.referrers.is_empty() {
        return Err(TransferError::Empty { skipped: plan.skipped });
    }
    let staging = store.stage()?;
    let total = plan.blobs.values().map(|piece| piece.descriptor.size()).fold(0, u64::saturating_add);
    let mut done = 0;
    for piece in plan.blobs.values() {
        copy(files, piece, &staging, &mut |bytes| progress(done + bytes, total))?;
        done += piece.descriptor.size();
        progress(done, total);
    }
    staging.commit(plan.roots())?;
    Ok(plan.imported())
}

/// What [`import`] would take into an empty store. Only documents are read.
///
/// # Errors
/// As [`import`].
pub fn survey(files: &Files<'_>, naming: &Naming) -> Result<Imported, TransferError> {
    let mut plan = Plan::of(files, naming)?;
    plan.attach(&[])?;
    Ok(plan.imported())
}

/// What is going to be imported.
#[derive(Debug, Default)]
struct Plan {
    blobs: BTreeMap<String, Piece>,
    /// Roots with a name, and whether they are images.
    named: BTreeMap<String, (Descriptor, bool)>,
    /// Roots without, by digest, and what they sign.
    referrers: BTreeMap<String, (Descriptor, String, Rc<Tree>)>,
    /// What is known of the documents.
    trees: Trees,
    /// The roots of which the blobs are taken.
    taken: HashSet<Key>,
    /// Digests that a signature may be about.
    known: HashSet<String>,
    skipped: Vec<String>,
}

impl Plan {
    /// All that is listed.
    fn of(files: &Files<'_>, naming: &Naming) -> Result<Self, TransferError> {
        let (mut plan, roots) = (Plan::default(), files.documents()?);
        if roots.len() > MAX_ROOTS {
            return Err(TransferError::TooManyRoots { count: roots.len(), limit: MAX_ROOTS });
        }
        roots.iter().try_for_each(|root| plan.add(files, root, naming))?;
        Ok(plan)
    }

    fn add(&mut self, files: &Files<'_>, root: &Descriptor, naming: &Naming) -> Result<(), TransferError> {
        let tree = self.tree(files, root)?;
        match &tree.kind {
            Kind::Gadget => {
                self.name(root, naming.image(root)?, true)?;
                self.take(root, &tree)
            }
            Kind::Signature { subject } => match (naming.signature(root)?, subject) {
                (Some(name), _) => {
                    self.name(root, name, false)?;
                    self.take(root, &tree)
                }
                (None, Some(subject)) => {
                    self.refers(root, subject, &tree);
                    Ok(())
                }
                (None, None) => {
                    self.skip(root, "a signature of which nobody knows what it signs");
                    Ok(())
                }
            },
            Kind::Referrers(all) => {
                for (manifest, subject) in all {
                    let tree = self.tree(files, manifest)?;
                    self.refers(manifest, subject, &tree);
                }
                Ok(())
            }
            Kind::Other(what) => {
                self.skip(root, what);
                Ok(())
            }
        }
    }

    /// What a root leads to. All that is followed together is bounded.
    fn tree(&mut self, files: &Files<'_>, root: &Descriptor) -> Result<Rc<Tree>, TransferError> {
        let tree = self.trees.of(files, root)?;
        if self.trees.pieces() > MAX_BLOBS { Err(TransferError::TooMany { limit: MAX_BLOBS }) } else { Ok(tree) }
    }

    /// Leaves out signatures of what is neither here nor among the stored roots.
    fn attach(&mut self, stored: &[Descriptor]) -> Result<(), TransferError> {
        self.known.extend(stored.iter().map(|root| root.digest().to_string()));
        for (digest, (root, subject, tree)) in std::mem::take(&mut self.referrers) {
            if self.known.contains(&subject) {
                self.take(&root, &tree)?;
                self.referrers.insert(digest, (root, subject, tree));
            } else {
                self.skip(&root, &format!("a signature of {subject}, which is not there"));
            }
        }
        Ok(())
    }

    fn refers(&mut self, root: &Descriptor, subject: &str, tree: &Rc<Tree>) {
        self.referrers.insert(root.digest().to_string(), (root.clone(), subject.to_owned(), Rc::clone(tree)));
    }

    fn name(&mut self, root: &Descriptor, name: String, image: bool) -> Result<(), TransferError> {
        match self.named.get(&name) {
            Some((known, _)) if known.digest() != root.digest() => Err(TransferError::Clash { name }),
            _ => {
                self.named.insert(name, (root.clone(), image));
                Ok(())
            }
        }
    }

    /// Takes the blobs of a root, once.
    fn take(&mut self, root: &Descriptor, tree: &Tree) -> Result<(), TransferError> {
        if !self.taken.insert(key(root)) {
            return Ok(());
        }
        if matches!(tree.kind, Kind::Gadget) {
            self.known.extend(tree.digests.iter().cloned());
        }
        for piece in &tree.pieces {
            let digest = piece.descriptor.digest().to_string();
            let lies = |known: &Piece| known.descriptor.size() != piece.descriptor.size();
            if self.blobs.get(&digest).is_some_and(lies) {
                let reason = "its size is given in two ways".to_owned();
                return Err(ImageError::Blob { digest, what: piece.what, reason }.into());
            }
            self.blobs.insert(digest, piece.clone());
        }
        Ok(())
    }

    fn skip(&mut self, root: &Descriptor, what: &str) {
        let name = name_of(root).map(|name| format!(" ({:?})", name.chars().take(200).collect::<String>())).unwrap_or_default();
        // Some of them say enough.
        if self.skipped.len() < 20 {
            self.skipped.push(format!("{what}: {}{name}", root.digest()));
        }
    }

    /// The roots as they are going to be in the store.
    fn roots(&self) -> Vec<Descriptor> {
        let named = self.named.iter().map(|(name, (root, _))| {
            let mut root = bare(root);
            set_name(&mut root, name);
            root
        });
        let nameless = self.referrers.values().map(|(root, subject, _)| {
            let mut root = bare(root);
            root.set_annotations(Some(HashMap::from([(SUBJECT.to_owned(), subject.clone())])));
            root
        });
        named.chain(nameless).collect()
    }

    fn imported(self) -> Imported {
        let signatures = self.referrers.len() + self.named.values().filter(|(_, image)| !image).count();
        let images = self.named.into_iter().filter(|(_, (_, image))| *image).map(|(name, _)| name).collect();
        Imported { images, signatures, skipped: self.skipped }
    }
}

/// A root with what belongs to it and nothing that others have written beside it.
pub(super) fn bare(root: &Descriptor) -> Descriptor {
    let mut bare = Descriptor::new(root.media_type().clone(), root.size(), root.digest().clone());
    bare.set_artifact_type(root.artifact_type().clone());
    bare
}

fn copy(files: &Files<'_>, piece: &Piece, staging: &Staging, at: &mut dyn FnMut(u64)) -> Result<(), ImageError> {
    let (digest, size) = (piece.descriptor.digest().to_string(), piece.descriptor.size());
    if staging.has(&digest) {
        return Ok(());
    }
    let mut blob = files.stream(&piece.descriptor, piece.what, piece.limit)?;
    let mut incoming = staging.begin(&digest, size)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let bytes = blob.read(&mut buffer)?;
        if bytes.is_empty() {
            return incoming.finish();
        }
        incoming.write(bytes)?;
        at(incoming.received());
    }
}
