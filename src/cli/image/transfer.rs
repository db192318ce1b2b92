//! What pulling and pushing have in common on the command line.

use tokio::signal::unix::{SignalKind, signal};

use super::{RegistryArgs, StoreArgs};
use crate::cli::exit::Failure;
use crate::cli::{output, progress};
use crate::image::layout::name_of;
use crate::image::registry::{Options, Registry};
use crate::image::store::Store;
use crate::image::{ImageError, Reference, embedded_layout};

/// Which way an image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the store.
    Pull,
    /// Out of it.
    Push,
}

/// Moves an image; a signal that ends the process leaves nothing behind.
pub(super) fn run(way: Way, image: &str, store: &StoreArgs, registry: &RegistryArgs) -> Result<(), Failure> {
    let reference = Reference::parse(image).map_err(|error| Failure::RunTime(Box::new(error)))?;
    let options = Options { data: store.data(), ..registry.options() };
    let registry = Registry::new(options).map_err(|error| Failure::RunTime(Box::new(error)))?;
    let (store, progress) = (store.store()?, progress::transfers());
    match way {
        Way::Push => stored(&store, image, &reference)?,
        Way::Pull if is_embedded(&reference) => {
            output::error(&format!("{reference} is built into this program: `run` uses that one unless told `--pull always`"));
        }
        Way::Pull => {}
    }
    let (doing, done) = if way == Way::Pull { ("Pulling", "pulled") } else { ("Pushing", "pushed") };
    output::write(format!("{doing} {image}...\n").as_bytes())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let moved = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let transfer = async {
            match way {
                Way::Pull => registry.pull(&reference, None, &store, &*progress).await,
                Way::Push => registry.push(&reference, &store, &*progress).await,
            }
        };
        tokio::select! {
            moved = transfer => moved.map_err(|error| Failure::RunTime(Box::new(error))),
            _ = tokio::signal::ctrl_c() => Err(Failure::RunTime("interrupted".into())),
            _ = terminate.recv() => Err(Failure::RunTime("terminated".into())),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let digest = moved?;
    let name = Reference { digest: None, ..reference };
    output::write(format!("Successfully {done} {name}@{digest}\n").as_bytes())
}

/// Makes sure that the store has what is to be pushed.
fn stored(store: &Store, image: &str, reference: &Reference) -> Result<(), Failure> {
    match store.resolve(&reference.to_string()) {
        Ok(_) => Ok(()),
        Err(ImageError::NotStored { .. }) if is_embedded(reference) => {
            let why = format!("{reference} is built into this program and not in the store");
            Err(Failure::RunTime(format!("{why}; tag it first: gadgetry image tag {image} REGISTRY/NAME:TAG").into()))
        }
        Err(error) => Err(Failure::RunTime(error.into())),
    }
}

/// Whether a reference means an image that is built into this program.
fn is_embedded(reference: &Reference) -> bool {
    let roots = reference.gadget_name().and_then(embedded_layout).and_then(|files| files.roots().ok()).unwrap_or_default();
    let named = Reference { digest: None, ..reference.clone() }.to_string();
    let same_tag = |root: &_| reference.tag.is_none() || name_of(root) == Some(&named);
    let same_digest = |digest: &str| reference.digest.as_deref().is_none_or(|wanted| wanted == digest);
    roots.iter().any(|root| same_tag(root) && same_digest(root.digest().as_ref()))
}
