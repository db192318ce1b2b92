//! User-space probes in the files of each container: attached when the first container with a file comes, once per file however many
//! containers share it, detached when the last of them goes.

pub mod bytes;
pub mod elf;
mod files;
pub mod go;
mod identity;
pub mod ldcache;
mod links;
mod locate;
mod names;
pub mod symbols;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod usdt;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::sync::Arc;

use self::files::Root;
use self::identity::Identity;
use self::links::Link;
use self::target::{Object, Point};
use super::{Scope, Workload};
use crate::loader::detach::Reaper;
use crate::loader::error::LoadError;
use crate::loader::hook::Hook;
use crate::loader::object::LoadedProgram;

/// Whether a program can be attached at all, as far as its section and the metadata tell. Other kinds of programs always can.
///
/// # Errors
/// When the target is malformed.
pub(in crate::loader) fn check(program: &str, hook: &Hook) -> Result<(), LoadError> {
    match hook {
        Hook::Uprobe(_) | Hook::Uretprobe(_) | Hook::Usdt(_) => target::parse(program, hook).map(drop),
        _ => Ok(()),
    }
}

/// A file, and as which of the gadget's objects it is probed.
type Spot = (usize, Identity);

/// User-space probes in the files of each container.
pub(super) struct Uprobes {
    gadget: String,
    objects: Vec<Watched>,
    files: HashMap<Spot, Probed>,
    workloads: HashMap<Arc<str>, Vec<Spot>>,
    reaper: Reaper<Spot, Vec<Link>>,
}

/// What programs look for in the same files.
struct Watched {
    object: Object,
    programs: Vec<(LoadedProgram, Point)>,
}

/// A file that is probed, for so many containers. Its links keep its inode, so that its identity stays its own.
struct Probed {
    links: Vec<Link>,
    users: usize,
}

impl Uprobes {
    /// Targets have been checked when the gadget was loaded; one that is malformed is left out.
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>) -> Self {
        let mut objects: Vec<Watched> = Vec::new();
        for program in programs {
            let Ok((object, point)) = target::parse(&program.name, &program.hook) else { continue };
            match objects.iter_mut().find(|watched| watched.object == object) {
                Some(watched) => watched.programs.push((program, point)),
                None => objects.push(Watched { object, programs: vec![(program, point)] }),
            }
        }
        let (files, workloads) = (HashMap::new(), HashMap::new());
        Uprobes { gadget: gadget.to_owned(), objects, files, workloads, reaper: Reaper::new(gadget) }
    }

    /// Probes a file, or only counts one more container that has it. `None` when there is nothing in it to be probed.
    fn cover(&mut self, index: usize, file: &File, covered: &[Spot]) -> Option<Spot> {
        let identity = Identity::of(file).inspect_err(|error| {
            tracing::debug!(gadget = self.gadget, error = error as &dyn std::error::Error, "file cannot be probed");
        });
        let spot = (index, identity.ok()?);
        if covered.contains(&spot) {
            return None;
        }
        match self.files.entry(spot) {
            Entry::Occupied(mut probed) => probed.get_mut().users += 1,
            Entry::Vacant(free) => {
                let links =
                    self.reaper.take_back(&spot).unwrap_or_else(|| self.objects.get(index).map(|w| w.probe(file)).unwrap_or_default());
                if links.is_empty() {
                    return None;
                }
                free.insert(Probed { links, users: 1 });
            }
        }
        Some(spot)
    }
}

impl Watched {
    /// Attaches all programs to a file, as far as it has what they look for.
    fn probe(&self, file: &File) -> Vec<Link> {
        let points: Vec<&Point> = self.programs.iter().map(|(_, point)| point).collect();
        let sites = match locate::locate(file, &points) {
            Ok(sites) => sites,
            Err(error) => {
                tracing::debug!(object = ?self.object, error = &error as &dyn std::error::Error, "file cannot be searched");
                return Vec::new();
            }
        };
        let mut links = Vec::new();
        for ((program, point), sites) in self.programs.iter().zip(sites) {
            if sites.is_empty() {
                tracing::debug!(program = program.name, object = ?self.object, ?point, "file does not have it");
                continue;
            }
            links.extend(links::attach(program, file, &sites, matches!(point, Point::Return(_))));
        }
        links
    }
}

impl Scope for Uprobes {
    /// Whatever fails is a debug message: most containers do not have most libraries.
    fn add(&mut self, workload: &Workload) -> Result<(), LoadError> {
        let mut root = match Root::of(workload) {
            Ok(root) => root,
            Err(error) => {
                tracing::debug!(
                    container = &*workload.id,
                    error = &error as &dyn std::error::Error,
                    "root of a container cannot be opened"
                );
                return Ok(());
            }
        };
        let mut covered = Vec::new();
        for index in 0..self.objects.len() {
            let files = self.objects.get(index).map(|watched| root.find(&watched.object)).unwrap_or_default();
            for file in files {
                covered.extend(self.cover(index, &file, &covered));
            }
        }
        tracing::debug!(gadget = self.gadget, container = &*workload.id, files = covered.len(), "user-space programs are probed");
        self.workloads.insert(workload.id.clone(), covered);
        Ok(())
    }

    fn remove(&mut self, workload: &Workload) {
        for spot in self.workloads.remove(&workload.id).unwrap_or_default() {
            let Entry::Occupied(mut probed) = self.files.entry(spot) else { continue };
            probed.get_mut().users -= 1;
            if probed.get().users == 0 {
                self.reaper.put(spot, probed.remove().links);
            }
        }
    }
}
