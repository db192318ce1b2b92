//! Values of flags. One that begins with `@` stands for the content of a file.

use std::io::Read;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::container::{LabelTerms, Terms};
use crate::gadget::Annotation;
use crate::image::Pull;
use crate::loader::{SocketFields, SocketFieldsError};

/// Largest file that may stand for a value, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A `bool` with a value parser of its own: without one clap would make a flag that takes no value.
pub(in crate::cli) type Boolean = bool;

/// The text itself, or the file's content without the line break at its end.
pub(in crate::cli) fn text(value: &str) -> Result<String, String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.to_owned()) };
    let mut content = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut content));
    read.map_err(|error| format!("cannot read {path}: {error}"))?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("{path} is larger than {MAX_FILE} bytes"));
    }
    let content = content.strip_suffix('\n').unwrap_or(&content);
    Ok(content.strip_suffix('\r').unwrap_or(content).to_owned())
}

pub(in crate::cli) fn boolean(value: &str) -> Result<Boolean, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err("allowed are true and false".to_owned()),
    }
}

pub(in crate::cli) fn terms(value: &str) -> Result<Terms, String> {
    text(value)?.parse().map_err(|error: crate::container::InvalidTerm| error.to_string())
}

pub(in crate::cli) fn labels(value: &str) -> Result<LabelTerms, String> {
    text(value)?.parse().map_err(|error: crate::container::InvalidTerm| error.to_string())
}

pub(in crate::cli) fn socket_fields(value: &str) -> Result<SocketFields, String> {
    text(value)?.parse().map_err(|error: SocketFieldsError| error.to_string())
}

pub(in crate::cli) fn annotations(value: &str) -> Result<Vec<Annotation>, String> {
    split(&text(value)?).iter().filter(|entry| !entry.is_empty()).map(|entry| entry.parse()).collect()
}

/// When an image is pulled, with the words that shells complete.
pub(in crate::cli) fn pull() -> impl TypedValueParser<Value = Pull> {
    PossibleValuesParser::new(["always", "missing", "never"]).map(|word| match word.as_str() {
        "always" => Pull::Always,
        "never" => Pull::Never,
        _ => Pull::Missing,
    })
}

/// A list: `\,` is a comma and `\\` a backslash within an entry.
fn split(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, entries.last_mut()) {
            (',', _) => entries.push(String::new()),
            ('\\', Some(entry)) => entry.extend(characters.next()),
            (c, Some(entry)) => entry.push(c),
            (_, None) => {}
        }
    }
    entries
}

/// The size of a gadget's buffer in bytes.
pub(in crate::cli) fn buffer(value: &str) -> Result<u32, String> {
    let size = crate::config::buffer_size(&text(value)?)?;
    u32::try_from(size).map_err(|error| error.to_string())
}
