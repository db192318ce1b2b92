//! The expression grammar, by recursive descent with a limit on its depth.
//!
//! `or := and (("||" | "or") and)*`, `and := not (("&&" | "and") not)*`, `not := ("!" | "not")* primary`,
//! `primary := "(" or ")" | operand [test]`.

use super::ast::{Expr, Literal, Name, Operator, SyntaxError, TextOperator};
use super::lexer::{Token, TokenKind, tokens};

/// Longest filter in bytes.
const MAX_LENGTH: usize = 64 << 10;
/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError { column: 1, problem: format!("longer than {MAX_LENGTH} bytes") });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        TokenKind::End => Ok(expr),
        other => Err(parser.error(format!("expected an operator or the end, found {}", describe(other)))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

enum Operand {
    Field(Name),
    Value(Literal),
}

impl Parser {
    fn peek(&self) -> &TokenKind {
        self.tokens.get(self.at).map_or(&TokenKind::End, |t| &t.kind)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.column)
    }

    fn error(&self, problem: impl Into<String>) -> SyntaxError {
        SyntaxError { column: self.column(), problem: problem.into() }
    }

    /// Goes on if the next word is one of these.
    fn accept(&mut self, words: &[&str]) -> bool {
        let found = match self.peek() {
            TokenKind::Symbol(symbol) => words.contains(symbol),
            TokenKind::Word(word) => words.contains(&word.as_str()),
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.accept(&[word]) {
            return Ok(());
        }
        Err(self.error(format!("expected {word:?}, found {}", describe(self.peek()))))
    }

    fn or(&mut self) -> Result<Expr, SyntaxError> {
        let mut parts = vec![self.and()?];
        while self.accept(&["||", "or"]) {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, SyntaxError> {
        let mut parts = vec![self.not()?];
        while self.accept(&["&&", "and"]) {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = if self.accept(&["!", "not"]) { self.not().map(|e| Expr::Not(Box::new(e))) } else { self.primary() };
        self.depth -= 1;
        result
    }

    fn primary(&mut self) -> Result<Expr, SyntaxError> {
        if self.accept(&["("]) {
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let start = self.column();
        let left = self.operand()?;
        if let Some(operator) = self.comparison() {
            return self.compare(start, left, operator);
        }
        let name = match left {
            Operand::Field(name) => name,
            Operand::Value(Literal::Bool(truth)) => return Ok(Expr::Constant(truth)),
            Operand::Value(_) => return Err(self.error("expected a comparison behind the value")),
        };
        let negated = self.accept(&["not"]);
        let test = self.test(name.clone())?;
        match (test, negated) {
            (Some(test), true) => Ok(Expr::Not(Box::new(test))),
            (Some(test), false) => Ok(test),
            (None, true) => Err(self.error("expected in, contains, startsWith, endsWith or matches behind not")),
            (None, false) => Ok(Expr::Field(name)),
        }
    }

    fn compare(&mut self, start: usize, left: Operand, operator: Operator) -> Result<Expr, SyntaxError> {
        match (left, self.operand()?) {
            (Operand::Field(name), Operand::Value(value)) => Ok(Expr::Compare(name, operator, value)),
            (Operand::Value(value), Operand::Field(name)) => Ok(Expr::Compare(name, operator.flipped(), value)),
            (Operand::Field(left), Operand::Field(right)) => Ok(Expr::Fields(left, operator, right)),
            _ => Err(SyntaxError { column: start, problem: "a comparison needs a field on one side".to_owned() }),
        }
    }

    fn comparison(&mut self) -> Option<Operator> {
        let TokenKind::Symbol(symbol) = self.peek() else { return None };
        let operator = match *symbol {
            "==" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn test(&mut self, name: Name) -> Result<Option<Expr>, SyntaxError> {
        let operator = match self.peek() {
            TokenKind::Word(word) if word == "in" => {
                self.at += 1;
                return self.list().map(|values| Some(Expr::In(name, values)));
            }
            TokenKind::Word(word) => match word.as_str() {
                "contains" => TextOperator::Contains,
                "startsWith" => TextOperator::StartsWith,
                "endsWith" => TextOperator::EndsWith,
                "matches" => TextOperator::Matches,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.at += 1;
        match self.operand()? {
            Operand::Value(Literal::Text(text)) => Ok(Some(Expr::Text(name, operator, text))),
            _ => {
                self.at -= 1;
                Err(self.error("expected a text in quotes"))
            }
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, SyntaxError> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.accept(&["]"]) {
            if !values.is_empty() {
                self.expect(",")?;
            }
            let column = self.column();
            match self.operand()? {
                Operand::Value(value) => values.push(value),
                Operand::Field(_) => return Err(SyntaxError { column, problem: "a list holds values, not fields".to_owned() }),
            }
        }
        Ok(values)
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        let negative = self.accept(&["-"]);
        let column = self.column();
        let operand = match (self.peek().clone(), negative) {
            (TokenKind::Int(number), _) => Operand::Value(Literal::Int(if negative { -number } else { number })),
            (TokenKind::Float(number), _) => Operand::Value(Literal::Float(if negative { -number } else { number })),
            (TokenKind::Text(text), false) => Operand::Value(Literal::Text(text)),
            (TokenKind::Word(word), false) => match word.as_str() {
                "true" => Operand::Value(Literal::Bool(true)),
                "false" => Operand::Value(Literal::Bool(false)),
                _ if is_keyword(&word) => return Err(self.error(format!("expected a field or a value, found {word:?}"))),
                _ => Operand::Field(Name { text: word, column }),
            },
            (other, _) => return Err(self.error(format!("expected a field or a value, found {}", describe(&other)))),
        };
        self.at += 1;
        match (&operand, self.peek()) {
            (Operand::Field(name), TokenKind::Symbol("(")) => Err(self.error(format!("functions like {:?} are not supported", name.text))),
            _ => Ok(operand),
        }
    }
}

fn one_or(mut parts: Vec<Expr>, make: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            make(parts)
        }
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "contains" | "startsWith" | "endsWith" | "matches")
}

fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Word(word) => format!("{word:?}"),
        TokenKind::Int(number) => number.to_string(),
        TokenKind::Float(number) => number.to_string(),
        TokenKind::Text(text) => format!("the text {text:?}"),
        TokenKind::Symbol(symbol) => format!("{symbol:?}"),
        TokenKind::End => "the end".to_owned(),
    }
}
