//! Which values annotations can have (`gadget-abi.md` sections 2.5 and 2.6).

use crate::component::{duration, nearest};
use crate::gadget::manifest::template;

/// What is wrong with an annotation's value.
pub(super) fn complaint(key: &str, value: &str) -> Option<String> {
    let one_of = |all: &[&str]| {
        let hint = nearest(value, all.iter().copied()).map(|word| format!(", did you mean {word:?}?")).unwrap_or_default();
        (!all.contains(&value)).then(|| format!("{key} cannot be {value:?}{hint}; there are {}", all.join(", ")))
    };
    let wanted = |holds: bool, what: &str| (!holds).then(|| format!("{key} cannot be {value:?}: it is {what}"));
    let is_number = value.parse::<u32>().is_ok();
    match key {
        "columns.width" => wanted(is_number || value == "type", "a whole number, or \"type\""),
        "columns.minwidth" | "columns.maxwidth" | "columns.precision" | "flamegraph.level" => wanted(is_number, "a whole number"),
        "columns.alignment" => one_of(&["left", "right"]),
        "columns.ellipsis" => one_of(&["none", "start", "middle", "end"]).filter(|_| !value.is_empty()),
        "columns.hidden"
        | "columns.fixed"
        | "columns.hex"
        | "json.skip"
        | "metrics.collect"
        | "metrics.print"
        | "cli.clear-screen-before"
        | "ebpf.map.flush-on-stop"
        | "ebpf.iter.fetch-on-stop" => one_of(&["true", "false"]),
        "metrics.type" => one_of(&["key", "counter", "gauge", "histogram"]),
        "logs.array-handling" => one_of(&["array", "elements"]),
        "fetch-interval" => wanted(duration::parse(value).is_some(), "a duration such as 500ms"),
        "fetch-count" => wanted(value.parse::<u64>().is_ok(), "a whole number, 0 for no end"),
        "template" => wanted(template(value).is_some(), "the name of a template, such as timestamp, pid, comm, syscall"),
        _ => None,
    }
}
