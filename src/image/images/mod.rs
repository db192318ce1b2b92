//! The one way from a name to an image that may run: find it, pull it if that is wanted, check the rules and the signature, open it.

mod check;
mod settings;

use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::error::ImageError;
use super::reference::{Names, Reference};
use super::registry::{self, Progress, Registry, Silent};
use super::store::Store;
use super::stores::{Stores, data_dir};
use super::trust::{Allowance, Policy, TrustError};
use super::{EMBEDDED_VERSION, GadgetImage, architecture, embedded, is_digest, local, not_found, suggestion};
pub use settings::{Pull, Settings};

/// The images of this machine and of the registries.
pub struct Images {
    names: Names,
    stores: Stores,
    registries: registry::Options,
    policy: Policy,
    disallow_pulling: bool,
    pull: Pull,
    progress: Arc<dyn Progress>,
}

impl Images {
    /// Images under those rules.
    ///
    /// # Errors
    /// When a key, certificate or policy document cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, ImageError> {
        let policy = settings.policy().map_err(|error| ImageError::Access(error.into()))?;
        let data = settings.data_dir.as_deref();
        let registries = registry::Options { data: data_dir(data).unwrap_or_default(), ..settings.registries.clone() };
        Ok(Images {
            names: settings.names.clone(),
            stores: Stores::of_process(data),
            registries,
            policy,
            disallow_pulling: settings.disallow_pulling,
            pull: settings.pull,
            progress: Arc::new(Silent),
        })
    }

    /// Shows transfers.
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Images { progress, ..self }
    }

    /// Opens an image, as [`super::open_in`] does, and pulls it where `pull`, or else the settings, say so; what is built in is pulled only where
    /// `pull` itself says always. One that the rules refuse is not opened. Blocks.
    ///
    /// # Errors
    /// When there is no such image, it cannot be pulled, is not what it should be, or the rules refuse it.
    pub fn open(&self, reference: &str, pull: Option<Pull>) -> Result<GadgetImage, ImageError> {
        let image = self.opened(reference, pull)?;
        tracing::debug!(image = image.reference, digest = image.digest, "image opened");
        Ok(image)
    }

    fn opened(&self, reference: &str, asked: Option<Pull>) -> Result<GadgetImage, ImageError> {
        let pull = asked.unwrap_or(self.pull);
        if local::is_path(reference) {
            return self.open_path(reference);
        }
        if is_digest(reference) {
            let (store, root, name) = self.stores.located(reference).ok_or_else(|| not_found(reference, reference, &self.stores))?;
            let wanted = self.names.parse(&name).unwrap_or_else(|_| Reference::nameless(Some(reference)));
            return self.open_stored(&wanted, &store, &root, pull);
        }
        let wanted = self.names.parse(reference)?;
        if asked != Some(Pull::Always)
            && let Some(image) = self.built_in(&wanted, None)?
        {
            return Ok(image);
        }
        let (store, root) = self.obtain(&wanted, pull)?;
        self.open_stored(&wanted, &store, &root, pull)
    }

    /// Opens what was opened before and had that digest, without asking a registry.
    ///
    /// # Errors
    /// As [`Images::open`], and when it is another image now.
    pub fn reopen(&self, reference: &str, digest: Option<&str>) -> Result<GadgetImage, ImageError> {
        let Some(digest) = digest else { return self.opened(reference, Some(Pull::Never)) };
        let image = match self.pinned(reference, digest)? {
            Some(image) => image,
            None => self.opened(reference, Some(Pull::Never))?,
        };
        if image.digest == digest {
            return Ok(image);
        }
        Err(ImageError::Moved { reference: image.reference, wanted: digest.to_owned(), found: image.digest })
    }

    /// The image with that digest, where a store has it: its name may be another image's by now.
    fn pinned(&self, reference: &str, digest: &str) -> Result<Option<GadgetImage>, ImageError> {
        if local::is_path(reference) || is_digest(reference) {
            return Ok(None);
        }
        let wanted = self.names.parse(reference)?;
        if let Some(image) = self.built_in(&wanted, Some(digest))? {
            return Ok(Some(image));
        }
        let Some((store, root)) = self.stores.find(&Reference { digest: Some(digest.to_owned()), ..wanted.clone() }) else {
            return Ok(None);
        };
        self.open_stored(&wanted, &store, &root, Pull::Never).map(Some)
    }

    /// The embedded gadget of that name, and of that digest where one is given.
    fn built_in(&self, wanted: &Reference, digest: Option<&str>) -> Result<Option<GadgetImage>, ImageError> {
        let Some(parts) = embedded(wanted, architecture())?.filter(|parts| digest.is_none_or(|digest| parts.digest == digest)) else {
            return Ok(None);
        };
        self.allow(wanted, Some(&parts.digest))?;
        Ok(Some(parts.into_image(wanted.to_string(), Some(EMBEDDED_VERSION.to_owned()))))
    }

    fn open_stored(&self, wanted: &Reference, store: &Store, root: &Descriptor, pull: Pull) -> Result<GadgetImage, ImageError> {
        self.allow(wanted, Some(root.digest().as_ref()))?;
        self.verify_stored(wanted, store, root, pull)?;
        let name = if wanted.domain.is_empty() { root.digest().to_string() } else { wanted.to_string() };
        let parts = store.files().parts(root, &name, architecture())?;
        Ok(parts.into_image(name, wanted.tag.clone()))
    }

    /// The root of the image in one of the stores, pulled where that is wanted.
    fn obtain(&self, wanted: &Reference, pull: Pull) -> Result<(Store, Descriptor), ImageError> {
        if self.policy.allowance(wanted, None) == Allowance::Refused {
            self.allow(wanted, None)?;
        }
        if pull != Pull::Always
            && let Some(found) = self.stores.find(wanted)
        {
            return Ok(found);
        }
        let short = wanted.gadget_name().unwrap_or(&wanted.repository);
        match pull {
            Pull::Never => return Err(not_found(&wanted.to_string(), short, &self.stores)),
            _ if self.disallow_pulling => return Err(ImageError::PullingDisallowed { reference: wanted.to_string() }),
            _ => {}
        }
        let store = self.stores.own().ok_or_else(|| not_found(&wanted.to_string(), short, &self.stores))?;
        let digest = self.pull(wanted, &store)?;
        let root = store.named(&wanted.to_string())?.filter(|root| root.digest().as_ref() == digest);
        let root = root.ok_or_else(|| ImageError::Absent { reference: wanted.to_string() })?;
        Ok((store, root))
    }

    /// Pulls an image whose name may run; where the rules go by digest, the registry is asked for that first.
    fn pull(&self, wanted: &Reference, store: &Store) -> Result<String, ImageError> {
        let failed = |error| self.not_pulled(wanted, error);
        let registry = Registry::new(self.registries.clone()).map_err(failed)?;
        blocking(async {
            let digest = match &wanted.digest {
                Some(digest) => Some(digest.clone()),
                None if self.policy.allowance(wanted, None) == Allowance::DependsOnDigest => {
                    Some(registry.digest(wanted).await.map_err(failed)?)
                }
                None => None,
            };
            self.allow(wanted, digest.as_deref())?;
            registry.pull(wanted, digest.as_deref(), store, self.progress.as_ref()).await.map_err(failed)
        })
    }

    fn not_pulled(&self, wanted: &Reference, error: registry::RegistryError) -> ImageError {
        let suggestion = wanted.gadget_name().and_then(|short| suggestion(short, &self.stores));
        ImageError::Pull { reference: wanted.to_string(), suggestion, source: error.into() }
    }

    fn allow(&self, wanted: &Reference, digest: Option<&str>) -> Result<(), ImageError> {
        self.policy.allow(wanted, digest).map_err(|error| refusal(wanted, error))
    }
}

fn refusal(wanted: &Reference, error: TrustError) -> ImageError {
    ImageError::Refused { reference: wanted.to_string(), source: error.into() }
}

/// Runs a future to its end, from wherever: on a thread and runtime of its own.
fn blocking<T: Send>(future: impl Future<Output = Result<T, ImageError>> + Send) -> Result<T, ImageError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| ImageError::Access(error.into()))?.block_on(future)
    };
    let ended = || ImageError::Access("the transfer's thread has ended in a panic".into());
    std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|_| Err(ended())))
}
