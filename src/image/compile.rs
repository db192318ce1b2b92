//! Compiles a gadget's C into the object its image carries. `build.rs` includes this file, so it leans on nothing but
//! `error` and `pack`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::ImageError;
use super::pack::{DATE_VARIABLE, created};

/// Flags every gadget is compiled with. DWARF is needed for BTF to come about and is stripped afterwards. The compiler is told to know
/// no folder but `.`, so that nothing in the object depends on where the gadget lies.
const FLAGS: [&str; 6] = ["-target", "bpf", "-Wall", "-g", "-O2", "-fdebug-compilation-dir=."];

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

/// One thing to compile, its places as the compiler will see them.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// The gadget's folder, in which the compiler runs.
    pub folder: &'a Path,
    /// The source, relative to the folder (or absolute).
    pub source: &'a Path,
    /// Architecture in Go's spelling.
    pub architecture: &'a str,
    /// The folder that holds `ebpf/`, with the headers.
    pub headers: &'a Path,
    /// The gadget's own flags.
    pub cflags: &'a [String],
    /// Whether warnings are errors.
    pub strict: bool,
    /// Whether messages are to have colours.
    pub colours: bool,
}

/// What the compiler made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The object.
    pub object: Vec<u8>,
    /// What the compiler had to say all the same.
    pub warnings: String,
}

impl Unit<'_> {
    /// Arguments of a clang that writes to `object`.
    pub fn arguments(&self, object: &Path) -> Vec<OsString> {
        let mut all: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
        all.push(format!("-D__TARGET_ARCH_{}", libbpf_architecture(self.architecture)).into());
        if self.strict {
            all.push("-Werror".into());
        }
        all.push(if self.colours { "-fcolor-diagnostics" } else { "-fno-color-diagnostics" }.into());
        let mut map = OsString::from("-ffile-prefix-map=");
        map.push(self.headers);
        map.push("=");
        all.push(map);
        all.extend(self.cflags.iter().map(OsString::from));
        // The gadget's own headers are found with <> as well, and before ours of the same name.
        all.push("-I.".into());
        let [ours, libbpf, vmlinux] = include_dirs(self.headers, self.architecture);
        all.extend(["-I".into(), ours.into()]);
        // Vendored headers are system headers: their warnings are not ours.
        all.extend(["-isystem".into(), libbpf.into(), "-isystem".into(), vmlinux.into()]);
        all.extend(["-c".into(), self.source.into(), "-o".into(), object.into()]);
        all
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

    /// The compiler.
    pub fn clang(&self) -> &Path {
        &self.clang
    }

    /// What removes DWARF.
    pub fn strip(&self) -> &Path {
        &self.strip
    }

    /// Compiles `source` for `architecture` (Go's spelling) with the headers under `root` (the source tree, which holds
    /// `ebpf/`), by way of a file in `scratch`. Warnings are errors. The bytes do not depend on where the source tree lies.
    pub fn compile(&self, source: &Path, architecture: &str, root: &Path, scratch: &Path) -> Result<Vec<u8>, ImageError> {
        let folder = source.parent().unwrap_or(root);
        let source = Path::new(source.file_name().unwrap_or(source.as_os_str()));
        let unit = Unit { folder, source, architecture, headers: root, cflags: &[], strict: true, colours: false };
        self.build(&unit, scratch).map(|compiled| compiled.object)
    }

    /// Compiles and strips, by way of a file in `scratch`, an absolute path. The object depends on the source, the headers, the flags and
    /// the compiler, and on no place.
    pub fn build(&self, unit: &Unit<'_>, scratch: &Path) -> Result<Compiled, ImageError> {
        let object = scratch.join("program.o");
        let mut clang = Command::new(&self.clang);
        clang.current_dir(unit.folder).args(unit.arguments(&object)).env(DATE_VARIABLE, created()?.to_string());
        let output = run(&mut clang, &self.clang)?;
        let warnings = messages(&output);
        let failed = |messages| ImageError::Compile { source_file: unit.folder.join(unit.source), messages };
        if !output.status.success() {
            return Err(failed(warnings));
        }
        let output = run(Command::new(&self.strip).arg("-g").arg(&object), &self.strip)?;
        if !output.status.success() {
            return Err(failed(messages(&output)));
        }
        let object = std::fs::read(&object).map_err(|source| ImageError::Io { action: "read", path: object, source })?;
        Ok(Compiled { object, warnings })
    }
}

/// Where gadgets find their headers, ours first, below the folder `root` that holds `ebpf/`.
pub fn include_dirs(root: &Path, architecture: &str) -> [PathBuf; 3] {
    let ebpf = root.join("ebpf");
    [ebpf.join("include"), ebpf.join("vendor/libbpf"), ebpf.join("vendor/vmlinux").join(architecture)]
}

fn libbpf_architecture(go: &str) -> &str {
    ARCHITECTURES.iter().find(|(name, _)| *name == go).map_or(go, |(_, libbpf)| libbpf)
}

/// The first of the programs (the variable's alone, where it is set) that answers `--version`; else those tried.
fn first_that_runs(variable: &str, names: &[&str]) -> Result<PathBuf, String> {
    let chosen = std::env::var(variable).ok().filter(|name| !name.is_empty());
    let names: Vec<&str> = chosen.as_deref().map_or_else(|| names.to_vec(), |name| vec![name]);
    let runs = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    // A path counts from here, while the program will run elsewhere.
    let found = |name: &&str| if name.contains('/') { std::path::absolute(name).unwrap_or_else(|_| name.into()) } else { name.into() };
    names.iter().find(runs).map(found).ok_or_else(|| names.join(", "))
}

fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

fn run(command: &mut Command, program: &Path) -> Result<Output, ImageError> {
    command.output().map_err(|source| ImageError::Io { action: "run", path: program.to_owned(), source })
}
