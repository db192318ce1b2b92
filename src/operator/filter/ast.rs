//! What both grammars parse to.

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// One of them holds.
    Or(Vec<Expr>),
    /// All of them hold.
    And(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A field by itself, which has to be true or false.
    Field(Name),
    /// `true` or `false`.
    Constant(bool),
    /// A field against a value.
    Compare(Name, Operator, Literal),
    /// A field against another.
    Fields(Name, Operator, Name),
    /// A field among values.
    In(Name, Vec<Literal>),
    /// A text against a part of it or a pattern.
    Text(Name, TextOperator, String),
}

/// A field's name and where it is written: columns count characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub text: String,
    pub column: usize,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Whether it holds for things that compare so; `None` is for things that do not compare (NaN).
    pub fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        match (self, order) {
            (Operator::NotEqual, None) => true,
            (_, None) => false,
            (Operator::Equal, Some(o)) => o.is_eq(),
            (Operator::NotEqual, Some(o)) => o.is_ne(),
            (Operator::Less, Some(o)) => o.is_lt(),
            (Operator::LessOrEqual, Some(o)) => o.is_le(),
            (Operator::Greater, Some(o)) => o.is_gt(),
            (Operator::GreaterOrEqual, Some(o)) => o.is_ge(),
        }
    }

    /// The same with its sides exchanged.
    pub fn flipped(self) -> Self {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            same => same,
        }
    }
}

/// Operators on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextOperator {
    Contains,
    StartsWith,
    EndsWith,
    Matches,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// A value of the simple grammar: its field says what it is.
    Bare(String),
}

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, column {column}: {problem}")]
pub(super) struct SyntaxError {
    pub column: usize,
    pub problem: String,
}
