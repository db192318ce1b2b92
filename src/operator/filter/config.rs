//! Settings of the filter: one text, a list of texts, or either under the name of its grammar.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ast::{Expr, SyntaxError};
use super::{parser, simple};
use crate::component::BindError;

/// Which events pass.
///
/// A text is an expression, `proc.comm != "pause" && proc.creds.uid == 0`, or, if it has no quotes, no `&&`, `||`, `and`, `or`
/// and no blanks around operators, a list of simple rules: `proc.comm!=pause,proc.creds.uid==0`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a list of texts, {expression: ...} or {rules: ...}")]
pub(super) enum Config {
    /// In either grammar.
    Text(String),
    /// Each in either grammar; all must hold.
    List(Vec<String>),
    /// Named by its grammar.
    Named(Named),
}

/// A filter named by its grammar.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Named {
    /// Comparisons with == != < <= > >=, in [...], contains, startsWith, endsWith, matches, combined by && || ! and parentheses.
    Expression(String),
    /// Simple rules, field op value, op being one of = == != < <= > >= ~ !~; all must hold.
    Rules(Rules),
}

/// Simple rules.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(super) enum Rules {
    /// Separated by commas.
    Text(String),
    /// One by one.
    List(Vec<String>),
}

impl Config {
    /// The settings of `value`.
    pub fn read(value: &serde_json::Value) -> Result<Self, BindError> {
        Config::deserialize(value).map_err(|e| BindError::Invalid(format!("filter: {e}")))
    }

    /// The condition.
    pub fn parse(&self) -> Result<Expr, BindError> {
        let all = |texts: &[String], parse: fn(&str) -> Result<Expr, SyntaxError>| {
            texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map(Expr::And)
        };
        let parsed = match self {
            Config::Text(text) => either(text),
            Config::List(texts) => all(texts, either),
            Config::Named(Named::Expression(text)) => parser::parse(text),
            Config::Named(Named::Rules(Rules::Text(text))) => simple::parse(text),
            Config::Named(Named::Rules(Rules::List(texts))) => all(texts, simple::parse),
        };
        parsed.map_err(|error| BindError::Invalid(error.to_string()))
    }
}

fn either(text: &str) -> Result<Expr, SyntaxError> {
    if simple::is_simple(text) { simple::parse(text) } else { parser::parse(text) }
}
