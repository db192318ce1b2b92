//! What a container has to show, and the forms it can be shown in.

use clap::builder::{PossibleValue, TypedValueParser};
use std::ffi::OsStr;

use crate::component::nearest;
use crate::container::Container;

/// A column: its name, how it reads a container, and whether it is shown unless others are asked for.
pub(super) struct Column {
    pub name: &'static str,
    shown: bool,
    pub value: fn(&Container, bool) -> String,
}

const fn shown(name: &'static str, value: fn(&Container, bool) -> String) -> Column {
    Column { name, shown: true, value }
}

const fn hidden(name: &'static str, value: fn(&Container, bool) -> String) -> Column {
    Column { name, shown: false, value }
}

const COLUMNS: [Column; 20] = [
    shown("runtime.runtimeName", |c, _| c.runtime.runtime_name.clone()),
    shown("runtime.containerId", |c, short| hash(&c.runtime.container_id, short)),
    shown("runtime.containerName", |c, _| c.runtime.container_name.clone()),
    shown("runtime.containerPid", |c, _| c.runtime.container_pid.to_string()),
    shown("runtime.containerImageName", |c, _| image(&c.runtime.container_image_name)),
    shown("runtime.containerImageId", |c, short| hash(&c.runtime.container_image_id, short)),
    shown("runtime.containerImageDigest", |c, short| hash(&c.runtime.container_image_digest, short)),
    shown("runtime.containerStartedAt", |c, _| c.runtime.container_started_at.to_string()),
    hidden("k8s.namespace", |c, _| c.k8s.namespace.clone()),
    hidden("k8s.podName", |c, _| c.k8s.pod_name.clone()),
    hidden("k8s.podLabels", |c, _| labels(c)),
    hidden("k8s.containerName", |c, _| c.k8s.container_name.clone()),
    hidden("k8s.podUID", |c, _| c.k8s.pod_uid.clone()),
    hidden("mntns", |c, _| c.mntns.to_string()),
    hidden("netns", |c, _| c.netns.to_string()),
    hidden("hostNetwork", |c, _| c.host_network.to_string()),
    hidden("cgroupID", |c, _| c.cgroup_id.to_string()),
    hidden("cgroupPath", |c, _| c.cgroup_path.clone()),
    hidden("sandboxId", |c, short| hash(&c.sandbox_id, short)),
    hidden("bundle", |c, _| c.bundle.clone()),
];

/// How containers are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// A table of these columns, by position in the table of all.
    Columns(Vec<usize>),
    /// JSON, two blanks per level.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Whether the OCI configuration is part of it.
    pub(super) fn shows_configuration(&self) -> bool {
        !matches!(self, Format::Columns(_))
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "columns" => Ok(Format::Columns((0..COLUMNS.len()).filter(|i| COLUMNS.get(*i).is_some_and(|c| c.shown)).collect())),
            "json" | "jsonpretty" => Ok(Format::Json),
            "yaml" => Ok(Format::Yaml),
            _ => match text.strip_prefix("columns=") {
                Some(names) => names.split(',').map(position).collect::<Result<_, _>>().map(Format::Columns),
                None => Err("expected columns, columns=NAME,..., json, jsonpretty or yaml".to_owned()),
            },
        }
    }
}

/// The columns at these positions.
pub(super) fn at(positions: &[usize]) -> Vec<&'static Column> {
    positions.iter().filter_map(|i| COLUMNS.get(*i)).collect()
}

fn position(name: &str) -> Result<usize, String> {
    if name.is_empty() {
        return Err(format!("a column without a name; there are {}", names()));
    }
    let position = COLUMNS.iter().position(|c| c.name.eq_ignore_ascii_case(name));
    position.ok_or_else(|| match nearest(name, COLUMNS.iter().map(|c| c.name)) {
        Some(hint) => format!("unknown column {name:?}, did you mean {hint:?}?"),
        None => format!("unknown column {name:?}; there are {}", names()),
    })
}

fn names() -> String {
    COLUMNS.iter().map(|c| c.name).collect::<Vec<_>>().join(", ")
}

/// Reads a format, with the words that shells complete.
pub(super) fn parser() -> impl TypedValueParser<Value = Format> {
    FormatParser
}

#[derive(Debug, Clone)]
struct FormatParser;

impl TypedValueParser for FormatParser {
    type Value = Format;

    fn parse_ref(&self, command: &clap::Command, argument: Option<&clap::Arg>, value: &OsStr) -> Result<Format, clap::Error> {
        let parse: fn(&str) -> Result<Format, String> = str::parse;
        TypedValueParser::parse_ref(&parse, command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(["columns", "json", "jsonpretty", "yaml"].map(PossibleValue::new).into_iter()))
    }
}

/// An image known by its hash only is shown by the first 12 digits.
fn image(name: &str) -> String {
    if name.contains("sha256:") { hash(name, true) } else { name.to_owned() }
}

/// The first 12 digits for people, all for programs. An id that somebody chose is no hash and stays as it is.
fn hash(text: &str, short: bool) -> String {
    let digits = text.rsplit_once("sha256:").map_or(text, |(_, digits)| digits);
    if short && digits.len() >= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()) || digits.len() < text.len() && short {
        return digits.chars().take(12).collect();
    }
    text.to_owned()
}

fn labels(container: &Container) -> String {
    container.k8s.pod_labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}
