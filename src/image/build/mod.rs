//! Gadget images from source: `build.yaml`, the compiler of this machine or of a builder image. What comes out is for the packer.

pub mod btfgen;
pub mod cflags;
mod container;
pub mod file;
pub mod headers;
mod keep;
mod local;
mod messages;
mod step;
#[cfg(test)]
mod tests;
mod wasm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::compile::Toolchain;
use super::error::{self, ImageError};
pub use container::{BUILDER_IMAGE, Container, Pull};
pub use file::BuildFile;
pub use keep::{Scratch, keep};
use step::{Places, Runner};

/// What is to be built.
#[derive(Debug)]
pub struct Job {
    /// The gadget's folder, absolute.
    pub folder: PathBuf,
    /// The same as messages are to call it.
    pub shown: PathBuf,
    /// What it is built from.
    pub file: BuildFile,
    /// For which architectures, in Go's spelling.
    pub architectures: Vec<String>,
    /// The folder that holds `ebpf/` with the headers, absolute.
    pub headers: PathBuf,
    /// A folder for results, absolute and empty.
    pub results: PathBuf,
    /// Whether the compiler's messages are to have colours.
    pub colours: bool,
}

/// With what it is built.
#[derive(Debug)]
pub enum Builder {
    /// The tools of this machine.
    Local,
    /// Those of a builder image.
    Container(Container),
}

/// What was built.
#[derive(Debug, Default)]
pub struct Built {
    /// The object for each architecture, empty where the gadget has none.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// The WASM module.
    pub wasm: Option<Vec<u8>>,
    /// What the compiler had to say all the same, each word once.
    pub warnings: String,
}

/// Builds everything that is not metadata.
///
/// # Errors
/// When a tool is missing or finds fault, with its own words.
pub fn build(job: &Job, builder: &Builder, note: &dyn Fn(&str)) -> Result<Built, ImageError> {
    let compiles = job.file.ebpf_source.is_some() || job.file.wasm.as_deref().is_some_and(wasm::is_source);
    match builder {
        _ if !compiles => finish(job, None),
        Builder::Local => {
            let places = Places { folder: job.folder.clone(), headers: job.headers.clone(), results: job.results.clone() };
            let toolchain = job.file.ebpf_source.as_ref().map(|_| Toolchain::discover()).transpose()?;
            finish(job, Some(&mut local::Local::new(places, toolchain.as_ref())))
        }
        Builder::Container(container) => {
            let paths = job.file.ebpf_source.iter().chain(job.file.wasm.iter());
            if let Some(path) = paths.into_iter().find(|path| !wasm::stays_inside(path)) {
                let reason = "it lies outside of the gadget's folder, which is all that a builder image sees; use --local";
                return Err(ImageError::Build { what: path.display().to_string(), reason: reason.to_owned() });
            }
            container.with(job, note, |runner| finish(job, Some(runner)))
        }
    }
}

fn finish(job: &Job, mut runner: Option<&mut dyn Runner>) -> Result<Built, ImageError> {
    let mut built = Built::default();
    for architecture in &job.architectures {
        let object = match (&job.file.ebpf_source, &mut runner) {
            (Some(source), Some(runner)) => {
                if !job.folder.join(source).is_file() {
                    let what = job.shown.join(source).display().to_string();
                    return Err(ImageError::Build { what, reason: "there is no such file".to_owned() });
                }
                let compiled = step::compile(&mut **runner, source, architecture, job)?;
                if !built.warnings.contains(&compiled.warnings) {
                    let separator = if built.warnings.is_empty() { "" } else { "\n" };
                    built.warnings.extend([separator, &compiled.warnings]);
                }
                compiled.object
            }
            _ => Vec::new(),
        };
        built.objects.insert(architecture.clone(), object);
    }
    built.wasm = match (&job.file.wasm, &mut runner) {
        (Some(path), Some(runner)) if wasm::is_source(path) => Some(wasm::built(&mut **runner, path, job)?),
        (Some(path), _) => Some(wasm::prebuilt(path, job)?),
        (None, _) => None,
    };
    Ok(built)
}

/// Whether this machine has what it takes to compile eBPF.
pub fn is_equipped() -> bool {
    Toolchain::discover().is_ok()
}

/// The architectures that can be built for: those whose kernel types are among the headers.
pub fn architectures(headers: &Path) -> Vec<String> {
    let all = super::compile::ARCHITECTURES.iter().map(|(name, _)| *name);
    all.filter(|name| super::compile::include_dirs(headers, name)[2].is_dir()).map(str::to_owned).collect()
}
