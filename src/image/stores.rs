//! Stores of images on this machine: OCI image layouts whose images are named by their full reference. Read, never written.

use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, MediaType};

use super::error::ImageError;
use super::layout::{Files, Parts, name_of};
use super::reference::Reference;
use super::store::listing::Listing;
use super::store::{Store, is_image};

/// Environment variable that names the data directory.
pub const DATA_VARIABLE: &str = "GADGETRY_DATA";

/// Data directory of root.
const DATA: &str = "/var/lib/gadgetry";
/// Where upstream's tool keeps the images that root has pulled.
const UPSTREAM: &str = "/var/lib/ig/oci-store";

/// The stores that are looked into, the first that has an image counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stores {
    folders: Vec<PathBuf>,
}

impl Stores {
    /// The store in the data directory: the one given, else that of `GADGETRY_DATA`, else `/var/lib/gadgetry` for root and
    /// `~/.gadgetry` for others; for root, behind it, upstream's.
    pub fn of_process(data: Option<&Path>) -> Self {
        let upstream = is_root().then(|| PathBuf::from(UPSTREAM));
        Stores { folders: data_dir(data).map(|folder| folder.join("oci-store")).into_iter().chain(upstream).collect() }
    }

    /// The first of them, which is ours.
    pub fn own(&self) -> Option<Store> {
        self.folders.first().cloned().map(Store::at)
    }

    /// All of them, in the order in which they are looked into.
    pub fn all(&self) -> impl Iterator<Item = Store> {
        self.folders.iter().cloned().map(Store::at)
    }

    /// Exactly these layouts.
    pub fn of(folders: Vec<PathBuf>) -> Self {
        Stores { folders }
    }

    /// The image of that name, for `architecture` (Go's spelling), out of the first store that has it.
    ///
    /// # Errors
    /// When a store has it, but not as it should be. A store that cannot be read is left out.
    pub(super) fn image(&self, wanted: &Reference, architecture: &str) -> Result<Option<Parts>, ImageError> {
        let name = wanted.to_string();
        let word = wanted.digest.as_deref().unwrap_or(&name);
        Ok(self.take(word, |root| is_meant(root, wanted), &name, architecture)?.map(|(_, parts)| parts))
    }

    /// The store that has the image, and its root there.
    pub(super) fn find(&self, wanted: &Reference) -> Option<(Store, Descriptor)> {
        let name = wanted.to_string();
        let word = wanted.digest.as_deref().unwrap_or(&name);
        self.folders.iter().find_map(|folder| Some((Store::at(folder.clone()), find(folder, word, &|root| is_meant(root, wanted))?)))
    }

    /// The store that has the image with exactly this digest, its root and its name there.
    pub(super) fn located(&self, digest: &str) -> Option<(Store, Descriptor, String)> {
        self.folders.iter().find_map(|folder| {
            let root = find(folder, digest, &|root| root.digest().as_ref() == digest)?;
            let name = name_of(&root).unwrap_or_default().to_owned();
            Some((Store::at(folder.clone()), root, name))
        })
    }

    /// The image with exactly this digest, and its name there.
    ///
    /// # Errors
    /// As [`Stores::image`].
    pub(super) fn by_digest(&self, digest: &str, architecture: &str) -> Result<Option<(String, Parts)>, ImageError> {
        self.take(digest, |root| root.digest().to_string() == digest, digest, architecture)
    }

    /// The root of that image out of the first store that has it, with that store's files.
    pub fn root(&self, wanted: &Reference) -> Option<(Files<'static>, Descriptor)> {
        let name = wanted.to_string();
        let word = wanted.digest.as_deref().unwrap_or(&name);
        self.folders.iter().find_map(|folder| Some((Files::Folder(folder.clone()), find(folder, word, &|root| is_meant(root, wanted))?)))
    }

    /// The image that is `wanted`, and its name; `word` stands in its root.
    fn take(
        &self,
        word: &str,
        wanted: impl Fn(&Descriptor) -> bool,
        name: &str,
        architecture: &str,
    ) -> Result<Option<(String, Parts)>, ImageError> {
        for folder in &self.folders {
            let mut tried = None;
            while let Some(root) = find(folder, word, &wanted) {
                let stored = name_of(&root).unwrap_or(name);
                match Files::Folder(folder.clone()).parts(&root, stored, architecture) {
                    Ok(parts) => return Ok(Some((stored.to_owned(), parts))),
                    // Somebody may have put another in its place, or removed it, meanwhile.
                    Err(error) if tried.as_ref() == Some(root.digest()) => return Err(error),
                    Err(_) => tried = Some(root.digest().clone()),
                }
            }
        }
        Ok(None)
    }

    /// What the stores that can be read hold: their files, and all that they list.
    pub(super) fn contents(&self) -> Vec<(Files<'static>, Vec<Descriptor>)> {
        let files = self.folders.iter().map(|folder| Files::Folder(folder.clone()));
        files.filter_map(|files| files.documents_within(super::layout::INDEX_LIMIT).ok().map(|all| (files, all))).collect()
    }

    /// The names of all images, as they are stored.
    pub fn names(&self) -> Vec<String> {
        let readable = self.folders.iter().filter_map(|folder| read(folder));
        readable.flatten().filter_map(|root| name_of(&root).map(str::to_owned)).collect()
    }

    /// Where was looked, for messages.
    pub(super) fn places(&self) -> Vec<String> {
        let place = |folder: &PathBuf| {
            let state = match read(folder) {
                Some(roots) if roots.len() == 1 => "1 image",
                Some(roots) => &format!("{} images", roots.len()),
                None if folder.join("index.json").exists() => "unreadable",
                None => "not there",
            };
            format!("the store {} ({state})", folder.display())
        };
        self.folders.iter().map(place).collect()
    }
}

/// The data directory: the one given, else that of `GADGETRY_DATA`, else `/var/lib/gadgetry` for root and `~/.gadgetry` for others. None
/// without a home.
pub fn data_dir(given: Option<&Path>) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let default = || if is_root() { Some(PathBuf::from(DATA)) } else { variable("HOME").map(|home| home.join(".gadgetry")) };
    given.map(Path::to_owned).or_else(|| variable(DATA_VARIABLE)).or_else(default)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// The images that a store lists.
fn read(folder: &Path) -> Option<Vec<Descriptor>> {
    let mut roots = readable(folder, |listing| listing.all())?;
    roots.retain(is_image);
    Some(roots)
}

fn find(folder: &Path, word: &str, wanted: &dyn Fn(&Descriptor) -> bool) -> Option<Descriptor> {
    readable(folder, |listing| listing.find(word, |root| *root.media_type() == MediaType::ImageIndex && wanted(root))).flatten()
}

/// What can be told of what a store lists. One that cannot be read is left out.
fn readable<T>(folder: &Path, look: impl Fn(&Listing) -> Result<T, ImageError>) -> Option<T> {
    match Listing::read(folder).and_then(|listing| listing.as_ref().map(look).transpose()) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(store = %folder.display(), error = &error as &dyn std::error::Error, "image store cannot be read");
            None
        }
    }
}

/// Whether the root of an image is what the reference names. A digest alone does not make another repository's image ours.
pub(super) fn is_meant(root: &Descriptor, wanted: &Reference) -> bool {
    let name = name_of(root);
    let Some(digest) = &wanted.digest else { return name == Some(&wanted.to_string()) };
    let same_repository =
        |name: &str| Reference::parse(name).is_ok_and(|r| (&r.domain, &r.repository) == (&wanted.domain, &wanted.repository));
    root.digest().to_string() == *digest && name.is_none_or(same_repository)
}
