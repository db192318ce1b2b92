//! For those who write gadgets: metadata checked against the object it describes, all problems at once with their places, and metadata
//! written from the object.

mod check;
mod facts;
mod outline;
#[cfg(test)]
mod tests;
mod update;
mod values;

use std::path::{Path, PathBuf};

pub use update::{Updated, update};

use super::Manifest;
use super::manifest::ManifestError;
use crate::image::GadgetImage;

/// What metadata and object do not agree on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub errors: Vec<Problem>,
    /// What is worth a thought.
    pub warnings: Vec<Problem>,
}

/// One problem. Shown as `path:line:column: message`, without what is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The metadata's file.
    pub path: PathBuf,
    /// Line and column, from 1; none for what stands nowhere.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what may have been meant.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(out, "{line}:{column}:")?;
        }
        write!(out, " {}", self.message)
    }
}

/// Why metadata cannot go into an image.
#[derive(Debug, thiserror::Error)]
#[error("the metadata has {}; --validate-metadata=false builds all the same:\n{}", count(.errors.len()), lines(.errors))]
pub struct Invalid {
    /// What is wrong.
    pub errors: Vec<Problem>,
}

fn count(errors: usize) -> String {
    format!("{errors} error{}", if errors == 1 { "" } else { "s" })
}

fn lines(errors: &[Problem]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Compares the metadata of an image with its object. `path` is what messages call the metadata.
pub fn validate(image: &GadgetImage, path: &Path) -> Report {
    let mut report = Report::default();
    let problem = |place, message| Problem { path: path.to_owned(), place, message };
    let manifest = match Manifest::parse(&image.metadata) {
        Ok(manifest) => manifest,
        Err(error) => {
            let place = match &error {
                ManifestError::Yaml(source) => source.location().map(|at| (at.line() as usize, at.column() as usize)),
                _ => None,
            };
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            report.errors.push(problem(place, format!("{error}{cause}")));
            return report;
        }
    };
    let mut unread = Vec::new();
    let facts = facts::Facts::read(image, &mut unread);
    report.errors.extend(unread.into_iter().map(|message| problem(None, message)));
    let Some(facts) = facts else { return report };
    let outline = std::str::from_utf8(&image.metadata).ok().and_then(outline::of);
    let mut check = check::Check { manifest: &manifest, facts: &facts, outline: outline.as_ref(), path, report };
    check.everything();
    let mut report = check.report;
    report.errors.sort_by_key(|problem| problem.place);
    report.warnings.sort_by_key(|problem| problem.place);
    report
}
