//! Data sources without programs: what `operator.process` and `operator.ebpf` in the metadata switch on (`operators.md` 6.3.5 and 6.5).
//!
//! A row has all columns, one behind the other, each on a multiple of its size; a schema shows the chosen ones.

use std::time::Duration;

use super::manifest::{Manifest, Node, template};
use super::params::{self, ParamKind, ParamSpec};
use super::{Origin, SourceSpec};
use crate::batch::{FieldSpec, GadgetIdentity, Kind, SchemaBuilder, SchemaError, Source, SourceKind};
use crate::component::duration;

/// Key of the interval of [`Polled::Programs`].
pub const STATISTICS_INTERVAL: &str = "statistics-interval";
/// Key of whether [`Polled::Programs`] adds up the programs of each gadget.
pub const GADGETS_ONLY: &str = "gadgets-only";

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// Every process, from `/proc`.
    Processes,
    /// Every BPF program, from the kernel's statistics.
    Programs {
        /// Only those of our gadgets, added up for each gadget.
        gadgets_only: bool,
    },
}

/// A column of a row.
pub struct Column {
    /// Name of the field.
    pub name: &'static str,
    /// Kind of its value.
    pub kind: Kind,
    /// Bytes in the row.
    pub size: u32,
    /// Special type, for formatters; empty for none.
    special: &'static str,
    template: &'static str,
    annotations: &'static [(&'static str, &'static str)],
}

const fn column(name: &'static str, kind: Kind, size: u32) -> Column {
    Column { name, kind, size, special: "", template: "", annotations: &[] }
}

const fn templated(name: &'static str, kind: Kind, size: u32, template: &'static str) -> Column {
    Column { template, ..column(name, kind, size) }
}

const fn number(name: &'static str, kind: Kind, size: u32, annotations: &'static [(&'static str, &'static str)]) -> Column {
    Column { annotations, ..column(name, kind, size) }
}

const fn special(name: &'static str, special: &'static str, annotations: &'static [(&'static str, &'static str)]) -> Column {
    Column { special, annotations, ..column(name, Kind::Uint(8), 8) }
}

const RIGHT: &[(&str, &str)] = &[("columns.alignment", "right")];
const HIDDEN: &[(&str, &str)] = &[("columns.hidden", "true")];
const PERCENT: &[(&str, &str)] = &[("columns.alignment", "right"), ("columns.precision", "1"), ("columns.maxwidth", "8")];
const COUNT: &[(&str, &str)] = &[("columns.alignment", "right"), ("columns.maxwidth", "11")];
const SPAN: &[(&str, &str)] = &[("columns.alignment", "right"), ("columns.maxwidth", "12")];
const KEY: &[(&str, &str)] = &[("metrics.type", "key")];
const COUNTER: &[(&str, &str)] = &[("columns.alignment", "right"), ("metrics.type", "counter")];
const GAUGE: &[(&str, &str)] = &[("columns.alignment", "right"), ("metrics.type", "gauge")];

/// Columns of [`Polled::Processes`].
pub const PROCESSES: &[Column] = &[
    templated("pid", Kind::Int(4), 4, "pid"),
    templated("ppid", Kind::Int(4), 4, "ppid"),
    templated("comm", Kind::Text, 16, "comm"),
    number("priority", Kind::Int(1), 1, RIGHT),
    number("nice", Kind::Int(1), 1, RIGHT),
    number("cpuUsage", Kind::Float(8), 8, PERCENT),
    number("cpuUsageRelative", Kind::Float(8), 8, PERCENT),
    special("memoryRSS_raw", "gadget_bytes", RIGHT),
    special("memoryVirtual_raw", "gadget_bytes", RIGHT),
    special("memoryShared_raw", "gadget_bytes", RIGHT),
    number("memoryRelative", Kind::Float(8), 8, PERCENT),
    number("threadCount", Kind::Int(4), 4, COUNT),
    number("state", Kind::Text, 4, &[("columns.maxwidth", "5"), ("value.one-of", "R,S,D,Z,T,t,X,x,K,W,P,I")]),
    templated("uid", Kind::Uint(4), 4, "uid"),
    number("startTime", Kind::Uint(8), 8, HIDDEN),
    number("startTimeStr", Kind::Text, 32, &[("columns.maxwidth", "25"), ("columns.ellipsis", "start")]),
    number("cpuTime", Kind::Int(8), 8, HIDDEN),
    number("cpuTimeStr", Kind::Text, 32, SPAN),
    Column { special: "gadget_mntns_id", ..templated("mountnsid", Kind::Uint(8), 8, "mntns_id") },
];

/// Columns of [`Polled::Programs`].
pub const PROGRAMS: &[Column] = &[
    number("nodeName", Kind::Text, 64, KEY),
    column("gadgetID", Kind::Text, 64),
    number("gadgetName", Kind::Text, 64, KEY),
    number("gadgetImage", Kind::Text, 128, KEY),
    number("progID", Kind::Uint(4), 4, RIGHT),
    number("progName", Kind::Text, 16, KEY),
    column("progType", Kind::Text, 24),
    number("cpuUsage", Kind::Float(8), 8, PERCENT),
    number("cpuUsageRelative", Kind::Float(8), 8, PERCENT),
    number("cpuTimeStr", Kind::Text, 32, SPAN),
    special("runtime_raw", "gadget_duration", COUNTER),
    number("runcount", Kind::Uint(8), 8, COUNTER),
    special("mapMemory_raw", "gadget_bytes", GAUGE),
    number("mapCount", Kind::Uint(8), 8, GAUGE),
    column("comms", Kind::Text, 128),
    column("pids", Kind::Text, 128),
];

impl Polled {
    /// The columns of its rows.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Polled::Processes => PROCESSES,
            Polled::Programs { .. } => PROGRAMS,
        }
    }

    fn source(self) -> &'static str {
        match self {
            Polled::Processes => "processes",
            Polled::Programs { .. } => "bpfstats",
        }
    }

    fn shows(self, column: &str, fields: &[&str]) -> bool {
        match (self, column) {
            (Polled::Processes, "pid" | "mountnsid") => true,
            (Polled::Programs { .. }, "nodeName") => std::env::var_os("NODE_NAME").is_some(),
            _ => fields.is_empty() || fields.iter().any(|f| stem(f).eq_ignore_ascii_case(stem(column))),
        }
    }
}

/// `cpuTime` for `cpuTime` and `cpuTimeStr`, `memoryRSS` for `memoryRSS_raw`: what a user names.
fn stem(name: &str) -> &str {
    let name = name.strip_suffix("_raw").unwrap_or(name);
    name.strip_suffix("Str").unwrap_or(name)
}

/// Where each column of a row begins, and the bytes of a row.
pub fn layout(columns: &[Column]) -> (Vec<u32>, u32) {
    let mut at = 0u32;
    let starts = columns.iter().map(|column| {
        let alignment = match column.kind {
            Kind::Text => 1,
            _ => column.size,
        };
        let start = at.next_multiple_of(alignment);
        at = start + column.size;
        start
    });
    let starts = starts.collect();
    (starts, at.next_multiple_of(8))
}

/// Why the settings in the metadata are not usable.
#[derive(Debug, thiserror::Error)]
pub enum PolledError {
    /// A setting that is not what it has to be.
    #[error("{key} is {value:?}, which is no {wanted}")]
    Setting {
        /// Its path.
        key: String,
        /// What it says.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Two fields of one name.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The data sources that the metadata switches on, and their parameters.
pub(super) fn sources(manifest: &Manifest, gadget: &GadgetIdentity) -> Result<(Vec<SourceSpec>, Vec<ParamSpec>), PolledError> {
    let (mut sources, mut params) = (Vec::new(), Vec::new());
    if is_on(manifest, "operator.process.emitstats") {
        let interval = span(manifest, "operator.process.interval", Duration::from_secs(60))?;
        let first = span(manifest, "operator.process.first-interval", Duration::ZERO)?;
        let count = match text(manifest, "operator.process.count") {
            None => 0,
            Some(value) => value.parse().map_err(|_| setting("operator.process.count", value, "number"))?,
        };
        let fields = fields(manifest, "operator.process.fields");
        sources.push(source(Polled::Processes, manifest, gadget, &fields, (interval, first, count))?);
    }
    if is_on(manifest, "operator.ebpf.emitstats") {
        let (interval, gadgets_only) = statistics_params(manifest);
        let every = duration::parse(&interval.default).ok_or_else(|| setting(STATISTICS_INTERVAL, &interval.default, "duration"))?;
        let what = Polled::Programs { gadgets_only: gadgets_only.default == "true" };
        sources.push(source(what, manifest, gadget, &[], (every, Duration::ZERO, 0))?);
        params.extend([interval, gadgets_only]);
    }
    Ok((sources, params))
}

/// Data sources that the metadata asks for and that do not exist.
pub(super) fn missing(manifest: &Manifest) -> impl Iterator<Item = &'static str> {
    let containers = manifest.annotations.get("enable-containers-datasource").is_some_and(|v| v == "true");
    let cgroups = is_on(manifest, "operator.cgroup.emitstats");
    let all = [(cgroups, "statistics of cgroups (operator.cgroup)"), (containers, "containers as a data source")];
    all.into_iter().filter_map(|(asked, what)| asked.then_some(what))
}

/// Applies a parameter that is about such a source; whether it is.
pub(super) fn configure(sources: &mut [SourceSpec], key: &str, value: &str) -> bool {
    if key != STATISTICS_INTERVAL && key != GADGETS_ONLY {
        return false;
    }
    for spec in sources {
        if let Origin::Polled { what: Polled::Programs { gadgets_only }, interval, .. } = &mut spec.origin {
            match key {
                GADGETS_ONLY => *gadgets_only = value == "true",
                _ => *interval = duration::parse(value).unwrap_or(*interval),
            }
        }
    }
    true
}

fn statistics_params(manifest: &Manifest) -> (ParamSpec, ParamSpec) {
    let make = |key: &str, kind, default: &str, description: &str| params::synthetic(manifest, key, kind, default, description);
    (
        make(STATISTICS_INTERVAL, ParamKind::Interval, "1000ms", "How often statistics are read: a duration"),
        make(GADGETS_ONLY, ParamKind::Bool, "false", "Only the programs of gadgets, added up for each gadget"),
    )
}

fn source(
    what: Polled,
    manifest: &Manifest,
    gadget: &GadgetIdentity,
    fields: &[&str],
    (interval, first, count): (Duration, Duration, u64),
) -> Result<SourceSpec, PolledError> {
    let name = what.source();
    let mut annotations = manifest.source(name).annotations;
    annotations.insert("fetch-interval".to_owned(), format!("{}ms", interval.as_millis()));
    if matches!(what, Polled::Programs { .. }) {
        annotations.entry("cli.clear-screen-before".to_owned()).or_insert_with(|| "true".to_owned());
    }
    let mut schema = SchemaBuilder::new(name, SourceKind::Array, gadget.clone(), annotations);
    let (starts, size) = layout(what.columns());
    for (column, offset) in what.columns().iter().zip(starts) {
        if what.shows(column.name, fields) {
            schema.add(field(column, offset))?;
            let notes = manifest.field(name, column.name);
            schema.annotate(column.name, notes.annotations);
        }
    }
    let origin = Origin::Polled { what, row_size: size, interval, first, count };
    Ok(SourceSpec { name: name.to_owned(), origin, schema })
}

fn field(column: &Column, offset: u32) -> FieldSpec {
    let mut spec = FieldSpec::new(column.name, column.kind, Source::Row { offset, size: column.size });
    spec.types.extend((!column.special.is_empty()).then(|| column.special.to_owned()));
    let own = column.annotations.iter().chain(template(column.template).into_iter().flatten());
    spec.annotate(own.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    spec
}

fn text<'m>(manifest: &'m Manifest, key: &str) -> Option<&'m str> {
    manifest.get(key).and_then(Node::text)
}

fn is_on(manifest: &Manifest, key: &str) -> bool {
    text(manifest, key) == Some("true")
}

fn span(manifest: &Manifest, key: &str, default: Duration) -> Result<Duration, PolledError> {
    let Some(value) = text(manifest, key) else { return Ok(default) };
    duration::parse(value).ok_or_else(|| setting(key, value, "duration"))
}

fn setting(key: &str, value: &str, wanted: &'static str) -> PolledError {
    PolledError::Setting { key: key.to_owned(), value: value.to_owned(), wanted }
}

/// A list, or text with commas.
fn fields<'m>(manifest: &'m Manifest, key: &str) -> Vec<&'m str> {
    match manifest.get(key) {
        Some(Node::List(list)) => list.iter().filter_map(Node::text).collect(),
        Some(Node::Scalar(text)) => text.split(',').map(str::trim).filter(|f| !f.is_empty()).collect(),
        _ => Vec::new(),
    }
}
