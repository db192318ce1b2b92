//! The signatures of an image that is on this machine, wherever that is.

use oci_spec::image::Descriptor;

use super::material::{Signatures, Subject, artifacts};
use crate::image::layout::{Files, name_of};
use crate::image::local::Found;
use crate::image::reference::Reference;
use crate::image::stores::is_meant;
use crate::image::{ImageError, Stores, is_digest, local, not_found};

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
    let (name, subject) = find(reference, &contents, stores)?;
    let mut found = Signatures::default();
    for (files, roots) in &contents {
        found.extend(artifacts(files, roots, &name, &subject.digest)?);
    }
    Ok((subject, found))
}

fn on_disk(reference: &str) -> Result<(Subject, Signatures), ImageError> {
    match local::find(reference)? {
        Found::Folder { path, .. } => Err(ImageError::Unusable { path, reason: "a folder with an object has no signature".to_owned() }),
        Found::Layout { files, listed, root, .. } => {
            let (name, subject) = describe(reference, &root);
            let found = artifacts(&files, &listed, &name, &subject.digest)?;
            Ok((subject, found))
        }
    }
}

/// Name and subject of an image that was found by something else than its name. A bare tag, which is what other tools write into layouts, names
/// no repository.
fn describe(reference: &str, root: &Descriptor) -> (Reference, Subject) {
    match name_of(root).filter(|name| name.contains('/')).and_then(|name| Reference::parse(name).ok()) {
        Some(name) => (name.clone(), Subject::of(&name, root)),
        None => {
            let name = Reference::nameless(None);
            let subject = Subject { reference: reference.to_owned(), repository: String::new(), ..Subject::of(&name, root) };
            (name, subject)
        }
    }
}

fn find(reference: &str, contents: &[(Files<'static>, Vec<Descriptor>)], stores: &Stores) -> Result<(Reference, Subject), ImageError> {
    let mut roots = contents.iter().flat_map(|(_, roots)| roots);
    if is_digest(reference) {
        let root = roots.find(|root| root.digest().to_string() == reference);
        return root.map(|root| describe(reference, root)).ok_or_else(|| not_found(reference, reference, stores));
    }
    let wanted = Reference::parse(reference)?;
    let root = roots.find(|root| is_meant(root, &wanted));
    let root = root.ok_or_else(|| not_found(&wanted.to_string(), wanted.gadget_name().unwrap_or(&wanted.repository), stores))?;
    let subject = Subject::of(&wanted, root);
    Ok((wanted, subject))
}
