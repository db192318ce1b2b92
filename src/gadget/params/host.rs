//! The parameters that the host reads itself: no variable of the object stands behind them.

use super::{ParamKind, ParamSpec};
use crate::gadget::elf::Elf;
use crate::gadget::manifest::Manifest;
use crate::gadget::{Gadget, ProgramSpec};

/// Key of the interval at which maps are read.
pub const MAP_FETCH_INTERVAL: &str = "map-fetch-interval";
/// Key of the number of times maps are read.
pub const MAP_FETCH_COUNT: &str = "map-fetch-count";
/// Key of the switch that copies to the log what programs print.
pub const TRACE_PIPE: &str = "trace-pipe";
/// Key of the interface that classifiers are attached to instead of those of containers.
pub const INTERFACE: &str = "iface";
/// Longest name of an interface.
const INTERFACE_BYTES: u32 = 15;
/// Key of the packet filter without a name; those with one have `-<name>` behind it.
const PACKET_FILTER: &str = "pf";
/// What functions begin with into which a packet filter is compiled.
const FILTER_FUNCTION: &str = "gadget_pf_";
const MAX_FILTER: u32 = 64 << 10;

/// A parameter that the host reads itself.
pub(in crate::gadget) fn synthetic(manifest: &Manifest, key: &str, kind: ParamKind, default: &str, description: &str) -> ParamSpec {
    ParamSpec {
        key: key.to_owned(),
        variable: String::new(),
        kind,
        default: manifest.param_default(key).unwrap_or(default).to_owned(),
        description: description.to_owned(),
        tags: Vec::new(),
        size: 0,
    }
}

/// The two parameters of gadgets whose maps are read.
pub(in crate::gadget) fn fetch_params(manifest: &Manifest) -> [ParamSpec; 2] {
    let interval = "How often maps are read: a duration, or source:duration,...";
    let count = "How many times maps are read, 0 for no end: a number, or source:number,...";
    [
        synthetic(manifest, MAP_FETCH_INTERVAL, ParamKind::Interval, "1000ms", interval),
        synthetic(manifest, MAP_FETCH_COUNT, ParamKind::Count, "0", count),
    ]
}

/// The packet filters of an object: key and function, each function once.
pub(in crate::gadget) fn packet_filters(elf: &Elf<'_>) -> Vec<(String, String)> {
    let functions = elf.symbols.iter().filter(|s| s.function && s.section.is_some());
    let mut filters: Vec<(String, String)> = Vec::new();
    for function in functions {
        let Some(name) = function.name.strip_prefix(FILTER_FUNCTION) else { continue };
        let key = if name.is_empty() { PACKET_FILTER.to_owned() } else { format!("{PACKET_FILTER}-{name}") };
        if filters.iter().all(|(known, _)| *known != key) {
            filters.push((key, function.name.to_owned()));
        }
    }
    filters
}

/// The parameters of every gadget with an object, those of its packet filters, and the interface of its classifiers.
pub(in crate::gadget) fn of_host(gadget: &Gadget) -> Vec<ParamSpec> {
    let manifest = &gadget.manifest;
    let mut params = vec![synthetic(manifest, TRACE_PIPE, ParamKind::Bool, "false", "Copy what programs print (trace_pipe) to the log")];
    let filter = |key: &String| synthetic(manifest, key, ParamKind::Text(MAX_FILTER), "", "Packet filter expression, as of tcpdump");
    params.extend(gadget.packet_filters.iter().map(|(key, _)| filter(key)));
    let classifies = |p: &ProgramSpec| p.section.trim_start_matches('?').split('/').next() == Some("classifier");
    if gadget.programs.iter().any(classifies) && gadget.params.iter().all(|p| p.key != INTERFACE) {
        let description = "Network interface of the host to attach to instead of those of containers";
        params.push(synthetic(manifest, INTERFACE, ParamKind::Text(INTERFACE_BYTES), "", description));
    }
    params
}

/// What a value of an interval or count parameter says about one data source.
pub(in crate::gadget) fn for_source<'v>(value: &'v str, source: &str) -> Option<&'v str> {
    if !value.contains(':') {
        return Some(value);
    }
    value.split(',').filter_map(|part| part.split_once(':')).find(|(name, _)| *name == source).map(|(_, v)| v)
}
