//! Receivers and readers of what the collector exports: third-party programs, and one of our own that keeps every field.

pub mod otlp;
pub mod prometheus;
pub mod rotel;
pub mod victoria;

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{get, wait_for};

/// A program that ends with its test; what it writes is in a file.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it and waits until it listens on all of `addresses`.
    pub fn start(command: &mut Command, log: PathBuf, addresses: &[&str]) -> Self {
        let out = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let mut program = Program { child: command.spawn().unwrap(), log };
        for address in addresses {
            wait_for(15, &format!("{command:?} on {address}"), || {
                assert!(program.child.try_wait().unwrap().is_none(), "{command:?} ended: {}", program.text());
                TcpStream::connect(address).ok()
            });
        }
        program
    }

    /// Everything it wrote so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is: named by a variable, on the path, or fetched by `tests/support/install.sh`. Says that `test` is skipped when nowhere.
pub fn find(test: &str, name: &str, variable: &str, fetched: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("GADGETRY_CACHE").map_or_else(|| PathBuf::from("/var/cache/gadgetry"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os(variable).map(PathBuf::from);
    // The fetched one first: Debian's own may be too old.
    let places = named.into_iter().chain([cache.join(fetched)]).chain(std::env::split_paths(&path).map(|dir| dir.join(name)));
    let found = places.into_iter().find(|p| p.is_file());
    if found.is_none() {
        println!("SKIPPED {test}: no {name} (tests/support/install.sh test fetches it)");
    }
    found
}

/// The vector that a server of the Prometheus API answers to a PromQL query, once it is not empty.
fn query(address: &str, promql: &str, server: &dyn Fn() -> String) -> Vec<Value> {
    let encoded: String = promql.bytes().map(|b| format!("%{b:02x}")).collect();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let (_, body) = get(address, &format!("/api/v1/query?query={encoded}"), "application/json").unwrap_or_default();
        let answer: Value = serde_json::from_str(&dechunked(&body)).unwrap_or_default();
        match answer["data"]["result"].as_array() {
            Some(result) if !result.is_empty() => return result.clone(),
            _ => assert!(std::time::Instant::now() < end, "no answer to {promql}: {body}\n{}", server()),
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// The number of a vector's first element.
fn number(result: &[Value]) -> f64 {
    result[0]["value"][1].as_str().unwrap().parse().unwrap()
}

/// A body without the sizes of its chunks, which stand on lines of their own between those of JSON.
fn dechunked(body: &str) -> String {
    body.lines().filter(|line| u64::from_str_radix(line.trim(), 16).is_err()).collect()
}

fn owned(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
