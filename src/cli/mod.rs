//! The command line: what `gadgetry` understands, and how it answers.

mod collect;
mod config;
mod containers;
mod exit;
mod image;
mod kubernetes;
mod ledger;
pub mod list_containers;
mod live;
mod logged;
mod login;
mod logout;
mod output;
mod progress;
mod run;
pub mod runtimes;
pub mod selection;
#[cfg(test)]
mod tests;
pub mod validate;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::telemetry::logging::{self, LogFormat, Logging};
use exit::Failure;

/// Runs eBPF gadgets and ships what they see: OTLP, Prometheus, files, the terminal.
#[derive(Debug, Parser)]
#[command(name = "gadgetry", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  gadgetry run trace_open --host\n  gadgetry collect -c /etc/gadgetry/collector.yaml\n  gadgetry validate -c collector.yaml\n  gadgetry list-containers -o json"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every gadget of a configuration, export what they see, reload when the file changes
    #[command(after_help = collect::EXAMPLES)]
    Collect(collect::Args),
    /// Run one gadget in the terminal
    #[command(after_help = run::EXAMPLES)]
    Run(Box<run::Args>),
    /// Build, move, inspect and sign gadget images
    Image(image::Args),
    /// Keep credentials for a registry
    #[command(after_help = login::EXAMPLES)]
    Login(login::Args),
    /// Forget the credentials for a registry
    #[command(after_help = logout::EXAMPLES)]
    Logout(logout::Args),
    /// Check a configuration: all errors at once, with their place in the YAML
    #[command(
        after_help = "Exit codes:\n  0   nothing to complain about\n  64  the configuration has errors\n\nExamples:\n  gadgetry validate -c collector.yaml"
    )]
    Validate(config::ValidateArgs),
    /// Show the default configuration, the effective one, or the JSON schema
    Config(config::Args),
    /// List the containers that gadgetry knows
    #[command(name = "list-containers", after_help = list_containers::EXAMPLES)]
    ListContainers(Box<list_containers::ListContainers>),
    /// Print a shell completion script
    #[command(after_help = "Examples:\n  gadgetry completion bash > /etc/bash_completion.d/gadgetry")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the process's arguments, runs the command, gives the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let result = command(&arguments);
    if is_of_ig(&arguments) { exit::code_of_ig(result) } else { exit::code(result) }
}

/// Whether it is a command that `ig` has too, flags in front of it and their values left out.
fn is_of_ig(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        match &*word {
            "--log-level" | "--log-format" => drop(words.next()),
            word if word.starts_with('-') => {}
            word => return ["run", "image", "login", "logout", "list-containers"].contains(&word),
        }
    }
    false
}

fn command(arguments: &[OsString]) -> Result<(), Failure> {
    if let Some(found) = run::peek(arguments) {
        return run::run(&found, arguments);
    }
    let cli = Cli::try_parse_from(arguments)?;
    match cli.command {
        Command::Run(_) => Err(run::nothing_to_run()),
        Command::Collect(args) => collect::run(&args, &cli.log),
        Command::Image(args) => image::run(args, &cli.log),
        Command::Login(args) => login::run(&args, &cli.log),
        Command::Logout(args) => logout::run(&args, &cli.log),
        Command::Validate(args) => config::validate(&args),
        Command::Config(args) => config::run(args),
        Command::ListContainers(args) => containers::run(&args, &cli.log),
        Command::Completion { shell } => completion(shell),
    }
}

fn completion(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_images(Cli::command()), "gadgetry", &mut script);
    output::write(&script)
}

/// The command line with the names of what is built in as values, where they can be an image.
fn with_images(command: clap::Command) -> clap::Command {
    let named = |command: clap::Command, argument: &'static str| {
        command.mut_arg(argument, |image| image.value_parser(clap::builder::PossibleValuesParser::new(crate::image::embedded_names())))
    };
    let places = [("inspect", "image"), ("tag", "source"), ("export", "images"), ("verify", "image")];
    let command = command.mut_subcommand("run", |run| named(run, "image"));
    command.mut_subcommand("image", |image| {
        places.into_iter().fold(image, |image, (name, argument)| image.mut_subcommand(name, |command| named(command, argument)))
    })
}

/// The configuration file of a command.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/gadgetry/collector.yaml")]
    config: PathBuf,
}

impl ConfigFile {
    fn path(&self) -> &Path {
        &self.config
    }
}

/// The log: what the command line says goes before the configuration, `GADGETRY_LOG` and `RUST_LOG` before both.
#[derive(Debug, clap::Args)]
struct LogArgs {
    /// How much to log: off, error, warn, info, debug, trace, or filters as `info,gadgetry::loader=debug`
    #[arg(long, global = true, value_name = "LEVEL", display_order = 100)]
    log_level: Option<String>,
    /// How to write log lines
    #[arg(long, global = true, value_name = "FORMAT", display_order = 101)]
    log_format: Option<LogForm>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogForm {
    Text,
    Json,
}

impl LogArgs {
    /// The flag's format, else the given one.
    fn format(&self, format: LogFormat) -> LogFormat {
        self.log_format.map_or(format, |f| match f {
            LogForm::Text => LogFormat::Text,
            LogForm::Json => LogFormat::Json,
        })
    }

    /// Starts the log with the given level and format where the flags say nothing.
    fn init(&self, level: &str, format: LogFormat) -> Result<Logging, Failure> {
        let level = self.log_level.as_deref().unwrap_or(level);
        logging::init(self.format(format), level).map_err(|error| Failure::Usage(exit::chain(&error)))
    }
}
