//! What pulling and pushing have in common on the command line.

use tokio::signal::unix::{SignalKind, signal};

use super::{RegistryArgs, StoreArgs};
use crate::cli::exit::Failure;
use crate::cli::{output, progress};
use crate::image::Reference;
use crate::image::registry::{Options, Registry};

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
