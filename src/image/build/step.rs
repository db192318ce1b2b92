//! The commands that turn a gadget's source into objects and modules, with the places as whoever runs them sees them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::ImageError;
use crate::image::compile::{Compiled, Unit};
use crate::image::pack::{DATE_VARIABLE, created};

/// Bytes of messages that are kept of one command.
pub(super) const OUTPUT_LIMIT: usize = 1 << 20;

/// One command.
#[derive(Debug)]
pub(super) struct Step {
    pub tool: Tool,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
    /// Where it runs, in the runner's places.
    pub folder: PathBuf,
}

/// What a command runs. The first two can be chosen with a variable, as everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Clang,
    Strip,
    Go,
    Cargo,
    Rustc,
}

impl Tool {
    /// Its usual name, and the variable that names another.
    pub fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Tool::Clang => ("clang", Some("CLANG")),
            Tool::Strip => ("llvm-strip", Some("LLVM_STRIP")),
            Tool::Go => ("go", None),
            Tool::Cargo => ("cargo", None),
            Tool::Rustc => ("rustc", None),
        }
    }

    /// What to do where it is missing.
    pub fn advice(self) -> &'static str {
        match self {
            Tool::Clang => "install the Debian package clang or set CLANG",
            Tool::Strip => "install the Debian package llvm or set LLVM_STRIP",
            Tool::Go => "install Go 1.24 or later (https://go.dev/dl), or build the module elsewhere and name the .wasm in build.yaml",
            Tool::Cargo | Tool::Rustc => {
                "install Rust (https://rustup.rs) and its target (rustup target add wasm32-wasip1), or build the module elsewhere and name the .wasm in build.yaml"
            }
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub success: bool,
    /// What it said.
    pub output: String,
}

/// What runs commands.
pub(super) trait Runner {
    /// The gadget's folder, the folder with the headers and the one for results, as commands see them.
    fn places(&self) -> &Places;
    /// The folder for results, as we see it.
    fn results(&self) -> &Path;
    /// Runs a command to its end.
    fn run(&mut self, step: &Step) -> Result<Ended, ImageError>;
}

/// Where things are for those who run commands.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub folder: PathBuf,
    pub headers: PathBuf,
    pub results: PathBuf,
}

/// Compiles and strips the source for one architecture.
pub(super) fn compile(runner: &mut dyn Runner, source: &Path, architecture: &str, job: &super::Job) -> Result<Compiled, ImageError> {
    let name = format!("{architecture}.bpf.o");
    let places = runner.places().clone();
    let object = places.results.join(&name);
    let unit = Unit {
        folder: &places.folder,
        source,
        architecture,
        headers: &places.headers,
        cflags: &job.file.cflags,
        strict: false,
        colours: job.colours,
    };
    // What __DATE__ says would be another day's otherwise.
    let date = created()?.to_string();
    let step =
        |tool, arguments| Step { tool, arguments, environment: vec![(DATE_VARIABLE, date.clone().into())], folder: places.folder.clone() };
    let failed = |output: &str| ImageError::Compile {
        source_file: job.shown.join(source),
        messages: super::messages::relocated(output, &job.shown, &places.headers),
    };
    let compiled = runner.run(&step(Tool::Clang, unit.arguments(&object)))?;
    if !compiled.success {
        return Err(failed(&compiled.output));
    }
    let stripped = runner.run(&step(Tool::Strip, vec!["-g".into(), object.into()]))?;
    if !stripped.success {
        return Err(failed(&stripped.output));
    }
    let warnings = super::messages::relocated(&compiled.output, &job.shown, &places.headers);
    Ok(Compiled { object: result(runner, &name)?, warnings })
}

/// A file that a command left.
pub(super) fn result(runner: &dyn Runner, name: &str) -> Result<Vec<u8>, ImageError> {
    let path = runner.results().join(name);
    let limit = crate::image::layout::LAYER_LIMIT;
    crate::image::layout::read_file(&path, limit).map_err(|source| ImageError::Io { action: "read", path, source })
}
