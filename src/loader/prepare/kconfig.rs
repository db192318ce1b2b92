//! `.kconfig` externs, which aya does not know: they become a read-only data section with the values in it.

use super::edit::Editor;
use super::error::{PrepareError, malformed};
use super::{Changes, Target};
use crate::gadget::btf::{Btf, BtfError, Kind};

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
        let value = value(&name, &Shape::of(btf, type_id, size)?, target, is_weak(editor, &name))?;
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
    for symbol in editor.symbols().into_iter().filter(|s| s.section == 0 && s.name != 0) {
        if let Some(found) = externs.iter().find(|e| e.name == editor.symbol_name(symbol)) {
            editor.define(symbol, section, found.offset, found.size)?;
        }
    }
    Ok(())
}

fn is_weak(editor: &Editor<'_>, name: &str) -> bool {
    editor.symbols().into_iter().any(|s| s.is_weak() && editor.symbol_name(s) == name)
}

/// What the variable's type makes of `y`, `m` and `n`.
enum Shape {
    /// `bool` or a number of so many bytes.
    Number(usize),
    /// `char`: the letter itself.
    Letter,
    /// Array of `char` of so many bytes.
    Text(usize),
}

impl Shape {
    fn of(btf: &Btf<'_>, type_id: u32, size: u64) -> Result<Self, BtfError> {
        let id = btf.peel(type_id)?;
        let t = btf.get(id)?;
        Ok(match t.kind {
            Kind::Array => Shape::Text(size as usize),
            Kind::Int if size == 1 && btf.name(id) == "char" => Shape::Letter,
            _ => Shape::Number(size as usize),
        })
    }
}

fn value(name: &str, shape: &Shape, target: &Target<'_>, weak: bool) -> Result<Vec<u8>, PrepareError> {
    let text = match name {
        "LINUX_KERNEL_VERSION" => Some(target.facts.version().to_string()),
        "LINUX_HAS_SYSCALL_WRAPPER" => Some(u8::from(has_syscall_wrapper(target)).to_string()),
        // 5.15 brought bpf_get_attach_cookie().
        "LINUX_HAS_BPF_COOKIE" => Some(u8::from(target.facts.version() >= 5 << 16 | 15 << 8).to_string()),
        option => target.facts.config(option),
    };
    match text {
        Some(text) => Ok(encode(&text, shape)),
        None if weak => Ok(encode("0", shape)),
        None => Err(PrepareError::MissingConfig { name: name.to_owned() }),
    }
}

fn has_syscall_wrapper(target: &Target<'_>) -> bool {
    ["__x64_sys_bpf", "__arm64_sys_bpf"].iter().any(|name| target.facts.symbol(name).is_some())
}

fn encode(text: &str, shape: &Shape) -> Vec<u8> {
    match shape {
        Shape::Letter => vec![if text == "0" { 0 } else { text.as_bytes().first().copied().unwrap_or_default() }],
        Shape::Text(size) => {
            let text = text.trim_matches('"').as_bytes();
            let mut bytes = if text == b"0" { Vec::new() } else { text.iter().copied().take(size.saturating_sub(1)).collect() };
            bytes.resize(*size, 0);
            bytes
        }
        Shape::Number(size) => {
            let mut bytes = number(text).to_le_bytes().to_vec();
            bytes.resize(*size, 0);
            bytes
        }
    }
}

/// `n`, `y` and `m` as in `enum libbpf_tristate`; decimal and hexadecimal numbers.
fn number(text: &str) -> u64 {
    match text {
        "y" => 1,
        "m" => 2,
        _ => match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).unwrap_or_default(),
            None => text.parse().or_else(|_| text.parse::<i64>().map(|n| n as u64)).unwrap_or_default(),
        },
    }
}

fn shown(value: &[u8]) -> u64 {
    value.iter().take(8).rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
