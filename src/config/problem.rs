//! What is wrong with a configuration: every problem with its place, shown the way compilers show theirs.

use std::fmt;
use std::path::PathBuf;

use super::place::{Place, Sources};

/// Longest source line that is shown under a message, in characters.
const MAX_SHOWN: usize = 160;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used but most likely does not do what was meant.
    Warning,
}

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, when it stands in one.
    pub file: Option<PathBuf>,
    /// Line, from 1; 0 when it stands in no line.
    pub line: usize,
    /// Column in characters, from 1; 0 when it stands in no line.
    pub column: usize,
    /// The environment variable, when it stands in one.
    pub variable: Option<String>,
    /// The setting, e.g. `gadgets[1].exporters`; empty for the configuration as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// The word that was most likely meant.
    pub hint: Option<String>,
    /// The line of the file.
    pub source_line: Option<String>,
}

/// Everything that is wrong with a configuration, by place. Its `Display` shows all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The errors, and the warnings that came up beside them.
    pub problems: Vec<Problem>,
    /// The files and directories whose change may mend it.
    pub watched: Vec<PathBuf>,
}

/// A problem before its place is looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub severity: Severity,
    pub place: Place,
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Finding {
    pub fn error(place: &Place, path: &str, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Error, place: place.clone(), path: path.to_owned(), message: message.into(), hint: None }
    }

    pub fn warning(place: &Place, path: &str, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, ..Finding::error(place, path, message) }
    }

    pub fn meant(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(str::to_owned);
        self
    }
}

/// Findings as problems: each once, by place.
pub(super) fn problems(mut findings: Vec<Finding>, sources: &Sources) -> Vec<Problem> {
    findings.sort_by(|a, b| (a.place.order(), a.severity).cmp(&(b.place.order(), b.severity)));
    findings.dedup();
    findings.into_iter().map(|finding| problem(finding, sources)).collect()
}

fn problem(finding: Finding, sources: &Sources) -> Problem {
    let Finding { severity, place, path, message, hint } = finding;
    let mut problem = Problem { severity, file: None, line: 0, column: 0, variable: None, path, message, hint, source_line: None };
    match place {
        Place::File { file, line, column } => {
            problem.file = sources.files.get(file).map(|source| source.path.clone());
            problem.source_line = sources.line(file, line).map(str::to_owned);
            (problem.line, problem.column) = (line, column);
        }
        Place::Environment(name) => problem.variable = Some(name.to_string()),
        Place::Default => {}
    }
    problem
}

impl ConfigErrors {
    /// All problems as text of several lines, with colours or without.
    pub fn render(&self, colours: bool) -> String {
        render(&self.problems, colours)
    }

    /// How many errors.
    pub fn count(&self) -> usize {
        self.problems.iter().filter(|p| p.severity == Severity::Error).count()
    }
}

/// Problems as text, a blank line between them, no line end behind the last.
pub fn render(problems: &[Problem], colours: bool) -> String {
    problems.iter().map(|problem| problem.render(colours)).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Problem {
    /// As text: `file:line:column: error: message`, and the line with a mark under the column.
    pub fn render(&self, colours: bool) -> String {
        let (bold, colour, dim, reset) = match (colours, self.severity) {
            (false, _) => ("", "", "", ""),
            (true, Severity::Error) => ("\x1b[1m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[1m", "\x1b[1;33m", "\x1b[2m", "\x1b[0m"),
        };
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        let hint = self.hint.as_ref().map(|hint| format!(", did you mean {hint:?}?")).unwrap_or_default();
        let mut out = format!("{bold}{}{reset}{colour}{severity}{reset}: {}{hint}", self.location(), visible(&self.message));
        if let Some(line) = self.source_line.as_deref().filter(|line| line.chars().count() <= MAX_SHOWN) {
            let indent: String = line.chars().take(self.column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let number = self.line;
            let margin = " ".repeat(number.to_string().len());
            out.push_str(&format!("\n {dim}{number} |{reset} {}\n {dim}{margin} |{reset} {indent}{colour}^{reset}", visible(line)));
        }
        out
    }

    /// `file:line:column: `, as much of it as there is.
    fn location(&self) -> String {
        match (&self.file, &self.variable) {
            (Some(file), _) if self.line > 0 => format!("{}:{}:{}: ", file.display(), self.line, self.column),
            (Some(file), _) => format!("{}: ", file.display()),
            (None, Some(variable)) => format!("environment variable {variable}: "),
            (None, None) => String::new(),
        }
    }
}

/// Control characters of foreign text as blanks, so that a file cannot steer the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' && c != '\n' { ' ' } else { c }).collect()
}
