//! Container enrichment: one dictionary entry per row, found by the row's mount (or network) namespace.

mod cache;
mod fields;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use cache::Cache;

use crate::batch::{Batch, ColumnId, FieldSpec, Kind, SchemaBuilder, Source, UNKNOWN_ENTRY};
use crate::component::{BindError, Operator};
use crate::container::{Inventory, Snapshot};

/// Adds the fields `k8s.*` and `runtime.*` to every data source that tells namespaces.
pub struct Enrich {
    inventory: Arc<Inventory>,
    bound: Option<Bound>,
    cache: Cache,
}

struct Bound {
    column: ColumnId,
    mntns: Option<Window>,
    netns: Option<Window>,
    pid: Option<Window>,
}

/// Where an unsigned number is in a row.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
}

impl Window {
    fn of(field: &FieldSpec) -> Option<Self> {
        let Source::Row { offset, size } = field.source else { return None };
        let sized = matches!((field.kind, size), (Kind::Uint(4) | Kind::Int(4), 4) | (Kind::Uint(8) | Kind::Int(8), 8));
        sized.then_some(Window { start: offset as usize, end: offset as usize + size as usize })
    }

    fn read(self, row: &[u8]) -> u64 {
        match row.get(self.start..self.end) {
            Some(&[a, b, c, d, e, f, g, h]) => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            Some(&[a, b, c, d]) => u64::from(u32::from_ne_bytes([a, b, c, d])),
            _ => 0,
        }
    }
}

impl Enrich {
    /// An operator that names events after the containers of `inventory`.
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Enrich { inventory, bound: None, cache: Cache::default() }
    }
}

impl Operator for Enrich {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        self.bound = None;
        let mntns = fields::first(schema, "gadget_mntns_id");
        let netns = fields::first(schema, "gadget_netns_id");
        if mntns.or(netns).is_none() {
            return Ok(());
        }
        let window = |field| schema.field(field).and_then(Window::of);
        let pid = fields::pid_near(schema, mntns).and_then(window);
        let (mntns, netns) = (mntns.and_then(window), netns.and_then(window));
        let column = fields::add(schema)?;
        self.bound = Some(Bound { column, mntns, netns, pid });
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        let Some(bound) = &self.bound else { return };
        let Some(column) = batch.column_mut(bound.column) else { return };
        let mut entries = std::mem::take(&mut column.entries);
        entries.clear();
        let mut names = Names { inventory: &self.inventory, snapshot: self.inventory.snapshot(), cache: &mut self.cache };
        names.cache.begin(names.snapshot.generation(), Instant::now());
        for row in 0..batch.len() {
            entries.push(bound.entry(batch.row(row), &mut names));
        }
        let snapshot = names.snapshot;
        if let Some(column) = batch.column_mut(bound.column) {
            column.entries = entries;
            column.dictionary = Some(snapshot);
        }
    }
}

impl Bound {
    fn entry(&self, row: &[u8], names: &mut Names<'_>) -> u32 {
        let mut entry = UNKNOWN_ENTRY;
        if let Some(mntns) = self.mntns {
            entry = names.of_mntns(mntns.read(row), || self.pid.map_or(0, |pid| pid.read(row) as u32));
        }
        match self.netns {
            Some(netns) if entry == UNKNOWN_ENTRY => names.snapshot.by_netns(netns.read(row)).unwrap_or(UNKNOWN_ENTRY),
            _ => entry,
        }
    }
}

/// What a batch's rows are looked up in.
struct Names<'a> {
    inventory: &'a Inventory,
    snapshot: Arc<Snapshot>,
    cache: &'a mut Cache,
}

impl Names<'_> {
    fn of_mntns(&mut self, mntns: u64, pid: impl FnOnce() -> u32) -> u32 {
        match self.cache.get(mntns) {
            Some(entry) => entry,
            None => self.look_up(mntns, pid()),
        }
    }

    #[cold]
    fn look_up(&mut self, mntns: u64, pid: u32) -> u32 {
        if mntns == 0 || mntns == self.snapshot.host_mntns() {
            self.cache.keep(mntns, UNKNOWN_ENTRY);
            return UNKNOWN_ENTRY;
        }
        if let Some(entry) = self.snapshot.by_mntns(mntns) {
            self.cache.keep(mntns, entry);
            return entry;
        }
        let entry = match pid {
            0 => None,
            pid if self.cache.may_resolve() => self.inventory.resolve(mntns, pid),
            _ => None,
        };
        let entry = entry.unwrap_or(UNKNOWN_ENTRY);
        if entry != UNKNOWN_ENTRY {
            // The batch's one dictionary has to know the new entry. Entries of earlier rows stay in it for a while.
            self.snapshot = self.inventory.snapshot();
        }
        self.cache.keep_for_a_moment(mntns, entry);
        entry
    }
}
