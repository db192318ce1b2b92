//! `gadgetry logout`.

use std::path::PathBuf;

use super::exit::Failure;
use super::image::StoreArgs;
use super::login::{normalised, not_logged_in, run_time};
use super::{LogArgs, output};
use crate::image::auth::AuthFile;
use crate::telemetry::logging::LogFormat;

pub(super) const EXAMPLES: &str = "Examples:
  gadgetry logout ghcr.io
  gadgetry logout --all --authfile credentials.json";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry: HOST or HOST:PORT
    #[arg(value_name = "REGISTRY", conflicts_with = "all")]
    registry: Option<String>,
    /// Forget all registries of the file
    #[arg(short, long)]
    all: bool,
    /// File with credentials [default: $REGISTRY_AUTH_FILE, else config.json in the data directory]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args, log: &LogArgs) -> Result<(), Failure> {
    log.init("warn", LogFormat::Text)?;
    let file = AuthFile::to_write(args.authfile.as_deref(), &args.store.data());
    match &args.registry {
        Some(registry) => {
            let registry = normalised(registry).map_err(Failure::Usage)?;
            if !file.erase(&registry).map_err(run_time)? {
                elsewhere(args, &registry);
                return Err(not_logged_in(&registry));
            }
        }
        None if args.all => file.erase_all().map_err(run_time)?,
        None => return Err(Failure::Usage("which registry? For example: gadgetry logout ghcr.io, or --all".to_owned())),
    }
    output::write(b"Logout Succeeded\n")
}

/// Credentials that another program keeps are left to it, but not kept quiet about.
fn elsewhere(args: &Args, registry: &str) {
    let Ok(file) = AuthFile::find(args.authfile.as_deref(), &args.store.data()) else { return };
    if file.login(registry, "").is_ok_and(|login| login.is_some()) {
        let path = file.path().display();
        output::error(&format!("note: the credentials in {path} are used; --authfile {path} forgets them"));
    }
}
