//! `${env:NAME}`, `${env:NAME:-default}` and `$$` in scalars. It works on the parsed tree, so that a value cannot bring in
//! structure and every place stays true. A scalar that is one expansion as a whole is typed like a plain scalar.

use super::document::Fault;
use super::environment::Environment;
use super::scalar;
use super::tree::{Kind, Node};

/// How deep defaults may hold expansions themselves.
const MAX_NESTING: usize = 8;
/// Longest text that one scalar may become.
const MAX_LENGTH: usize = 1 << 20;

/// Expands every scalar of `node`; what cannot be expanded is added to `faults` and left as it is.
pub fn substitute(node: &mut Node, environment: &Environment, faults: &mut Vec<Fault>) {
    match &mut node.kind {
        Kind::Sequence(items) => items.iter_mut().for_each(|item| substitute(item, environment, faults)),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|entry| substitute(&mut entry.node, environment, faults)),
        Kind::Scalar(scalar) if scalar.text.contains('$') => match expand(&scalar.text, environment, 0) {
            Ok(expanded) => {
                scalar.guessed = is_one_expansion(&scalar.text);
                scalar.value = if scalar.guessed { scalar::resolve(&expanded) } else { expanded.clone().into() };
                scalar.text = expanded;
            }
            Err(message) => faults.push(Fault { place: node.place.clone(), message }),
        },
        Kind::Scalar(_) => {}
    }
}

/// Whether `text` is a single `${…}` from its first to its last character.
fn is_one_expansion(text: &str) -> bool {
    text.strip_prefix("${").and_then(closing).is_some_and(|end| text.len() == end + 3)
}

/// Position of the brace that closes the one before `rest`.
fn closing(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn expand(text: &str, environment: &Environment, nesting: usize) -> Result<String, String> {
    if nesting > MAX_NESTING {
        return Err(format!("defaults nested deeper than {MAX_NESTING} levels"));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        rest = behind.get(1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = closing(inner) else {
                return Err("\"${\" is never closed with \"}\"; write \"$${\" for the characters themselves".to_owned());
            };
            let (reference, after) = inner.split_at(end);
            out.push_str(&lookup(reference, environment, nesting)?);
            rest = after.get(1..).unwrap_or_default();
        } else {
            out.push('$');
        }
        if out.len() > MAX_LENGTH {
            return Err(format!("expands to more than {MAX_LENGTH} bytes"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of what stands between the braces.
fn lookup(reference: &str, environment: &Environment, nesting: usize) -> Result<String, String> {
    let Some(reference) = reference.strip_prefix("env:") else {
        return Err(format!("\"${{{reference}}}\" is not known: only \"${{env:NAME}}\" and \"${{env:NAME:-default}}\" are"));
    };
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !valid {
        return Err(format!("{name:?} is not the name of an environment variable"));
    }
    match (environment.get(name), default) {
        // As in a shell, `:-` also stands in for a variable that is set but empty.
        (Some(value), Some(default)) if value.is_empty() => expand(default, environment, nesting + 1),
        (Some(value), _) => Ok(value.to_owned()),
        (None, Some(default)) => expand(default, environment, nesting + 1),
        (None, None) => Err(format!("the environment variable {name} is not set; \"${{env:{name}:-default}}\" would give it a default")),
    }
}
