//! `.kconfig` externs, which aya does not know: they become a read-only data section with the values in it.

use std::collections::HashMap;

use super::edit::Editor;
use super::error::{PrepareError, malformed};
use super::{Changes, Target};
use crate::gadget::btf::{Btf, Kind};

/// aya makes a frozen map of every section whose name begins with `.rodata`.
const SECTION: &str = ".rodata.kconfig";
const MAX_VARIABLE: u64 = 4096;

/// One extern variable and where its value goes.
struct Extern {
    name: String,
    offset: u64,
    size: u64,
}

/// Gives all `.kconfig` externs their values.
pub(super) fn resolve(editor: &mut Editor<'_>, btf: &mut Btf<'_>, target: &Target<'_>, changes: &mut Changes) -> Result<(), PrepareError> {
    let Some(section) = btf.find(".kconfig", Kind::Datasec) else { return Ok(()) };
    let entries: Vec<_> = btf.get(section)?.entries().collect();
    let weak = editor.weak_names();
    let mut data = Vec::new();
    let mut externs = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let variable = btf.get(entry.type_id)?;
        if variable.kind != Kind::Var {
            return Err(malformed("a .kconfig extern is not a variable"));
        }
        let (type_id, name) = (variable.word, btf.string(variable.name)?.to_owned());
        let size = btf.size(type_id)?;
        if size == 0 || size > MAX_VARIABLE {
            return Err(malformed("a .kconfig extern has an impossible size"));
        }
        let value = value(&name, Shape::of(btf, type_id, size)?, target, weak.contains(name.as_str()))?;
        data.resize(data.len().next_multiple_of(size.next_power_of_two().min(8) as usize), 0);
        let offset = data.len() as u64;
        data.extend_from_slice(&value);
        btf.set_word(entry.type_id, 12, 1)?;
        btf.set_word(section, 12 + index * 12 + 4, offset as u32)?;
        btf.set_word(section, 12 + index * 12 + 8, size as u32)?;
        changes.kconfig.push((name.clone(), shown(&value)));
        externs.push(Extern { name, offset, size });
    }
    let name = btf.add_string(SECTION)?;
    btf.set_word(section, 0, name)?;
    btf.set_word(section, 8, data.len() as u32)?;
    define(editor, &externs, data)
}

/// Makes the undefined symbols of the externs defined ones.
fn define(editor: &mut Editor<'_>, externs: &[Extern], data: Vec<u8>) -> Result<(), PrepareError> {
    let section = editor.add(SECTION, data)?;
    let externs: HashMap<&str, &Extern> = externs.iter().map(|e| (e.name.as_str(), e)).collect();
    for symbol in editor.symbols().into_iter().filter(|s| s.section == 0 && s.name != 0) {
        if let Some(found) = externs.get(editor.symbol_name(symbol)) {
            editor.define(symbol, section, found.offset, found.size)?;
        }
    }
    Ok(())
}

/// What the variable's type makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `bool`: y or n.
    Bool,
    /// `enum libbpf_tristate`: y, m or n.
    Tristate,
    /// One byte: the letter itself, or a small number.
    Letter { signed: bool },
    /// A number of so many bytes.
    Number { size: usize, signed: bool },
    /// Array of `char` of so many bytes.
    Text(usize),
}

impl Shape {
    fn of(btf: &Btf<'_>, type_id: u32, size: u64) -> Result<Self, PrepareError> {
        let id = btf.peel(type_id)?;
        let t = btf.get(id)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let unusable = malformed("a .kconfig extern is neither a number, bool, letter, tristate nor text");
        Ok(match (t.kind, t.int()) {
            (Kind::Array, _) => Shape::Text(size),
            (Kind::Int, Some(int)) if int.bool && size == 1 => Shape::Bool,
            (Kind::Int, Some(int)) if size == 1 => Shape::Letter { signed: int.signed },
            (Kind::Int, Some(int)) if matches!(size, 2 | 4 | 8) => Shape::Number { size, signed: int.signed },
            (Kind::Enum, _) if size == 4 && btf.name(id) == "libbpf_tristate" => Shape::Tristate,
            (Kind::Enum, _) if matches!(size, 1 | 2 | 4 | 8) => Shape::Number { size, signed: t.flag },
            _ => return Err(unusable),
        })
    }

    fn size(self) -> usize {
        match self {
            Shape::Bool | Shape::Letter { .. } => 1,
            Shape::Tristate => 4,
            Shape::Number { size, .. } | Shape::Text(size) => size,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Bool => "a bool, which takes y and n",
            Shape::Tristate => "a tristate, which takes y, m and n",
            Shape::Letter { .. } => "a single byte, which takes y, m, n and small numbers",
            Shape::Number { .. } => "a number, or too small a one",
            Shape::Text(_) => "a text",
        }
    }
}

fn value(name: &str, shape: Shape, target: &Target<'_>, weak: bool) -> Result<Vec<u8>, PrepareError> {
    let version = target.facts.version();
    let text = match name {
        "LINUX_KERNEL_VERSION" => return Ok(number_bytes(i128::from(version), shape.size())),
        "LINUX_HAS_SYSCALL_WRAPPER" => return Ok(number_bytes(has_syscall_wrapper(target).into(), shape.size())),
        // 5.15 brought bpf_get_attach_cookie().
        "LINUX_HAS_BPF_COOKIE" => return Ok(number_bytes((version >= 5 << 16 | 15 << 8).into(), shape.size())),
        option if option.starts_with("CONFIG_") => target.facts.config(option),
        _ => None,
    };
    match text {
        Some(text) => {
            encode(&text, shape).ok_or_else(|| PrepareError::ConfigType { name: name.to_owned(), value: text, kind: shape.name() })
        }
        None if weak => Ok(vec![0; shape.size()]),
        None => Err(PrepareError::MissingConfig { name: name.to_owned() }),
    }
}

fn has_syscall_wrapper(target: &Target<'_>) -> bool {
    ["__x64_sys_bpf", "__arm64_sys_bpf"].iter().any(|name| target.facts.symbol(name).is_some())
}

/// The bytes of a value as it stands in the configuration; `None` when it does not fit.
fn encode(text: &str, shape: Shape) -> Option<Vec<u8>> {
    match (shape, text) {
        (Shape::Bool, "y" | "n") => Some(vec![u8::from(text == "y")]),
        (Shape::Tristate, "y" | "n" | "m") => Some(number_bytes(
            if text == "y" {
                1
            } else if text == "m" {
                2
            } else {
                0
            },
            4,
        )),
        (Shape::Letter { .. }, "y" | "n" | "m") => Some(text.as_bytes().to_vec()),
        (Shape::Letter { signed }, _) => fitting(text, 1, signed),
        (Shape::Number { size, signed }, _) => fitting(text, size, signed),
        (Shape::Text(size), _) => {
            let text = text.strip_prefix('"')?.strip_suffix('"')?;
            let mut bytes: Vec<u8> = text.bytes().take(size.saturating_sub(1)).collect();
            bytes.resize(size, 0);
            Some(bytes)
        }
        _ => None,
    }
}

/// A decimal or hexadecimal number that fits into so many bytes.
fn fitting(text: &str, size: usize, signed: bool) -> Option<Vec<u8>> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => i128::from(u64::from_str_radix(hex, 16).ok()?),
        None => text.parse::<i128>().ok()?,
    };
    let bits = u32::try_from(size * 8).ok()?;
    // An address such as CONFIG_PAGE_OFFSET is read into a long as often as into an unsigned long.
    let most = if signed && bits < 64 { 1i128 << (bits - 1) } else { 1i128 << bits };
    let least = if signed { -(1i128 << (bits - 1)) } else { 0 };
    (least..most).contains(&number).then(|| number_bytes(number, size))
}

fn number_bytes(number: i128, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(size, 0);
    bytes
}

/// A value as a number, for logs.
fn shown(value: &[u8]) -> u64 {
    value.iter().take(8).rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values take the bytes that libbpf gives them, and what does not fit a variable is refused.
    #[test]
    fn encodes_values() {
        let letter = Shape::Letter { signed: true };
        let number = |size, signed| Shape::Number { size, signed };
        for (text, shape, expected) in [
            ("y", Shape::Bool, Some(vec![1])),
            ("n", Shape::Bool, Some(vec![0])),
            ("m", Shape::Bool, None),
            ("m", Shape::Tristate, Some(vec![2, 0, 0, 0])),
            ("m", letter, Some(vec![b'm'])),
            ("7", letter, Some(vec![7])),
            ("300", letter, None),
            ("250", number(4, true), Some(vec![250, 0, 0, 0])),
            ("-1", number(2, true), Some(vec![255, 255])),
            ("-1", number(2, false), None),
            ("0xffffffff80000000", number(8, true), Some(vec![0, 0, 0, 128, 255, 255, 255, 255])),
            ("y", number(4, true), None),
            ("\"none\"", number(4, true), None),
            ("\"none\"", Shape::Text(4), Some(b"non\0".to_vec())),
            ("\"a\"", Shape::Text(4), Some(b"a\0\0\0".to_vec())),
            ("y", Shape::Text(4), None),
        ] {
            assert_eq!(encode(text, shape), expected, "{text} {shape:?}");
        }
    }
}
