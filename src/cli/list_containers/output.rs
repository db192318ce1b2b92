//! Containers, and their comings and goings, as columns, JSON or YAML.

use std::io::{self, Write};

use serde::Serialize;

use super::columns::Format;
use super::table::{Look, Table};
use crate::container::Container;

/// An event of `--watch`.
#[derive(Serialize)]
pub(super) struct Event {
    /// RFC 3339, seconds, UTC.
    pub timestamp: String,
    /// `CREATED` or `DELETED`.
    pub event: &'static str,
    pub container: Container,
}

/// Writes a whole list.
pub(super) fn list(format: &Format, look: Look, containers: &[Container], out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Columns(columns) => Table::new(look, &[], columns).write(containers.iter().map(|c| (Vec::new(), c)), out)?,
        Format::Json => json(&containers, out)?,
        Format::Yaml => yaml(&containers, out)?,
    }
    out.flush()
}

/// Writes events as they come.
pub(super) enum Events {
    Columns(Table),
    Json,
    Yaml,
}

impl Events {
    /// Nothing is written yet.
    pub fn new(format: &Format, look: Look) -> Self {
        match format {
            Format::Columns(columns) => Events::Columns(Table::new(look, &["TIMESTAMP", "EVENT"], columns)),
            Format::Json => Events::Json,
            Format::Yaml => Events::Yaml,
        }
    }

    /// Writes some; a table begins with its header even when there are none.
    pub fn write(&mut self, events: &[Event], out: &mut dyn Write) -> io::Result<()> {
        match self {
            Events::Columns(table) => {
                table.write(events.iter().map(|e| (vec![e.timestamp.clone(), e.event.to_owned()], &e.container)), out)?;
            }
            Events::Json => events.iter().try_for_each(|event| json(event, out))?,
            Events::Yaml => events.iter().try_for_each(|event| writeln!(out, "---").and_then(|()| yaml(event, out)))?,
        }
        out.flush()
    }
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn yaml(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    writeln!(out, "{}", text.trim_end())
}
