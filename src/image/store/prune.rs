//! Collecting what nothing refers to: blobs, signatures of images that are gone, folders of processes that died.

use std::collections::HashSet;
use std::fs;

use super::change::Locked;
use super::{Pruned, Store, durable, ingest, verified};
use crate::image::error::ImageError;

impl Store {
    /// Collects what nothing refers to, and images without a name.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a document in it cannot be followed: nothing is collected then.
    pub fn prune(&self) -> Result<Pruned, ImageError> {
        self.prune_or_count(false)
    }

    /// What [`Store::prune`] would collect.
    ///
    /// # Errors
    /// As there.
    pub fn garbage(&self) -> Result<Pruned, ImageError> {
        self.prune_or_count(true)
    }

    fn prune_or_count(&self, dry: bool) -> Result<Pruned, ImageError> {
        if !self.folder.exists() {
            return Ok(Pruned::default());
        }
        let mut locked = Locked::open(&self.folder)?;
        let all = locked.roots.len();
        locked.roots.retain(|root| !root.is_left_over());
        let survey = self.survey(&locked.roots)?;
        if !dry && (!survey.orphans.is_empty() || locked.roots.len() != all) {
            let orphans: HashSet<usize> = survey.orphans.iter().map(|(at, _)| *at).collect();
            locked.drop_all(&orphans);
            // Only what nothing lists any more may go.
            locked.write()?;
        }
        let blobs = self.sweep(dry, |digest| !survey.used.contains(digest))?;
        let dead = ingest::collect(&self.folder, dry);
        if !dry {
            verified::retain(&self.folder, &locked.roots.iter().map(|root| root.digest()).collect());
        }
        Ok(Pruned { blobs: blobs.blobs + dead.blobs, bytes: blobs.bytes + dead.bytes })
    }

    /// Removes the blobs that `goes` names. Files that are no blobs stay.
    fn sweep(&self, dry: bool, goes: impl Fn(&str) -> bool) -> Result<Pruned, ImageError> {
        let folder = self.folder.join("blobs/sha256");
        let failed = |action| {
            let path = folder.clone();
            move |source| ImageError::Io { action, path, source }
        };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Pruned::default()),
            entries => entries.map_err(failed("list"))?,
        };
        let mut all = Pruned::default();
        for entry in entries {
            let entry = entry.map_err(failed("list"))?;
            let digest = format!("sha256:{}", entry.file_name().to_string_lossy());
            if super::hex_of(&digest).is_none() || !goes(&digest) {
                continue;
            }
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            if !dry {
                fs::remove_file(entry.path()).map_err(failed("remove blobs of"))?;
            }
            all.blobs += 1;
            all.bytes += bytes;
        }
        Ok(all)
    }

    /// Takes a name away, or with a digest the root that has no name. If it was the last root of its digest, what only it led to is
    /// collected too, its signatures included; what cannot be told is left to [`Store::prune`].
    ///
    /// # Errors
    /// When there is no such image, or the store cannot be written.
    pub fn remove(&self, name: &str) -> Result<Pruned, ImageError> {
        let absent = || ImageError::Absent { reference: name.to_owned() };
        if !self.folder.exists() {
            return Err(absent());
        }
        let mut locked = Locked::open(&self.folder)?;
        let meant = |root: &super::change::Root| root.name().map_or_else(|| root.digest() == name, |known| known == name);
        let at = locked.roots.iter().position(meant).ok_or_else(absent)?;
        let removed = locked.roots.remove(at);
        // Nobody else answers to a name that was listed twice.
        locked.roots.retain(|root| root.name().is_none() || root.name() != removed.name());
        let digest = removed.digest();
        if locked.roots.iter().any(|root| root.digest() == digest) {
            locked.write()?;
            return Ok(Pruned::default());
        }
        let mut goes = self.reach(&removed.descriptor);
        let survey = match self.survey(&locked.roots) {
            Ok(survey) => survey,
            Err(error) => {
                locked.write()?;
                tracing::warn!(error = &error as &dyn std::error::Error, "the name is removed but its blobs stay: the store is damaged");
                return Ok(Pruned::default());
            }
        };
        self.take_along(&mut locked, &survey.orphans, &mut goes);
        locked.write()?;
        verified::forget(&self.folder, &digest);
        let dead = goes.difference(&survey.used).cloned().collect::<HashSet<_>>();
        let pruned = self.unlink(&dead);
        // A crash may bring back blobs, which is no harm.
        let _ = durable::sync_folder(&self.folder.join("blobs/sha256"));
        Ok(pruned)
    }

    /// Drops the orphans that are about what goes, and what they lead to; what is about them follows.
    fn take_along(&self, locked: &mut Locked, orphans: &[(usize, String)], goes: &mut HashSet<String>) {
        let mut dropped: HashSet<usize> = HashSet::new();
        loop {
            let next: Vec<usize> =
                orphans.iter().filter(|(at, subject)| goes.contains(subject) && !dropped.contains(at)).map(|(at, _)| *at).collect();
            if next.is_empty() {
                break;
            }
            for at in next {
                dropped.insert(at);
                goes.extend(locked.roots.get(at).map(|root| self.reach(&root.descriptor)).unwrap_or_default());
            }
        }
        // What an orphan that stays leads to is in use as long as it is listed.
        for root in orphans.iter().filter(|(at, _)| !dropped.contains(at)).filter_map(|(at, _)| locked.roots.get(*at)) {
            for digest in self.reach(&root.descriptor) {
                goes.remove(&digest);
            }
        }
        locked.drop_all(&dropped);
    }

    fn unlink(&self, digests: &HashSet<String>) -> Pruned {
        let mut all = Pruned::default();
        for path in digests.iter().filter_map(|digest| super::blob_path(&self.folder, digest)) {
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if fs::remove_file(&path).is_ok() {
                all.blobs += 1;
                all.bytes += bytes;
            }
        }
        all
    }
}
