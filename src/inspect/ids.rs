//! Names and labels that Mermaid takes, whatever the object says.

use std::collections::{HashMap, HashSet};

/// Words that mean something to Mermaid, in some kind of diagram.
const RESERVED: [&str; 24] = [
    "end",
    "graph",
    "flowchart",
    "subgraph",
    "direction",
    "class",
    "classdef",
    "style",
    "linkstyle",
    "click",
    "default",
    "call",
    "href",
    "participant",
    "actor",
    "box",
    "loop",
    "alt",
    "else",
    "opt",
    "par",
    "rect",
    "note",
    "activate",
];
/// Longest label.
const MAX_LABEL: usize = 128;

/// The names given out.
#[derive(Default)]
pub(super) struct Ids {
    taken: HashSet<String>,
    /// The next number behind a name that several want.
    numbers: HashMap<String, usize>,
}

impl Ids {
    /// A name of its own for what is called `name`: that, if it is a word that means nothing else.
    pub(super) fn of(&mut self, name: &str) -> String {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut id: String = name.chars().take(MAX_LABEL).map(|c| if word(c) { c } else { '_' }).collect();
        let reserved = RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&id));
        // A number or an `o` or `x` right behind an arrow would be part of the arrow; arrows here have blanks around them.
        if reserved || !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            id = format!("n_{id}");
        }
        let mut unique = id.clone();
        let number = self.numbers.entry(id.clone()).or_insert(1);
        while !self.taken.insert(unique.clone()) {
            *number += 1;
            unique = format!("{id}_{number}");
        }
        unique
    }
}

/// A text for between quotes, or at the end of a line.
pub(super) fn label(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _./-+?*@,".contains(c);
    let escape = |c: char| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) };
    text.chars().take(MAX_LABEL).map(escape).collect()
}
