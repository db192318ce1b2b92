//! Durations like `1m30s` and sizes like `512MiB` in settings, with serde and JSON schema helpers.

use std::time::Duration;

use crate::component;

/// A text that is not the quantity it should be; says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is not a duration: expected a number with a unit, like 300ms, 5s or 1m30s")]
    Duration(String),
    /// Not a size.
    #[error("{0:?} is not a size: expected a number with a unit, like 64KiB, 512MiB or 2GB")]
    Size(String),
}

const SIZE_UNITS: [(&str, f64); 9] = [
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
];

/// Longest duration a setting may have: a hundred years, so that sums of them never overflow.
const MAX_SECONDS: f64 = 100.0 * 365.25 * 86400.0;

/// Reads a duration in the notation of Go: one or more numbers with units, `0` without one.
///
/// # Errors
/// When it is something else, negative, or longer than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    component::duration::parse(text).filter(|d| d.as_secs_f64() <= MAX_SECONDS).ok_or_else(|| UnitError::Duration(text.to_owned()))
}

/// Reads a size in bytes: a number with `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `KB`, `MB`, `GB`, `TB` (of 1000), in any case;
/// a bare number is bytes.
///
/// # Errors
/// When it is something else or beyond 2^53.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError::Size(text.to_owned());
    let (number, unit) = number(text).ok_or_else(wrong)?;
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1.0,
        unit => SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1,
    };
    let bytes = number * factor;
    if bytes > 9_007_199_254_740_992.0 {
        return Err(wrong());
    }
    Ok(bytes.round() as u64)
}

/// A non-negative decimal number and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

/// The shortest exact notation that [`parse_duration`] reads.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    match units.into_iter().find(|(_, unit)| nanos.is_multiple_of(*unit) && nanos >= *unit) {
        Some((name, unit)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => "0s".to_owned(),
        None => format!("{nanos}ns"),
    }
}

/// `#[serde(with = "units::duration")] #[schemars(schema_with = "units::duration_schema")]` for [`Duration`] settings.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes it as text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration(*duration))
    }

    /// Reads it from text, or from the number 0.
    ///
    /// # Errors
    /// When it is not a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        match super::Scalar::deserialize(deserializer)? {
            super::Scalar::Text(text) => super::parse_duration(&text).map_err(de::Error::custom),
            super::Scalar::Number(0) => Ok(Duration::ZERO),
            super::Scalar::Number(n) => Err(de::Error::custom(super::UnitError::Duration(n.to_string()))),
        }
    }
}

/// `#[serde(with = "units::size")] #[schemars(schema_with = "units::size_schema")]` for sizes in bytes.
pub mod size {
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes it as a number.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(size: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*size)
    }

    /// Reads it from text or a number of bytes.
    ///
    /// # Errors
    /// When it is not a size.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match super::Scalar::deserialize(deserializer)? {
            super::Scalar::Text(text) => super::parse_size(&text).map_err(de::Error::custom),
            super::Scalar::Number(n) => Ok(n),
        }
    }
}

/// What YAML gives for `5s` or `0`.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "expected a number, or a text with a number and a unit")]
pub(super) enum Scalar {
    /// A number without a unit.
    Number(u64),
    /// A text.
    Text(String),
}

/// JSON schema of a duration setting.
pub fn duration_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["string", "integer"],
        "pattern": "^(0|([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+)$",
        "x-expected": "a duration such as 300ms, 5s or 1m30s",
        "examples": ["300ms", "5s", "1m30s"],
    })
}

/// JSON schema of a size setting.
pub fn size_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(\\.[0-9]+)? *([KkMmGgTt][Ii]?)?[Bb]?$",
        "minimum": 0,
        "x-expected": "a size such as 64KiB, 512MiB or a number of bytes",
        "examples": ["64KiB", "512MiB"],
    })
}
