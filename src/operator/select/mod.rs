//! Selection of containers once more, after their names are known: the kernel's filter lets the first events of a container through of
//! which it could not be told yet whether it is wanted.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::{Batch, ColumnId, SchemaBuilder, Source, UNKNOWN_ENTRY};
use crate::component::{BindError, Operator};
use crate::container::{Container, Inventory, Selector, host_mntns};
use crate::operator::enrich::Window;

/// Decisions that are kept. Entries are numbered anew with each change of a container, so old ones are of no use for long.
const DECISIONS: usize = 4096;

/// Takes out the rows of containers that a selector does not mean. Rows of the host stay: the kernel's filter decides about it. Where there
/// is one, it lets new mount namespaces through that turn out to be those of services, and their rows are taken out, too.
pub struct Select {
    inventory: Arc<Inventory>,
    selector: Selector,
    is_behind_filter: bool,
    column: Option<ColumnId>,
    mntns: Option<Window>,
    decisions: HashMap<u32, bool>,
    last: (u32, bool),
}

impl Select {
    /// An operator that goes behind enrichment.
    pub fn new(inventory: Arc<Inventory>, selector: Selector) -> Self {
        let (is_behind_filter, column, mntns) = (false, None, None);
        Select { inventory, selector, is_behind_filter, column, mntns, decisions: HashMap::new(), last: (UNKNOWN_ENTRY, true) }
    }

    /// The same for events that an in-kernel filter has let through.
    pub fn behind_filter(mut self, is_behind_filter: bool) -> Self {
        self.is_behind_filter = is_behind_filter;
        self
    }

    /// Whether a row of no container is one of the host's own mount namespace, or of none.
    fn is_of_host(&self, row: &[u8]) -> bool {
        let mntns = self.mntns.map_or(0, |mntns| mntns.read(row));
        mntns == 0 || mntns == host_mntns() || host_mntns() == 0
    }

    fn wants(&mut self, entry: u32) -> bool {
        if self.last.0 == entry {
            return self.last.1;
        }
        let known = self.decisions.get(&entry).copied();
        let wanted = known.unwrap_or_else(|| self.decide(entry));
        self.last = (entry, wanted);
        wanted
    }

    #[cold]
    fn decide(&mut self, entry: u32) -> bool {
        if self.decisions.len() >= DECISIONS {
            self.decisions.clear();
        }
        let snapshot = self.inventory.snapshot();
        let wanted = match snapshot.container(entry) {
            Some(container) => self.selector.matches(container),
            None => entry == UNKNOWN_ENTRY || self.selector.matches(&Container::default()),
        };
        self.decisions.insert(entry, wanted);
        wanted
    }
}

impl Operator for Select {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        let field = schema.find("runtime.containerId").and_then(|id| schema.field(id));
        self.column = field.and_then(|field| match field.source {
            Source::Dictionary { column, .. } => Some(column),
            _ => None,
        });
        self.mntns = if self.is_behind_filter { Window::of_mntns(schema) } else { None };
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        let Some(column) = self.column else { return };
        for row in 0..batch.len() {
            let entry = batch.entry(row, column);
            if !self.wants(entry) || (entry == UNKNOWN_ENTRY && !self.is_of_host(batch.row(row))) {
                batch.selection_mut().remove(row);
            }
        }
    }
}
