//! Checks of the section about images: what its keys, certificates and names say.

use std::path::PathBuf;

use super::super::images;
use super::super::model::ImagesConfig;
use super::super::problem::Finding;
use super::super::tree::Node;
use super::touched;
use crate::image::Settings;

/// The settings, when nothing is wrong with them.
pub fn check(root: &Node, data_dir: Option<PathBuf>, findings: &mut Vec<Finding>) -> Option<Settings> {
    let Some(node) = root.get("images").filter(|node| !node.is_null()) else {
        return images::settings(&ImagesConfig::default(), data_dir).ok();
    };
    if touched(findings, "images") {
        return None;
    }
    let config = match serde_json::from_value::<ImagesConfig>(node.to_json()) {
        Ok(config) => config,
        Err(error) => {
            findings.push(Finding::error(&node.place, "images", format!("images: {error}")));
            return None;
        }
    };
    let wrong = match images::settings(&config, data_dir) {
        Ok(settings) => return Some(settings),
        Err(wrong) => wrong,
    };
    for (path, why) in wrong {
        let place = nearest(node, &path);
        findings.push(Finding::error(&place.place, &format!("images.{path}"), format!("images.{path}: {why}")));
    }
    None
}

/// The deepest node on the way to a setting.
fn nearest<'n>(mut node: &'n Node, path: &str) -> &'n Node {
    for part in path.split('.') {
        let (key, index) = part.split_once('[').map_or((part, None), |(key, rest)| (key, rest.trim_end_matches(']').parse().ok()));
        let Some(next) = node.get(key) else { return node };
        node = index.and_then(|index: usize| next.items().get(index)).unwrap_or(next);
    }
    node
}
