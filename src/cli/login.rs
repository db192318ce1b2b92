//! `gadgetry login`.

mod prompt;
mod registry;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::exit::Failure;
use super::image::StoreArgs;
use super::value::{self, Boolean};
use super::{LogArgs, output};
use crate::image::auth::{AuthFile, Credentials, Secret};
use crate::image::registry::check::{How, check};
use crate::telemetry::logging::LogFormat;
pub(super) use registry::normalised;

pub(super) const EXAMPLES: &str = "Examples:
  gadgetry login ghcr.io
  gadgetry login registry.example.com:5000 -u alice --password-stdin < password.txt
  gadgetry login ghcr.io --get-login

The file with credentials has Docker's format; credential helpers that it names (credsStore, credHelpers) are used.";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry: HOST or HOST:PORT
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
    /// The user; asked for when it is not given
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// The password, which other users of this machine can see here; asked for when it is not given
    #[arg(short, long, value_name = "PASSWORD", value_parser = secret, conflicts_with = "password_stdin")]
    password: Option<Secret>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Print the user that is logged in, and do nothing else
    #[arg(long, conflicts_with_all = ["username", "password", "password_stdin"])]
    get_login: bool,
    /// File with credentials [default: $REGISTRY_AUTH_FILE, else config.json in the data directory]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Folder with certificates: *.crt (authorities), *.cert and *.key (our own), or folders HOST[:PORT] of them
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Check the certificate of the registry
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = value::boolean, hide_possible_values = true, value_name = "BOOL")]
    tls_verify: Boolean,
    /// Speak to the registry without TLS
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_possible_values = true, value_name = "BOOL")]
    plain_http: Boolean,
    #[command(flatten)]
    store: StoreArgs,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Runs the command.
pub(super) fn run(args: &Args, log: &LogArgs) -> Result<(), Failure> {
    log.init("warn", LogFormat::Text)?;
    let registry =
        args.registry.as_deref().ok_or_else(|| Failure::Usage("which registry? For example: gadgetry login ghcr.io".to_owned()))?;
    let registry = normalised(registry).map_err(Failure::Usage)?;
    if args.get_login {
        return get_login(args, &registry);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (user, password) = prompt::user_and_password(args)?;
        let credentials = Credentials::Basic { user: user.clone(), password: password.clone() };
        let how = How { plain: args.plain_http, unverified: !args.tls_verify, cert_dir: args.cert_dir.as_deref() };
        tokio::select! {
            checked = check(&registry, &credentials, how) => checked.map_err(run_time)?,
            // A prompt has taken the signal over.
            _ = tokio::signal::ctrl_c() => return Err(prompt::interrupted()),
        }
        keep(args, &registry, &user, &password)
    })?;
    output::write(b"Login Succeeded\n")
}

fn keep(args: &Args, registry: &str, user: &str, password: &Secret) -> Result<(), Failure> {
    let file = AuthFile::to_write(args.authfile.as_deref(), &args.store.data());
    let before = AuthFile::find(args.authfile.as_deref(), &args.store.data());
    file.store(registry, user, password).map_err(run_time)?;
    if let Ok(before) = before
        && before != file
    {
        let (before, file) = (before.path().display(), file.path().display());
        output::error(&format!("note: credentials are in {file} from now on; {before} is not looked at any more"));
    }
    Ok(())
}

fn get_login(args: &Args, registry: &str) -> Result<(), Failure> {
    let file = AuthFile::find(args.authfile.as_deref(), &args.store.data()).map_err(run_time)?;
    match file.login(registry, "").map_err(run_time)? {
        Some(login) => output::write(format!("{}\n", login.user).as_bytes()),
        None => Err(not_logged_in(registry)),
    }
}

pub(super) fn not_logged_in(registry: &str) -> Failure {
    Failure::RunTime(format!("not logged in to {registry}").into())
}

pub(super) fn run_time(error: impl std::error::Error + 'static) -> Failure {
    Failure::RunTime(Box::new(error))
}
