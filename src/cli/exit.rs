//! Exit codes and the only place that prints error chains: 0 done, 1 failed at run time, 64 usage or configuration. Commands that `ig` has
//! too end as there (`cli.md` section 1): 1 for whatever went wrong, behind `Error: `.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::config::ConfigErrors;
use crate::daemon::DaemonError;
use crate::image::ImageError;
use crate::image::trust::TrustError;

const RUN_TIME: u8 = 1;
const USAGE: u8 = 64;

/// How a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the user asked for cannot be understood.
    Usage(String),
    /// What clap has to say: an error, help, the version.
    Clap(clap::Error),
    /// The configuration.
    Config(Box<ConfigErrors>),
    /// What was asked for did not work.
    RunTime(Box<dyn Error>),
    /// The command has said everything already.
    Silent(u8),
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Failure::Clap(error)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Config(errors) => Failure::Config(Box::new(errors)),
            error => Failure::RunTime(Box::new(error)),
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Failure::Config(Box::new(errors))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::RunTime(Box::new(error))
    }
}

/// What clap could not parse; help and version are not failures.
fn usage(error: &clap::Error) -> ExitCode {
    // The message goes where it can; a closed terminal is no reason to fail differently.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints a failure to standard error and gives its exit code.
pub(super) fn code(result: Result<(), Failure>) -> ExitCode {
    let (text, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Clap(error)) => return usage(&error),
        Err(Failure::Silent(code)) => return ExitCode::from(code),
        Err(Failure::Usage(message)) => (format!("error: {message}"), USAGE),
        Err(Failure::Config(errors)) => (errors.to_string(), USAGE),
        Err(Failure::RunTime(error)) => (format!("error: {}", chain(&*error)), RUN_TIME),
    };
    super::output::error(text.trim_end());
    ExitCode::from(code)
}

/// The same for a command that `ig` has too.
pub(super) fn code_of_ig(result: Result<(), Failure>) -> ExitCode {
    let text = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Clap(error)) if !error.use_stderr() => return usage(&error),
        Err(Failure::Clap(error)) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = usage(&error);
            return ExitCode::from(RUN_TIME);
        }
        Err(Failure::Silent(code)) => return ExitCode::from(code),
        Err(Failure::Clap(error)) => error.render().to_string(),
        Err(Failure::Usage(message)) => message,
        Err(Failure::Config(errors)) => errors.to_string(),
        Err(Failure::RunTime(error)) => {
            let hint = way_on(&*error).map(|hint| format!("\n{hint}")).unwrap_or_default();
            chain(&*error) + &hint
        }
    };
    super::output::error(&format!("Error: {}", text.trim_start_matches("error: ").trim_end()));
    ExitCode::from(RUN_TIME)
}

/// What helps when an image is refused for want of a good signature.
pub(super) fn way_on(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let Some(ImageError::Refused { source, .. }) = error.downcast_ref() else { return None };
    let signature =
        matches!(source.downcast_ref()?, TrustError::Unsigned { .. } | TrustError::Unverified { .. } | TrustError::NoVerifier { .. });
    signature.then_some(
        "Sign it (gadgetry image sign), name the key it is signed with (--public-keys @FILE), or run it with --verify-image=false",
    )
}

/// An error and what caused it, in one line but for causes that bring their own lines.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        cause = error.source();
        // Some libraries repeat their cause.
        if text.ends_with(&message) {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = write!(text, ": {message}");
    }
    text
}
