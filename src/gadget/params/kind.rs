//! What values a parameter takes, and how they are encoded.

use std::net::IpAddr;

use crate::component::duration;
use crate::gadget::btf::{Btf, BtfError, Kind};

/// The type of a parameter's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Signed integer of so many bytes.
    Int(u8),
    /// Unsigned integer of so many bytes.
    Uint(u8),
    /// `true` or `false`.
    Bool,
    /// Floating point number of so many bytes.
    Float(u8),
    /// Text of at most so many bytes.
    Text(u32),
    /// IPv4 or IPv6 address.
    Ip,
    /// Duration, or one per data source; read by the host.
    Interval,
    /// Number, or one per data source; read by the host.
    Count,
    /// A type that cannot be set.
    Unsupported,
}

/// Why a value was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("parameter {key:?} cannot be {value:?}: {reason}")]
pub struct ParamError {
    /// The parameter.
    pub key: String,
    /// The value.
    pub value: String,
    /// What would be allowed.
    pub reason: String,
}

/// Kind of a variable's type, and the names of all types down to the base type.
pub(super) fn of(btf: &Btf<'_>, type_id: u32) -> Result<(ParamKind, Vec<String>), BtfError> {
    let resolved = btf.resolve(type_id)?;
    let mut names: Vec<String> = resolved.names.iter().map(|n| (*n).to_owned()).collect();
    let t = btf.get(resolved.id)?;
    let size = t.word as u8;
    let kind = match t.kind {
        Kind::Int => {
            names.push(btf.name(resolved.id).to_owned());
            let int = t.int().ok_or(BtfError::Size { id: resolved.id })?;
            match (int.bool, t.word) {
                (true, 1) => ParamKind::Bool,
                (false, 1 | 2 | 4 | 8) if int.signed && !int.char => ParamKind::Int(size),
                (false, 1 | 2 | 4 | 8) => ParamKind::Uint(size),
                _ => ParamKind::Unsupported,
            }
        }
        Kind::Float if matches!(t.word, 4 | 8) => ParamKind::Float(size),
        Kind::Struct if btf.name(resolved.id) == "gadget_l3endpoint_t" && t.word >= 17 => ParamKind::Ip,
        Kind::Array => {
            let array = t.array().ok_or(BtfError::Size { id: resolved.id })?;
            let element = btf.resolve(array.element)?;
            names.extend(element.names.iter().map(|n| (*n).to_owned()));
            let is_char = btf.name(element.id) == "char" && btf.size(element.id)? == 1;
            if is_char { ParamKind::Text(array.len) } else { ParamKind::Unsupported }
        }
        _ => ParamKind::Unsupported,
    };
    Ok((kind, names))
}

impl ParamKind {
    /// What the initial bytes of a variable mean as text; empty for kinds whose initial value is not shown.
    pub(super) fn text(self, bytes: &[u8]) -> String {
        let number = |size: u8| {
            let mut wide = [0u8; 8];
            let used = wide.get_mut(..usize::from(size))?;
            used.copy_from_slice(bytes.get(..usize::from(size))?);
            Some(u64::from_le_bytes(wide))
        };
        match self {
            ParamKind::Bool => (bytes.first() == Some(&1)).to_string(),
            ParamKind::Uint(size) => number(size).unwrap_or_default().to_string(),
            ParamKind::Int(size) => {
                let unused = 64 - 8 * u32::from(size.clamp(1, 8));
                ((number(size).unwrap_or_default() << unused) as i64 >> unused).to_string()
            }
            ParamKind::Ip => "0.0.0.0".to_owned(),
            _ => String::new(),
        }
    }

    pub(super) fn encode(self, value: &str, size: usize) -> Result<Vec<u8>, String> {
        match self {
            ParamKind::Int(bytes) => signed(value, bytes),
            ParamKind::Uint(bytes) => unsigned(value, bytes),
            ParamKind::Bool => match value.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Ok(vec![1]),
                "false" | "f" | "0" => Ok(vec![0]),
                _ => Err("allowed are true and false".to_owned()),
            },
            ParamKind::Float(bytes) => float(value, bytes),
            ParamKind::Text(capacity) => text(value, capacity, size),
            ParamKind::Ip => ip(value, size),
            ParamKind::Interval => {
                each(value, |v| duration::parse(v).is_some(), "a duration such as 500ms or 1m30s, or source:duration,...")
            }
            ParamKind::Count => each(value, |v| v.parse::<u64>().is_ok(), "a whole number, 0 for no end, or source:number,..."),
            ParamKind::Unsupported => Err("its type cannot be set".to_owned()),
        }
    }
}

fn signed(value: &str, bytes: u8) -> Result<Vec<u8>, String> {
    let bits = u32::from(bytes) * 8;
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
    let number = value.parse::<i64>().ok().filter(|n| (min..=max).contains(n));
    let number = number.ok_or_else(|| format!("allowed are whole numbers from {min} to {max}"))?;
    Ok(number.to_le_bytes().into_iter().take(usize::from(bytes)).collect())
}

fn unsigned(value: &str, bytes: u8) -> Result<Vec<u8>, String> {
    let max = u64::MAX >> (64 - u32::from(bytes) * 8);
    let number = value.parse::<u64>().ok().filter(|n| *n <= max);
    let number = number.ok_or_else(|| format!("allowed are whole numbers from 0 to {max}"))?;
    Ok(number.to_le_bytes().into_iter().take(usize::from(bytes)).collect())
}

fn float(value: &str, bytes: u8) -> Result<Vec<u8>, String> {
    let number: f64 = value.parse().map_err(|_| "allowed are decimal numbers".to_owned())?;
    // A number that is too large becomes infinite; infinity itself is written as "inf".
    let stays_finite = if bytes == 4 { (number as f32).is_finite() } else { number.is_finite() };
    if !stays_finite && value.contains(|c: char| c.is_ascii_digit()) {
        let max = if bytes == 4 { f64::from(f32::MAX) } else { f64::MAX };
        return Err(format!("allowed are decimal numbers from -{max:e} to {max:e}"));
    }
    Ok(if bytes == 4 { (number as f32).to_le_bytes().to_vec() } else { number.to_le_bytes().to_vec() })
}

fn text(value: &str, capacity: u32, size: usize) -> Result<Vec<u8>, String> {
    if value.len() > capacity as usize {
        return Err(format!("allowed are at most {capacity} bytes, these are {}", value.len()));
    }
    if value.contains('\0') {
        return Err("it contains a NUL byte".to_owned());
    }
    let mut bytes = value.as_bytes().to_vec();
    bytes.resize(size.max(bytes.len()), 0);
    Ok(bytes)
}

/// `struct gadget_l3endpoint_t`: 16 address bytes, then the version.
fn ip(value: &str, size: usize) -> Result<Vec<u8>, String> {
    let address: IpAddr = value.parse().map_err(|_| "allowed are IPv4 and IPv6 addresses".to_owned())?;
    let (mut bytes, version) = match address {
        IpAddr::V4(v4) => (v4.octets().to_vec(), 4),
        IpAddr::V6(v6) => (v6.octets().to_vec(), 6),
    };
    bytes.resize(16, 0);
    bytes.push(version);
    bytes.resize(size.max(17), 0);
    Ok(bytes)
}

fn each(value: &str, valid: impl Fn(&str) -> bool, allowed: &str) -> Result<Vec<u8>, String> {
    let per_source = value.contains(':');
    let all = value.split(',').all(|part| match part.split_once(':') {
        Some((source, v)) => per_source && !source.is_empty() && valid(v),
        None => !per_source && !value.contains(',') && valid(part),
    });
    if all { Ok(Vec::new()) } else { Err(format!("allowed is {allowed}")) }
}
