//! The signatures of an image that is on this machine, wherever that is.

use oci_spec::image::Descriptor;

use super::material::{Signatures, Subject, artifacts};
use crate::image::layout::{Files, name_of};
use crate::image::reference::Reference;
use crate::image::stores::is_meant;
use crate::image::{ImageError, Stores, local, not_found};

/// An image on disk (an OCI image layout as folder or tar) or in one of the stores, by name or `sha256:...`, and its signatures: in the layout,
/// or in any of the stores. Those built into the program are not looked at: they have none.
///
/// # Errors
/// When there is no such image.
pub fn signatures_of(reference: &str, stores: &Stores) -> Result<(Subject, Signatures), ImageError> {
    if local::is_path(reference) {
        return on_disk(reference);
    }
    let contents = stores.contents();
    let (name, root) = root(reference, &contents, stores)?;
    let subject = Subject::of(&name, &root);
    let mut found = Signatures::default();
    for (files, roots) in &contents {
        found.extend(artifacts(files, roots, &name, &subject.digest)?);
    }
    Ok((subject, found))
}

fn on_disk(reference: &str) -> Result<(Subject, Signatures), ImageError> {
    let (files, root) = local::layout(reference)?;
    let name = name_of(&root).filter(|name| name.contains('/')).and_then(|name| Reference::parse(name).ok());
    // A bare tag, which is what other tools write, names no repository.
    let nameless = Reference { domain: String::new(), repository: String::new(), tag: None, digest: None };
    let mut subject = Subject::of(name.as_ref().unwrap_or(&nameless), &root);
    if name.is_none() {
        (subject.reference, subject.repository) = (reference.to_owned(), String::new());
    }
    let found = artifacts(&files, &files.documents()?, &name.unwrap_or(nameless), &subject.digest)?;
    Ok((subject, found))
}

fn root(
    reference: &str,
    contents: &[(Files<'static>, Vec<Descriptor>)],
    stores: &Stores,
) -> Result<(Reference, Descriptor), ImageError> {
    let mut roots = contents.iter().flat_map(|(_, roots)| roots);
    if reference.starts_with("sha256:") {
        let root = roots.find(|root| root.digest().to_string() == reference).ok_or_else(|| not_found(reference, reference, stores))?;
        return Ok((Reference::parse(name_of(root).unwrap_or(reference))?, root.clone()));
    }
    let wanted = Reference::parse(reference)?;
    let root = roots.find(|root| is_meant(root, &wanted));
    let root = root.ok_or_else(|| not_found(&wanted.to_string(), wanted.gadget_name().unwrap_or(&wanted.repository), stores))?;
    Ok((wanted, root.clone()))
}
