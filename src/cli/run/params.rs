//! A gadget's parameters as flags.

use std::collections::{BTreeMap, BTreeSet};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use crate::cli::value;
use crate::gadget::{ParamKind, ParamSpec};

/// Flags of upstream's that are not there yet: they are told from misspelt ones.
const MISSING: [&str; 11] = [
    "file",
    "detach",
    "name",
    "id",
    "tags",
    "oci-store-user",
    "sort",
    "max-entries",
    "otel-metrics-listen",
    "otel-metrics-exporter",
    "otel-logs-exporter",
];
const HEADING: &str = "Parameters of the gadget";
/// What full parameter names begin with.
const PREFIX: &str = "operator.oci.ebpf.";

/// Hidden flags that say that they are not supported yet.
pub(super) fn missing(params: &[ParamSpec]) -> Vec<Arg> {
    let refuse = |_: &str| Err::<String, String>("this flag is not supported yet".to_owned());
    let flag = |name: &'static str| {
        Arg::new(format!("missing {name}")).long(name).hide(true).num_args(0..=1).default_missing_value("").value_parser(refuse)
    };
    MISSING.into_iter().filter(|name| params.iter().all(|param| param.key != *name)).map(flag).collect()
}

/// A flag per parameter. One whose name is taken has only its full name.
pub(super) fn arguments(params: &[ParamSpec], taken: &BTreeSet<String>) -> Vec<Arg> {
    let mut seen = BTreeSet::new();
    let usable = params.iter().filter(|param| is_name(&param.key) && seen.insert(param.key.clone()));
    usable.map(|param| argument(param, taken.contains(&param.key))).collect()
}

/// The values that the command line gives, by key.
pub(super) fn values(matches: &ArgMatches, params: &[ParamSpec]) -> BTreeMap<String, String> {
    let given = |param: &&ParamSpec| {
        let id = id(param);
        matches.try_contains_id(&id).unwrap_or(false) && matches.value_source(&id) == Some(ValueSource::CommandLine)
    };
    let value = |param: &ParamSpec| Some((param.key.clone(), matches.get_one::<String>(&id(param))?.clone()));
    params.iter().filter(given).filter_map(value).collect()
}

fn id(param: &ParamSpec) -> String {
    format!("param {}", param.key)
}

/// Metadata may call a parameter anything, the command line cannot.
fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphanumeric()) && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn argument(param: &ParamSpec, taken: bool) -> Arg {
    let full = format!("{PREFIX}{}", param.key);
    let spec = param.clone();
    let checked = move |given: &str| {
        let text = value::text(given)?;
        spec.encode(&text).map_err(|error| error.reason)?;
        Ok::<String, String>(text)
    };
    let arg = Arg::new(id(param)).help(help(param)).help_heading(HEADING).value_name(kind(param.kind)).value_parser(checked);
    let arg = if taken { arg.long(full) } else { arg.long(param.key.clone()).alias(full) };
    match param.kind {
        ParamKind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg.allow_hyphen_values(true),
    }
}

fn help(param: &ParamSpec) -> String {
    let mut text = param.description.trim().to_owned();
    if !param.default.is_empty() {
        text.push_str(&format!("{}[default: {}]", if text.is_empty() { "" } else { " " }, param.default));
    }
    text
}

fn kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Int(1) => "INT8",
        ParamKind::Int(2) => "INT16",
        ParamKind::Int(4) => "INT32",
        ParamKind::Int(_) => "INT64",
        ParamKind::Uint(1) => "UINT8",
        ParamKind::Uint(2) => "UINT16",
        ParamKind::Uint(4) => "UINT32",
        ParamKind::Uint(_) => "UINT64",
        ParamKind::Bool => "BOOL",
        ParamKind::Float(_) => "NUMBER",
        ParamKind::Text(_) => "TEXT",
        ParamKind::Ip => "IP",
        ParamKind::Interval => "DURATION",
        ParamKind::Count => "COUNT",
        _ => "VALUE",
    }
}
