//! Splits a filter expression into words, numbers' digits among them, and operators.

use super::FilterError;

/// Longest expression in bytes.
pub(super) const MAX_LENGTH: usize = 16 << 10;

/// A word or an operator, and the byte it starts at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    pub at: usize,
}

const OPERATORS: [&str; 24] =
    ["&&", "||", "==", "!=", ">=", "<=", "<<", ">>", "(", ")", "[", "]", "!", "=", ">", "<", "+", "-", "*", "/", "%", "&", "|", "^"];

/// The tokens of an expression. Inside of brackets `:` and `-` are operators, elsewhere parts of addresses and names.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    if text.len() > MAX_LENGTH {
        return Err(FilterError::new(0, format!("the filter is longer than {MAX_LENGTH} bytes")));
    }
    let mut tokens = Vec::new();
    let (mut at, mut brackets) = (0, 0usize);
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.chars().next() else { break };
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let length = word(rest, brackets > 0).or_else(|| operator(rest, brackets > 0));
        let length = length.ok_or_else(|| FilterError::new(at, format!("{next:?} means nothing in a packet filter")))?;
        let found = rest.get(..length).unwrap_or_default();
        match found {
            "[" => brackets += 1,
            "]" => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { text: found, at });
        at += length;
    }
    Ok(tokens)
}

fn word(rest: &str, in_brackets: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let starts = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (b == b':' && !in_brackets);
    let goes_on = |b: u8| starts(b) || b == b'.' || (b == b'-' && !in_brackets);
    bytes.first().filter(|b| starts(**b))?;
    let length = bytes.iter().position(|b| !goes_on(*b)).unwrap_or(bytes.len());
    // A dash at the end is a minus.
    Some(rest.get(..length)?.trim_end_matches('-').len())
}

fn operator(rest: &str, in_brackets: bool) -> Option<usize> {
    if in_brackets && rest.starts_with(':') {
        return Some(1);
    }
    OPERATORS.iter().find(|o| rest.starts_with(**o)).map(|o| o.len())
}
