//! The filter: takes events out that do not fit a condition.
//!
//! Two grammars, upstream's simple rules and a subset of its expression language; [`config`] says which text is which.
//! Binding compiles the condition to tests on typed fields; a row is tested without allocating.

mod ast;
mod compile;
mod config;
mod lexer;
mod parser;
mod program;
mod simple;
#[cfg(test)]
mod tests;

use super::OperatorKind;
use crate::batch::{Batch, SchemaBuilder};
use crate::component::{BindError, Operator};
use ast::Expr;
use config::Config;
use program::{Program, Scratch};

/// The row of this operator in the table of components.
pub const KIND: OperatorKind = OperatorKind { name: "filter", stability: "beta", schema: || schemars::schema_for!(Config), build };

fn build(settings: &serde_json::Value) -> Result<Box<dyn Operator>, BindError> {
    let condition = Config::read(settings)?.parse()?;
    Ok(Box::new(Filter { condition, program: Program::Constant(true), scratch: Scratch::default(), keep: Vec::new() }))
}

struct Filter {
    condition: Expr,
    program: Program,
    scratch: Scratch,
    keep: Vec<bool>,
}

impl Operator for Filter {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        self.program = compile::compile(schema, &self.condition)?;
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        // The selection belongs to the batch that the program reads, so the verdicts are collected first.
        self.keep.clear();
        self.keep.resize(batch.len(), false);
        for row in batch.selection().iter() {
            let fits = self.program.matches(batch, row, &mut self.scratch);
            if let Some(keep) = self.keep.get_mut(row) {
                *keep = fits;
            }
        }
        batch.selection_mut().retain(|row| self.keep.get(row).copied().unwrap_or(false));
    }
}
