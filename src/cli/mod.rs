//! The command line: what `gadgetry` understands, and how it answers.

mod collect;
mod config;
mod exit;
mod ledger;
mod list_containers;
mod live;
mod output;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Runs eBPF gadgets and ships what they see: OTLP, Prometheus, files, the terminal.
#[derive(Debug, Parser)]
#[command(name = "gadgetry", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Examples:\n  gadgetry collect -c /etc/gadgetry/collector.yaml\n  gadgetry validate -c collector.yaml\n  gadgetry list-containers -o json")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How much to log: off, error, warn, info, debug, trace, or filters as `gadgetry::loader=debug`
    #[arg(long, global = true, env = "GADGETRY_LOG", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// How to write log lines
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every gadget of a configuration, export what they see, reload when the file changes
    #[command(after_help = collect::EXAMPLES)]
    Collect(collect::Args),
    /// Check a configuration: all errors at once, with their place in the YAML
    #[command(after_help = "Exit codes:\n  0   nothing to complain about\n  64  the configuration has errors\n\nExamples:\n  gadgetry validate -c collector.yaml")]
    Validate(validate::Args),
    /// Show the default configuration, the effective one, or the JSON schema
    Config(config::Args),
    /// List the containers that gadgetry knows
    #[command(name = "list-containers")]
    ListContainers(list_containers::Args),
    /// Print a shell completion script
    #[command(after_help = "Examples:\n  gadgetry completion bash > /etc/bash_completion.d/gadgetry")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the process's arguments, runs the command, gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    crate::telemetry::logging::init(&cli.log_level, &cli.log_format);
    let result = match cli.command {
        Command::Collect(args) => collect::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Config(args) => config::run(&args),
        Command::ListContainers(args) => list_containers::run(&args),
        Command::Completion { shell } => completion(shell),
    };
    exit::code(result)
}

fn completion(shell: clap_complete::Shell) -> Result<(), exit::Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gadgetry", &mut script);
    output::write(&script)
}

/// The configuration file of a command.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/gadgetry/collector.yaml")]
    config: PathBuf,
}
