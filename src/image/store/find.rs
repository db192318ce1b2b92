//! Finding what a store has: by name, by digest, by what it is about.

use oci_spec::image::{Descriptor, MediaType};

use super::listing::Listing;
use super::{SUBJECT, Store, graph, survey, told_by_name};
use crate::image::error::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, name_of};
use crate::image::reference::Reference;

/// Manifests that are read in search of what they are about.
const MAX_MANIFESTS: usize = 1000;
/// Images that a message names.
const MAX_NAMED: usize = 5;

/// Whether a root is an image: an index whose name is not that of a signature.
pub fn is_image(root: &Descriptor) -> bool {
    *root.media_type() == MediaType::ImageIndex && name_of(root).is_none_or(|name| told_by_name(name).is_none())
}

impl Store {
    fn listing(&self) -> Result<Listing, ImageError> {
        Ok(Listing::read(&self.folder)?.unwrap_or_else(|| Listing::of(br#"{"manifests":[]}"#.to_vec())))
    }

    /// All that `index.json` lists: images with their names, signatures, and what has no name; nothing when there is no store yet.
    ///
    /// # Errors
    /// When `index.json` is there but cannot be read.
    pub fn roots(&self) -> Result<Vec<Descriptor>, ImageError> {
        self.listing()?.all()
    }

    /// The root of that full name.
    ///
    /// # Errors
    /// As [`Store::roots`].
    pub fn named(&self, name: &str) -> Result<Option<Descriptor>, ImageError> {
        self.listing()?.named(name)
    }

    /// The first root of that digest (`sha256:...`).
    ///
    /// # Errors
    /// As [`Store::roots`].
    pub fn by_digest(&self, digest: &str) -> Result<Option<Descriptor>, ImageError> {
        self.listing()?.find(digest, |root| root.digest().to_string() == digest)
    }

    /// The image that somebody means: by its name as it is stored, by a name that is completed as anywhere, or by its digest, of which
    /// the first digits are enough if no other image has them.
    ///
    /// # Errors
    /// When there is none, or several; as [`Store::roots`].
    pub fn resolve(&self, text: &str) -> Result<Descriptor, ImageError> {
        let listing = self.listing()?;
        if let Some(digits) = text.strip_prefix("sha256:").filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())) {
            return by_digits(text, digits, listing.all()?);
        }
        if let Some(found) = listing.named(text)? {
            return Ok(found);
        }
        let full = Reference::parse(text)?;
        let found = match &full.digest {
            None => listing.named(&full.to_string())?,
            Some(digest) => listing.find(digest, |root| root.digest().to_string() == *digest && is_of(root, &full))?,
        };
        found.ok_or_else(|| {
            let names: Vec<String> = listing.all().unwrap_or_default().iter().filter_map(name_of).map(short).collect();
            let suggestion = nearest(&short(&full.to_string()), names.into_iter().filter(|name| told_by_name(name).is_none()));
            ImageError::NotStored { reference: full.to_string(), suggestion }
        })
    }

    /// The roots without a name that say something about the image with that digest: signatures in the form of OCI 1.1 referrers. What
    /// other tools have stored says so in its manifest.
    ///
    /// # Errors
    /// As [`Store::roots`].
    pub fn referrers(&self, subject: &str) -> Result<Vec<Descriptor>, ImageError> {
        let (files, mut read) = (self.files(), 0);
        let mut found = self.listing()?.nameless()?;
        found.retain(|root| {
            if let Some(said) = root.annotations().as_ref().and_then(|all| all.get(SUBJECT)) {
                return said == subject;
            }
            if !graph::is_manifest(root) || read == MAX_MANIFESTS || root.size() > DOCUMENT_LIMIT {
                return false;
            }
            read += 1;
            survey::subject(root, &files).is_ok_and(|said| said.as_deref() == Some(subject))
        });
        Ok(found)
    }
}

/// Whether the root has a name in the repository of `full`, or none.
fn is_of(root: &Descriptor, full: &Reference) -> bool {
    let same = |name: &str| Reference::parse(name).is_ok_and(|r| (&r.domain, &r.repository) == (&full.domain, &full.repository));
    name_of(root).is_none_or(same)
}

fn by_digits(text: &str, digits: &str, roots: Vec<Descriptor>) -> Result<Descriptor, ImageError> {
    let mut found: Vec<Descriptor> =
        roots.into_iter().filter(|root| is_image(root) && root.digest().digest().starts_with(digits)).collect();
    found.dedup_by(|a, b| a.digest() == b.digest());
    let several = found.iter().any(|root| found.first().is_some_and(|first| first.digest() != root.digest()));
    if several {
        let images = found.iter().map(|root| root.digest().to_string()).take(MAX_NAMED).collect();
        return Err(ImageError::Several { reference: text.to_owned(), images });
    }
    found.into_iter().next().ok_or_else(|| ImageError::NotStored { reference: text.to_owned(), suggestion: None })
}

/// A name without what is added to short ones.
pub fn short(name: &str) -> String {
    let parsed = Reference::parse(name).ok().filter(|parsed| parsed.to_string() == name);
    let gadget = parsed.as_ref().and_then(Reference::gadget_name);
    gadget.map_or_else(
        || name.to_owned(),
        |gadget| match parsed.as_ref().and_then(|parsed| parsed.tag.as_deref()) {
            None | Some("latest") => gadget.to_owned(),
            Some(tag) => format!("{gadget}:{tag}"),
        },
    )
}

fn nearest(wanted: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let scored = names.map(|name| (strsim::jaro_winkler(&name, wanted), name)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
