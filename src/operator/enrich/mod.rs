//! Container enrichment: one dictionary entry per row, found by the row's mount (or network) namespace.

mod cache;
mod fields;
mod names;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Instant;

use names::{Answer, Caches, Class, Names};
pub(super) use window::Window;

use crate::batch::{Batch, ColumnId, Round, SchemaBuilder, SourceKind};
use crate::component::{BindError, Operator};
use crate::container::{Inventory, UNNAMED_ENTRY};
use crate::telemetry::Coverage;

/// Adds the fields `k8s.*` and `runtime.*` to every data source that tells namespaces.
///
/// A row whose container has no name yet is put off as long as there is room, until [`crate::container::PATIENCE`] has passed; then
/// it goes on, marked as `runtime.unresolved`. Rows of snapshots are never put off: a set stays whole.
pub struct Enrich {
    inventory: Arc<Inventory>,
    coverage: Arc<Coverage>,
    /// Whether rows wait until all is known of their container, not only its name.
    thorough: bool,
    bound: Option<Bound>,
    caches: Caches,
}

#[derive(Clone, Copy)]
struct Bound {
    column: ColumnId,
    mntns: Option<Window>,
    netns: Option<Window>,
    pid: Option<Window>,
    may_wait: bool,
}

impl Enrich {
    /// An operator that names events after the containers of `inventory` and counts in `coverage` how it could.
    pub fn new(inventory: Arc<Inventory>, coverage: Arc<Coverage>) -> Self {
        Enrich { inventory, coverage, thorough: false, bound: None, caches: Caches::default() }
    }

    /// The same before an operator that selects by what the runtime tells of containers.
    pub fn thorough(mut self, thorough: bool) -> Self {
        self.thorough = thorough;
        self
    }
}

impl Operator for Enrich {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        self.bound = None;
        let mntns = fields::first(schema, fields::MNTNS);
        let netns = fields::first(schema, "gadget_netns_id");
        if mntns.or(netns).is_none() {
            return Ok(());
        }
        let window = |field| schema.field(field).and_then(Window::of);
        let pid = fields::pid_near(schema, mntns.or(netns)).and_then(window);
        let (mntns, netns) = (mntns.and_then(window), netns.and_then(window));
        let may_wait = schema.kind() == SourceKind::Single;
        let column = fields::add(schema)?;
        self.bound = Some(Bound { column, mntns, netns, pid, may_wait });
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        let Some(bound) = self.bound else { return };
        let Some(column) = batch.column_mut(bound.column) else { return };
        let mut entries = std::mem::take(&mut column.entries);
        entries.clear();
        entries.reserve(batch.len());
        let mut names = Names::begin(&self.inventory, &mut self.caches, Instant::now(), self.thorough);
        let mut counts = [0u64; Class::COUNT];
        for row in 0..batch.len() {
            let answer = bound.answer(batch.row(row), &mut names);
            match answer.class {
                Class::Pending => entries.push(put_off(batch, row, answer, bound.may_wait, &mut counts)),
                class => {
                    counts[class as usize] += 1;
                    entries.push(answer.entry);
                }
            }
        }
        let snapshot = names.end();
        if let Some(column) = batch.column_mut(bound.column) {
            column.entries = entries;
            column.dictionary = Some(snapshot);
        }
        self.count(batch.round(), &counts);
    }
}

/// Puts a row off whose container has no name yet, or else counts it as one that never got one. Gives its entry.
#[cold]
fn put_off(batch: &mut Batch, row: usize, answer: Answer, may_wait: bool, counts: &mut [u64; Class::COUNT]) -> u32 {
    let is_wanted = batch.selection().contains(row);
    if !(is_wanted && may_wait && batch.defer(row)) {
        counts[Class::Unnamed as usize] += u64::from(is_wanted);
    }
    // Nobody knows the container: the mark is all there is.
    if answer.entry == crate::batch::UNKNOWN_ENTRY { UNNAMED_ENTRY } else { answer.entry }
}

impl Enrich {
    fn count(&self, round: Round, counts: &[u64; Class::COUNT]) {
        let named = if round == Round::First { &self.coverage.at_once } else { &self.coverage.late };
        let [_, in_time, unnamed, _] = *counts;
        if in_time > 0 {
            named.add(in_time);
        }
        if unnamed > 0 {
            self.coverage.never.add(unnamed);
        }
    }
}

impl Bound {
    #[inline]
    fn answer(&self, row: &[u8], names: &mut Names<'_>) -> Answer {
        let pid = || self.pid.map_or(0, |pid| pid.read(row) as u32);
        if let Some(mntns) = self.mntns {
            let mntns = mntns.read(row);
            // Packets seen outside of a process have the network's namespace only.
            if mntns != 0 || self.netns.is_none() {
                return names.of_mntns(mntns, pid);
            }
        }
        match self.netns {
            Some(netns) => names.of_netns(netns.read(row), pid),
            None => Answer::HOST,
        }
    }
}
