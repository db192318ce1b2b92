//! Gadgets on disk that are no images yet: a folder with a compiled object and its `gadget.yaml`.

use std::path::{Path, PathBuf};

use super::layout::OBJECT_LIMIT;
use super::{GadgetImage, ImageError};

/// Whether a reference means a place on disk: it begins with `/`, `./` or `../`, or is `.` or `..`.
pub(super) fn is_path(reference: &str) -> bool {
    matches!(reference, "." | "..") || ["/", "./", "../"].iter().any(|start| reference.starts_with(start))
}

/// Reads a folder with `gadget.yaml` and one object (`*.o`).
pub(super) fn open(reference: &str) -> Result<GadgetImage, ImageError> {
    let folder = Path::new(reference);
    let metadata = read(&folder.join("gadget.yaml"))?;
    let ebpf = object(folder)?.map(|path| read(&path)).transpose()?;
    Ok(GadgetImage { reference: reference.to_owned(), metadata, ebpf, ..GadgetImage::default() })
}

fn object(folder: &Path) -> Result<Option<PathBuf>, ImageError> {
    let failed = |source| ImageError::Io { action: "list", path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut objects: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "o")).collect();
    objects.sort();
    Ok(objects.into_iter().next())
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > OBJECT_LIMIT {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 8 MiB")));
    }
    std::fs::read(path).map_err(failed)
}
