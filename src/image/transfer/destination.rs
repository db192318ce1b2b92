//! The file that is exported to: it appears with all its content or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::TransferError;
use crate::image::error::ImageError;

/// Writes a file of mode 0644 through `fill`. One that is there is replaced once the new one is complete, also behind a symbolic link; a pipe
/// or device is written to as it is.
///
/// # Errors
/// When it cannot be written, or `fill` fails; a file that was there stays then.
pub fn write_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<(), TransferError>) -> Result<(), TransferError> {
    let failed = |source| TransferError::Image(ImageError::Io { action: "write", path: path.to_owned(), source });
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
        Ok(metadata) if !metadata.is_file() => {
            let mut out = BufWriter::new(File::options().write(true).open(path).map_err(failed)?);
            fill(&mut out)?;
            return out.flush().map_err(failed);
        }
        _ => {}
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let part = Part::beside(&target);
    let file = File::options().write(true).create_new(true).mode(0o644).open(&part.0).map_err(failed)?;
    let mut out = BufWriter::with_capacity(256 << 10, file);
    fill(&mut out)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().and_then(|()| std::fs::rename(&part.0, &target)).map_err(failed)
}

/// A file that goes away, unless it has been renamed.
struct Part(PathBuf);

impl Part {
    fn beside(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Part(target.with_file_name(format!(".{}.{}.part", name.chars().take(100).collect::<String>(), std::process::id())))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
