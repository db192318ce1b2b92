//! `gadgetry run IMAGE`: one gadget in the terminal. The command line is read twice: leniently, to find the gadget, then strictly, with the
//! gadget's own parameters as flags.

mod args;
mod help;
mod params;
mod peek;
#[cfg(test)]
mod tests;
mod views;
mod watch;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::{Command, CommandFactory, FromArgMatches, Parser};

pub(super) use args::{Args, EXAMPLES};

use super::exit::{self, Failure};
use super::progress;
use super::{Cli, LogArgs};
use crate::component::{ComponentId, ExporterService};
use crate::config::GadgetPlan;
use crate::daemon::oneshot::{self, Oneshot};
use crate::exporter::terminal::{Screen, Terminal};
use crate::gadget::{self, Gadget};
use crate::image::{GadgetImage, Images};
use crate::kernel::capabilities;
use crate::pipeline::{self, Exporters};
use crate::telemetry::logging::LogFormat;
use watch::Watch;

/// The exporter that writes to standard output.
const TERMINAL: &str = "terminal";
/// Runtimes that are not there are nobody's fault here: what that means is said in other words.
const LOG_LEVEL: &str = "info,gadgetry::container=error";

/// Whether this is `run` with an image; gives what to run it with.
pub(super) fn peek(arguments: &[OsString]) -> Option<peek::Peek> {
    peek::peek(&Cli::command(), arguments)
}

/// Finds the gadget, reads the command line with its parameters, and runs it.
pub(super) fn run(found: &peek::Peek, arguments: &[OsString]) -> Result<(), Failure> {
    let first = Cli::try_parse_from(&found.known)?;
    let super::Command::Run(lenient) = first.command else { return Err(nothing_to_run()) };
    start_log(&lenient, &first.log)?;
    if !lenient.verify_image {
        tracing::warn!("image verification is off");
    }
    let images = Arc::new(Images::new(&lenient.images()).map_err(run_time)?.with_progress(progress::transfers().into()));
    let image = images.open(&lenient.image, lenient.opening.pull).map_err(run_time)?;
    let opened = open(&image, &lenient)?;
    let schemas = pipeline::schemas(
        open(&image, &lenient)?,
        &GadgetPlan { operators: Vec::new(), ..plan(&lenient, &opened) },
        lenient.kubernetes.settings().wanted(),
    )
    .map_err(run_time)?;
    let command = with_gadget(Cli::command(), &opened, &schemas);
    let matches = command.try_get_matches_from(arguments)?;
    let strict = Cli::from_arg_matches(&matches)?;
    let super::Command::Run(args) = strict.command else { return Err(nothing_to_run()) };
    let values = matches.subcommand_matches("run").map(|matches| params::values(matches, &opened.params)).unwrap_or_default();
    start(&args, images, &image, GadgetPlan { params: values, ..plan(&args, &opened) })
}

/// For a command line of which nobody could tell what is to run.
pub(super) fn nothing_to_run() -> Failure {
    Failure::Usage("no IMAGE could be found on the command line; name it right behind `run`".to_owned())
}

fn start_log(args: &Args, log: &LogArgs) -> Result<(), Failure> {
    log.init(if args.verbose { "debug" } else { LOG_LEVEL }, LogFormat::Text).map(drop)
}

fn open(image: &GadgetImage, args: &Args) -> Result<Gadget, Failure> {
    gadget::open_annotated(image, &instance(image), &args.annotations()).map_err(run_time)
}

/// What the gadget is called in messages.
fn instance(image: &GadgetImage) -> String {
    let last = image.reference.split('@').next().unwrap_or_default().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    if name.trim_matches('.').is_empty() { "gadget".to_owned() } else { name.to_owned() }
}

fn plan(args: &Args, gadget: &Gadget) -> GadgetPlan {
    GadgetPlan {
        name: gadget.identity.instance.clone(),
        image: gadget.identity.image.clone(),
        digest: None,
        params: Default::default(),
        buffer: args.buffer,
        containers: args.selector(),
        operators: args.operators(),
        metrics: Vec::new(),
        exporters: TERMINAL.parse::<ComponentId>().into_iter().collect(),
    }
}

/// The command line with the gadget's description and parameters.
fn with_gadget(command: Command, gadget: &Gadget, schemas: &[Arc<crate::batch::Schema>]) -> Command {
    command.mut_subcommand("run", |run| {
        let taken = peek::taken(&run);
        let run = run.about(help::about(gadget)).long_about(None).after_help(help::fields(schemas));
        run.args(params::arguments(&gadget.params, &taken)).args(params::missing(&gadget.params))
    })
}

fn start(args: &Args, images: Arc<Images>, image: &GadgetImage, plan: GadgetPlan) -> Result<(), Failure> {
    let mut gadget = open(image, args)?;
    let wrong = |errors: Vec<gadget::ConfigureError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    gadget.configure(&plan.params).map_err(|errors| Failure::Usage(wrong(errors)))?;
    let schemas = pipeline::schemas(open(image, args)?, &plan, args.kubernetes.settings().wanted())
        .map_err(|error| Failure::Usage(exit::chain(&error)))?;
    let views = views::choose(args.output.as_deref(), args.fields.as_deref(), &schemas)?;
    for warning in &views.warnings {
        super::output::error(&format!("WARN {warning}"));
    }
    let missing = capabilities::missing_capabilities();
    if !missing.is_empty() {
        return Err(Failure::RunTime(format!("running gadgets needs root: this process lacks {}", missing.join(" and ")).into()));
    }
    args.runtimes.repeated().iter().for_each(|line| super::output::error(&format!("INFO {line}")));
    let screen = Arc::new(Screen::stdout());
    let terminal: Arc<dyn ExporterService> = Arc::new(Terminal::new(views.views, screen.clone()));
    let exporters: Exporters = plan.exporters.iter().map(|id| (id.clone(), terminal.clone())).collect::<HashMap<_, _>>();
    let mut watch = Watch::new(&plan, args.runtimes.clone(), screen.clone());
    let oneshot = Oneshot {
        gadget,
        plan,
        exporters,
        runtimes: args.runtimes.settings(),
        kubernetes: args.kubernetes.settings(),
        sockets: args.socket_enricher_fields,
        images,
        timeout: (args.timeout > 0).then(|| Duration::from_secs(args.timeout)),
        // Stopping must not keep what is drained from being written.
        cancel: screen.ended().child_token(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("gadgetry").build()?;
    let result = runtime.block_on(oneshot::run(oneshot, &mut watch));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result?;
    watch.ended();
    match screen.failure() {
        Some(failure) => Err(Failure::RunTime(format!("write to standard output: {failure}").into())),
        None => Ok(()),
    }
}

fn run_time(error: impl std::error::Error + 'static) -> Failure {
    Failure::RunTime(Box::new(error))
}
