//! Where a setting was written: a place in one of the files read, an environment variable, or nowhere (a default).

use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, by its index in [`Sources`], with line and column counted from 1 (columns in characters).
    File {
        /// Index in [`Sources`].
        file: usize,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable, by its name.
    Environment(Arc<str>),
    /// The built-in defaults.
    Default,
}

impl Place {
    /// Sort key: files in the order read, by position, then the environment.
    pub(super) fn order(&self) -> (usize, usize, usize, &str) {
        match self {
            Place::File { file, line, column } => (*file, *line, *column, ""),
            Place::Environment(name) => (usize::MAX - 1, 0, 0, name),
            Place::Default => (usize::MAX, 0, 0, ""),
        }
    }
}

/// One file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as given or as the include found it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// The files read, in the order in which they were read: the main file is the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The files.
    pub files: Vec<Source>,
}

impl Sources {
    /// The line `line` (from 1) of file `file`, if there is one.
    pub fn line(&self, file: usize, line: usize) -> Option<&str> {
        self.files.get(file)?.text.lines().nth(line.checked_sub(1)?)
    }
}
