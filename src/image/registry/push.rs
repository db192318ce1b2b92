//! An image out of the store into a registry: blobs, manifests, the index under its tag, then its signatures.

use futures::stream::{self, StreamExt, TryStreamExt};
use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, ImageManifest, MediaType};

use super::attempts::Attempts;
use super::contents;
use super::error::RegistryError;
use super::fault::Fault;
use super::fetch::{Fetch, Wanted};
use super::{signatures, upload};
use crate::image::ImageError;
use crate::image::layout::{DOCUMENT_LIMIT, Files, LAYER_LIMIT};
use crate::image::pack::digest_of;
use crate::image::reference::Reference;
use crate::image::store::Store;

/// Blobs that are sent at a time.
const AT_ONCE: usize = 3;

/// What is pushed, and where to.
pub(super) struct Push<'a> {
    pub fetch: Fetch<'a>,
    pub files: Files<'static>,
    pub store: &'a Store,
}

impl Push<'_> {
    /// Pushes the image with that root under the reference's tag, else by its digest.
    ///
    /// # Errors
    /// When it is not in the store as it should be, or the registry does not take it.
    pub async fn image(&self, reference: &Reference, root: &Descriptor) -> Result<(), RegistryError> {
        let bytes = self.read(root, "index", DOCUMENT_LIMIT)?;
        let manifests = contents::index(&bytes).map_err(|reason| self.unusable(root, reason))?;
        let (mut blobs, mut documents) = (Vec::new(), Vec::new());
        for entry in &manifests {
            let architecture = contents::architecture(entry);
            let manifest = self.read(entry, "manifest", DOCUMENT_LIMIT)?;
            blobs.extend(contents::manifest(&manifest, &architecture).map_err(|reason| self.unusable(entry, reason))?);
            documents.push((format!("manifest ({architecture})"), entry, manifest));
        }
        self.blobs(contents::distinct(blobs).map_err(|reason| self.unusable(root, reason))?).await?;
        for (what, entry, manifest) in documents {
            self.manifest(&what, entry, manifest).await?;
        }
        let digest = root.digest().to_string();
        let name = reference.tag.as_deref().unwrap_or(&digest);
        self.put(&format!("image {}", self.fetch.reference), name, root.media_type(), bytes).await?;
        self.signatures(reference, &digest).await
    }

    /// Pushes what the store has of signatures.
    async fn signatures(&self, reference: &Reference, digest: &str) -> Result<(), RegistryError> {
        let tagged = self.store.named(&signatures::name(reference, digest)).map_err(|error| self.unreadable(error))?;
        if let Some(root) = tagged {
            let bytes = self.signature(&root).await?;
            self.put("signature", &format!("{}.sig", signatures::tag(digest)), root.media_type(), bytes).await?;
        }
        let referrers = self.store.referrers(digest).map_err(|error| self.unreadable(error))?;
        for root in &referrers {
            let bytes = self.signature(root).await?;
            self.manifest("signature", root, bytes).await?;
        }
        if referrers.is_empty() || signatures::api(self.fetch, digest).await?.is_some() {
            return Ok(());
        }
        self.list(digest, &referrers).await
    }

    /// The blobs of a signature; gives its manifest.
    async fn signature(&self, root: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let bytes = self.read(root, "signature", DOCUMENT_LIMIT)?;
        let manifest = ImageManifest::from_reader(&bytes[..]).map_err(|error| self.unusable(root, error.to_string()))?;
        let all = std::iter::once(manifest.config()).chain(manifest.layers());
        let blobs: Result<Vec<_>, _> = all.map(|blob| contents::wanted(blob, "signature".to_owned(), LAYER_LIMIT)).collect();
        let blobs = blobs.and_then(contents::distinct).map_err(|reason| self.unusable(root, reason))?;
        self.blobs(blobs).await?;
        Ok(bytes)
    }

    /// Where the registry does not find out by itself what refers to an image, a tag lists it (OCI distribution spec 1.1, "Referrers tag
    /// schema").
    async fn list(&self, digest: &str, new: &[Descriptor]) -> Result<(), RegistryError> {
        let tag = signatures::tag(digest);
        let mut all = match self.fetch.document(&format!("manifests/{tag}"), "list of signatures", DOCUMENT_LIMIT).await {
            Ok(document) => ImageIndex::from_reader(&document.bytes[..]).map(|index| index.manifests().clone()).unwrap_or_default(),
            Err(error) if error.is_absent() => Vec::new(),
            Err(error) => return Err(error),
        };
        let before = all.len();
        for root in new {
            if all.iter().all(|known| known.digest() != root.digest()) {
                all.push(self.listed(root)?);
            }
        }
        if all.len() == before {
            return Ok(());
        }
        let index = ImageIndexBuilder::default().schema_version(2u32).media_type(MediaType::ImageIndex).manifests(all).build();
        let text = index.and_then(|index| index.to_string()).map_err(|source| {
            let what = "list of signatures".to_owned();
            self.unreadable(ImageError::Document { what, source })
        })?;
        self.put("list of signatures", &tag, &MediaType::ImageIndex, text.into_bytes()).await
    }

    /// A referrer as a list has it: with type and annotations of its manifest, and nothing of ours.
    fn listed(&self, root: &Descriptor) -> Result<Descriptor, RegistryError> {
        let bytes = self.read(root, "signature", DOCUMENT_LIMIT)?;
        let manifest = ImageManifest::from_reader(&bytes[..]).map_err(|error| self.unusable(root, error.to_string()))?;
        let mut entry = root.clone();
        entry.set_artifact_type(Some(manifest.artifact_type().clone().unwrap_or_else(|| manifest.config().media_type().clone())));
        entry.set_annotations(manifest.annotations().clone());
        Ok(entry)
    }

    async fn blobs(&self, blobs: Vec<Wanted>) -> Result<(), RegistryError> {
        let transfers: Vec<_> = blobs.iter().map(|blob| self.blob(blob)).collect();
        stream::iter(transfers).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(|_| ())
    }

    async fn blob(&self, wanted: &Wanted) -> Result<(), RegistryError> {
        let Fetch { remote, progress, .. } = self.fetch;
        progress.begin(&wanted.digest, &wanted.what, wanted.size);
        let there = self.fetch.has(&format!("blobs/{}", wanted.digest), &wanted.what).await?;
        if !there {
            let refused = |reason: String| RegistryError::Setup { registry: remote.place.host.clone(), reason };
            let descriptor = super::pull::descriptor(&wanted.digest, wanted.size, MediaType::ImageLayer).map_err(refused)?;
            let bytes = bytes::Bytes::from(self.read(&descriptor, "blob", LAYER_LIMIT)?);
            let mut attempts = self.attempts(&wanted.what);
            while let Err(fault) = upload::blob(remote, &wanted.digest, bytes.clone(), progress).await {
                self.failed(&mut attempts, fault).await?;
            }
        }
        progress.end(&wanted.digest, there);
        Ok(())
    }

    /// A manifest under its digest, where it is not there yet.
    async fn manifest(&self, what: &str, entry: &Descriptor, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let digest = entry.digest().to_string();
        if self.fetch.has(&format!("manifests/{digest}"), what).await? {
            return Ok(());
        }
        self.put(what, &digest, entry.media_type(), bytes).await
    }

    async fn put(&self, what: &str, name: &str, media_type: &MediaType, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let (digest, size, progress) = (digest_of(&bytes), bytes.len() as u64, self.fetch.progress);
        progress.begin(&digest, what, size);
        let bytes = bytes::Bytes::from(bytes);
        let mut attempts = self.attempts(what);
        while let Err(fault) = upload::manifest(self.fetch.remote, name, media_type.as_ref(), bytes.clone()).await {
            self.failed(&mut attempts, fault).await?;
        }
        progress.at(&digest, size);
        progress.end(&digest, false);
        Ok(())
    }

    fn attempts<'a>(&'a self, what: &'a str) -> Attempts<'a> {
        let Fetch { remote, reference, verb, progress } = self.fetch;
        Attempts::new(remote.link.patience, remote.task(reference, verb, what), progress)
    }

    /// A token may have become too old: one that is refused is tried once more with a new one.
    async fn failed(&self, attempts: &mut Attempts<'_>, fault: Fault) -> Result<(), RegistryError> {
        match fault {
            Fault::Denied(text) if attempts.is_first() => {
                self.fetch.remote.forget().await;
                attempts.failed(Fault::Passing { text, after: Some(std::time::Duration::ZERO) }).await
            }
            fault => attempts.failed(fault).await,
        }
    }

    fn read(&self, descriptor: &Descriptor, what: &'static str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        self.files.blob(descriptor, what, limit).map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: ImageError) -> RegistryError {
        RegistryError::Unreadable { reference: self.fetch.reference.to_owned(), source: Box::new(error) }
    }

    fn unusable(&self, entry: &Descriptor, reason: String) -> RegistryError {
        self.unreadable(ImageError::Blob { digest: entry.digest().to_string(), what: "document", reason })
    }
}
