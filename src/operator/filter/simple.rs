//! The simple grammar, as upstream's `--filter`: `field op value` rules, separated by commas, all of which must hold.
//!
//! Operators are `= == != < <= > >= ~ !~`; `\,` and `\\` stand for a comma and a backslash in a value.

use super::ast::{Expr, Literal, Name, Operator, SyntaxError, TextOperator};

/// Whether `text` is meant in the simple grammar: rules only, and nothing that only expressions have (quotes, `&&`, `||`,
/// the words `and` and `or`, blanks around operators).
pub(super) fn is_simple(text: &str) -> bool {
    let marks = ["\"", "'", "`", "&&", "||", " and ", " or "];
    !marks.iter().any(|mark| text.contains(mark)) && split(text).iter().all(|(_, rule)| looks_simple(rule))
}

fn looks_simple(rule: &str) -> bool {
    let (field, operator, value) = parts(rule);
    let name = !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'));
    rule.is_empty() || name && !operator.is_empty() && !value.is_empty() && !value.starts_with(char::is_whitespace)
}

/// Reads rules; empty ones do not count.
pub(super) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let rules = split(text).into_iter().filter(|(_, rule)| !rule.is_empty());
    rules.map(|(column, rule)| parse_rule(column, &rule)).collect::<Result<_, _>>().map(Expr::And)
}

fn parse_rule(column: usize, rule: &str) -> Result<Expr, SyntaxError> {
    let (field, operator, value) = parts(rule);
    let error = |problem: String| SyntaxError { column, problem };
    if field.is_empty() || operator.is_empty() || value.is_empty() {
        return Err(error(format!("incomplete rule {rule:?}: expected field, operator and value")));
    }
    let name = Name { text: field.to_owned(), column };
    let compare = |operator| Ok(Expr::Compare(name.clone(), operator, Literal::Bare(value.to_owned())));
    match operator {
        "=" | "==" => compare(Operator::Equal),
        "!=" => compare(Operator::NotEqual),
        "<" => compare(Operator::Less),
        "<=" => compare(Operator::LessOrEqual),
        ">" => compare(Operator::Greater),
        ">=" => compare(Operator::GreaterOrEqual),
        "~" => Ok(Expr::Text(name, TextOperator::Matches, value.to_owned())),
        "!~" => Ok(Expr::Not(Box::new(Expr::Text(name, TextOperator::Matches, value.to_owned())))),
        other => Err(error(format!("unknown operator {other:?}: expected one of = == != < <= > >= ~ !~"))),
    }
}

/// Field, operator and value of a rule; whatever is missing is empty.
fn parts(rule: &str) -> (&str, &str, &str) {
    let is_operator = |c: char| matches!(c, '!' | '~' | '>' | '<' | '=');
    let start = rule.find(is_operator).unwrap_or(rule.len());
    let (field, rest) = rule.split_at_checked(start).unwrap_or((rule, ""));
    let end = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
    let (operator, value) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (field, operator, value)
}

/// The rules with their columns, escapes resolved.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut rules = vec![(1, String::new())];
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, c)) = characters.next() {
        let escaped = c == '\\' && matches!(characters.peek(), Some((_, ',' | '\\')));
        let c = if escaped { characters.next().map_or(c, |(_, next)| next) } else { c };
        match (c, rules.last_mut()) {
            (',', _) if !escaped => rules.push((at + 2, String::new())),
            (c, Some((_, rule))) => rule.push(c),
            _ => {}
        }
    }
    rules
}
