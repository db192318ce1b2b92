//! Plain scalars as values, by the core schema of YAML 1.2: what `true`, `10`, `0x1f` or `~` stand for.

use serde_json::{Number, Value};

/// The value a plain scalar stands for. Whatever is not null, a boolean or a finite number is text.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    // Rust also parses "inf", "nan" and "infinity", which YAML takes for text.
    let starts_like_a_number = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let made_of_number_characters = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if !starts_like_a_number || !made_of_number_characters {
        return None;
    }
    if let Ok(signed) = text.parse::<i64>() {
        return Some(signed.into());
    }
    if let Ok(unsigned) = text.parse::<u64>() {
        return Some(unsigned.into());
    }
    Number::from_f64(text.parse::<f64>().ok()?)
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    let digits_only = digits.bytes().all(|b| b.is_ascii_alphanumeric());
    u64::from_str_radix(digits, radix).ok().filter(|_| digits_only).map(Number::from)
}
