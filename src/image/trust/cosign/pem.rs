//! PEM: base64 between two lines that say what it is (RFC 7468). Exactly one block, bounded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters a file with a key may have. An RSA key of 8192 bits takes 6.5 KiB.
const LIMIT: usize = 64 << 10;

/// The label and the content of the only block in a text.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(text: &str) -> Result<(&str, Vec<u8>), String> {
    if text.len() > LIMIT {
        return Err(format!("it has more than {LIMIT} characters"));
    }
    let none = || "it is not PEM (-----BEGIN ...-----)".to_owned();
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(none)?;
    let (label, rest) = rest.split_once("-----").filter(|(label, _)| !label.contains('\n')).ok_or_else(none)?;
    let end = format!("-----END {label}-----");
    let (body, rest) = rest.split_once(end.as_str()).ok_or_else(|| format!("its line {end} is missing"))?;
    if rest.contains("-----BEGIN ") {
        return Err("it has more than one block; one is expected".to_owned());
    }
    let body: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let content = STANDARD.decode(body).map_err(|error| format!("its content is not base64: {error}"))?;
    Ok((label, content))
}

/// A block.
pub(super) fn write(label: &str, content: &[u8]) -> String {
    let body = STANDARD.encode(content);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, character) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}
