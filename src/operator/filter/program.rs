//! What a filter does per row: typed tests on fields, no allocation.

use std::cmp::Ordering;

use regex::bytes::Regex;

use super::ast::Operator;
use crate::batch::{Batch, Field, FieldId, Value};

/// A condition that is ready to run.
pub(super) enum Program {
    Or(Vec<Program>),
    And(Vec<Program>),
    Not(Box<Program>),
    Constant(bool),
    Test(Access, Test),
    Fields(Access, Operator, Access),
}

/// How to get at a field's value.
pub(super) enum Access {
    /// Straight from the row's bytes.
    Row(Field),
    /// Through the batch: decoded text, dictionaries, clocks.
    Batch(FieldId),
}

/// What is asked of one value. Values that are not there are 0, false or empty.
pub(super) enum Test {
    Truth,
    Bool(Operator, bool),
    Int(Operator, i128),
    /// Sorted.
    Ints(Vec<i128>),
    Float(Operator, f64),
    Floats(Vec<f64>),
    Text(Operator, Box<[u8]>),
    /// Sorted.
    Texts(Vec<Box<[u8]>>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    /// Also for `contains`: an escaped pattern is a fast substring search.
    Matches(Regex),
}

/// Two buffers for text that is made when it is read.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>, Vec<u8>);

impl Program {
    /// Whether the row fits.
    pub fn matches(&self, batch: &Batch, row: usize, scratch: &mut Scratch) -> bool {
        match self {
            Program::Or(parts) => parts.iter().any(|part| part.matches(batch, row, scratch)),
            Program::And(parts) => parts.iter().all(|part| part.matches(batch, row, scratch)),
            Program::Not(part) => !part.matches(batch, row, scratch),
            Program::Constant(truth) => *truth,
            Program::Test(access, test) => test.holds(access.read(batch, row, &mut scratch.0)),
            Program::Fields(left, operator, right) => {
                let left = left.read(batch, row, &mut scratch.0);
                operator.holds(compare(left, right.read(batch, row, &mut scratch.1)))
            }
        }
    }
}

impl Access {
    fn read<'a>(&'a self, batch: &'a Batch, row: usize, scratch: &'a mut Vec<u8>) -> Value<'a> {
        match self {
            Access::Row(field) => field.read(batch.row(row)),
            Access::Batch(field) => batch.value(row, *field, scratch),
        }
    }
}

impl Test {
    fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Test::Truth => value == Value::Bool(true),
            Test::Bool(operator, truth) => operator.holds(Some((value == Value::Bool(true)).cmp(truth))),
            Test::Int(operator, number) => operator.holds(Some(integer(value).cmp(number))),
            Test::Ints(numbers) => numbers.binary_search(&integer(value)).is_ok(),
            Test::Float(operator, number) => operator.holds(float(value).partial_cmp(number)),
            Test::Floats(numbers) => numbers.contains(&float(value)),
            Test::Text(operator, other) => operator.holds(Some(text(value).cmp(other))),
            Test::Texts(all) => all.binary_search_by(|t| (**t).cmp(text(value))).is_ok(),
            Test::StartsWith(start) => text(value).starts_with(start),
            Test::EndsWith(end) => text(value).ends_with(end),
            Test::Matches(pattern) => pattern.is_match(text(value)),
        }
    }
}

fn integer(value: Value<'_>) -> i128 {
    match value {
        Value::Int(n) => i128::from(n),
        Value::Uint(n) => i128::from(n),
        _ => 0,
    }
}

fn float(value: Value<'_>) -> f64 {
    match value {
        Value::Float(n) => n,
        Value::Int(n) => n as f64,
        Value::Uint(n) => n as f64,
        _ => 0.0,
    }
}

fn text(value: Value<'_>) -> &[u8] {
    match value {
        Value::Text(text) => text,
        _ => b"",
    }
}

fn compare(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(_), _) | (_, Value::Text(_)) => Some(text(left).cmp(text(right))),
        (Value::Float(_), _) | (_, Value::Float(_)) => float(left).partial_cmp(&float(right)),
        (Value::Bool(_), _) | (_, Value::Bool(_)) => Some((left == Value::Bool(true)).cmp(&(right == Value::Bool(true)))),
        _ => Some(integer(left).cmp(&integer(right))),
    }
}
