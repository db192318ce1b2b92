//! Stores of images on this machine: OCI image layouts whose images are named by their full reference. Read, never written.

use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;

use super::error::ImageError;
use super::layout::{Files, Parts, name_of};
use super::reference::Reference;
use super::store::Store;

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
        for (files, roots) in self.folders.iter().filter_map(|folder| read(folder)) {
            if let Some(root) = roots.iter().find(|root| is_meant(root, wanted)) {
                return files.parts(root, &wanted.to_string(), architecture).map(Some);
            }
        }
        Ok(None)
    }

    /// The image with exactly this digest, and its name there.
    ///
    /// # Errors
    /// As [`Stores::image`].
    pub(super) fn by_digest(&self, digest: &str, architecture: &str) -> Result<Option<(String, Parts)>, ImageError> {
        for (files, roots) in self.folders.iter().filter_map(|folder| read(folder)) {
            if let Some(root) = roots.iter().find(|root| root.digest().to_string() == digest) {
                let name = name_of(root).unwrap_or(digest).to_owned();
                return files.parts(root, &name, architecture).map(|parts| Some((name, parts)));
            }
        }
        Ok(None)
    }

    /// The names of all images, as they are stored.
    pub fn names(&self) -> Vec<String> {
        let readable = self.folders.iter().filter_map(|folder| read(folder));
        readable.flat_map(|(_, roots)| roots).filter_map(|root| name_of(&root).map(str::to_owned)).collect()
    }

    /// Where was looked, for messages.
    pub(super) fn places(&self) -> Vec<String> {
        let place = |folder: &PathBuf| {
            let state = match read(folder) {
                Some((_, roots)) if roots.len() == 1 => "1 image",
                Some((_, roots)) => &format!("{} images", roots.len()),
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

fn read(folder: &Path) -> Option<(Files<'static>, Vec<Descriptor>)> {
    let files = Files::Folder(folder.to_owned());
    match files.roots() {
        Ok(roots) => Some((files, roots)),
        Err(error) => {
            if folder.join("index.json").exists() {
                tracing::warn!(store = %folder.display(), error = &error as &dyn std::error::Error, "image store cannot be read");
            }
            None
        }
    }
}

/// Whether the root of an image is what the reference names. A digest alone does not make another repository's image ours.
fn is_meant(root: &Descriptor, wanted: &Reference) -> bool {
    let name = name_of(root);
    let Some(digest) = &wanted.digest else { return name == Some(&wanted.to_string()) };
    let same_repository =
        |name: &str| Reference::parse(name).is_ok_and(|r| (&r.domain, &r.repository) == (&wanted.domain, &wanted.repository));
    root.digest().to_string() == *digest && name.is_none_or(same_repository)
}
