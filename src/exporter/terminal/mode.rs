//! Output modes, and which of them a data source has.

use std::collections::BTreeMap;

use crate::component::nearest;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A table.
    Columns,
    /// An object per event, or an array per set.
    Json,
    /// The same with line breaks, indented.
    JsonPretty,
    /// A document per row.
    Yaml,
    /// Not at all.
    None,
    /// The texts of the row, nothing between or behind them: for modes that a gadget has of its own.
    Raw,
}

/// A mode that a data source cannot be shown in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("output mode {mode:?} is not supported{}; there are {}", suggestion.as_ref().map(|s| format!(", did you mean {s:?}?")).unwrap_or_default(), known.join(", "))]
pub struct UnsupportedMode {
    /// As it was asked for.
    pub mode: String,
    /// The nearest one there is.
    pub suggestion: Option<String>,
    /// All there are.
    pub known: Vec<String>,
}

const COMMON: [(&str, Mode); 5] =
    [("columns", Mode::Columns), ("json", Mode::Json), ("jsonpretty", Mode::JsonPretty), ("yaml", Mode::Yaml), ("none", Mode::None)];
/// Modes of upstream's that cannot be written yet.
const MISSING: [&str; 1] = ["pcap-ng"];

impl Mode {
    /// The names of the modes that every data source has unless it says otherwise.
    pub fn names() -> impl Iterator<Item = &'static str> {
        COMMON.iter().map(|(name, _)| *name)
    }

    /// The mode of a data source: the one asked for, else the one that its annotations name, else columns.
    ///
    /// # Errors
    /// When it does not have the mode that was asked for.
    pub fn of(annotations: &BTreeMap<String, String>, wanted: Option<&str>) -> Result<Mode, UnsupportedMode> {
        let own = annotations.get("cli.supported-output-modes").map(|list| list.split(',').map(str::trim).filter(|mode| !mode.is_empty()));
        let mut known: Vec<&str> = own.map(|list| list.filter(|mode| !MISSING.contains(mode)).collect()).unwrap_or_default();
        if known.is_empty() {
            known = Mode::names().collect();
        }
        // Showing nothing is always possible.
        if wanted == Some("none") {
            return Ok(Mode::None);
        }
        if let Some(wanted) = wanted {
            return if known.contains(&wanted) { Ok(named(wanted)) } else { Err(unsupported(wanted, &known)) };
        }
        let default = annotations.get("cli.default-output-mode").map(String::as_str);
        let default = default.filter(|mode| known.contains(mode) || *mode == "none");
        let first = || if known.contains(&"columns") { Some("columns") } else { known.iter().copied().min() };
        Ok(default.or_else(first).map_or(Mode::Columns, named))
    }
}

fn named(name: &str) -> Mode {
    COMMON.iter().find(|(known, _)| *known == name).map_or(Mode::Raw, |(_, mode)| *mode)
}

fn unsupported(mode: &str, known: &[&str]) -> UnsupportedMode {
    let suggestion = nearest(mode, known.iter().copied()).map(str::to_owned);
    UnsupportedMode { mode: mode.to_owned(), suggestion, known: known.iter().map(|m| (*m).to_owned()).collect() }
}
