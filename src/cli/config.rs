//! `gadgetry validate` and `gadgetry config`, from arguments to exit codes.

use super::exit::Failure;
use super::{ConfigFile, output, validate};
use crate::config::{Access, Environment};

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    store: super::image::StoreArgs,
    /// Also pull images that are not on this machine, to check what is said about their gadgets
    #[arg(long)]
    pull: bool,
    /// How to answer
    #[arg(short, long, value_enum, default_value = "text")]
    output: validate::Output,
}

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A commented configuration to start from
    Default,
    /// The configuration as it is in effect: includes, environment and defaults merged, secrets left out
    View(ConfigFile),
    /// The JSON schema of the configuration, for editors
    Schema,
}

pub(super) fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    let access = Access { data_dir: args.store.data_dir.clone(), offline: !args.pull };
    let code = validate::validate(args.config.path(), &Environment::of_process(), &access, args.output, output::colours(), &mut text)?;
    finish(&text, code)
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut text = Vec::new();
    let code = match args.what {
        What::Default => validate::default(&mut text).map(|()| 0)?,
        What::Schema => validate::schema(&mut text).map(|()| 0)?,
        What::View(file) => validate::view(file.path(), &Environment::of_process(), output::colours(), &mut text)?,
    };
    finish(&text, code)
}

fn finish(text: &[u8], code: u8) -> Result<(), Failure> {
    output::write(text)?;
    if code == 0 { Ok(()) } else { Err(Failure::Silent(code)) }
}
