//! Compiles a gadget's C into the object its image carries. `build.rs` includes this file, so it leans on nothing but `error`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::ImageError;

/// Flags every gadget is compiled with. DWARF is needed for BTF to come about and is stripped afterwards.
const FLAGS: [&str; 6] = ["-target", "bpf", "-Wall", "-Werror", "-g", "-O2"];

/// Architectures in Go's spelling (as image indexes use it) and as libbpf's headers want them.
pub const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86"), ("arm64", "arm64")];

/// Go's spelling of a Rust target architecture, which is what image indexes use; others pass as they are.
pub fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The programs a gadget is built with.
#[derive(Debug, Clone)]
pub struct Toolchain {
    clang: PathBuf,
    strip: PathBuf,
}

impl Toolchain {
    /// Finds clang (`CLANG`, else clang-16, else clang) and the llvm-strip that goes with it (`LLVM_STRIP` overrides).
    pub fn discover() -> Result<Self, ImageError> {
        let clang = first_that_runs("CLANG", &["clang-16", "clang"]).map_err(|tried| ImageError::NoCompiler { tried })?;
        let suffix = clang.to_string_lossy().rsplit_once("clang").map(|(_, suffix)| suffix.to_owned()).unwrap_or_default();
        let beside = format!("llvm-strip{suffix}");
        let strip =
            first_that_runs("LLVM_STRIP", &[&beside, "llvm-strip-16", "llvm-strip"]).map_err(|tried| ImageError::NoStrip { tried })?;
        Ok(Self { clang, strip })
    }

    /// Compiles `source` for `architecture` (Go's spelling) with the headers under `root` (the source tree, which holds
    /// `ebpf/`), by way of a file in `scratch`. The bytes do not depend on where the source tree lies.
    pub fn compile(&self, source: &Path, architecture: &str, root: &Path, scratch: &Path) -> Result<Vec<u8>, ImageError> {
        let object = scratch.join("program.o");
        let folder = source.parent().unwrap_or(root);
        let mut clang = Command::new(&self.clang);
        clang.current_dir(folder).args(FLAGS).arg(format!("-D__TARGET_ARCH_{}", libbpf_architecture(architecture)));
        clang.arg(format!("-ffile-prefix-map={}=.", folder.display())).arg(format!("-ffile-prefix-map={}=", root.display()));
        clang
            .args(include_arguments(root, architecture))
            .arg("-c")
            .arg(source.file_name().unwrap_or(source.as_os_str()))
            .arg("-o")
            .arg(&object);
        let output = run(&mut clang, &self.clang)?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Err(ImageError::Compile { source_file: source.to_owned(), messages });
        }
        let output = run(Command::new(&self.strip).arg("-g").arg(&object), &self.strip)?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Err(ImageError::Compile { source_file: source.to_owned(), messages });
        }
        std::fs::read(&object).map_err(|source| ImageError::Io { action: "read", path: object, source })
    }
}

/// Where gadgets find their headers, ours first, below the source tree `root`.
pub fn include_dirs(root: &Path, architecture: &str) -> [PathBuf; 3] {
    let ebpf = root.join("ebpf");
    [ebpf.join("include"), ebpf.join("vendor/libbpf"), ebpf.join("vendor/vmlinux").join(architecture)]
}

/// Vendored headers are system headers: their warnings are not ours.
fn include_arguments(root: &Path, architecture: &str) -> Vec<String> {
    let [ours, libbpf, vmlinux] = include_dirs(root, architecture);
    vec![
        format!("-I{}", ours.display()),
        "-isystem".to_owned(),
        libbpf.display().to_string(),
        "-isystem".to_owned(),
        vmlinux.display().to_string(),
    ]
}

fn libbpf_architecture(go: &str) -> &str {
    ARCHITECTURES.iter().find(|(name, _)| *name == go).map_or(go, |(_, libbpf)| libbpf)
}

/// The first of the programs (the variable's alone, where it is set) that answers `--version`; else those tried.
fn first_that_runs(variable: &str, names: &[&str]) -> Result<PathBuf, String> {
    let chosen = std::env::var(variable).ok().filter(|name| !name.is_empty());
    let names: Vec<&str> = chosen.as_deref().map_or_else(|| names.to_vec(), |name| vec![name]);
    let runs = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    names.iter().find(runs).map(PathBuf::from).ok_or_else(|| names.join(", "))
}

fn run(command: &mut Command, program: &Path) -> Result<Output, ImageError> {
    command.output().map_err(|source| ImageError::Io { action: "run", path: program.to_owned(), source })
}
