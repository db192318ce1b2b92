//! The first, lenient look at the command line: which image, and which of the flags that every gadget has.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Arg, Command};

/// What the first look found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Peek {
    /// The command line without what only the gadget can explain, and without `--help`.
    pub known: Vec<OsString>,
}

/// The names of flags, long, short and in other spellings, that a gadget's parameters cannot have.
pub(super) fn taken(run: &Command) -> BTreeSet<String> {
    let own = run.get_arguments().flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default().into_iter().map(str::to_owned));
    let hidden = run.get_arguments().flat_map(|arg| arg.get_all_aliases().unwrap_or_default().into_iter().map(str::to_owned));
    own.chain(hidden).chain(["help", "version", "log-level", "log-format"].map(str::to_owned)).collect()
}

/// Looks for `run` and its image. `None` when it is another command, or there is no image.
pub(super) fn peek(cli: &Command, arguments: &[OsString]) -> Option<Peek> {
    let run = cli.find_subcommand("run")?;
    let arguments = arguments.iter().map(|a| a.to_string_lossy().into_owned());
    let mut look =
        Look { flags: cli.get_arguments().chain(run.get_arguments()).collect(), found: Vec::new(), words: Vec::new(), swallowed: None };
    let mut arguments = arguments.peekable();
    look.found.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--") {
            Some("") => look.words.extend(arguments.by_ref()),
            Some(name) => look.long(&argument, name, &mut arguments),
            None if argument.len() > 1 && argument.starts_with('-') => look.short(&argument, &mut arguments),
            None => look.words.push(argument),
        }
        if look.words.first().is_some_and(|word| word != "run") {
            return None;
        }
    }
    look.end()
}

type Rest<'i, I> = &'i mut std::iter::Peekable<I>;

struct Look<'c> {
    flags: Vec<&'c Arg>,
    found: Vec<String>,
    words: Vec<String>,
    /// What stood behind an unknown flag: its value, or else the image.
    swallowed: Option<String>,
}

impl Look<'_> {
    fn long(&mut self, argument: &str, name: &str, rest: Rest<'_, impl Iterator<Item = String>>) {
        let (name, has_value) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
        let is_named = |arg: &&&Arg| arg.get_long() == Some(name) || arg.get_all_aliases().unwrap_or_default().contains(&name);
        match self.flags.iter().find(is_named) {
            _ if name == "help" => {}
            Some(arg) => {
                let takes_next = !has_value && takes_next(arg);
                self.found.push(argument.to_owned());
                self.found.extend(rest.next_if(|_| takes_next));
            }
            None => self.swallow(!has_value, rest),
        }
    }

    /// One letter or several: `-vt5`.
    fn short(&mut self, argument: &str, rest: Rest<'_, impl Iterator<Item = String>>) {
        let mut letters = argument.get(1..).unwrap_or_default().chars();
        while let Some(letter) = letters.next() {
            match self.flags.iter().find(|arg| arg.get_short() == Some(letter)) {
                _ if letter == 'h' => {}
                Some(arg) if takes_next(arg) => {
                    let value: String = letters.by_ref().collect();
                    let takes_next = value.is_empty();
                    self.found.push(format!("-{letter}{value}"));
                    self.found.extend(rest.next_if(|_| takes_next));
                }
                Some(_) => {
                    let value: String = if letters.as_str().starts_with('=') { letters.by_ref().collect() } else { String::new() };
                    self.found.push(format!("-{letter}{value}"));
                }
                None => return self.swallow(letters.as_str().is_empty(), rest),
            }
        }
    }

    fn swallow(&mut self, may: bool, rest: Rest<'_, impl Iterator<Item = String>>) {
        let value = rest.next_if(|next| may && !next.starts_with('-'));
        if self.swallowed.is_none() && self.words.first().is_some_and(|word| word == "run") {
            self.swallowed = value;
        }
    }

    fn end(self) -> Option<Peek> {
        let mut words = self.words.into_iter();
        let run = words.next()?;
        let image = words.next().or(self.swallowed)?;
        let known = self.found.into_iter().chain([run, "--".to_owned(), image]).map(OsString::from).collect();
        Some(Peek { known: in_order(known) })
    }
}

/// Flags of `run` have to stand behind it: the program, `run`, the flags, `--`, the image.
fn in_order(mut known: Vec<OsString>) -> Vec<OsString> {
    let at = known.len().saturating_sub(3);
    if known.len() > 3 {
        let run = known.remove(at);
        known.insert(1, run);
    }
    known
}

fn takes_next(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}
