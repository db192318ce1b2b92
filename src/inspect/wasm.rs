//! What a WASM module says without being run: the host functions it calls, and the version of the interface it was made for, if that can
//! be read off.

use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

use super::error::InspectError;
use super::{ExtraInfo, PLAIN};

/// Module whose functions the host provides (`wasm-abi.md` section 1).
const HOST: &str = "ig";
const VERSION: &str = "gadgetAPIVersion";
/// What is said of a version that only running the module could tell.
const UNKNOWN: &str = "unknown";
/// Functions and globals of a module.
const MAX_ITEMS: u32 = 1_000_000;
/// Instructions that are followed.
const MAX_STEPS: u32 = 1000;
const MAX_CALLS: u32 = 8;

/// Adds the keys `wasm.*`.
pub(super) fn add(info: &mut ExtraInfo, bytes: &[u8]) -> Result<(), InspectError> {
    let module = Module::read(bytes)?;
    let version = module.version().map_or_else(|| UNKNOWN.to_owned(), |version| version.to_string());
    info.text("wasm.gadgetAPIVersion", PLAIN, version);
    info.json("wasm.upcalls", &module.upcalls);
    Ok(())
}

/// A value on the stack.
#[derive(Debug, Clone, Copy)]
enum Number {
    I32(i32),
    I64(i64),
}

#[derive(Default)]
struct Module<'a> {
    /// Functions that the host is to provide, in the module's order.
    upcalls: Vec<&'a str>,
    imported_functions: u32,
    imported_globals: u32,
    /// Values of the module's own globals that never change.
    globals: Vec<Option<Number>>,
    /// The function that says the version.
    version: Option<u32>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Module<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, InspectError> {
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        module.import(&import?);
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader.into_iter().take(MAX_ITEMS as usize) {
                        let global = global?;
                        let value = (!global.ty.mutable).then(|| constant(&global.init_expr)).flatten();
                        module.globals.push(value);
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if export.name == VERSION && export.kind == ExternalKind::Func {
                            module.version = Some(export.index);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) if module.bodies.len() < MAX_ITEMS as usize => module.bodies.push(body),
                _ => {}
            }
        }
        Ok(module)
    }

    fn import(&mut self, import: &wasmparser::Import<'a>) {
        match import.ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                self.imported_functions = self.imported_functions.saturating_add(1);
                if import.module == HOST {
                    self.upcalls.push(import.name);
                }
            }
            TypeRef::Global(_) => self.imported_globals = self.imported_globals.saturating_add(1),
            _ => {}
        }
    }

    /// What the module's version function returns, if it does nothing but compute it.
    fn version(&self) -> Option<i64> {
        let mut run = Run { module: self, steps: MAX_STEPS };
        match run.function(self.version?, MAX_CALLS)? {
            Number::I64(version) => Some(version),
            Number::I32(_) => None,
        }
    }

    fn global(&self, index: u32) -> Option<Number> {
        *self.globals.get(index.checked_sub(self.imported_globals)? as usize)?
    }
}

/// A straight way through functions that neither branch nor touch anything.
struct Run<'m, 'a> {
    module: &'m Module<'a>,
    steps: u32,
}

impl Run<'_, '_> {
    /// The result of a function without parameters.
    fn function(&mut self, index: u32, depth: u32) -> Option<Number> {
        let depth = depth.checked_sub(1)?;
        let body = self.module.bodies.get(index.checked_sub(self.module.imported_functions)? as usize)?;
        let mut locals: Vec<Number> = Vec::new();
        for group in body.get_locals_reader().ok()? {
            let (count, kind) = group.ok()?;
            let zero = match kind {
                wasmparser::ValType::I32 => Number::I32(0),
                wasmparser::ValType::I64 => Number::I64(0),
                _ => return None,
            };
            if count > MAX_STEPS || locals.len() > MAX_STEPS as usize {
                return None;
            }
            locals.extend(std::iter::repeat_n(zero, count as usize));
        }
        let mut stack = Vec::new();
        for operator in body.get_operators_reader().ok()? {
            self.steps = self.steps.checked_sub(1)?;
            match operator.ok()? {
                Operator::Return | Operator::End => return stack.pop(),
                Operator::Call { function_index } => stack.push(self.function(function_index, depth)?),
                operator => self.step(&operator, &mut stack, &mut locals)?,
            }
        }
        None
    }

    fn step(&self, operator: &Operator<'_>, stack: &mut Vec<Number>, locals: &mut [Number]) -> Option<()> {
        let value = match *operator {
            Operator::Nop => return Some(()),
            Operator::Drop => return stack.pop().map(drop),
            Operator::LocalSet { local_index } => {
                *locals.get_mut(local_index as usize)? = stack.pop()?;
                return Some(());
            }
            Operator::LocalTee { local_index } => {
                *locals.get_mut(local_index as usize)? = *stack.last()?;
                return Some(());
            }
            Operator::LocalGet { local_index } => *locals.get(local_index as usize)?,
            Operator::GlobalGet { global_index } => self.module.global(global_index)?,
            Operator::I32Const { value } => Number::I32(value),
            Operator::I64Const { value } => Number::I64(value),
            Operator::I64ExtendI32S => Number::I64(word(stack)?.into()),
            Operator::I64ExtendI32U => Number::I64((word(stack)? as u32).into()),
            Operator::I64Add => long(stack, i64::wrapping_add)?,
            Operator::I64Sub => long(stack, i64::wrapping_sub)?,
            Operator::I64Mul => long(stack, i64::wrapping_mul)?,
            _ => return None,
        };
        stack.push(value);
        Some(())
    }
}

fn word(stack: &mut Vec<Number>) -> Option<i32> {
    match stack.pop()? {
        Number::I32(value) => Some(value),
        Number::I64(_) => None,
    }
}

fn long(stack: &mut Vec<Number>, operation: fn(i64, i64) -> i64) -> Option<Number> {
    match (stack.pop()?, stack.pop()?) {
        (Number::I64(right), Number::I64(left)) => Some(Number::I64(operation(left, right))),
        _ => None,
    }
}

/// The value of an expression that is one constant.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Option<Number> {
    let mut operators = expression.get_operators_reader();
    match (operators.read().ok()?, operators.read().ok()?) {
        (Operator::I32Const { value }, Operator::End) => Some(Number::I32(value)),
        (Operator::I64Const { value }, Operator::End) => Some(Number::I64(value)),
        _ => None,
    }
}
