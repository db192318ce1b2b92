//! The running kernel's facts, each read when first asked for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::OnceLock;

use super::KernelFacts;

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
        let signature = std::fs::read_to_string("/proc/version_signature").ok();
        // Ubuntu's release lacks the patch level; its signature ends in the real one.
        let real = signature.as_deref().and_then(|s| s.split_whitespace().nth(2)).map(str::to_owned);
        version_code(&real.unwrap_or_else(release))
    }

    fn config(&self, option: &str) -> Option<String> {
        self.config.get_or_init(read_config).get(option).cloned()
    }

    fn symbol(&self, name: &str) -> Option<u64> {
        let file = std::fs::File::open("/proc/kallsyms").ok()?;
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        let found = lines.filter_map(|line| {
            let mut parts = line.split_whitespace();
            let (address, _, symbol) = (parts.next()?, parts.next()?, parts.next()?);
            (symbol == name).then(|| u64::from_str_radix(address, 16).ok()).flatten()
        });
        found.into_iter().next()
    }
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// `6.1.0-13-amd64` to major << 16 | minor << 8 | patch, the patch level capped at 255 as the kernel does.
fn version_code(release: &str) -> u32 {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or_default().min(255));
    let mut next = || parts.next().unwrap_or_default();
    next() << 16 | next() << 8 | next()
}

fn read_config() -> HashMap<String, String> {
    let release = release();
    let plain =
        [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config"), format!("/lib/modules/{release}/build/.config")];
    let text = config_text(Path::new("/proc/config.gz"), true).or_else(|| plain.iter().find_map(|p| config_text(Path::new(p), false)));
    parse_config(&text.unwrap_or_default())
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
