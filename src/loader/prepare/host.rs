//! The running kernel's facts, each read when first asked for.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use super::KernelFacts;
use crate::kernel::{features, host_path, kallsyms};

const MAX_CONFIG: u64 = 4 << 20;

/// Facts of the kernel this process runs on.
#[derive(Debug, Default)]
pub struct Host {
    config: OnceLock<HashMap<String, String>>,
}

impl Host {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl KernelFacts for Host {
    fn version(&self) -> u32 {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        version_of(&read("/proc/version_signature"), &read("/proc/sys/kernel/version"), &release())
    }

    fn config(&self, option: &str) -> Option<String> {
        self.config.get_or_init(read_config).get(option).cloned()
    }

    fn symbol(&self, name: &str) -> Option<u64> {
        kallsyms::address(name).ok().flatten()
    }

    fn has_boot_clock(&self) -> bool {
        features::has_helper(features::KTIME_GET_BOOT_NS)
    }
}

fn release() -> String {
    features::kernel_release()
}

/// The version that the kernel was built as. Ubuntu's release lacks the patch level, its signature ends in the real one; Debian's
/// release lacks it too, and its version (`#1 SMP Debian 6.1.55-1 (2023-09-29)`) has it.
fn version_of(signature: &str, version: &str, release: &str) -> u32 {
    let ubuntu = signature.split_whitespace().nth(2);
    let debian = || version.split_once("Debian ").and_then(|(_, rest)| rest.split_whitespace().next());
    version_code(ubuntu.or_else(debian).unwrap_or(release))
}

/// `6.1.0-13-amd64` to major << 16 | minor << 8 | patch, the patch level capped at 255 as the kernel does.
fn version_code(release: &str) -> u32 {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or_default().min(255));
    let mut next = || parts.next().unwrap_or_default();
    next() << 16 | next() << 8 | next()
}

fn read_config() -> HashMap<String, String> {
    let release = release();
    let plain = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
        format!("/lib/modules/{release}/build/.config"),
        format!("/usr/lib/modules/{release}/config"),
        format!("/usr/src/linux-headers-{release}/.config"),
    ];
    let plain = || plain.iter().find_map(|p| config_text(&host_path(Path::new(p)), false));
    parse_config(&config_text(Path::new("/proc/config.gz"), true).or_else(plain).unwrap_or_default())
}

fn config_text(path: &Path, compressed: bool) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let mut text = String::new();
    let read = if compressed {
        flate2::read::GzDecoder::new(file).take(MAX_CONFIG).read_to_string(&mut text)
    } else {
        file.take(MAX_CONFIG).read_to_string(&mut text)
    };
    read.ok().map(|_| text)
}

fn parse_config(text: &str) -> HashMap<String, String> {
    let set = text.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.split_once('='));
    set.map(|(option, value)| (option.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases of all distributions become version codes.
    #[test]
    fn reads_releases() {
        assert_eq!(version_code("6.1.0-13-amd64"), 6 << 16 | 1 << 8);
        assert_eq!(version_code("5.4.300-x"), 5 << 16 | 4 << 8 | 255);
        assert_eq!(version_code("nonsense"), 0);
    }

    /// Distributions whose release hides the patch level say it elsewhere.
    #[test]
    fn finds_the_real_version() {
        assert_eq!(version_of("Ubuntu 5.15.0-91.101-generic 5.15.131\n", "#101-Ubuntu SMP", "5.15.0-91-generic"), 5 << 16 | 15 << 8 | 131);
        assert_eq!(version_of("", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)", "6.1.0-13-amd64"), 6 << 16 | 1 << 8 | 55);
        assert_eq!(version_of("", "#1 SMP", "6.18.3"), 6 << 16 | 18 << 8 | 3);
    }

    /// Only options that are set count.
    #[test]
    fn reads_configuration() {
        let config = parse_config("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_HZ=250\n");
        assert_eq!((config["CONFIG_A"].as_str(), config["CONFIG_HZ"].as_str(), config.len()), ("y", "250", 2));
    }

    /// The facts of the machine the tests run on are there.
    #[test]
    fn knows_this_kernel() {
        assert!(Host::new().version() >> 16 >= 4);
    }
}
