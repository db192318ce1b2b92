//! Things that only one component can have: an address to listen on, a file to write.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use super::super::parse;
use super::super::problem::Finding;
use super::super::tree::Node;
use crate::components::canonical;

/// Exporter types, and the setting that claims something.
const LISTENING: &[(&str, &str)] = &[("prometheus", "endpoint")];
const WRITING: &[(&str, &str)] = &[("file", "path")];

/// Finds two components that claim the same address or file.
pub fn check(root: &Node, findings: &mut Vec<Finding>) {
    let mut addresses: Vec<(String, SocketAddr)> = Vec::new();
    for (path, node) in listeners(root) {
        let Some(address) = node.as_str().and_then(|text| parse::listen_address(text).ok()) else { continue };
        if let Some((other, _)) = addresses.iter().find(|(_, taken)| collide(*taken, address)) {
            let message = format!("{path} and {other} would listen on the same address {address}");
            findings.push(Finding::error(&node.place, &path, message));
        }
        addresses.push((path, address));
    }
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for (path, node) in claimed(root, WRITING) {
        let Some(file) = node.as_str().filter(|text| !text.is_empty()).map(|text| normal(Path::new(text))) else { continue };
        if let Some((other, _)) = files.iter().find(|(_, taken)| *taken == file && !is_device(&file)) {
            let message = format!("{path} and {other} would write the same file {}", file.display());
            findings.push(Finding::error(&node.place, &path, message));
        }
        files.push((path, file));
    }
}

fn listeners(root: &Node) -> Vec<(String, &Node)> {
    let service = ["telemetry", "health"].into_iter().filter_map(|key| {
        let node = root.get("service")?.get(key)?.get("endpoint")?;
        Some((format!("service.{key}.endpoint"), node))
    });
    service.chain(claimed(root, LISTENING)).collect()
}

fn claimed<'a>(root: &'a Node, table: &[(&str, &str)]) -> Vec<(String, &'a Node)> {
    let exporters = root.get("exporters").map(Node::entries).unwrap_or_default();
    let mut claimed = Vec::new();
    for entry in exporters {
        let kind = canonical(entry.key.split('/').next().unwrap_or_default());
        for (_, setting) in table.iter().filter(|(name, _)| *name == kind) {
            claimed.extend(entry.node.get(setting).map(|node| (format!("exporters.{}.{setting}", entry.key), node)));
        }
    }
    claimed
}

/// Whether both cannot be listened on at once. Port 0 is a new port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_host
}

/// The path without `.` and doubled slashes.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| !matches!(component, Component::CurDir)).collect()
}

fn is_device(path: &Path) -> bool {
    path.starts_with("/dev")
}
