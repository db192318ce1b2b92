//! A virtual machine that collects for a moment: kernels from the cache that `install.sh test` fills, the static release inside.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What came out of a guest.
pub struct Guest {
    /// Everything that it printed.
    pub console: String,
    /// The events among that.
    pub events: Vec<Value>,
    /// How the collector ended.
    pub status: i32,
}

impl Guest {
    /// Boots `kernel`, collects with `config` while `guest.sh` makes things happen. `None`, with the reason printed, without a machine.
    pub fn run(kernel: &str, config: &str) -> Option<Self> {
        Self::run_with(kernel, config, &[])
    }

    /// The same with empty files by these names, which `guest.sh` looks for.
    pub fn run_with(kernel: &str, config: &str, marks: &[&str]) -> Option<Self> {
        let name = format!("kernel {kernel}");
        let (binary, image) = match needed(kernel) {
            Ok(found) => found,
            Err(reason) => {
                // Suites leave Debian's mirrors; as long as two other kernels are there the claim is still tried.
                let word = if kernels() >= 2 && reason.contains("vmlinuz") { "note:" } else { "SKIPPED" };
                println!("{word} {name}: {reason}");
                return None;
            }
        };
        let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
        let files = tempfile::tempdir().unwrap();
        let put = |from: &Path, to: &str| std::fs::copy(from, files.path().join(to)).unwrap();
        put(&binary, "gadgetry");
        put(&support.join("guest.sh"), "guest.sh");
        std::fs::write(files.path().join("collector.yaml"), config).unwrap();
        marks.iter().for_each(|mark| std::fs::write(files.path().join(mark), "").unwrap());
        std::fs::create_dir(files.path().join("marker")).unwrap();
        std::fs::write(files.path().join("marker/opened"), "").unwrap();
        let began = std::time::Instant::now();
        let mut command = Command::new(support.join("vm.sh"));
        let output = command.arg(image).arg(files.path()).arg("/guest.sh").stdin(Stdio::null()).output().unwrap();
        let console = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let release = console.lines().find_map(|l| l.strip_prefix("KERNEL ")).unwrap_or("?");
        println!("{name}: {release} in {:.0} s", began.elapsed().as_secs_f64());
        let events = console.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Some(Guest { events, status: output.status.code().unwrap_or(-1), console })
    }
}

/// The static release and the kernel, or what is missing.
fn needed(kernel: &str) -> Result<(PathBuf, PathBuf), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in ["qemu-system-x86_64", "busybox"] {
        if !std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()) {
            return Err(format!("no {tool} on PATH (tests/support/install.sh test)"));
        }
    }
    let binary = std::env::var_os("GADGETRY_RELEASE").map(PathBuf::from).filter(|p| p.is_file());
    let binary = binary.ok_or("no release binary in GADGETRY_RELEASE (make build, or make test)")?;
    let image = cache().join(format!("kernel-{kernel}/vmlinuz"));
    if !image.is_file() {
        return Err(format!("no {} (tests/support/install.sh test)", image.display()));
    }
    Ok((binary, image))
}

fn cache() -> PathBuf {
    std::env::var_os("GADGETRY_CACHE").map_or_else(|| PathBuf::from("/var/cache/gadgetry"), PathBuf::from)
}

/// How many kernels the cache has.
fn kernels() -> usize {
    let folders = std::fs::read_dir(cache()).into_iter().flatten().flatten();
    folders.filter(|f| f.file_name().to_string_lossy().starts_with("kernel-") && f.path().join("vmlinuz").is_file()).count()
}
