//! Which programs are wanted, what they are attached to, and how often they sample.

use std::collections::HashMap;

use crate::gadget::{Gadget, ProgramSpec};
use crate::loader::error::LoadError;
use crate::loader::hook::{self, Hook};
use crate::loader::object::Wanted;
use crate::loader::scope::uprobe;

/// The programs that are there. Those that are disabled need not make sense.
pub(super) fn wanted(gadget: &Gadget) -> Result<Vec<Wanted>, LoadError> {
    let mut wanted = Vec::with_capacity(gadget.programs.len());
    for program in &gadget.programs {
        let hook = if program.disabled { Hook::parse(&program.section) } else { hook(program)? };
        let sleepable = hook::is_sleepable(&program.section);
        wanted.push(Wanted { name: program.name.clone(), hook, sleepable, disabled: program.disabled });
    }
    Ok(wanted)
}

fn hook(program: &ProgramSpec) -> Result<Hook, LoadError> {
    let (name, section) = (|| program.name.clone(), || program.section.clone());
    let malformed = |expected: String| LoadError::Section { program: name(), section: section(), expected };
    match Hook::parse(&program.section) {
        Hook::Other => Err(match hook::expected_form(&program.section) {
            Some(form) => malformed(form.to_owned()),
            None => LoadError::Unsupported { program: name(), section: section() },
        }),
        Hook::Iterator(kind) if !hook::ITERATORS.contains(&kind.as_str()) => {
            Err(malformed(format!("iter/ and one of {}", hook::ITERATORS.join(", "))))
        }
        own => match own.aimed_at(&program.target) {
            Hook::Other => Err(LoadError::Invalid(format!(
                "program {:?} in section {:?} cannot be attached to {:?}, as the metadata says",
                program.name, program.section, program.target
            ))),
            aimed => {
                uprobe::check(&program.name, &aimed)?;
                Ok(aimed)
            }
        },
    }
}

pub(super) fn frequencies(gadget: &Gadget, wanted: &[Wanted]) -> Result<HashMap<String, u64>, LoadError> {
    let mut frequencies = HashMap::new();
    for program in wanted.iter().filter(|w| !w.disabled) {
        let Hook::Sampler(name) = &program.hook else { continue };
        let fail = |problem| LoadError::Invalid(format!("program {:?} cannot sample: {problem}", program.name));
        frequencies.insert(name.clone(), gadget.manifest.sampler(name).map_err(fail)?);
    }
    Ok(frequencies)
}
