//! Writing so that a crash at any moment leaves the old or the new, never something between them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces the content of `path`; `new` is a path beside it that nobody else writes at the same time.
pub(super) fn replace(path: &Path, new: &Path, pieces: &[&[u8]], mode: u32) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(true).write(true).mode(mode).open(new)?;
    let mut out = io::BufWriter::new(&mut file);
    pieces.iter().try_for_each(|piece| out.write_all(piece))?;
    out.flush()?;
    drop(out);
    file.sync_all()?;
    fs::rename(new, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the entries of a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
