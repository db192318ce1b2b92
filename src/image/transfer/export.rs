//! Images of the stores as one tar archive. The same images give the same bytes, wherever they were and in whatever order they are named.

use std::collections::BTreeMap;
use std::io::Write;

use oci_spec::image::{Descriptor, ImageIndexBuilder, MediaType};

use super::import::bare;
use super::tree::{self, Kind, Piece, Tree};
use super::{Progress, TransferError, select, time};
use crate::image::archive::Writer;
use crate::image::error::ImageError;
use crate::image::layout::{Files, name_of};
use crate::image::reference::Reference;
use crate::image::store::{Store, set_name};
use crate::image::{Stores, is_digest, not_found};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Images that are going to be written.
#[derive(Debug)]
pub struct Export {
    stores: Stores,
    /// Where images come from, with what is listed there.
    sources: Vec<(Files<'static>, Vec<Descriptor>)>,
    /// By digest and name, as they are listed.
    roots: BTreeMap<(String, String), Descriptor>,
    /// By digest: the source that has it, what it is, and its time in seconds since the Unix epoch.
    blobs: BTreeMap<String, (usize, Piece, u64)>,
    /// The latest creation time.
    latest: u64,
}

impl Export {
    /// Out of these stores, the first that has an image counts; behind them, the embedded gadgets.
    ///
    /// # Errors
    /// When a store is there but cannot be read.
    pub fn of(stores: &Stores) -> Result<Self, TransferError> {
        let sources: Result<_, ImageError> = stores.all().map(|store: Store| Ok((store.files(), store.roots()?))).collect();
        Ok(Export { stores: stores.clone(), sources: sources?, roots: BTreeMap::new(), blobs: BTreeMap::new(), latest: 0 })
    }

    /// Adds an image, by name or `sha256:...`, with its signatures.
    ///
    /// # Errors
    /// When there is none, or it is not as it should be.
    pub fn add(&mut self, reference: &str) -> Result<(), TransferError> {
        for source in 0..self.sources.len() {
            let Some((_, roots)) = self.sources.get(source) else { break };
            let found: Vec<Descriptor> = select::named(roots, reference)?.into_iter().cloned().collect();
            if !found.is_empty() {
                return found.iter().try_for_each(|root| self.add_root(source, root, reference));
            }
        }
        if let Some((files, mut root, name)) = select::embedded(reference)? {
            set_name(&mut root, &name);
            self.sources.push((files, Vec::new()));
            return self.add_root(self.sources.len() - 1, &root, reference);
        }
        let wanted = Reference::parse(reference).ok();
        let short = wanted.as_ref().map_or(reference, |wanted| wanted.gadget_name().unwrap_or(&wanted.repository));
        let full = wanted.as_ref().map_or_else(|| reference.to_owned(), Reference::to_string);
        Err(not_found(if is_digest(reference) { reference } else { &full }, short, &self.stores).into())
    }

    fn add_root(&mut self, source: usize, root: &Descriptor, reference: &str) -> Result<(), TransferError> {
        let Some((files, roots)) = self.sources.get(source) else { return Ok(()) };
        let tree = tree::of(files, root)?;
        if let Kind::Other(what) = tree.kind {
            return Err(TransferError::NoGadget { reference: reference.to_owned(), what });
        }
        let modified = tree.created.as_deref().and_then(time::seconds).unwrap_or_default();
        let mut all = vec![(root.clone(), tree.pieces)];
        for signature in select::signatures(files, roots, name_of(root), &tree.digests)? {
            let Tree { pieces, .. } = tree::of(files, &signature)?;
            all.push((signature, pieces));
        }
        self.latest = self.latest.max(modified);
        for (root, pieces) in all {
            self.list(&root);
            pieces.into_iter().for_each(|piece| self.take(source, piece, modified));
        }
        Ok(())
    }

    fn list(&mut self, root: &Descriptor) {
        let (mut listed, name) = (bare(root), name_of(root).unwrap_or_default().to_owned());
        if !name.is_empty() {
            set_name(&mut listed, &name);
        }
        self.roots.insert((root.digest().to_string(), name), listed);
    }

    /// What several images share is as old as the oldest of them.
    fn take(&mut self, source: usize, piece: Piece, modified: u64) {
        let entry = self.blobs.entry(piece.descriptor.digest().to_string()).or_insert((source, piece, modified));
        entry.2 = entry.2.min(modified);
    }

    /// Writes the archive; gives back what it was written to.
    ///
    /// # Errors
    /// When an image is not as its descriptors say, or the archive cannot be written.
    pub fn write<W: Write>(&self, out: W, progress: &mut Progress<'_>) -> Result<W, TransferError> {
        let total = self.blobs.values().map(|(_, piece, _)| piece.descriptor.size()).fold(0, u64::saturating_add);
        let (mut archive, mut done, mut buffer) = (Writer::new(out), 0, vec![0; 64 << 10]);
        for (digest, (source, piece, modified)) in &self.blobs {
            let Some((files, _)) = self.sources.get(*source) else { continue };
            let mut blob = files.stream(&piece.descriptor, piece.what, piece.limit)?;
            let name = format!("blobs/{}", digest.replacen(':', "/", 1));
            archive.file(&name, piece.descriptor.size(), *modified).map_err(TransferError::Write)?;
            loop {
                let bytes = blob.read(&mut buffer)?;
                if bytes.is_empty() {
                    break;
                }
                archive.write(bytes).map_err(TransferError::Write)?;
                done += bytes.len() as u64;
                progress(done, total);
            }
        }
        for (name, content) in [("index.json", self.index()?.as_slice()), ("oci-layout", LAYOUT)] {
            archive.file(name, content.len() as u64, self.latest).map_err(TransferError::Write)?;
            archive.write(content).map_err(TransferError::Write)?;
        }
        archive.finish().map_err(TransferError::Write)
    }

    fn index(&self) -> Result<Vec<u8>, ImageError> {
        let malformed = |source| ImageError::Document { what: "index.json".to_owned(), source };
        let roots: Vec<Descriptor> = self.roots.values().cloned().collect();
        let index = ImageIndexBuilder::default().schema_version(2u32).media_type(MediaType::ImageIndex).manifests(roots).build();
        Ok(index.and_then(|index| index.to_string()).map_err(malformed)?.into_bytes())
    }
}
