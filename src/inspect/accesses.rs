//! What programs do to maps: which map is in which register where a helper is called, followed along all ways through a program.
//! Conditions are not looked at, so an access may be one that never happens.

use std::collections::HashSet;

use super::disassembler::{Instruction, SLOT};
use super::listing::target;
use super::object::{Function, Object};

/// Steps over all programs.
const FUEL: usize = 20_000_000;
/// Functions within functions.
const MAX_DEPTH: usize = 8;
/// Slots of a function that is followed; the kernel takes a million instructions of a whole program.
const MAX_SLOTS: usize = 1 << 18;
/// Different accesses of a program that are told.
const MAX_ACCESSES: usize = 4096;
const REGISTERS: usize = 11;

/// What is known of registers: the number of a map's symbol, or nothing.
type Registers = [u32; REGISTERS];
const NOTHING: u32 = u32::MAX;

/// What is done to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Access<'a> {
    pub map: &'a str,
    pub operation: &'static str,
}

/// What happens at an instruction.
enum Step<'a> {
    Access(Access<'a>),
    Call(Function<'a>, Registers),
}

/// What was found, each once.
#[derive(Default)]
struct Found<'a> {
    known: HashSet<Access<'a>>,
    order: Vec<Access<'a>>,
}

/// Follows programs, one after the other.
pub(super) struct Follower<'o, 'a> {
    object: &'o Object<'a>,
    fuel: usize,
}

impl<'o, 'a> Follower<'o, 'a> {
    pub(super) fn new(object: &'o Object<'a>) -> Self {
        Follower { object, fuel: FUEL }
    }

    /// What a program does to maps, in the order of its instructions. Each once.
    pub(super) fn accesses(&mut self, program: Function<'a>) -> Vec<Access<'a>> {
        let mut found = Found::default();
        self.function(program, [NOTHING; REGISTERS], 0, &mut found);
        found.order
    }

    fn function(&mut self, function: Function<'a>, entry: Registers, depth: usize, found: &mut Found<'a>) {
        if depth > MAX_DEPTH || function.code.len() / SLOT > MAX_SLOTS {
            return;
        }
        for step in self.steps(&function, entry) {
            match step {
                Step::Access(access) if found.order.len() < MAX_ACCESSES && found.known.insert(access) => found.order.push(access),
                Step::Access(_) => {}
                Step::Call(called, arguments) if self.fuel > 0 => self.function(called, arguments, depth + 1, found),
                Step::Call(..) => return,
            }
        }
    }

    /// Accesses and calls of a function, in the order of its instructions.
    fn steps(&mut self, function: &Function<'a>, entry: Registers) -> Vec<Step<'a>> {
        let states = self.states(function, entry);
        let mut steps = Vec::new();
        for (slot, instruction) in Instruction::all(function.code) {
            let Some(Some(registers)) = states.get(slot) else { continue };
            if let Some((register, operation)) = instruction.helper().and_then(operation) {
                let map = registers.get(register).and_then(|number| self.object.symbols.get(*number as usize));
                steps.extend(map.map(|map| Step::Access(Access { map: map.name, operation })));
            }
            if let Some(called) = self.object.called(function.place(slot), &instruction) {
                // Of a function that is handed to a helper nobody knows what it will be given.
                let arguments = if instruction.calls() { arguments(registers) } else { [NOTHING; REGISTERS] };
                steps.push(Step::Call(called, arguments));
            }
        }
        steps
    }

    /// What is known in front of each slot that can be reached.
    fn states(&mut self, function: &Function<'_>, entry: Registers) -> Vec<Option<Registers>> {
        let mut states = vec![None; function.code.len() / SLOT];
        let mut waiting = vec![(0, entry)];
        self.fuel = self.fuel.saturating_sub(states.len());
        while let Some((slot, registers)) = waiting.pop() {
            let Some(state) = states.get_mut(slot) else { continue };
            let joined = state.map_or(registers, |known| join(known, registers));
            if *state == Some(joined) || self.fuel == 0 {
                continue;
            }
            *state = Some(joined);
            self.fuel -= 1;
            let Some(instruction) = function.code.get(slot * SLOT..).and_then(Instruction::decode) else { continue };
            let after = self.step(function, slot, &instruction, joined);
            if !instruction.ends() {
                waiting.push((slot + instruction.slots(), after));
            }
            waiting.extend(target(slot, &instruction).map(|target| (target, after)));
        }
        states
    }

    fn step(&self, function: &Function<'_>, slot: usize, instruction: &Instruction, mut registers: Registers) -> Registers {
        if instruction.calls() {
            registers.iter_mut().take(6).for_each(|register| *register = NOTHING);
            return registers;
        }
        if !instruction.writes() {
            return registers;
        }
        let value = match instruction.copied() {
            Some(from) => registers.get(usize::from(from)).copied(),
            None if instruction.high.is_some() => {
                let number = self.object.symbol_at(function.place(slot));
                let map = number.filter(|number| self.object.symbols.get(*number).is_some_and(|symbol| self.object.is_map(symbol)));
                map.and_then(|number| u32::try_from(number).ok())
            }
            None => None,
        };
        if let Some(register) = registers.get_mut(usize::from(instruction.dst)) {
            *register = value.unwrap_or(NOTHING);
        }
        registers
    }
}

fn join(a: Registers, b: Registers) -> Registers {
    let mut joined = a;
    for (to, other) in joined.iter_mut().zip(b) {
        if *to != other {
            *to = NOTHING;
        }
    }
    joined
}

/// The registers that a function is given: 1 to 5.
fn arguments(registers: &Registers) -> Registers {
    let mut arguments = [NOTHING; REGISTERS];
    for (to, from) in arguments.iter_mut().zip(registers).take(6).skip(1) {
        *to = *from;
    }
    arguments
}

/// The register with the map, and what a helper does to it. Source: `enum bpf_func_id` and the comments there.
fn operation(helper: i32) -> Option<(usize, &'static str)> {
    Some(match helper {
        1 | 195 => (1, "Lookup"),
        2 => (1, "Update"),
        3 => (1, "Delete"),
        12 => (2, "TailCall"),
        22 | 55 => (2, "PerfEventRead"),
        25 | 111 | 121 => (2, "EventOutput"),
        27 => (2, "GetStackID"),
        33 | 37 => (2, "UnderCgroup"),
        51 => (1, "Redirect"),
        52 | 60 | 71 | 72 => (2, "Redirect"),
        53 | 70 => (2, "Update"),
        81 => (1, "Lookup"),
        82 => (2, "Select"),
        87 => (1, "Push"),
        88 => (1, "Pop"),
        89 => (1, "Peek"),
        107 | 145 | 156 | 210 => (1, "StorageGet"),
        108 | 146 | 157 | 211 => (1, "StorageDelete"),
        130 => (1, "EventOutput"),
        131 | 198 => (1, "Reserve"),
        134 => (1, "Query"),
        164 => (1, "ForEach"),
        169 => (2, "TimerInit"),
        209 => (1, "Drain"),
        _ => return None,
    })
}
