//! What a schema says about a value itself: its type, its range, its length, its form.

use serde_json::{Map, Value};

use super::super::parse;
use super::super::problem::Finding;
use super::super::tree::{Kind, Node, Scalar};
use super::walker::named;
use crate::component::nearest;

/// Longest piece of a value that a message repeats, in characters.
const MAX_REPEATED: usize = 60;

/// Whether `node` is of one of the types.
pub fn fits(node: &Node, types: &[&str]) -> bool {
    types.iter().any(|name| match (&node.kind, *name) {
        (Kind::Mapping(_), "object") | (Kind::Sequence(_), "array") => true,
        (Kind::Scalar(scalar), name) => match name {
            "null" => scalar.value.is_null(),
            "boolean" => scalar.value.is_boolean(),
            "string" => scalar.value.is_string(),
            "integer" => scalar.value.is_i64() || scalar.value.is_u64(),
            "number" => scalar.value.is_number(),
            _ => false,
        },
        _ => false,
    })
}

/// The empty collection of one of the types, if one is a collection.
pub fn empty(types: &[&str]) -> Option<Kind> {
    types.iter().find_map(|name| match *name {
        "object" => Some(Kind::Mapping(Vec::new())),
        "array" => Some(Kind::Sequence(Vec::new())),
        _ => None,
    })
}

/// A type in words.
pub fn type_name(name: &str) -> &str {
    match name {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "empty",
        other => other,
    }
}

/// A value in words. What was substituted is shown as it was written: it may be a secret.
pub fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Mapping(_) => "a mapping".to_owned(),
        Kind::Sequence(_) => "a list".to_owned(),
        Kind::Scalar(scalar) if scalar.value.is_null() => "empty".to_owned(),
        Kind::Scalar(scalar) if scalar.written != scalar.text => format!("the value of {}", shortened(&scalar.written)),
        Kind::Scalar(scalar) if scalar.value.is_string() => format!("the text {:?}", shortened(&scalar.text)),
        Kind::Scalar(scalar) => shortened(&scalar.text),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What is wrong with a value of the right type.
pub fn check(node: &Node, schema: &Map<String, Value>, path: &str) -> Vec<Finding> {
    let mut wrong = Vec::new();
    if let Some(value) = schema.get("const") {
        wrong.extend(one_of(node, &[value], path));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        wrong.extend(one_of(node, &values.iter().collect::<Vec<_>>(), path));
    }
    let complaint = match &node.kind {
        Kind::Scalar(scalar) => match &scalar.value {
            Value::Number(_) => range(scalar, schema),
            Value::String(text) => form(text, schema),
            _ => None,
        },
        Kind::Sequence(items) => length(items.len(), schema, "minItems", "maxItems", "item"),
        Kind::Mapping(entries) => length(entries.len(), schema, "minProperties", "maxProperties", "key"),
    };
    wrong.extend(complaint.map(|expected| {
        let found = if node.scalar().is_some() { format!(", not {}", describe(node)) } else { String::new() };
        Finding::error(&node.place, path, format!("{} must {expected}{found}", named(path)))
    }));
    wrong
}

/// The finding when `node` is none of `values`.
pub fn one_of(node: &Node, values: &[&Value], path: &str) -> Option<Finding> {
    let found = node.scalar();
    if found.is_some_and(|s| values.contains(&&s.value) || (s.guessed && values.iter().any(|v| v.as_str() == Some(&s.text)))) {
        return None;
    }
    let words: Vec<String> = values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    let message = format!("{} must be {}, not {}", named(path), words.join(", "), describe(node));
    let message = if words.len() > 1 { message.replacen(" must be ", " must be one of ", 1) } else { message };
    let hint = found.and_then(|s| nearest(&s.text, words.iter().map(String::as_str)));
    Some(Finding::error(&node.place, path, message).meant(hint))
}

fn range(scalar: &Scalar, schema: &Map<String, Value>) -> Option<String> {
    let value = scalar.value.as_f64()?;
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let (low, high) = schema.get("format").and_then(Value::as_str).map_or((None, None), bounds);
    let minimum = limit("minimum").or(low);
    let maximum = limit("maximum").or(high);
    if let Some(minimum) = minimum.filter(|m| value < *m) {
        return Some(format!("be at least {minimum}"));
    }
    if let Some(maximum) = maximum.filter(|m| value > *m) {
        return Some(format!("be at most {maximum}"));
    }
    if let Some(minimum) = limit("exclusiveMinimum").filter(|m| value <= *m) {
        return Some(format!("be more than {minimum}"));
    }
    limit("exclusiveMaximum").filter(|m| value >= *m).map(|maximum| format!("be less than {maximum}"))
}

/// The range of a number type that schemars names but gives no limits for.
fn bounds(format: &str) -> (Option<f64>, Option<f64>) {
    match format {
        "uint8" => (Some(0.0), Some(f64::from(u8::MAX))),
        "uint16" => (Some(0.0), Some(f64::from(u16::MAX))),
        "uint32" => (Some(0.0), Some(f64::from(u32::MAX))),
        "uint64" | "uint" => (Some(0.0), None),
        "int8" => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        "int16" => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        "int32" => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    }
}

fn form(text: &str, schema: &Map<String, Value>) -> Option<String> {
    if let Some(format) = schema.get("x-format").and_then(Value::as_str) {
        if let Err(expected) = parse::format(format, text) {
            return Some(format!("be {expected}"));
        }
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        if regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text)) {
            let expected = schema.get("x-expected").and_then(Value::as_str);
            return Some(expected.map_or_else(|| format!("match {pattern}"), |words| format!("be {words}")));
        }
    }
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    match text.chars().count() as u64 {
        0 if least > 0 => Some("not be empty".to_owned()),
        count if count < least => Some(format!("have at least {least} characters")),
        count => {
            schema.get("maxLength").and_then(Value::as_u64).filter(|m| count > *m).map(|most| format!("have at most {most} characters"))
        }
    }
}

fn length(count: usize, schema: &Map<String, Value>, low: &str, high: &str, noun: &str) -> Option<String> {
    let limit = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let count = count as u64;
    let plural = |n: u64| if n == 1 { noun.to_owned() } else { format!("{noun}s") };
    if limit(low) == Some(1) && limit(high) == Some(1) && count != 1 {
        return Some(format!("have exactly one {noun}, not {count}"));
    }
    if let Some(least) = limit(low).filter(|least| count < *least) {
        return Some(format!("have at least {least} {}", plural(least)));
    }
    limit(high).filter(|most| count > *most).map(|most| format!("have at most {most} {}", plural(most)))
}
