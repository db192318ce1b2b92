//! Containers as columns, JSON or YAML.

use std::io::{self, Write};
use std::str::FromStr;

use serde::Serialize;

use crate::container::Container;

/// A column: its name, how it reads a container, and whether it is shown unless others are asked for.
struct Column {
    name: &'static str,
    shown: bool,
    value: fn(&Container) -> String,
}

const COLUMNS: [Column; 16] = [
    Column { name: "runtime.runtimeName", shown: true, value: |c| c.runtime.runtime_name.clone() },
    Column { name: "runtime.containerId", shown: true, value: |c| c.runtime.container_id.clone() },
    Column { name: "runtime.containerName", shown: true, value: |c| c.runtime.container_name.clone() },
    Column { name: "runtime.containerPid", shown: true, value: |c| c.runtime.container_pid.to_string() },
    Column { name: "runtime.containerImageName", shown: true, value: |c| image(&c.runtime.container_image_name) },
    Column { name: "runtime.containerImageId", shown: true, value: |c| c.runtime.container_image_id.clone() },
    Column { name: "runtime.containerImageDigest", shown: true, value: |c| c.runtime.container_image_digest.clone() },
    Column { name: "runtime.containerStartedAt", shown: true, value: |c| c.runtime.container_started_at.to_string() },
    Column { name: "k8s.namespace", shown: false, value: |c| c.k8s.namespace.clone() },
    Column { name: "k8s.podName", shown: false, value: |c| c.k8s.pod_name.clone() },
    Column { name: "k8s.podLabels", shown: false, value: labels },
    Column { name: "k8s.containerName", shown: false, value: |c| c.k8s.container_name.clone() },
    Column { name: "k8s.podUID", shown: false, value: |c| c.k8s.pod_uid.clone() },
    Column { name: "mntns", shown: false, value: |c| c.mntns.to_string() },
    Column { name: "netns", shown: false, value: |c| c.netns.to_string() },
    Column { name: "hostNetwork", shown: false, value: |c| c.host_network.to_string() },
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

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "columns" => Ok(Format::Columns((0..COLUMNS.len()).filter(|i| COLUMNS.get(*i).is_some_and(|c| c.shown)).collect())),
            "json" | "jsonpretty" => Ok(Format::Json),
            "yaml" => Ok(Format::Yaml),
            _ => match text.strip_prefix("columns=") {
                Some(names) => names.split(',').map(column).collect::<Result<_, _>>().map(Format::Columns),
                None => Err("expected columns, columns=NAME,..., json, jsonpretty or yaml".to_owned()),
            },
        }
    }
}

fn column(name: &str) -> Result<usize, String> {
    let position = COLUMNS.iter().position(|c| c.name.eq_ignore_ascii_case(name));
    position.ok_or_else(|| {
        let hint = crate::component::nearest(name, COLUMNS.iter().map(|c| c.name));
        format!("unknown column {name:?}{}", hint.map(|h| format!(", did you mean {h:?}?")).unwrap_or_default())
    })
}

/// An event of `--watch`.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    /// RFC 3339, seconds, UTC.
    pub timestamp: String,
    /// `CREATED` or `DELETED`.
    pub event: &'static str,
    pub container: &'a Container,
}

/// Writes a whole list.
pub(super) fn list(format: &Format, containers: &[&Container], out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Columns(columns) => table(&[], columns, containers.iter().map(|c| (Vec::new(), *c)), true, out),
        Format::Json => json(&containers, out),
        Format::Yaml => yaml(&containers, out),
    }
}

/// Writes some events; `first` asks for the header.
pub(super) fn events(format: &Format, events: &[Event<'_>], first: bool, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Columns(columns) => {
            let rows = events.iter().map(|e| (vec![e.timestamp.clone(), e.event.to_owned()], e.container));
            table(&["TIMESTAMP", "EVENT"], columns, rows, first, out)?;
        }
        Format::Json => events.iter().try_for_each(|event| json(event, out))?,
        Format::Yaml => events.iter().try_for_each(|event| writeln!(out, "---").and_then(|()| yaml(event, out)))?,
    }
    out.flush()
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn yaml(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    writeln!(out, "{}", text.trim_end())
}

/// Columns as wide as their longest cell.
fn table<'a>(
    before: &[&str],
    columns: &[usize],
    rows: impl Iterator<Item = (Vec<String>, &'a Container)>,
    header: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns: Vec<&Column> = columns.iter().filter_map(|i| COLUMNS.get(*i)).collect();
    let names = before.iter().map(|name| (*name).to_owned()).chain(columns.iter().map(|c| c.name.to_uppercase()));
    let mut lines: Vec<Vec<String>> = vec![names.collect()];
    lines.extend(rows.map(|(mut cells, container)| {
        cells.extend(columns.iter().map(|c| printable((c.value)(container))));
        cells
    }));
    let mut widths = vec![0; before.len() + columns.len()];
    for line in &lines {
        widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    for line in lines.iter().skip(usize::from(!header)) {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join(" ").trim_end())?;
    }
    Ok(())
}

/// Control characters would let a container's name write to the terminal.
fn printable(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, "?") } else { text }
}

/// An image known by its hash only is shown by the first 12 digits.
fn image(name: &str) -> String {
    match name.split_once("sha256:") {
        Some((_, hash)) => hash.chars().take(12).collect(),
        None => name.to_owned(),
    }
}

fn labels(container: &Container) -> String {
    container.k8s.pod_labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}
