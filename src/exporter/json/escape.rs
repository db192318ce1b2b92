//! JSON strings out of bytes that are meant to be UTF-8.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `raw` as a JSON string in quotes. Invalid UTF-8 becomes U+FFFD.
pub fn push_string(out: &mut Vec<u8>, raw: &[u8]) {
    out.push(b'"');
    push_escaped(out, raw);
    out.push(b'"');
}

/// Appends `raw` as the inside of a JSON string.
pub fn push_escaped(out: &mut Vec<u8>, raw: &[u8]) {
    let clean = clean_prefix(raw);
    let (plain, rest) = raw.split_at(clean);
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        push_careful(out, rest);
    }
}

/// How many bytes from the start on can be copied into a JSON string as they are.
pub(super) fn clean_prefix(raw: &[u8]) -> usize {
    let at = clean_blocks::<8>(raw, clean_blocks::<32>(raw, 0));
    let rest = raw.get(at..).unwrap_or(&[]);
    at + rest.iter().position(|b| is_special(*b)).unwrap_or(rest.len())
}

/// Goes on from `at` over whole blocks without a special byte. A fixed size lets the compiler test a block at once.
fn clean_blocks<const SIZE: usize>(raw: &[u8], mut at: usize) -> usize {
    while let Some(block) = raw.get(at..).and_then(<[u8]>::first_chunk::<SIZE>) {
        if block.iter().fold(false, |any, byte| any | is_special(*byte)) {
            break;
        }
        at += SIZE;
    }
    at
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0x80)
}

fn push_careful(out: &mut Vec<u8>, raw: &[u8]) {
    for chunk in raw.utf8_chunks() {
        push_valid(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn push_valid(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = text.iter().position(|b| needs_escape(*b)) {
        let (plain, rest) = text.split_at(at);
        out.extend_from_slice(plain);
        text = match *rest {
            // U+2028 and U+2029 end lines in JavaScript source.
            [0xe2, 0x80, last @ (0xa8 | 0xa9), ref behind @ ..] => {
                out.extend_from_slice(if last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                behind
            }
            [byte, ref behind @ ..] => {
                push_byte(out, byte);
                behind
            }
            [] => return,
        };
    }
    out.extend_from_slice(text);
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0xe2
}

fn push_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x00..=0x1f => {
            let digits = [b'0' + (byte >> 4), HEX.get(usize::from(byte & 0xf)).copied().unwrap_or(b'0')];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
        _ => out.push(byte),
    }
}

/// Appends `raw` in lower-case hexadecimal.
pub fn push_hex(out: &mut Vec<u8>, raw: &[u8]) {
    for byte in raw {
        for digit in [byte >> 4, byte & 0xf] {
            out.push(HEX.get(usize::from(digit)).copied().unwrap_or(b'0'));
        }
    }
}
