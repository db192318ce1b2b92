//! Reads a file with credentials, and replaces it without ever showing half of it or losing what others write at the same time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::AuthError;
use super::document::Document;
use super::fault::Fault;

/// Largest file that is read, in bytes.
pub const LIMIT: u64 = 1 << 20;
/// How long another process may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// Links that are followed by hand.
const LINKS: usize = 16;

/// Reads and takes apart. A file that does not exist has nothing.
pub(super) fn read(path: &Path) -> Result<Document, AuthError> {
    let failed = |source| AuthError::Io { action: "read", path: path.to_owned(), source };
    let malformed = |source| AuthError::Malformed { path: path.to_owned(), source };
    // A pipe would keep the opener waiting for its other end.
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
        file => file.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(malformed(Fault::NotAFile));
    }
    if is_exposed(metadata.mode()) {
        let mode = format!("{:04o}", metadata.mode() & 0o7777);
        tracing::warn!(path = %path.display(), mode, "the file with credentials is open to other users; chmod 600 closes it");
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(LIMIT.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(malformed(Fault::Size { limit: LIMIT }));
    }
    Document::parse(&bytes).map_err(malformed)
}

/// Whether others than the owner may read or write it.
pub(super) fn is_exposed(mode: u32) -> bool {
    mode & 0o066 != 0
}

/// Changes the file, alone among all processes that go through here. What `edit` fails with leaves it as it was.
pub(super) fn change<T>(path: &Path, edit: impl FnOnce(&mut Document) -> Result<T, AuthError>) -> Result<T, AuthError> {
    let failed = |action| move |source| AuthError::Io { action, path: path.to_owned(), source };
    let target = target(path).map_err(failed("find"))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make a folder for"))?;
    let _lock = lock(&beside(&target, ".lock")).map_err(failed("lock"))?;
    let before = read(path)?;
    let mut document = before.clone();
    let result = edit(&mut document)?;
    if document != before {
        replace(&target, folder, &document).map_err(failed("write"))?;
    }
    Ok(result)
}

/// The file behind links, so that the links stay. It need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().map_or_else(|| next.clone(), |folder| folder.join(&next)),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// A name for a companion of a file.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process has been holding its lock for 10 s"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A new file in the place of the old one, of the same owner and closed to others.
fn replace(target: &Path, folder: &Path, document: &Document) -> io::Result<()> {
    let new = beside(target, &format!(".{}.new", std::process::id()));
    // One of an earlier process of that number, which died; the lock is ours.
    let _ = fs::remove_file(&new);
    let written = write(&new, target, &document.to_bytes());
    if let Err(error) = written.and_then(|()| fs::rename(&new, target)) {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write(new: &Path, old: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    if let (Ok(old), Ok(own)) = (old.metadata(), file.metadata())
        && (old.uid(), old.gid()) != (own.uid(), own.gid())
    {
        // Root that edits somebody's file leaves it to them; others cannot, and it becomes theirs.
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(bytes)?;
    file.sync_all()
}
