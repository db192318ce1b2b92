//! Which rows stay.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::Select;
use crate::batch::{Batch, FieldSpec, GadgetIdentity, Kind, Round, SchemaBuilder, Source, SourceKind};
use crate::component::Operator;
use crate::container::sighting::KernelTable;
use crate::container::{Container, Inventory, Selector, host_mntns};
use crate::operator::enrich::Enrich;

fn container(id: &str, name: &str, app: &str, mntns: u64) -> Container {
    let mut c = Container { mntns, ..Container::default() };
    c.runtime.runtime_name = "docker".to_owned();
    (c.runtime.container_id, c.runtime.container_name) = (id.to_owned(), name.to_owned());
    c.labels.insert("app".to_owned(), app.to_owned());
    c
}

fn chain(inventory: &Arc<Inventory>, is_behind_filter: bool) -> (Enrich, Select, Batch) {
    let mut schema = SchemaBuilder::new("opens", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    let mut field = FieldSpec::new("mntns_id", Kind::Uint(8), Source::Row { offset: 0, size: 8 });
    field.types.push("gadget_mntns_id".to_owned());
    schema.add(field).unwrap();
    let selector: Selector = serde_json::from_value(serde_json::json!({"labels": {"app": "shop"}})).unwrap();
    let mut enrich = Enrich::new(inventory.clone(), Default::default()).thorough(true);
    let mut select = Select::new(inventory.clone(), selector).behind_filter(is_behind_filter);
    enrich.bind(&mut schema).unwrap();
    select.bind(&mut schema).unwrap();
    (enrich, select, Batch::new(schema.finish(), 100, 10_000))
}

/// Rows of other containers are taken out, those of the host are not.
#[test]
fn only_wanted_containers_stay() {
    let inventory = Inventory::new();
    inventory.insert(container("1", "web", "shop", 10));
    inventory.insert(container("2", "db", "other", 20));
    let (mut enrich, mut select, mut batch) = chain(&inventory, false);
    for mntns in [10, 20, host_mntns(), 10, 20] {
        batch.push(&mntns.to_ne_bytes());
    }
    enrich.process(&mut batch);
    select.process(&mut batch);
    assert_eq!(batch.selection().iter().collect::<Vec<_>>(), [0, 2, 3]);
}

/// A container that has a name but whose labels are not told yet is decided when they are, not before; the decision follows changes.
#[test]
fn decided_when_all_is_told() {
    let inventory = Inventory::new();
    let mut early = container("1", "web", "", 10);
    early.labels.clear();
    early.runtime.runtime_name.clear();
    inventory.note_seen(early);
    let (mut enrich, mut select, mut batch) = chain(&inventory, false);
    let mut turn = |round| {
        batch.clear();
        batch.begin(round, 1000);
        batch.push(&10u64.to_ne_bytes());
        enrich.process(&mut batch);
        select.process(&mut batch);
        (batch.deferred().len(), batch.selection().count())
    };
    assert_eq!(turn(Round::First), (1, 0));
    inventory.insert(container("1", "web", "shop", 10));
    assert_eq!(turn(Round::Again), (0, 1));
    inventory.insert(container("1", "web", "other", 10));
    assert_eq!(turn(Round::First), (0, 0));
}

/// A service in a mount namespace of its own passes a filter that lets new ones through, and is taken out; the host itself stays.
#[test]
fn services_do_not_stay_behind_a_filter() {
    for (is_behind_filter, expected) in [(true, vec![1, 2]), (false, vec![0, 1, 2])] {
        let inventory = Inventory::new();
        inventory.set_table(Arc::new(Services));
        let (mut enrich, mut select, mut batch) = chain(&inventory, is_behind_filter);
        [1, host_mntns(), 0].iter().for_each(|mntns: &u64| batch.push(&mntns.to_ne_bytes()));
        enrich.process(&mut batch);
        select.process(&mut batch);
        assert_eq!(batch.selection().iter().collect::<Vec<_>>(), expected);
    }
}

/// A watcher that has seen every namespace, and nobody's containers in them.
struct Services;

impl KernelTable for Services {
    fn catch_up(&self) {}

    fn cgroup_of_namespace(&self, _: u64) -> Option<u64> {
        Some(0)
    }

    fn cgroup_of_process(&self, _: u32) -> Option<u64> {
        None
    }

    fn open_filter(&self, _: BorrowedFd<'_>) -> Option<u32> {
        None
    }

    fn close_filter(&self, _: u32) {}
}
