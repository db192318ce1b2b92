//! Types of kernels that have none of their own (`gadget-abi.md` section 7.4): what an object needs of each kernel in a BTFHub archive,
//! packed as a compressed tar. bpftool does the reducing, tar the unpacking of `.btf.tar.xz`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ImageError;

/// Bytes the types of one kernel may have.
const TYPES_LIMIT: u64 = 64 << 20;
const MAX_KERNELS: usize = 20_000;
const BLOCK: usize = 512;

/// The archive for an object of `architecture` (Go's spelling), from the kernels of that architecture below `hub`. `scratch` is a folder.
///
/// # Errors
/// When a tool is missing or fails, or the archive has no kernel of the architecture.
pub fn archive(object: &[u8], architecture: &str, hub: &Path, scratch: &Path) -> Result<Vec<u8>, ImageError> {
    let unusable = |reason: String| ImageError::Build { what: format!("kernel types from {}", hub.display()), reason };
    let object_path = scratch.join("btfgen.bpf.o");
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ImageError::Io { action, path, source }
    };
    std::fs::write(&object_path, object).map_err(io("write", &object_path))?;
    // BTFHub's spelling and that of `uname -m`, which is looked for when the image runs.
    let (hub_name, machine) = if architecture == "arm64" { ("arm64", "aarch64") } else { ("x86_64", "x86_64") };
    let mut kernels = BTreeMap::new();
    find(hub, hub, hub_name, &mut kernels, 0).map_err(io("read", hub))?;
    if kernels.is_empty() {
        return Err(unusable(format!("there is no .btf or .btf.tar.xz below a folder {hub_name}")));
    }
    let mut tar = Vec::new();
    for (name, path) in &kernels {
        let whole = types(path).map_err(|reason| unusable(format!("{}: {reason}", path.display())))?;
        let (input, output) = (scratch.join("whole.btf"), scratch.join("reduced.btf"));
        std::fs::write(&input, whole).map_err(io("write", &input))?;
        reduce(&input, &output, &object_path).map_err(|reason| unusable(format!("{}: {reason}", path.display())))?;
        let reduced = std::fs::read(&output).map_err(io("read", &output))?;
        let name = name.replacen(&format!("/{hub_name}/"), &format!("/{machine}/"), 1);
        append(&mut tar, &name, &reduced).map_err(|reason| unusable(format!("{name}: {reason}")))?;
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    // Without a name and a time in its head, so that the same input gives the same bytes.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&tar).and_then(|()| packer.finish()).map_err(io("compress", hub))
}

/// Every kernel's file by the path it is to have: `<id>/<version>/<machine>/<release>.btf`.
fn find(hub: &Path, folder: &Path, machine: &str, found: &mut BTreeMap<String, PathBuf>, depth: usize) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() && depth < 8 {
            find(hub, &path, machine, found, depth + 1)?;
        }
        let relative = path.strip_prefix(hub).unwrap_or(&path).to_string_lossy().into_owned();
        let stem = relative.strip_suffix(".tar.xz").unwrap_or(&relative);
        if stem.ends_with(".btf") && stem.contains(&format!("/{machine}/")) && path.is_file() {
            if found.len() == MAX_KERNELS {
                return Err(std::io::Error::other(format!("there are more than {MAX_KERNELS} kernels")));
            }
            found.insert(stem.to_owned(), path);
        }
    }
    Ok(())
}

/// The types in a `.btf`, or in the one file of a `.btf.tar.xz`.
fn types(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "btf") {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(TYPES_LIMIT).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        return Ok(bytes);
    }
    let mut tar = Command::new("tar");
    tar.arg("-xJOf").arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = tar.spawn().map_err(|error| format!("cannot run tar: {error}"))?;
    if let Some(output) = child.stdout.take() {
        output.take(TYPES_LIMIT).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(bytes) } else { Err("tar cannot unpack it".to_owned()) }
}

fn reduce(input: &Path, output: &Path, object: &Path) -> Result<(), String> {
    let mut tool = Command::new("bpftool");
    let ended = tool.args(["gen", "min_core_btf"]).args([input, output, object]).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| format!("cannot run bpftool, of the Debian package bpftool: {error}"))?;
    if ended.status.success() { Ok(()) } else { Err(format!("bpftool: {}", String::from_utf8_lossy(&ended.stderr).trim())) }
}

/// Adds a file to a tar in ustar form.
fn append(tar: &mut Vec<u8>, name: &str, content: &[u8]) -> Result<(), &'static str> {
    let mut head = [0u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| head.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    if name.len() > 100 {
        return Err("the name is longer than 100 bytes");
    }
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    head.iter_mut().skip(148).zip(sum.as_bytes()).for_each(|(to, from)| *to = *from);
    tar.extend_from_slice(&head);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    Ok(())
}
