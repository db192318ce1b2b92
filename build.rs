//! Compiles every gadget under `gadgets/`, packs each as an OCI image layout and writes the table that embeds them; packs the headers
//! that `image build` needs. The compiling and packing is the program's own (`src/image`), so an embedded image is made like any other.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[allow(dead_code)]
#[path = "src/image/build/cflags.rs"]
mod cflags;
#[allow(dead_code)]
#[path = "src/image/compile.rs"]
mod compile;
#[allow(dead_code)]
#[path = "src/image/error.rs"]
mod error;
#[allow(dead_code)]
#[path = "src/image/build/file.rs"]
mod file;
#[allow(dead_code)]
#[path = "src/image/pack.rs"]
mod pack;

use error::ImageError;

const SHARED: [&str; 5] =
    ["src/image/compile.rs", "src/image/pack.rs", "src/image/error.rs", "src/image/build/file.rs", "src/image/build/cflags.rs"];

fn main() -> ExitCode {
    for path in ["build.rs", "gadgets", "ebpf"].iter().chain(&SHARED) {
        println!("cargo:rerun-if-changed={path}");
    }
    for variable in ["CLANG", "LLVM_STRIP", "SOURCE_DATE_EPOCH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                println!("cargo:error={}", error.to_string().replace('\n', "\ncargo:error="));
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), ImageError> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR")).join("gadgets");
    let machine = variable("CARGO_CFG_TARGET_ARCH");
    let toolchain = compile::Toolchain::discover()?;
    pack_headers(&root, &out)?;
    compile_programs(&toolchain, &root, compile::go_architecture(&machine), &out.with_file_name("programs"))?;
    let mut table = String::from("&[\n");
    for folder in gadget_folders(&root.join("gadgets"))? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let layout = out.join(&name);
        // What an earlier build left is not part of this image.
        let _ = std::fs::remove_dir_all(&layout);
        create(&layout)?;
        let files = build(&name, &folder, &toolchain, &root, &out)?;
        let _ = writeln!(table, "    ({name:?}, &[");
        for (path, bytes) in &files {
            let place = layout.join(path);
            create(place.parent().unwrap_or(&layout))?;
            write(&place, bytes)?;
            let _ = writeln!(table, "        ({path:?}, include_bytes!({:?}) as &[u8]),", place.display().to_string());
        }
        table.push_str("    ] as &[(&str, &[u8])]),\n");
    }
    table.push_str("]\n");
    write(&out.with_file_name("embedded_gadgets.rs"), table.as_bytes())
}

/// One gadget for all architectures, as `gadgetry image build` would build it, but without a warning.
fn build(name: &str, folder: &Path, toolchain: &compile::Toolchain, root: &Path, scratch: &Path) -> Result<pack::Files, ImageError> {
    let file = file::BuildFile::read(folder, None)?;
    let source = file.ebpf_source.unwrap_or_default();
    let mut objects = BTreeMap::new();
    for (architecture, _) in compile::ARCHITECTURES {
        let (source, cflags) = (source.as_path(), file.cflags.as_slice());
        let unit = compile::Unit { folder, source, architecture, headers: root, cflags, strict: true, colours: false };
        objects.insert(architecture.to_owned(), toolchain.build(&unit, scratch)?.object);
    }
    let metadata_path = folder.join(&file.metadata);
    let metadata =
        std::fs::read(&metadata_path).map_err(|source| ImageError::Io { action: "read", path: metadata_path.clone(), source })?;
    pack::pack(&pack::Recipe {
        reference: &format!("ghcr.io/inspektor-gadget/gadget/{name}:latest"),
        metadata: &metadata,
        metadata_path: &metadata_path,
        objects: &objects,
        wasm: None,
        version: "",
        builder: &variable("CARGO_PKG_VERSION"),
        created: pack::created()?,
    })
}

/// `headers.gz` and `headers.digest`, whose form is told in `src/image/build/headers.rs`.
fn pack_headers(root: &Path, out: &Path) -> Result<(), ImageError> {
    let mut paths = Vec::new();
    for part in ["include", "vendor"] {
        collect(&root.join("ebpf").join(part), &mut paths)?;
    }
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        let content = std::fs::read(path).map_err(|source| ImageError::Io { action: "read", path: path.clone(), source })?;
        all.extend_from_slice(path.strip_prefix(root).unwrap_or(path).to_string_lossy().as_bytes());
        all.push(0);
        all.extend_from_slice(&(content.len() as u64).to_le_bytes());
        all.extend_from_slice(&content);
    }
    let digest = pack::digest_of(&all);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = packer.write_all(&all).and_then(|()| packer.finish());
    let packed = packed.map_err(|source| ImageError::Io { action: "compress", path: root.join("ebpf"), source })?;
    write(&out.with_file_name("headers.gz"), &packed)?;
    write(&out.with_file_name("headers.digest"), digest.trim_start_matches("sha256:").get(..16).unwrap_or_default().as_bytes())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), ImageError> {
    let failed = |source| ImageError::Io { action: "list", path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// The host's own programs: `ebpf/programs/<name>.bpf.c` becomes `<name>.o`.
fn compile_programs(toolchain: &compile::Toolchain, root: &Path, architecture: &str, out: &Path) -> Result<(), ImageError> {
    create(out)?;
    let folder = root.join("ebpf/programs");
    let failed = |source| ImageError::Io { action: "list", path: folder.clone(), source };
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let source = entry.map_err(failed)?.path();
        let Some(name) = source.file_name().and_then(|name| name.to_str()?.strip_suffix(".bpf.c")) else { continue };
        let object = toolchain.compile(&source, architecture, root, out)?;
        write(&out.join(format!("{name}.o")), &object)?;
    }
    Ok(())
}

fn gadget_folders(gadgets: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let failed = |source| ImageError::Io { action: "list", path: gadgets.to_owned(), source };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(gadgets).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        if folder.join("program.bpf.c").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn create(folder: &Path) -> Result<(), ImageError> {
    std::fs::create_dir_all(folder).map_err(|source| ImageError::Io { action: "create", path: folder.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    std::fs::write(path, bytes).map_err(|source| ImageError::Io { action: "write", path: path.to_owned(), source })
}

/// Cargo sets these for every build script; without them paths and names come out empty and the build fails on a file.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
