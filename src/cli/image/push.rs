//! `gadgetry image push`.

use super::transfer::{self, Way};
use super::{RegistryArgs, StoreArgs};
use crate::cli::exit::Failure;

pub(super) const EXAMPLES: &str = "Examples:\n  gadgetry image push registry.example.com/team/my_gadget:v1\n  gadgetry image push --insecure-registries 127.0.0.1:5000 127.0.0.1:5000/my_gadget:latest";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Image of the store to push; `gadgetry image tag` gives it the name of a registry
    image: String,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    transfer::run(Way::Push, &args.image, &args.store, &args.registry)
}
