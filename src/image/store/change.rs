//! Changing what `index.json` lists, alone among all processes: under the exclusive lock that upstream's tool takes, too. What is not
//! changed keeps its very bytes, members that only other tools know included.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use oci_spec::OciSpecError;
use oci_spec::image::Descriptor;

use super::listing::Listing;
use super::{SUBJECT, durable, is_image};
use crate::image::error::ImageError;
use crate::image::layout::name_of;
use crate::image::pack::REF_NAME;

/// Upstream's name for the file that is locked.
const LOCK: &str = "index.json.lock";
/// How long somebody else may hold it: far longer than any change takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long until it is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// An index that lists nothing.
const EMPTY: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// One element of `index.json`.
#[derive(Debug)]
pub(super) struct Root {
    pub descriptor: Descriptor,
    /// As it is written; none while it is new.
    text: Option<Vec<u8>>,
}

impl Root {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Root { descriptor, text: None }
    }

    pub(super) fn name(&self) -> Option<&str> {
        name_of(&self.descriptor)
    }

    pub(super) fn digest(&self) -> String {
        self.descriptor.digest().to_string()
    }

    /// Whether it is an image without a name that says nothing about another one: built without one, or its name is another's by now.
    pub(super) fn is_left_over(&self) -> bool {
        let about = self.descriptor.annotations().as_ref().is_some_and(|all| all.contains_key(SUBJECT));
        self.name().is_none() && !about && is_image(&self.descriptor)
    }

    fn lose_name(&mut self) {
        let mut annotations = self.descriptor.annotations().clone().unwrap_or_default();
        annotations.remove(REF_NAME);
        self.descriptor.set_annotations((!annotations.is_empty()).then_some(annotations));
        self.text = None;
    }

    /// JSON with its keys in order: annotations come out of a hash map.
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        match &self.text {
            Some(text) => Ok(text.clone()),
            None => {
                let mut value = serde_json::to_value(&self.descriptor)?;
                value.sort_all_objects();
                serde_json::to_vec(&value)
            }
        }
    }
}

/// The store's index while nobody else changes it.
#[derive(Debug)]
pub(super) struct Locked {
    folder: PathBuf,
    pub roots: Vec<Root>,
    before: Vec<u8>,
    after: Vec<u8>,
    _lock: File,
}

/// Waits for the lock of the store in `folder`, which has to be there, but not for ever.
pub(super) fn lock(folder: &Path) -> Result<File, ImageError> {
    lock_within(folder, PATIENCE)
}

/// The same with another limit.
pub(super) fn lock_within(folder: &Path, patience: Duration) -> Result<File, ImageError> {
    let path = folder.join(LOCK);
    let attempt = || {
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let reason = format!("another process has been holding it for {patience:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
                }
            }
        }
    };
    attempt().map_err(|source| ImageError::Io { action: "lock", path: path.clone(), source })
}

impl Locked {
    /// Takes the lock and reads the index.
    pub(super) fn open(folder: &Path) -> Result<Self, ImageError> {
        let lock = lock(folder)?;
        let listing = Listing::read(folder)?.unwrap_or_else(|| Listing::of(EMPTY.to_vec()));
        let (descriptors, list) = listing.parsed()?;
        let part = |range: std::ops::Range<usize>| listing.text().get(range).unwrap_or_default().to_vec();
        let texts = list.elements.iter().map(|place| Some(part(place.clone())));
        let roots = descriptors.into_iter().zip(texts).map(|(descriptor, text)| Root { descriptor, text }).collect();
        let (before, after) = (part(0..list.place.start), part(list.place.end..listing.text().len()));
        Ok(Locked { folder: folder.to_owned(), roots, before, after, _lock: lock })
    }

    /// Writes the index; whoever reads it sees all of the changes or none.
    pub(super) fn write(&self) -> Result<(), ImageError> {
        let malformed = |source| ImageError::Document { what: "index.json".to_owned(), source: OciSpecError::SerDe(source) };
        let elements = self.roots.iter().map(Root::json).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        let mut pieces: Vec<&[u8]> = vec![&self.before, b"["];
        for (place, element) in elements.iter().enumerate() {
            pieces.extend([if place == 0 { &b""[..] } else { b"," }, element]);
        }
        pieces.extend([b"]", &self.after[..]]);
        let (path, new) = (self.folder.join("index.json"), self.folder.join("index.json.new"));
        durable::replace(&path, &new, &pieces, 0o644).map_err(|source| ImageError::Io { action: "write", path, source })
    }

    /// Drops the roots at these positions.
    pub(super) fn drop_all(&mut self, positions: &HashSet<usize>) {
        let mut position = 0..;
        self.roots.retain(|_| position.next().is_none_or(|at| !positions.contains(&at)));
    }

    /// Adds roots, each in the place of the one with its name, or with its digest when it has no name. Of several with one name the last
    /// stays. An image that nothing else lists stays without the name that it loses: whoever has noted its digest still finds it.
    pub(super) fn put(&mut self, roots: Vec<Descriptor>) {
        let key = |root: &Root| root.name().map_or_else(|| (false, root.digest()), |name| (true, name.to_owned()));
        let mut taken = HashSet::new();
        let mut new: Vec<Root> = roots.into_iter().rev().map(Root::new).filter(|root| taken.insert(key(root))).collect();
        new.reverse();
        let named: HashSet<String> =
            new.iter().filter(|root| root.name().is_some() && is_image(&root.descriptor)).map(Root::digest).collect();
        let staying = self.roots.iter().filter(|known| !taken.contains(&key(known)));
        let mut listed: HashSet<String> = staying.chain(&new).map(Root::digest).collect();
        self.roots.retain_mut(|known| {
            if !taken.contains(&key(known)) {
                // An image that has a name again is not left over any more.
                return !(known.is_left_over() && named.contains(&known.digest()));
            }
            let stays = is_image(&known.descriptor) && listed.insert(known.digest());
            if stays {
                known.lose_name();
            }
            stays
        });
        self.roots.append(&mut new);
    }
}
