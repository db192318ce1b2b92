//! `gadgetry image prune`.

use super::StoreArgs;
use super::list::output_size;
use crate::cli::exit::Failure;
use crate::cli::output;

pub(super) const EXAMPLES: &str = "Examples:\n  gadgetry image prune --dry-run\n  gadgetry image prune";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only say what would be freed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let store = args.store.store()?;
    let pruned = if args.dry_run { store.garbage() } else { store.prune() }.map_err(|error| Failure::RunTime(error.into()))?;
    let (freed, size) = (if args.dry_run { "Would free" } else { "Freed" }, output_size(pruned.bytes));
    let blobs = if pruned.blobs == 1 { "blob" } else { "blobs" };
    output::write(format!("{freed} {} {blobs}, {size}\n", pruned.blobs).as_bytes())
}
