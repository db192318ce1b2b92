//! Where signatures are in a layout. A broken one is set aside: it must not hide a good one.

use std::collections::HashSet;
use std::error::Error;

use oci_spec::image::{Descriptor, ImageManifest, MediaType};

use super::{Artifact, Kind, LAYER_COUNT, LAYER_SIZE, Signatures, legacy_tag};
use crate::image::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, Files, name_of};
use crate::image::reference::Reference;
use crate::image::store::SUBJECT;

/// Manifests with signatures of one image.
const ARTIFACTS: usize = 50;
/// Bytes of all manifests and layers that are collected for one image: the same few blobs may be named again and again.
const BUDGET: u64 = 8 << 20;
const TOO_MUCH: &str = "too much: the signatures of one image may have 8 MiB together, the newest first";
/// Manifests that are read because they may be about the image.
const CANDIDATES: usize = 1000;

/// The signatures of an image among the `roots` of a layout (all that `index.json` lists): under tags of its repository, then of others, and as
/// referrers (manifests whose `subject` is its digest, listed as a root or in an index under the tag `sha256-<hex>`). Among each, those listed last
/// come first: they are the newest, and there is an end to how many are looked at.
///
/// # Errors
/// When the digest is none. What is wrong with a signature is no error: [`Signatures::broken`].
pub fn artifacts(files: &Files<'_>, roots: &[Descriptor], name: &Reference, digest: &str) -> Result<Signatures, ImageError> {
    if digest.strip_prefix("sha256:").is_none_or(|hex| hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit())) {
        let reason = "its digest is not SHA-256".to_owned();
        return Err(ImageError::Blob { digest: digest.to_owned(), what: "signed image", reason });
    }
    let mut search = Search { files, digest, found: Signatures::default(), seen: HashSet::new(), budget: BUDGET };
    let repository = format!("{}/{}", name.domain, name.repository);
    for root in tagged(roots, &repository, &legacy_tag(digest)) {
        search.add(root, Why::Tag);
    }
    for root in tagged(roots, &repository, &digest.replacen(':', "-", 1)) {
        search.add_listed(root);
    }
    let marked = |root: &&Descriptor| annotation(root, SUBJECT) == Some(digest);
    roots.iter().rev().filter(marked).for_each(|root| search.add(root, Why::Marked));
    for root in candidates(roots).take(CANDIDATES) {
        search.add(root, Why::Listed);
    }
    Ok(search.found)
}

/// The roots with that tag (a bare one, or behind a full name), those of the repository first.
fn tagged<'r>(roots: &'r [Descriptor], repository: &str, tag: &str) -> Vec<&'r Descriptor> {
    let before = |root: &&'r Descriptor| -> Option<&'r str> { name_of(root)?.strip_suffix(tag) };
    let mut found: Vec<_> =
        roots.iter().rev().filter(|root| before(root).is_some_and(|rest| rest.is_empty() || rest.ends_with(':'))).collect();
    found.sort_by_key(|root| before(root).and_then(|rest| rest.strip_suffix(':')) != Some(repository));
    found
}

/// Manifests of which only their content can tell what they are about.
fn candidates(roots: &[Descriptor]) -> impl Iterator<Item = &Descriptor> {
    let other = |root: &Descriptor| name_of(root).is_some_and(|name| [".sig", ".att", ".sbom"].iter().any(|end| name.ends_with(end)));
    // Manifests with a platform are images.
    let is_one = move |root: &&Descriptor| {
        *root.media_type() == MediaType::ImageManifest && annotation(root, SUBJECT).is_none() && root.platform().is_none() && !other(root)
    };
    roots.iter().rev().filter(is_one)
}

fn annotation<'r>(root: &'r Descriptor, key: &str) -> Option<&'r str> {
    root.annotations().as_ref()?.get(key).map(String::as_str)
}

/// What makes us believe that a manifest is a signature of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Tag,
    Marked,
    /// Nothing yet: its `subject` has to say so.
    Listed,
}

struct Search<'s> {
    files: &'s Files<'s>,
    digest: &'s str,
    found: Signatures,
    seen: HashSet<String>,
    /// Bytes that may still be collected.
    budget: u64,
}

impl Search<'_> {
    /// Adds what a fallback index lists.
    fn add_listed(&mut self, root: &Descriptor) {
        if *root.media_type() != MediaType::ImageIndex {
            return;
        }
        match self.files.index(root) {
            Ok(index) => {
                let manifests = index.manifests().iter().rev().filter(|entry| *entry.media_type() == MediaType::ImageManifest);
                manifests.take(CANDIDATES).for_each(|entry| self.add(entry, Why::Marked));
            }
            Err(error) => self.broken(root, &chain(&error)),
        }
    }

    fn add(&mut self, root: &Descriptor, why: Why) {
        if !self.seen.insert(root.digest().to_string()) {
            return;
        }
        if self.found.artifacts.len() >= ARTIFACTS {
            return self.broken(root, &format!("there are more than {ARTIFACTS}"));
        }
        let manifest = match self.manifest(root) {
            Ok(manifest) => manifest,
            // Anything may be wrong with what is no signature of this image.
            Err(_) if why == Why::Listed => return,
            Err(reason) => return self.broken(root, &reason),
        };
        let subject = manifest.subject().as_ref().map(|subject| subject.digest().to_string());
        let kind = match why {
            Why::Tag => Some(Kind::CosignTag),
            _ if subject.as_deref() != Some(self.digest) => None,
            _ => Kind::of(&manifest),
        };
        if let Some(kind) = kind {
            self.add_manifest(root, kind, manifest);
        }
    }

    fn manifest(&self, root: &Descriptor) -> Result<ImageManifest, String> {
        let bytes = self.files.blob(root, "manifest of signatures", DOCUMENT_LIMIT).map_err(|error| chain(&error))?;
        ImageManifest::from_reader(&bytes[..]).map_err(|error| format!("it is no manifest: {}", chain(&error)))
    }

    /// Reads the layers, of too many the last: tools append. Those that cannot be read are left out of the manifest, too.
    fn add_manifest(&mut self, root: &Descriptor, kind: Kind, mut manifest: ImageManifest) {
        // Kept free for the manifest itself, in case that it is collected.
        let Some(rest) = self.budget.checked_sub(root.size()) else { return self.broken(root, TOO_MUCH) };
        let before = std::mem::replace(&mut self.budget, rest);
        let count = manifest.layers().len();
        if count > LAYER_COUNT {
            self.broken(root, &format!("it has {count} layers, of which only {LAYER_COUNT} are looked at"));
        }
        let mut kept = Vec::new();
        for layer in manifest.layers().iter().rev().take(LAYER_COUNT) {
            match self.layer(layer) {
                Ok(bytes) => kept.push((layer.clone(), bytes)),
                Err(reason) => self.broken(root, &reason),
            }
        }
        if !kept.is_empty() || count == 0 {
            let (kept, layers) = kept.into_iter().rev().unzip();
            manifest.set_layers(kept);
            self.found.artifacts.push(Artifact { kind, digest: root.digest().to_string(), manifest, layers });
        } else {
            self.budget = before;
        }
    }

    /// Only what is collected counts: a broken one is not to crowd out a good one.
    fn layer(&mut self, layer: &Descriptor) -> Result<Vec<u8>, String> {
        if layer.size() > self.budget && layer.size() <= LAYER_SIZE {
            return Err(TOO_MUCH.to_owned());
        }
        let bytes = self.files.blob(layer, "layer with a signature", LAYER_SIZE).map_err(|error| chain(&error))?;
        self.budget = self.budget.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }

    fn broken(&mut self, root: &Descriptor, reason: &str) {
        tracing::debug!(signature = %root.digest(), subject = self.digest, reason, "signature is left out");
        if self.found.broken.len() < ARTIFACTS {
            self.found.broken.push(format!("signature {}: {reason}", root.digest()));
        }
    }
}

/// An error and its causes: reasons have no source of their own. Foreign text in it moves no cursor.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
