//! Gadgets on disk: an OCI image layout as a folder or tar, or a folder with a compiled object and its `gadget.yaml`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;

use super::archive::{self, Archive};
use super::layout::{Files, OBJECT_LIMIT, name_of};
use super::reference::Reference;
use super::{GadgetImage, ImageError};

/// Largest metadata file that is read, in bytes.
const MAX_METADATA: u64 = 1 << 20;

/// Whether a reference means a place on disk: it begins with `/`, `./` or `../`, or is `.` or `..`.
pub(super) fn is_path(reference: &str) -> bool {
    matches!(reference, "." | "..") || ["/", "./", "../"].iter().any(|start| reference.starts_with(start))
}

/// What is at a place on disk.
pub(super) enum Found {
    /// A folder with an object: nothing that could be signed.
    Folder {
        /// Where.
        path: PathBuf,
        /// What was read.
        image: Box<GadgetImage>,
    },
    /// An image in a layout.
    Layout {
        /// Where.
        path: PathBuf,
        /// The layout.
        files: Files<'static>,
        /// All that it lists.
        listed: Vec<Descriptor>,
        /// The image.
        root: Box<Descriptor>,
        /// Its name there, else the reference.
        name: String,
    },
}

impl Found {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Found::Folder { path, .. } | Found::Layout { path, .. } => path,
        }
    }
}

/// Opens what is at a place on disk, unverified. `PATH:NAME` chooses an image out of a layout with several: by its full or short name, its tag
/// or its digest.
pub(super) fn open(reference: &str, architecture: &str) -> Result<GadgetImage, ImageError> {
    match find(reference)? {
        Found::Folder { image, .. } => Ok(*image),
        Found::Layout { files, root, name, .. } => {
            let tag = Reference::parse(&name).ok().and_then(|parsed| parsed.tag);
            Ok(files.parts(&root, &name, architecture)?.into_image(name, tag))
        }
    }
}

/// Finds what [`open`] opens.
pub(super) fn find(reference: &str) -> Result<Found, ImageError> {
    let (path, wanted) = split(reference);
    let failed = |source| ImageError::Io { action: "open", path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    let files = if metadata.is_dir() {
        if !path.join("index.json").exists() && !path.join("oci-layout").exists() {
            return Ok(Found::Folder { path: path.to_owned(), image: Box::new(folder(path, reference)?) });
        }
        Files::Folder(path.to_owned())
    } else if metadata.is_file() {
        Files::Archive(archive(path)?)
    } else {
        return Err(unusable(path, "it is neither a folder nor a file"));
    };
    files.check(path)?;
    let roots = files.roots()?;
    let root = Box::new(choose(path, &roots, wanted)?.clone());
    let name = name_of(&root).unwrap_or(reference).to_owned();
    Ok(Found::Layout { path: path.to_owned(), listed: files.documents()?, files, root, name })
}

/// The path, and what stands behind it to choose an image. A path that exists as it is has nothing behind it.
fn split(reference: &str) -> (&Path, Option<&str>) {
    if Path::new(reference).exists() {
        return (Path::new(reference), None);
    }
    let name = reference.rfind('/').map_or(0, |at| at + 1);
    let mark = reference
        .find("@sha256:")
        .or_else(|| reference.match_indices(':').map(|(at, _)| at).find(|at| Path::new(head(reference, *at)).exists()));
    let mark = mark.or_else(|| reference.rfind(':').filter(|at| *at > name));
    match mark {
        Some(at) => (Path::new(head(reference, at)), reference.get(at + 1..)),
        None => (Path::new(reference), None),
    }
}

fn head(text: &str, end: usize) -> &str {
    text.get(..end).unwrap_or(text)
}

fn choose<'r>(path: &Path, roots: &'r [Descriptor], wanted: Option<&str>) -> Result<&'r Descriptor, ImageError> {
    let found: Vec<&Descriptor> = roots.iter().filter(|root| wanted.is_none_or(|wanted| answers_to(root, wanted))).collect();
    let all = || roots.iter().map(|root| name_of(root).map_or_else(|| root.digest().to_string(), str::to_owned)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] if roots.is_empty() => Err(unusable(path, "it is an image layout without a gadget image (image index)")),
        _ => Err(ImageError::Ambiguous { path: path.to_owned(), wanted: wanted.map(str::to_owned), images: all() }),
    }
}

fn answers_to(root: &Descriptor, wanted: &str) -> bool {
    if root.digest().to_string() == wanted {
        return true;
    }
    let Some(name) = name_of(root) else { return false };
    let full = Reference::parse(wanted).map(|reference| reference.to_string());
    let parsed = Reference::parse(name).ok();
    let tag = parsed.as_ref().and_then(|r| r.tag.as_deref()).unwrap_or(name);
    let last = parsed.as_ref().and_then(|r| r.repository.rsplit('/').next());
    name == wanted || full.is_ok_and(|full| full == name) || tag == wanted || last == Some(wanted)
}

fn archive(path: &Path) -> Result<Archive, ImageError> {
    let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(512).read_to_end(&mut start)).map_err(failed)?;
    if start.starts_with(b"\x7fELF") {
        return Err(unusable(path, "it is an object; name the folder in which it lies beside its gadget.yaml"));
    }
    if !archive::is_gzip(&start) && !archive::is_tar(&start) {
        return Err(unusable(path, "it is neither a tar archive nor a gzip-compressed one"));
    }
    Archive::open(path)
}

/// Reads a folder with `gadget.yaml` and at most one object (`*.o`).
fn folder(path: &Path, reference: &str) -> Result<GadgetImage, ImageError> {
    let metadata_path = path.join("gadget.yaml");
    let object = object(path)?;
    if object.is_none() && !metadata_path.exists() {
        return Err(unusable(
            path,
            "the folder is no OCI image layout (oci-layout, index.json) and has no compiled gadget (gadget.yaml, *.o)",
        ));
    }
    let metadata = read(path, "gadget.yaml", MAX_METADATA)?;
    // Metadata alone makes a gadget that reads nothing but the host; with a source beside it, it has only not been compiled.
    if object.is_none() && ["program.bpf.c", "build.yaml"].iter().any(|source| path.join(source).exists()) {
        return Err(unusable(path, "there is a gadget.yaml and a source but no compiled object (*.o) beside it"));
    }
    let ebpf = object.map(|object| read(path, &object, OBJECT_LIMIT)).transpose()?;
    Ok(GadgetImage { reference: reference.to_owned(), metadata, ebpf, ..GadgetImage::default() })
}

/// The name of the one object.
fn object(folder: &Path) -> Result<Option<String>, ImageError> {
    let failed = |source| ImageError::Io { action: "list", path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let is_object = |path: &PathBuf| path.extension().is_some_and(|e| e == "o");
    let objects = entries.flatten().map(|e| e.path()).filter(is_object);
    let mut objects: Vec<String> = objects.filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
    objects.sort();
    match objects.as_slice() {
        [] | [_] => Ok(objects.into_iter().next()),
        _ => Err(ImageError::Objects { folder: folder.to_owned(), objects }),
    }
}

fn read(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
    super::layout::read_inside(folder, name, limit).map_err(|source| ImageError::Io { action: "read", path: folder.join(name), source })
}

fn unusable(path: &Path, reason: &str) -> ImageError {
    ImageError::Unusable { path: path.to_owned(), reason: reason.to_owned() }
}
