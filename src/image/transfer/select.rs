//! Finds what is to be exported: an image in a store or in the program, with its signatures.

use oci_spec::image::{Descriptor, MediaType};

use super::TransferError;
use super::tree::{self, Kind};
use crate::image::error::ImageError;
use crate::image::layout::{Files, name_of};
use crate::image::reference::Reference;
use crate::image::store::SUBJECT;
use crate::image::{EMBEDDED_VERSION, embedded as program, is_digest};

/// The roots of that name or digest among those of a store.
pub(super) fn named<'r>(roots: &'r [Descriptor], reference: &str) -> Result<Vec<&'r Descriptor>, ImageError> {
    if is_digest(reference) {
        return Ok(roots.iter().filter(|root| root.digest().to_string() == reference).collect());
    }
    let wanted = Reference::parse(reference)?;
    let full = wanted.to_string();
    let same_repository =
        |name: &str| Reference::parse(name).is_ok_and(|r| (&r.domain, &r.repository) == (&wanted.domain, &wanted.repository));
    Ok(match &wanted.digest {
        None => roots.iter().filter(|root| name_of(root) == Some(&full)).collect(),
        Some(digest) => {
            let is_meant = |root: &&Descriptor| root.digest().to_string() == *digest && name_of(root).is_none_or(same_repository);
            roots.iter().filter(is_meant).collect()
        }
    })
}

/// The embedded gadget of that name: without a tag, with `latest` or its version, or with its digest.
pub(super) fn embedded(reference: &str) -> Result<Option<(Files<'static>, Descriptor, String)>, ImageError> {
    if is_digest(reference) {
        return Ok(None);
    }
    let wanted = Reference::parse(reference)?;
    let Some(files) = wanted.gadget_name().and_then(program::layout) else { return Ok(None) };
    let Some(root) = files.roots()?.into_iter().next() else { return Ok(None) };
    let same_tag = wanted.tag.as_deref().is_none_or(|tag| tag == "latest" || tag.strip_prefix('v').unwrap_or(tag) == EMBEDDED_VERSION);
    let same_digest = wanted.digest.as_ref().is_none_or(|digest| *digest == root.digest().to_string());
    let name = Reference { tag: wanted.tag.clone().or_else(|| Some("latest".to_owned())), digest: None, ..wanted };
    Ok((same_tag && same_digest).then(|| (files, root, name.to_string())))
}

/// The signatures among the roots that are about one of these digests: in the image's repository under the tags that cosign uses, and
/// referrers, which have no name.
pub(super) fn signatures(
    files: &Files<'_>,
    roots: &[Descriptor],
    name: Option<&str>,
    digests: &[String],
) -> Result<Vec<Descriptor>, TransferError> {
    let repository = name.and_then(|name| Reference::parse(name).ok()).map(|r| format!("{}/{}", r.domain, r.repository));
    let tags: Vec<String> = match repository {
        Some(repository) => digests
            .iter()
            .map(|digest| format!("{repository}:{}", digest.replacen(':', "-", 1)))
            .flat_map(|tag| [format!("{tag}.sig"), tag])
            .collect(),
        None => Vec::new(),
    };
    let mut found = Vec::new();
    for root in roots {
        let is_one = match name_of(root) {
            Some(name) => tags.iter().any(|tag| tag == name),
            None => is_about(files, root, digests)?,
        };
        if is_one {
            found.push(root.clone());
        }
    }
    Ok(found)
}

/// Whether a root without a name signs one of these. Upstream's store does not say in `index.json` what a referrer refers to.
fn is_about(files: &Files<'_>, root: &Descriptor, digests: &[String]) -> Result<bool, TransferError> {
    let noted = root.annotations().as_ref().and_then(|all| all.get(SUBJECT));
    if noted.is_some() || *root.media_type() != MediaType::ImageManifest {
        return Ok(noted.is_some_and(|subject| digests.contains(subject)));
    }
    match tree::of(files, root)?.kind {
        Kind::Signature { subject } => Ok(subject.is_some_and(|subject| digests.contains(&subject))),
        _ => Ok(false),
    }
}
