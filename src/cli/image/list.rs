//! `gadgetry image list`.

use crate::cli::exit::Failure;

pub(super) const EXAMPLES: &str = "";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the command.
pub(super) fn run(_: &Args) -> Result<(), Failure> {
    Err(Failure::RunTime("not there yet".into()))
}
