//! The headers gadgets are compiled with, kept in the program and unpacked where a compiler can read them.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::error::ImageError;

/// For each file its path from the source tree, a NUL, its length as 8 bytes in little-endian order, its content; all of it compressed.
/// `build.rs` writes it.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/headers.gz"));
/// What names the folder they are unpacked into.
const DIGEST: &str = include_str!(concat!(env!("OUT_DIR"), "/headers.digest"));
/// Bytes of all headers, which nothing of ours comes near.
const LIMIT: u64 = 64 << 20;

/// The folder below `data` that holds `ebpf/` with the headers, which is made first if it is not there. It appears all at once, so that
/// builds at the same time do not see half of it.
///
/// # Errors
/// When it cannot be written.
pub fn unpacked(data: &Path) -> Result<PathBuf, ImageError> {
    let all = data.join("include");
    let folder = all.join(DIGEST);
    if folder.is_dir() {
        return Ok(folder);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ImageError::Io { action: "write the headers to", path, source }
    };
    fs::create_dir_all(&all).map_err(failed(&all))?;
    let scratch = tempfile_in(&all).map_err(failed(&all))?;
    let written = write(&scratch);
    let moved = written.and_then(|()| fs::rename(&scratch, &folder));
    if moved.is_err() {
        // Another build may have been faster; either way ours is of no use any more.
        let _ = fs::remove_dir_all(&scratch);
    }
    if folder.is_dir() { Ok(folder) } else { moved.map(|()| folder.clone()).map_err(failed(&folder)) }
}

fn tempfile_in(folder: &Path) -> std::io::Result<PathBuf> {
    let path = folder.join(format!(".new-{}-{:016x}", std::process::id(), fastrand::u64(..)));
    fs::create_dir(&path).map(|()| path)
}

fn write(folder: &Path) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(PACKED).take(LIMIT).read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    while let Some((path, content, after)) = entry(rest) {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let place = folder.join(path);
        if !plain {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a header's path leads elsewhere"));
        }
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        fs::write(place, content)?;
        rest = after;
    }
    Ok(())
}

fn entry(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let path = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (length, rest) = bytes.get(end + 1..)?.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    Some((path, rest.get(..length)?, rest.get(length..)?))
}
