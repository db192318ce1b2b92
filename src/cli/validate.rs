//! `gadgetry validate` and `gadgetry config default|view|schema`.

use std::io::{self, Write};
use std::path::Path;

use crate::components::COMPILED_IN;
use crate::config::{self, Access, Environment, Plan, Severity, render};

/// Exit code for usage and configuration errors (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// A configuration to start from: the one `make run` uses.
const DEFAULT: &str = include_str!("../../config/collector.yaml");

/// How `validate` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// A JSON array of problems.
    Json,
}

/// Checks the configuration at `path`. Writes the verdict to `out`, or the problems; gives the exit code.
///
/// # Errors
/// When `out` cannot be written to.
pub fn validate(
    path: &Path,
    environment: &Environment,
    access: &Access,
    output: Output,
    colours: bool,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = config::load(path, environment, access);
    let (problems, code) = match &loaded {
        Ok(plan) => (&plan.warnings, 0),
        Err(errors) => (&errors.problems, USAGE),
    };
    if output == Output::Json {
        serde_json::to_writer_pretty(&mut *out, problems)?;
        writeln!(out)?;
        return Ok(code);
    }
    if !problems.is_empty() {
        writeln!(out, "{}", render(problems, colours))?;
    }
    match &loaded {
        Ok(plan) => writeln!(out, "{}: {}", path.display(), summary(plan))?,
        Err(errors) => writeln!(out, "{}: {}", path.display(), count(errors.count(), "error"))?,
    }
    Ok(code)
}

fn summary(plan: &Plan) -> String {
    let warnings = plan.warnings.iter().filter(|p| p.severity == Severity::Warning).count();
    let warnings = if warnings == 0 { String::new() } else { format!(", {}", count(warnings, "warning")) };
    format!("valid: {}, {}{warnings}", count(plan.gadgets.len(), "gadget"), count(plan.exporters.len(), "exporter"))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Writes a commented configuration to start from.
///
/// # Errors
/// When `out` cannot be written to.
pub fn default(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(DEFAULT.as_bytes())
}

/// Writes the JSON schema of the configuration.
///
/// # Errors
/// When `out` cannot be written to.
pub fn schema(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(config::schema::text(&COMPILED_IN).as_bytes())
}

/// Writes the configuration at `path` as it is in effect, includes, environment and defaults merged, secrets left out.
/// What is wrong with it is written instead; gives the exit code.
///
/// # Errors
/// When `out` cannot be written to.
pub fn view(path: &Path, environment: &Environment, colours: bool, out: &mut dyn Write) -> io::Result<u8> {
    match config::view(path, environment) {
        Ok(yaml) => out.write_all(yaml.as_bytes()).map(|()| 0),
        Err(errors) => writeln!(out, "{}", errors.render(colours)).map(|()| USAGE),
    }
}

#[cfg(test)]
mod tests;
