//! A gadget's WASM module: taken as it is, or built from Go or Rust where those are.

use std::path::{Component, Path, PathBuf};

use super::Job;
use super::error::ImageError;
use super::step::{Runner, Step, Tool, result};
use crate::image::layout::{LAYER_LIMIT, read_file};

/// What the module is called when it was built.
const RESULT: &str = "program.wasm";
/// Magic number and version of a module; a component has another version.
const HEAD: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Whether that file has to be built first.
pub(super) fn is_source(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension != "wasm")
}

/// The module at `path`, relative to the gadget's folder.
pub(super) fn prebuilt(path: &Path, job: &Job) -> Result<Vec<u8>, ImageError> {
    let place = job.folder.join(path);
    let module = read_file(&place, LAYER_LIMIT).map_err(|source| ImageError::Io { action: "read", path: job.shown.join(path), source })?;
    checked(module, &job.shown.join(path))
}

/// The module built from the source at `path`, relative to the gadget's folder.
pub(super) fn built(runner: &mut dyn Runner, path: &Path, job: &Job) -> Result<Vec<u8>, ImageError> {
    let shown = job.shown.join(path);
    let unusable = |reason: &str| ImageError::Build { what: shown.display().to_string(), reason: reason.to_owned() };
    if !job.folder.join(path).is_file() {
        return Err(unusable("there is no such file"));
    }
    let step = match path.extension().and_then(|extension| extension.to_str()) {
        Some("go") => go(runner, path),
        Some("rs") => rust(runner, path, job),
        _ => return Err(unusable("a WASM module is a .wasm file, or built from .go or .rs")),
    };
    let ended = runner.run(&step)?;
    if !ended.success {
        let missing_target = matches!(step.tool, Tool::Cargo | Tool::Rustc) && ended.output.contains("E0463");
        if missing_target {
            return Err(unusable(&format!("Rust cannot build for wasm32-wasip1: {}", step.tool.advice())));
        }
        let messages = super::messages::relocated(&ended.output, &job.shown, &runner.places().headers);
        return Err(ImageError::Compile { source_file: shown, messages });
    }
    let name = match step.tool {
        Tool::Cargo => found(&runner.results().join("wasm32-wasip1/release"))
            .ok_or_else(|| unusable("cargo built no .wasm; the crate's type has to be cdylib"))?,
        _ => PathBuf::from(RESULT),
    };
    checked(result(runner, &name.to_string_lossy())?, &shown)
}

/// A reactor module, whose functions can be called after it was set up.
fn go(runner: &dyn Runner, path: &Path) -> Step {
    let places = runner.places();
    let folder = places.folder.join(path.parent().unwrap_or(Path::new("")));
    let mut arguments =
        ["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags", "-w -s -buildid=", "-o"].map(Into::into).to_vec();
    arguments.extend([places.results.join(RESULT).into(), path.file_name().unwrap_or_default().into()]);
    let environment = vec![
        ("CGO_ENABLED", "0".into()),
        ("GOOS", "wasip1".into()),
        ("GOARCH", "wasm".into()),
        // Builder images run us as a user without a home.
        ("GOCACHE", places.results.join("go-cache").into()),
    ];
    Step { tool: Tool::Go, arguments, environment, folder }
}

/// With cargo where there is a `Cargo.toml` beside the source or above it, else the file alone.
fn rust(runner: &dyn Runner, path: &Path, job: &Job) -> Step {
    let places = runner.places();
    let manifest = path.ancestors().skip(1).map(|folder| folder.join("Cargo.toml")).find(|manifest| job.folder.join(manifest).is_file());
    let mut map = std::ffi::OsString::from("--remap-path-prefix=");
    map.push(&places.folder);
    map.push("=.");
    let common = |tool, arguments, environment| Step { tool, arguments, environment, folder: places.folder.clone() };
    match manifest {
        Some(manifest) => {
            let mut arguments = ["build", "--release", "--target", "wasm32-wasip1", "--manifest-path"].map(Into::into).to_vec();
            arguments.push(manifest.into());
            common(Tool::Cargo, arguments, vec![("CARGO_TARGET_DIR", places.results.clone().into()), ("RUSTFLAGS", map)])
        }
        None => {
            let mut arguments: Vec<std::ffi::OsString> =
                ["--target", "wasm32-wasip1", "--crate-type", "cdylib", "--edition", "2021", "-O", "-Cstrip=symbols", "-Ccodegen-units=1"]
                    .map(Into::into)
                    .to_vec();
            arguments.extend([map, "-o".into(), places.results.join(RESULT).into(), path.into()]);
            common(Tool::Rustc, arguments, Vec::new())
        }
    }
}

/// The module that cargo left in that folder, from the folder for results on.
fn found(folder: &Path) -> Option<PathBuf> {
    let mut modules: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !is_source(path)).collect();
    modules.sort();
    Some(Path::new("wasm32-wasip1/release").join(modules.first()?.file_name()?))
}

fn checked(module: Vec<u8>, shown: &Path) -> Result<Vec<u8>, ImageError> {
    let reason = match module.first_chunk::<8>() {
        Some(head) if *head == HEAD => return Ok(module),
        Some([0, b'a', b's', b'm', version @ ..]) => format!("it is WASM of version {version:02x?} and no module of version 1"),
        _ => "it is no WASM module".to_owned(),
    };
    Err(ImageError::Build { what: shown.display().to_string(), reason })
}

/// Whether the path stays in the folder, as far as its text tells.
pub(super) fn stays_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
