//! `gadgetry image pull`.

use super::transfer::{self, Way};
use super::{RegistryArgs, StoreArgs};
use crate::cli::exit::Failure;

pub(super) const EXAMPLES: &str = "Examples:\n  gadgetry image pull trace_open\n  gadgetry image pull registry.example.com/team/my_gadget:v1\n  gadgetry image pull --insecure-registries 127.0.0.1:5000 127.0.0.1:5000/my_gadget:latest";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Image to pull: NAME, NAME:TAG, REGISTRY/NAME:TAG or NAME@sha256:DIGEST
    image: String,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    transfer::run(Way::Pull, &args.image, &args.store, &args.registry)
}
