//! Signatures: an image that the rules want signed is opened only when it is.

use std::time::Duration;

use oci_spec::image::Descriptor;

use super::{Images, Pull, blocking, refusal};
use crate::image::local::{self, Found};
use crate::image::reference::Reference;
use crate::image::registry::{Patience, Registry};
use crate::image::store::Store;
use crate::image::trust::{self, Subject, TrustError};
use crate::image::{GadgetImage, ImageError, architecture};

/// For signatures that may well not exist, while somebody waits.
const HASTE: Patience =
    Patience { attempts: 2, first_wait: Duration::from_millis(300), longest_wait: Duration::from_secs(2), stall: Duration::from_secs(10) };

impl Images {
    /// Opens what is at a place on disk.
    pub(super) fn open_path(&self, reference: &str) -> Result<GadgetImage, ImageError> {
        let refused = |error: TrustError| ImageError::Refused { reference: reference.to_owned(), source: error.into() };
        let found = local::find(reference)?;
        let failed = |source| ImageError::Io { action: "find", path: found.path().to_owned(), source };
        self.policy.allow_path(&std::fs::canonicalize(found.path()).map_err(failed)?).map_err(refused)?;
        match found {
            Found::Folder { image, .. } if self.policy.required => Err(refused(TrustError::Unsigned { reference: image.reference })),
            Found::Folder { image, .. } => Ok(*image),
            Found::Layout { files, listed, root, name, .. } => {
                let parsed = Reference::parse(&name).ok();
                if self.policy.required {
                    // Its signatures are found by the name in it. But that name says nothing of where it comes from: trust policies for one
                    // repository must not be chosen by whoever has written it.
                    let nameless = Reference::nameless(None);
                    let subject = Subject { reference: name.clone(), repository: String::new(), ..Subject::of(&nameless, &root) };
                    let signatures = trust::artifacts(&files, &listed, parsed.as_ref().unwrap_or(&nameless), &subject.digest)?;
                    self.policy.verify(&subject, &signatures).map_err(refused)?;
                }
                let tag = parsed.and_then(|parsed| parsed.tag);
                Ok(files.parts(&root, &name, architecture())?.into_image(name, tag))
            }
        }
    }

    /// Whether a stored image is signed as the rules want it. Answers are kept; signatures that are not here are fetched once, where the
    /// network may be asked.
    pub(super) fn verify_stored(&self, wanted: &Reference, store: &Store, root: &Descriptor, pull: Pull) -> Result<(), ImageError> {
        if !self.policy.required {
            return Ok(());
        }
        // Trust policies go by repository: what holds for one need not hold for another.
        let (digest, policy) = (root.digest().to_string(), format!("{} {}", self.policy.fingerprint(), wanted.name()));
        let own = self.stores.own();
        if let Some(by) = own.as_ref().and_then(|own| own.verified(&digest, &policy)) {
            tracing::debug!(image = %wanted, by, "image was verified before");
            return Ok(());
        }
        let subject = Subject::of(wanted, root);
        let mut result = self.verify(&subject, store, wanted);
        if let Some(own) = own.as_ref().filter(|_| result.is_err() && !self.disallow_pulling && pull != Pull::Never)
            && self.fetch_signatures(wanted, &digest, own)
        {
            result = self.verify(&subject, store, wanted);
        }
        let verified = result.map_err(|error| refusal(wanted, error))?;
        tracing::debug!(image = %wanted, digest, by = verified.by, "image verified");
        if let Some(own) = own {
            own.keep_verified(&digest, &policy, &verified);
        }
        Ok(())
    }

    /// Looks for good signatures in the image's own store and in ours, into which late ones are pulled.
    fn verify(&self, subject: &Subject, store: &Store, name: &Reference) -> Result<trust::Verified, TrustError> {
        let unreadable =
            |error: ImageError| TrustError::Unverified { reference: subject.reference.clone(), reasons: vec![error.to_string()] };
        let own = self.stores.own().filter(|own| own.folder() != store.folder());
        let mut found = trust::Signatures::default();
        for store in std::iter::once(store).chain(&own) {
            let roots = store.roots().map_err(unreadable)?;
            found.extend(trust::artifacts(&store.files(), &roots, name, &subject.digest).map_err(unreadable)?);
        }
        self.policy.verify(subject, &found)
    }

    /// Whether signatures came that were not there before.
    fn fetch_signatures(&self, wanted: &Reference, digest: &str, store: &Store) -> bool {
        if wanted.domain.is_empty() {
            return false;
        }
        let failed = |error| self.not_pulled(wanted, error);
        let registry = Registry::new(self.registries.clone()).map(|registry| registry.with_patience(HASTE)).map_err(failed);
        match registry.and_then(|registry| blocking(async { registry.pull_signatures(wanted, digest, store).await.map_err(failed) })) {
            Ok(count) => count > 0,
            Err(error) => {
                tracing::debug!(image = %wanted, error = &error as &dyn std::error::Error, "no signatures could be fetched");
                false
            }
        }
    }
}
