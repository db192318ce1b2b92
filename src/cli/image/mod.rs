//! `gadgetry image`: everything about images but running them.

mod args;
mod build;
mod export;
mod import;
mod inspect;
mod list;
mod moving;
mod prune;
mod pull;
mod push;
mod remove;
mod sign;
mod tag;
mod transfer;
mod verify;

pub(super) use args::{ImageArgs, PolicyArgs, RegistryArgs, StoreArgs};
use clap::Subcommand;

use super::LogArgs;
use super::exit::Failure;

/// Build, move, inspect and sign gadget images
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build an image from a gadget's source
    #[command(after_help = build::EXAMPLES)]
    Build(Box<build::Args>),
    /// Write images into one file
    #[command(after_help = export::EXAMPLES)]
    Export(export::Args),
    /// Take the images of a file into the store
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),
    /// Show what an image consists of
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(Box<inspect::Args>),
    /// List the images of this machine
    #[command(visible_alias = "ls", after_help = list::EXAMPLES)]
    List(list::Args),
    /// Collect what no image in the store refers to, and images without a name
    #[command(after_help = prune::EXAMPLES)]
    Prune(prune::Args),
    /// Pull an image and its signatures into the store
    #[command(after_help = pull::EXAMPLES)]
    Pull(pull::Args),
    /// Push an image and its signatures out of the store
    #[command(after_help = push::EXAMPLES)]
    Push(push::Args),
    /// Remove an image from the store
    #[command(visible_alias = "rm", after_help = remove::EXAMPLES)]
    Remove(remove::Args),
    /// Sign an image in the store with a cosign key
    #[command(after_help = sign::EXAMPLES)]
    Sign(sign::Args),
    /// Give an image a further name
    #[command(after_help = tag::EXAMPLES)]
    Tag(tag::Args),
    /// Check the signatures of an image
    #[command(after_help = verify::EXAMPLES)]
    Verify(Box<verify::Args>),
}

/// Runs the command.
pub(super) fn run(args: Args, log: &LogArgs) -> Result<(), Failure> {
    log.init("warn", crate::telemetry::logging::LogFormat::Text)?;
    match args.command {
        Command::Build(args) => build::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::List(args) => list::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Tag(args) => tag::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}
