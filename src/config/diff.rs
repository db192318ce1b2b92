//! What a reload has to do: which gadgets and exporters start, stop, are replaced, or are left alone.

use std::collections::BTreeSet;
use std::fmt;

use super::plan::{ExporterPlan, GadgetPlan, Plan};
use crate::component::ComponentId;

/// The difference between two plans. Every gadget and exporter of either is in exactly one list of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Gadgets that are only in the new plan, in its order.
    pub start: Vec<String>,
    /// Gadgets that are only in the old plan, in its order.
    pub stop: Vec<String>,
    /// Gadgets that changed, or one of whose exporters did, in the new plan's order.
    pub restart: Vec<String>,
    /// Gadgets that must not notice the reload, in the new plan's order.
    pub keep: Vec<String>,
    /// The same for exporters.
    pub exporters: ExporterDiff,
    /// Whether the settings of the collector itself changed.
    pub service: bool,
    /// Whether the container runtimes changed.
    pub runtimes: bool,
    /// Whether it changed how Kubernetes is asked.
    pub kubernetes: bool,
}

/// What happens to exporters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExporterDiff {
    /// Only in the new plan.
    pub start: Vec<ComponentId>,
    /// Only in the old plan.
    pub stop: Vec<ComponentId>,
    /// With other settings.
    pub restart: Vec<ComponentId>,
    /// With the same settings.
    pub keep: Vec<ComponentId>,
}

impl Diff {
    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        let gadgets = self.start.is_empty() && self.stop.is_empty() && self.restart.is_empty();
        let exporters = self.exporters.start.is_empty() && self.exporters.stop.is_empty() && self.exporters.restart.is_empty();
        gadgets && exporters && !self.service && !self.runtimes && !self.kubernetes
    }
}

/// What leads from `old` to `new`.
pub fn diff(old: &Plan, new: &Plan) -> Diff {
    let exporters = exporters(&old.exporters, &new.exporters);
    let replaced: BTreeSet<&ComponentId> = exporters.restart.iter().collect();
    let mut diff = Diff {
        service: old.service != new.service,
        runtimes: old.runtimes != new.runtimes,
        kubernetes: old.kubernetes != new.kubernetes,
        ..Diff::default()
    };
    for gadget in &new.gadgets {
        let list = match old.gadgets.iter().find(|g| g.name == gadget.name) {
            None => &mut diff.start,
            Some(before) if same(before, gadget, &replaced) => &mut diff.keep,
            Some(_) => &mut diff.restart,
        };
        list.push(gadget.name.clone());
    }
    let gone = old.gadgets.iter().filter(|gadget| new.gadgets.iter().all(|g| g.name != gadget.name));
    diff.stop = gone.map(|gadget| gadget.name.clone()).collect();
    Diff { exporters, ..diff }
}

fn same(before: &GadgetPlan, after: &GadgetPlan, replaced: &BTreeSet<&ComponentId>) -> bool {
    before == after && after.exporters.iter().all(|id| !replaced.contains(id))
}

fn exporters(old: &[ExporterPlan], new: &[ExporterPlan]) -> ExporterDiff {
    let mut diff = ExporterDiff::default();
    for exporter in new {
        let list = match old.iter().find(|e| e.id == exporter.id) {
            None => &mut diff.start,
            Some(before) if before.settings == exporter.settings => &mut diff.keep,
            Some(_) => &mut diff.restart,
        };
        list.push(exporter.id.clone());
    }
    let gone = old.iter().filter(|exporter| new.iter().all(|e| e.id != exporter.id));
    diff.stop = gone.map(|exporter| exporter.id.clone()).collect();
    diff
}

impl fmt::Display for Diff {
    /// For people: `started a, b; restarted c; stopped d; kept 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (what, names) in [("started", &self.start), ("restarted", &self.restart), ("stopped", &self.stop)] {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        }
        parts.push(format!("kept {}", self.keep.len()));
        if self.runtimes {
            parts.push("other runtimes are followed".to_owned());
        }
        if self.service || self.kubernetes {
            parts.push("`service` and `kubernetes` take effect at the next start".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}
