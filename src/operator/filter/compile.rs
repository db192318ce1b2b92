//! From a condition to a program: fields found, values typed and checked against them.

use regex::bytes::{Regex, RegexBuilder};

use super::ast::{Expr, Literal, Name, Operator, TextOperator};
use super::program::{Access, Program, Test};
use crate::batch::{Field, FieldId, Kind, Schema, Source};
use crate::component::BindError;

/// Most bytes of a compiled pattern.
const PATTERN_LIMIT: usize = 1 << 20;

/// Compiles `expr` for rows of `schema`.
pub(super) fn compile(schema: &Schema, expr: &Expr) -> Result<Program, BindError> {
    let all = |parts: &[Expr]| parts.iter().map(|part| compile(schema, part)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::Or(parts) => Program::Or(all(parts)?),
        Expr::And(parts) => Program::And(all(parts)?),
        Expr::Not(part) => Program::Not(Box::new(compile(schema, part)?)),
        Expr::Constant(truth) => Program::Constant(*truth),
        Expr::Field(name) => {
            let target = Target::find(schema, name)?;
            match target.class {
                Class::Bool => Program::Test(target.access, Test::Truth),
                _ => return Err(target.error(format!("is {}: compare it with something", target.class.describe()))),
            }
        }
        Expr::Compare(name, operator, literal) => {
            let target = Target::find(schema, name)?;
            let test = target.compare(*operator, literal)?;
            Program::Test(target.access, test)
        }
        Expr::Fields(left, operator, right) => fields(schema, left, *operator, right)?,
        Expr::In(name, values) => {
            let target = Target::find(schema, name)?;
            let test = target.among(values)?;
            Program::Test(target.access, test)
        }
        Expr::Text(name, operator, text) => {
            let target = Target::find(schema, name)?;
            let test = target.text(*operator, text)?;
            Program::Test(target.access, test)
        }
    })
}

fn fields(schema: &Schema, left: &Name, operator: Operator, right: &Name) -> Result<Program, BindError> {
    let (left, right) = (Target::find(schema, left)?, Target::find(schema, right)?);
    let number = |class| matches!(class, Class::Int { .. } | Class::Float);
    if left.class == Class::Bool {
        left.equality(operator)?;
    }
    if left.class != right.class && !(number(left.class) && number(right.class)) {
        let problem =
            format!("is {}, it cannot be compared with {:?}, which is {}", left.class.describe(), right.name, right.class.describe());
        return Err(left.error(problem));
    }
    Ok(Program::Fields(left.access, operator, right.access))
}

/// What kinds of values compare with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Bool,
    Int { least: i128, most: i128 },
    Float,
    Text,
}

impl Class {
    fn of(kind: Kind) -> Option<Class> {
        Some(match kind {
            Kind::Bool => Class::Bool,
            Kind::Int(size) => {
                let half = 1i128 << (u32::from(size.clamp(1, 8)) * 8 - 1);
                Class::Int { least: -half, most: half - 1 }
            }
            Kind::Uint(size) => Class::Int { least: 0, most: (1 << (u32::from(size.clamp(1, 8)) * 8)) - 1 },
            Kind::Float(_) => Class::Float,
            Kind::Text => Class::Text,
            Kind::Bytes | Kind::Array(_) | Kind::Struct => return None,
        })
    }

    fn describe(self) -> &'static str {
        match self {
            Class::Bool => "true or false",
            Class::Int { .. } => "an integer",
            Class::Float => "a number",
            Class::Text => "text",
        }
    }
}

/// A field that a filter names.
struct Target {
    name: String,
    class: Class,
    access: Access,
}

impl Target {
    fn find(schema: &Schema, name: &Name) -> Result<Target, BindError> {
        let found = schema.find(&name.text).and_then(|id| Some((id, schema.field(id)?)));
        let Some((id, field)) = found else { return Err(BindError::unknown_field(schema, &name.text)) };
        let Some(class) = Class::of(field.kind) else {
            let problem = "is neither text nor a number, it cannot be filtered by".to_owned();
            return Err(BindError::Field { field: field.name.clone(), problem });
        };
        Ok(Target { name: field.name.clone(), class, access: access(id, field) })
    }

    fn error(&self, problem: String) -> BindError {
        BindError::Field { field: self.name.clone(), problem }
    }

    fn mismatch(&self, literal: &Literal) -> BindError {
        let (given, hint) = match literal {
            Literal::Bool(truth) => (truth.to_string(), ""),
            Literal::Int(number) => (number.to_string(), ""),
            Literal::Float(number) => (number.to_string(), ""),
            Literal::Text(text) | Literal::Bare(text) => (format!("{text:?}"), ""),
        };
        let hint = if self.class == Class::Text { "; put texts in quotes" } else { hint };
        self.error(format!("is {}, {given} is not{hint}", self.class.describe()))
    }

    fn equality(&self, operator: Operator) -> Result<(), BindError> {
        match operator {
            Operator::Equal | Operator::NotEqual => Ok(()),
            _ => Err(self.error("is true or false: only == and != make sense".to_owned())),
        }
    }

    fn compare(&self, operator: Operator, literal: &Literal) -> Result<Test, BindError> {
        Ok(match self.class {
            Class::Bool => {
                self.equality(operator)?;
                Test::Bool(operator, self.bool(literal)?)
            }
            Class::Int { .. } => Test::Int(operator, self.integer(literal)?),
            Class::Float => Test::Float(operator, self.float(literal)?),
            Class::Text => Test::Text(operator, self.string(literal)?),
        })
    }

    fn among(&self, values: &[Literal]) -> Result<Test, BindError> {
        Ok(match self.class {
            Class::Bool => return Err(self.error("is true or false: use == instead of in".to_owned())),
            Class::Int { .. } => {
                let mut all = values.iter().map(|v| self.integer(v)).collect::<Result<Vec<_>, _>>()?;
                all.sort_unstable();
                Test::Ints(all)
            }
            Class::Float => Test::Floats(values.iter().map(|v| self.float(v)).collect::<Result<_, _>>()?),
            Class::Text => {
                let mut all = values.iter().map(|v| self.string(v)).collect::<Result<Vec<_>, _>>()?;
                all.sort_unstable();
                Test::Texts(all)
            }
        })
    }

    fn text(&self, operator: TextOperator, text: &str) -> Result<Test, BindError> {
        if self.class != Class::Text {
            return Err(self.error(format!("is {}, only text contains, starts, ends or matches", self.class.describe())));
        }
        Ok(match operator {
            TextOperator::Contains => Test::Matches(self.pattern(&regex::escape(text))?),
            TextOperator::StartsWith => Test::StartsWith(text.as_bytes().into()),
            TextOperator::EndsWith => Test::EndsWith(text.as_bytes().into()),
            TextOperator::Matches => Test::Matches(self.pattern(text)?),
        })
    }

    fn pattern(&self, pattern: &str) -> Result<Regex, BindError> {
        let built = RegexBuilder::new(pattern).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build();
        built.map_err(|error| {
            let last = error.to_string();
            let reason = last.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            self.error(format!("cannot be matched with {pattern:?}: {reason}"))
        })
    }

    fn bool(&self, literal: &Literal) -> Result<bool, BindError> {
        match literal {
            Literal::Bool(truth) => Ok(*truth),
            Literal::Bare(text) if matches!(text.as_str(), "true" | "1") => Ok(true),
            Literal::Bare(text) if matches!(text.as_str(), "false" | "0") => Ok(false),
            other => Err(self.mismatch(other)),
        }
    }

    fn integer(&self, literal: &Literal) -> Result<i128, BindError> {
        let number = match literal {
            Literal::Int(number) => *number,
            Literal::Bare(text) => text.parse().map_err(|_| self.mismatch(literal))?,
            other => return Err(self.mismatch(other)),
        };
        match self.class {
            Class::Int { least, most } if !(least..=most).contains(&number) => {
                Err(self.error(format!("is between {least} and {most}, {number} is not")))
            }
            _ => Ok(number),
        }
    }

    fn float(&self, literal: &Literal) -> Result<f64, BindError> {
        match literal {
            Literal::Int(number) => Ok(*number as f64),
            Literal::Float(number) => Ok(*number),
            Literal::Bare(text) => text.parse().map_err(|_| self.mismatch(literal)),
            other => Err(self.mismatch(other)),
        }
    }

    fn string(&self, literal: &Literal) -> Result<Box<[u8]>, BindError> {
        match literal {
            Literal::Text(text) | Literal::Bare(text) => Ok(text.as_bytes().into()),
            other => Err(self.mismatch(other)),
        }
    }
}

fn access(id: FieldId, field: &Field) -> Access {
    match field.source {
        Source::Row { .. } | Source::Tail { .. } | Source::Bits { .. } => Access::Row(Field::new("", field.kind, field.source.clone())),
        _ => Access::Batch(id),
    }
}
