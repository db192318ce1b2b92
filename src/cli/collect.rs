//! `gadgetry collect`.

use super::exit::Failure;
use super::live::Live;
use super::logged::Logged;
use super::output;
use crate::config::{self, Access, Environment, LogEncoding};
use crate::daemon::{self, ConfigWatch, Observer};
use crate::telemetry::logging::LogFormat;

/// Shown below `collect --help`.
pub(super) const EXAMPLES: &str = "Signals:\n  SIGINT, SIGTERM  drain, print the final ledger, end\n  SIGHUP           reopen the exporters' files and read the configuration again\n\nExamples:\n  gadgetry collect -c config/collector.yaml\n  GADGETRY__SERVICE__TELEMETRY__ENDPOINT=127.0.0.1:9999 gadgetry collect -c collector.yaml";

/// Arguments of `collect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: super::ConfigFile,
    #[command(flatten)]
    store: super::image::StoreArgs,
    /// Don't show the live line of counts, only the log and the final ledger
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: &Args, log: &super::LogArgs) -> Result<(), Failure> {
    // The watch comes first, so that a change while the file is being read is not missed.
    let mut watch = ConfigWatch::new(&[args.config.path().to_owned()]);
    let access = Access { data_dir: args.store.data_dir.clone(), offline: false };
    let plan = config::load(args.config.path(), &Environment::of_process(), &access)?;
    watch.follow(&plan.watched);
    let format = match plan.service.log_encoding {
        LogEncoding::Json => LogFormat::Json,
        LogEncoding::Console => LogFormat::Text,
    };
    let logging = log.init(plan.service.log_level.as_str(), format)?;
    for warning in &plan.warnings {
        output::error(&warning.to_string());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("gadgetry").build()?;
    let options = daemon::Options { config: args.config.path().to_owned(), access, watch, logging: &logging };
    let mut observer: Box<dyn Observer> = match log.format(format) {
        LogFormat::Text => Box::new(Live::new(args.quiet)),
        LogFormat::Json => Box::new(Logged::new(args.quiet)),
    };
    let result = runtime.block_on(daemon::run(plan, options, &mut *observer));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(result?)
}
