//! Programs as text: instructions with the lines of the source they come from, functions that are called behind the one that calls them.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::debug::Debug;
use super::disassembler::{Instruction, SLOT};
use super::error::InspectError;
use super::object::{Function, Object, Place, Symbol};

/// Bytes of all listings together; upstream's largest objects give a tenth of it.
const MAX_TEXT: usize = 64 << 20;

/// A program as `ebpf.programs` has it.
#[derive(Debug, Serialize)]
pub(super) struct Listing<'a> {
    #[serde(rename = "Section")]
    section: &'a str,
    /// As the compiler left it.
    #[serde(rename = "Source")]
    source: String,
    /// With the names of what it refers to, and what it asks about the kernel's types.
    #[serde(rename = "SourceWithRelocation")]
    source_with_relocation: String,
}

/// All programs.
///
/// # Errors
/// When that is too much text.
pub(super) fn all<'a>(object: &Object<'a>) -> Result<Vec<Listing<'a>>, InspectError> {
    let debug = Debug::of(&object.elf, object.btf.as_ref());
    let mut writer = Writer { object, debug: &debug, left: MAX_TEXT };
    let mut slots = MAX_TEXT / SLOT;
    let listing = |(program, section): (Function<'a>, &'a str)| {
        let functions = reachable(object, program, &mut slots)?;
        let source = writer.program(&functions, false)?;
        let source_with_relocation = writer.program(&functions, true)?;
        Ok(Listing { section, source, source_with_relocation })
    };
    object.programs().into_iter().map(listing).collect()
}

/// Code without anything around it.
pub(super) fn bare(code: &[u8]) -> String {
    let mut text = String::new();
    let targets = targets(code);
    for (slot, instruction) in Instruction::all(code) {
        if targets.contains(&slot) {
            let _ = writeln!(text, "L{slot}:");
        }
        let _ = writeln!(text, "{slot:4}: {}", instruction.text(label(&instruction, slot, 0, &targets).as_deref()));
    }
    text
}

/// A function and all that it calls, in the order in which they are mentioned. Each once. `left` are the slots that may still be looked at.
fn reachable<'a>(object: &Object<'a>, program: Function<'a>, left: &mut usize) -> Result<Vec<Function<'a>>, InspectError> {
    let (mut found, mut known) = (vec![program], HashSet::from([(program.section, program.start)]));
    let mut next = 0;
    while let Some(function) = found.get(next).copied() {
        next += 1;
        *left = left.checked_sub(function.code.len() / SLOT + 1).ok_or(InspectError::TooLong { limit: MAX_TEXT })?;
        for (slot, instruction) in Instruction::all(function.code) {
            let place = function.place(slot);
            if let Some(called) = object.called(place, &instruction).filter(|called| known.insert((called.section, called.start))) {
                found.push(called);
            }
        }
    }
    Ok(found)
}

/// Slots that are jumped to.
fn targets(code: &[u8]) -> BTreeSet<usize> {
    let slots = code.len() / SLOT;
    let target = |(slot, instruction): (usize, Instruction)| target(slot, &instruction).filter(|target| *target < slots);
    Instruction::all(code).filter_map(target).collect()
}

/// The slot that an instruction jumps to.
pub(super) fn target(slot: usize, instruction: &Instruction) -> Option<usize> {
    let slot = i64::try_from(slot).ok()?;
    usize::try_from(slot.checked_add(1)?.checked_add(instruction.jump()?)?).ok()
}

fn label(instruction: &Instruction, slot: usize, base: usize, targets: &BTreeSet<usize>) -> Option<String> {
    let target = target(slot, instruction).filter(|target| targets.contains(target))?;
    Some(format!("L{}", base + target))
}

struct Writer<'o, 'a> {
    object: &'o Object<'a>,
    debug: &'o Debug<'o>,
    /// Bytes that may still be made.
    left: usize,
}

impl<'a> Writer<'_, 'a> {
    fn program(&mut self, functions: &[Function<'a>], names: bool) -> Result<String, InspectError> {
        let (mut text, mut base) = (String::new(), 0);
        for function in functions {
            self.function(function, base, names, &mut text)?;
            base += function.code.len() / SLOT;
        }
        // Names and lines of a stranger's object are to be read, not obeyed by a terminal.
        let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        Ok(if text.contains(obeyed) { text.replace(obeyed, "?") } else { text })
    }

    fn function(&mut self, function: &Function<'a>, base: usize, names: bool, text: &mut String) -> Result<(), InspectError> {
        let (mut counted, targets) = (text.len(), targets(function.code));
        let mut last = None;
        let _ = writeln!(text, "{}:", function.name);
        for (slot, instruction) in Instruction::all(function.code) {
            let place = function.place(slot);
            let line = self.debug.line(place);
            if let Some((source, at)) = line.as_ref().filter(|_| line != last) {
                let blank = if source.is_empty() { "" } else { " " };
                let _ = writeln!(text, "; {source}{blank}@ {at}");
            }
            last = line.or(last);
            if targets.contains(&slot) {
                let _ = writeln!(text, "L{}:", base + slot);
            }
            let note = label(&instruction, slot, base, &targets).or_else(|| self.note(place, &instruction).filter(|_| names));
            let _ = write!(text, "{:4}: {}", base + slot, instruction.text(note.as_deref()));
            if let Some(question) = self.debug.question(place).filter(|_| names) {
                let _ = write!(text, " // CO-RE: {question}");
            }
            text.push('\n');
            self.left = self.left.checked_sub(text.len() - counted).ok_or(InspectError::TooLong { limit: MAX_TEXT })?;
            counted = text.len();
        }
        Ok(())
    }

    /// What an instruction refers to, in words.
    fn note(&self, place: Place, instruction: &Instruction) -> Option<String> {
        if instruction.calls() {
            let called = self.object.called(place, instruction).map(|function| function.name);
            let external = || self.object.referred(place).map(|symbol| symbol.name).filter(|name| !name.is_empty());
            return called.or_else(external).map(str::to_owned);
        }
        let symbol = self.object.referred(place).filter(|_| instruction.high.is_some())?;
        if self.object.is_map(symbol) {
            return Some(format!("map {}", symbol.name));
        }
        if let Some(function) = self.object.called(place, instruction) {
            return Some(format!("function {}", function.name));
        }
        match symbol.section {
            None => Some(format!("extern {}", symbol.name)),
            Some(_) if symbol.name.is_empty() => self.inside(symbol, instruction.imm),
            Some(_) => Some(format!("variable {}", symbol.name)),
        }
    }

    /// A variable that is found by its place in a section.
    fn inside(&self, section: &Symbol<'_>, offset: i32) -> Option<String> {
        let at = u64::try_from(offset).ok()?;
        Some(match self.object.variable((section.section?, at)) {
            Some(variable) if variable.value == at => format!("variable {}", variable.name),
            Some(variable) => format!("variable {} + {}", variable.name, at - variable.value),
            None => format!("data {} + {at}", self.object.section_of(section)),
        })
    }
}
