//! What is in a table's cell: printable text, cut to the column's width.

use std::io::Write;

use crate::batch::Kind;

/// Where a text that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ellipsis {
    /// The end is kept.
    Start,
    /// Both ends are kept.
    Middle,
    /// The start is kept.
    End,
    /// The start is kept, and nothing shows that there was more.
    None,
}

impl Ellipsis {
    /// The value of `columns.ellipsis`.
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("start") => Ellipsis::Start,
            Some("middle") => Ellipsis::Middle,
            Some("none") => Ellipsis::None,
            _ => Ellipsis::End,
        }
    }
}

/// Most characters that a value of this kind takes.
pub(super) fn digits(kind: Kind) -> usize {
    match kind {
        Kind::Bool => 5,
        Kind::Uint(1) => 3,
        Kind::Int(1) => 4,
        Kind::Uint(2) => 5,
        Kind::Int(2) => 6,
        Kind::Uint(4) => 10,
        Kind::Int(4) => 11,
        Kind::Uint(_) | Kind::Int(_) => 20,
        _ => 16,
    }
}

/// Appends `text` with everything escaped that a terminal would not print, or worse, obey.
pub(super) fn push_printable(out: &mut Vec<u8>, text: &[u8]) {
    if text.iter().all(|b| (0x20..0x7f).contains(b)) {
        return out.extend_from_slice(text);
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(out, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn push_character(out: &mut Vec<u8>, character: char) {
    // Writing to a vector does not fail.
    let _ = match character {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{7}' => write!(out, "\\a"),
        '\u{8}' => write!(out, "\\b"),
        '\u{b}' => write!(out, "\\v"),
        '\u{c}' => write!(out, "\\f"),
        c if c.is_ascii_control() => write!(out, "\\x{:02x}", c as u32),
        c if c.is_control() || is_format(c) => write!(out, "\\u{:04x}", c as u32),
        c => write!(out, "{c}"),
    };
}

/// Characters that change how others are shown: directions, joiners, line separators.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Appends `text` in at most `width` characters, and returns how many those are.
pub(super) fn push_cut(out: &mut Vec<u8>, text: &str, width: usize, ellipsis: Ellipsis) -> usize {
    let length = text.chars().count();
    if length <= width {
        out.extend_from_slice(text.as_bytes());
        return length;
    }
    let room = width.saturating_sub(1);
    let (head, tail) = match ellipsis {
        Ellipsis::None => (width, 0),
        Ellipsis::End => (room, 0),
        Ellipsis::Start => (0, room),
        Ellipsis::Middle => (room - room / 2, room / 2),
    };
    out.extend_from_slice(first(text, head).as_bytes());
    if ellipsis != Ellipsis::None {
        out.extend_from_slice("\u{2026}".as_bytes());
    }
    out.extend_from_slice(last(text, length, tail).as_bytes());
    width
}

fn first(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

fn last(text: &str, length: usize, count: usize) -> &str {
    text.get(first(text, length.saturating_sub(count)).len()..).unwrap_or("")
}
