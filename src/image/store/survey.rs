//! What of a store is in use: which roots stand for themselves, which say something about others (signatures), and which blobs both lead
//! to. Whatever cannot be read stops it: nobody could tell what may go.

use std::collections::{HashMap, HashSet};

use oci_spec::image::Descriptor;

use super::change::Root;
use super::graph::{self, descend};
use super::{SUBJECT, Store};
use crate::image::error::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, Files};

/// What is in use.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Digests of all blobs in use.
    pub used: HashSet<String>,
    /// Positions of the roots that say something about what is not there any more, with its digest.
    pub orphans: Vec<(usize, String)>,
}

/// The digest that a tag of the form `sha256-<hex>`, `sha256-<hex>.sig` and so on is about (cosign's names, and those that stand in for
/// the referrers of registries that have none).
pub fn told_by_name(name: &str) -> Option<String> {
    let (_, tag) = name.rsplit_once(':')?;
    let rest = tag.strip_prefix("sha256-")?;
    let (hex, suffix) = rest.split_at_checked(64)?;
    let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_hex && (suffix.is_empty() || suffix.starts_with('.'))).then(|| format!("sha256:{hex}"))
}

/// The digest of what a root says something about; none for a root that stands for itself.
pub(super) fn subject(root: &Descriptor, files: &Files<'_>) -> Result<Option<String>, ImageError> {
    if let Some(name) = crate::image::layout::name_of(root) {
        return Ok(told_by_name(name));
    }
    if let Some(subject) = root.annotations().as_ref().and_then(|all| all.get(SUBJECT)) {
        return Ok(Some(subject.clone()));
    }
    if !graph::is_manifest(root) {
        return Ok(None);
    }
    graph::subject(root, &files.blob(root, "manifest", DOCUMENT_LIMIT)?)
}

impl Store {
    /// Finds out what these roots use.
    pub(super) fn survey(&self, roots: &[Root]) -> Result<Survey, ImageError> {
        let (files, mut survey) = (self.files(), Survey::default());
        let mut waiting: HashMap<String, Vec<usize>> = HashMap::new();
        let mut kept = Vec::new();
        for (place, root) in roots.iter().enumerate() {
            let unclear =
                |source| ImageError::Unclear { root: root.name().map_or_else(|| root.digest(), str::to_owned), source: Box::new(source) };
            match subject(&root.descriptor, &files).map_err(unclear)? {
                Some(subject) => waiting.entry(subject).or_default().push(place),
                None => kept.push(place),
            }
        }
        // What is said about a signature lasts as long as the signature.
        while !kept.is_empty() {
            for root in kept.drain(..).filter_map(|place| roots.get(place)) {
                self.mark(&files, root, &mut survey.used)?;
            }
            let used = &survey.used;
            waiting.retain(|subject, places| {
                let stays = !used.contains(subject);
                if !stays {
                    kept.append(places);
                }
                stays
            });
        }
        survey.orphans =
            waiting.into_iter().flat_map(|(subject, places)| places.into_iter().map(move |at| (at, subject.clone()))).collect();
        Ok(survey)
    }

    fn mark(&self, files: &Files<'_>, root: &Root, used: &mut HashSet<String>) -> Result<(), ImageError> {
        let top = root.descriptor.digest().clone();
        let mut look = |blob: &Descriptor| {
            if !graph::is_document(blob) {
                return Ok(None);
            }
            match files.blob(blob, "manifest", DOCUMENT_LIMIT) {
                Ok(content) => Ok(Some(content)),
                // An index may list what nobody has fetched.
                Err(ImageError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound && *blob.digest() != top => Ok(None),
                Err(error) => Err(error),
            }
        };
        let unclear =
            |source| ImageError::Unclear { root: root.name().map_or_else(|| root.digest(), str::to_owned), source: Box::new(source) };
        descend(&root.descriptor, used, &mut look).map_err(unclear)
    }

    /// The digests of all blobs that a root leads to, as far as they can be read.
    pub(super) fn reach(&self, root: &Descriptor) -> HashSet<String> {
        let (files, mut found) = (self.files(), HashSet::new());
        let mut look =
            |blob: &Descriptor| Ok(if graph::is_document(blob) { files.blob(blob, "manifest", DOCUMENT_LIMIT).ok() } else { None });
        if let Err(error) = descend(root, &mut found, &mut look) {
            tracing::debug!(error = &error as &dyn std::error::Error, "part of an image is left to the next prune");
        }
        found
    }
}
