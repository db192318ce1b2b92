//! Flow chart and sequence diagram as Mermaid text: which program does what to which map, where it is attached, and which data source reads
//! what. The notation is upstream's, with attach points and data sources added to the flow chart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::accesses::{Access, Follower};
use super::ids::{Ids, label};
use super::object::Object;
use crate::gadget::{Gadget, Origin};

/// A program.
struct Program<'a> {
    name: &'a str,
    id: String,
    section: &'a str,
    accesses: Vec<Access<'a>>,
}

/// What the diagrams show.
pub(super) struct Diagram<'a> {
    programs: Vec<Program<'a>>,
    /// Names by map, in order.
    maps: BTreeMap<&'a str, String>,
    /// Data sources: label, name of the node, names of what they read.
    sources: Vec<(String, String, Vec<String>)>,
}

impl<'a> Diagram<'a> {
    /// Follows the programs of an object; `gadget` says what its data sources read.
    pub(super) fn of(object: &Object<'a>, gadget: Option<&Gadget>) -> Self {
        let mut follower = Follower::new(object);
        let mut ids = Ids::default();
        let is_map = |symbol: &&super::object::Symbol<'a>| object.is_map(symbol);
        let maps: BTreeSet<&str> = object.symbols.iter().filter(is_map).map(|symbol| symbol.name).collect();
        let maps: BTreeMap<_, _> = maps.into_iter().map(|map| (map, ids.of(map))).collect();
        let program = |(program, section): (super::object::Function<'a>, &'a str)| Program {
            name: program.name,
            id: ids.of(program.name),
            section,
            accesses: follower.accesses(program),
        };
        let programs = object.programs().into_iter().map(program).collect();
        let mut diagram = Diagram { programs, maps, sources: Vec::new() };
        for source in gadget.map(|gadget| &gadget.sources[..]).unwrap_or_default() {
            let read = diagram.read(&source.origin);
            diagram.sources.push((label(&source.name), ids.of(&format!("source_{}", source.name)), read));
        }
        diagram
    }

    /// Names of the nodes that records come from.
    fn read(&self, origin: &Origin) -> Vec<String> {
        match origin {
            Origin::Tracer { map, .. } | Origin::MapIter { map, .. } => self.maps.get(map.as_str()).cloned().into_iter().collect(),
            Origin::Iter { programs, .. } => {
                let known = |name: &String| self.programs.iter().find(|program| program.name == name).map(|program| program.id.clone());
                programs.iter().filter_map(known).collect()
            }
            Origin::Polled { .. } => Vec::new(),
        }
    }

    /// The flow chart.
    pub(super) fn flowchart(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (map, id) in &self.maps {
            let _ = writeln!(text, "{id}[(\"{}\")]", label(map));
        }
        let mut ids = Ids::default();
        let mut sections: Vec<&str> = Vec::new();
        for program in &self.programs {
            if !sections.contains(&program.section) {
                sections.push(program.section);
            }
        }
        for section in sections {
            let _ = writeln!(text, "subgraph {}[\"{}\"]", ids.of(&format!("at_{section}")), label(section));
            for program in self.programs.iter().filter(|program| program.section == section) {
                let _ = writeln!(text, "{}[\"{}\"]", program.id, label(program.name));
            }
            text.push_str("end\n");
        }
        for program in &self.programs {
            self.edges(program, &mut text);
        }
        for (name, id, read) in &self.sources {
            let _ = writeln!(text, "{id}([\"{name}\"])");
            for from in read {
                let _ = writeln!(text, "{from} -- \"Read\" --> {id}");
            }
        }
        text
    }

    /// One edge for each map, in the order of the first access.
    fn edges(&self, program: &Program<'_>, text: &mut String) {
        let mut maps: Vec<&str> = Vec::new();
        for access in &program.accesses {
            if !maps.contains(&access.map) {
                maps.push(access.map);
            }
        }
        for map in maps {
            let operations: Vec<_> = program.accesses.iter().filter(|access| access.map == map).map(|access| access.operation).collect();
            if let Some(id) = self.maps.get(map) {
                let _ = writeln!(text, "{} -- \"{}\" --> {id}", program.id, operations.join("+"));
            }
        }
    }

    /// The sequence diagram.
    pub(super) fn sequence(&self) -> String {
        let mut text = "sequenceDiagram\n".to_owned();
        let programs = self.programs.iter().map(|program| (program.name, program.id.as_str()));
        participants("eBPF Programs", programs, &mut text);
        let mut seen = BTreeSet::new();
        let touched = self.programs.iter().flat_map(|program| &program.accesses).filter(|access| seen.insert(access.map));
        let maps = touched.filter_map(|access| Some((access.map, self.maps.get(access.map)?.as_str())));
        participants("eBPF Maps", maps, &mut text);
        for program in &self.programs {
            for access in &program.accesses {
                if let Some(map) = self.maps.get(access.map) {
                    let _ = writeln!(text, "{}->>{map}: {}", program.id, access.operation);
                }
            }
        }
        text
    }
}

fn participants<'n>(title: &str, participants: impl Iterator<Item = (&'n str, &'n str)>, text: &mut String) {
    let mut participants = participants.peekable();
    if participants.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "box {title}");
    for (name, id) in participants {
        let alias = if name == id { String::new() } else { format!(" as {}", label(name)) };
        let _ = writeln!(text, "participant {id}{alias}");
    }
    text.push_str("end\n");
}
