//! Where the bytes of an archive are: in its file, in memory, or, when a stream is longer than is kept in memory, in a file that has no
//! name and goes away by itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{NEITHER, is_gzip, is_tar, refused};
use crate::image::error::ImageError;

/// Bytes of a stream that are kept in memory.
const KEPT: usize = 8 << 20;
/// Bytes a compressed stream may have before it is expanded.
const COMPRESSED_LIMIT: u64 = 512 << 20;
/// Tells apart what one process spools at a time.
static COUNT: AtomicU32 = AtomicU32::new(0);

pub(super) enum Source {
    File(File),
    Memory(Vec<u8>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => file.fmt(out),
            Self::Memory(bytes) => write!(out, "{} bytes", bytes.len()),
        }
    }
}

impl Source {
    /// Bytes of the archive.
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads at a place; nothing behind the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, at),
            Self::Memory(bytes) => usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default().read(buffer),
        }
    }

    /// Fills the buffer.
    pub(super) fn read_exact_at(&self, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let got = self.read_at(buffer, at)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(got..).unwrap_or_default();
            at = at.saturating_add(got as u64);
        }
        Ok(())
    }
}

/// Fills as much of the buffer as the stream has.
pub(super) fn read_up_to(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(got) => filled = filled.saturating_add(got),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Takes a whole stream, plain or compressed.
pub(super) fn of_stream(stream: &mut dyn Read, path: &Path, limit: u64) -> Result<Source, ImageError> {
    let failed = |source| ImageError::Io { action: "read", path: path.to_owned(), source };
    let mut start = [0; 512];
    let begun = read_up_to(stream, &mut start).map_err(failed)?;
    let start = start.get(..begun).unwrap_or_default();
    if is_gzip(start) {
        return expanded(start.chain(stream), path, limit);
    }
    if !is_tar(start) {
        return Err(refused(path, NEITHER.to_owned()));
    }
    let too_large = || refused(path, format!("it has more than {} MiB", limit >> 20));
    spooled(start.chain(stream), limit).map_err(failed)?.ok_or_else(too_large)
}

/// Expands a gzip-compressed stream.
pub(super) fn expanded(stream: impl Read, path: &Path, limit: u64) -> Result<Source, ImageError> {
    let mut bounded = stream.take(COMPRESSED_LIMIT);
    let result = spooled(flate2::read::MultiGzDecoder::new(&mut bounded), limit);
    if result.is_err() && bounded.limit() == 0 {
        return Err(refused(path, format!("it has more than {} MiB and is compressed; decompress it first", COMPRESSED_LIMIT >> 20)));
    }
    let expanded = result.map_err(|source| ImageError::Io { action: "decompress", path: path.to_owned(), source })?;
    expanded.ok_or_else(|| refused(path, format!("it expands to more than {} MiB; decompress it first", limit >> 20)))
}

/// Keeps a stream; none when it has more than `limit` bytes.
fn spooled(mut stream: impl Read, limit: u64) -> io::Result<Option<Source>> {
    let (mut memory, mut file, mut total) = (Vec::new(), None::<File>, 0u64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let got = read_up_to(&mut stream, &mut buffer)?;
        let piece = buffer.get(..got).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        total = total.saturating_add(got as u64);
        if total > limit {
            return Ok(None);
        }
        match &mut file {
            Some(file) => file.write_all(piece)?,
            None => memory.extend_from_slice(piece),
        }
        if file.is_none() && memory.len() > KEPT {
            file.insert(nameless()?).write_all(&std::mem::take(&mut memory))?;
        }
    }
    Ok(Some(file.map_or(Source::Memory(memory), Source::File)))
}

/// A new file that nobody else can open: its name is taken away at once.
fn nameless() -> io::Result<File> {
    let folder = std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    // What may be large does not belong on a `/tmp` that is in memory.
    let folder = folder.or_else(|| Some(PathBuf::from("/var/tmp")).filter(|folder| folder.is_dir())).unwrap_or_else(std::env::temp_dir);
    let name = format!(".gadgetry-{}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed), fastrand::u64(..));
    let path = folder.join(name);
    let place = |error: io::Error| io::Error::new(error.kind(), format!("keep it in {}: {error}", folder.display()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(place)?;
    std::fs::remove_file(&path).map_err(place)?;
    Ok(file)
}
