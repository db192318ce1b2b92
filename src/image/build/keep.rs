//! Where a build's results go: a folder that does not outlive it, and the store.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::image::ImageIndex;

use super::error::ImageError;
use crate::image::Reference;
use crate::image::pack::Files;
use crate::image::store::{Store, set_name};

/// A folder that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, for this user alone, below the folder for such things.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self, ImageError> {
        let path = std::env::temp_dir().join(format!("gadgetry-build-{}-{:016x}", std::process::id(), fastrand::u64(..)));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        // An absolute path: compilers run elsewhere.
        let made = made.and_then(|()| std::path::absolute(&path));
        made.map(Scratch).map_err(|source| ImageError::Io { action: "create", path, source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Puts a packed image into the store, under a name or under none; gives its digest.
///
/// # Errors
/// When the store cannot be written.
pub fn keep(files: &Files, name: Option<&Reference>, store: &Store) -> Result<String, ImageError> {
    let malformed = |source| ImageError::Document { what: "index.json of the image that was built".to_owned(), source };
    let listing = files.get("index.json").map(Vec::as_slice).unwrap_or_default();
    let index = ImageIndex::from_reader(listing).map_err(malformed)?;
    let Some(mut root) = index.manifests().first().cloned() else {
        return Err(ImageError::Absent { reference: name.map(ToString::to_string).unwrap_or_default() });
    };
    root.set_annotations(None);
    if let Some(name) = name {
        set_name(&mut root, &name.to_string());
    }
    let staging = store.stage()?;
    for (_, blob) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
        staging.put(blob)?;
    }
    let digest = root.digest().to_string();
    staging.commit(vec![root])?;
    Ok(digest)
}
