//! Which rows get which names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Enrich;
use super::cache::Cache;
use super::names::{Answer, Class};
use crate::batch::{Batch, DEFERRED_OVERHEAD, FieldSpec, GadgetIdentity, Kind, Round, Schema, SchemaBuilder, Source, SourceKind, Value};
use crate::component::Operator;
use crate::container::sighting::KernelTable;
use crate::container::{Container, Inventory, host_mntns};
use crate::telemetry::Coverage;

fn field(name: &str, kind: Kind, offset: u32, size: u32, types: &[&str]) -> FieldSpec {
    let mut field = FieldSpec::new(name, kind, Source::Row { offset, size });
    field.types = types.iter().map(|t| (*t).to_owned()).collect();
    field
}

fn builder() -> SchemaBuilder {
    SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new())
}

fn bound(inventory: &Arc<Inventory>) -> (Enrich, Arc<Schema>) {
    bound_counting(inventory, &Arc::default())
}

fn bound_counting(inventory: &Arc<Inventory>, coverage: &Arc<Coverage>) -> (Enrich, Arc<Schema>) {
    let mut schema = builder();
    schema.add(field("proc.mntns_id", Kind::Uint(8), 0, 8, &["gadget_mntns_id", "__u64"])).unwrap();
    schema.add(field("proc.pid", Kind::Uint(4), 8, 4, &["gadget_pid", "__u32"])).unwrap();
    schema.add(field("netns_id", Kind::Uint(4), 12, 4, &["gadget_netns_id", "__u32"])).unwrap();
    let mut operator = Enrich::new(inventory.clone(), coverage.clone());
    operator.bind(&mut schema).unwrap();
    (operator, schema.finish())
}

fn push(batch: &mut Batch, mntns: u64, pid: u32, netns: u32) {
    let mut row = mntns.to_ne_bytes().to_vec();
    row.extend(pid.to_ne_bytes());
    row.extend(netns.to_ne_bytes());
    batch.push(&row);
}

fn container(id: &str, name: &str, mntns: u64, netns: u64) -> Container {
    let mut c = Container { mntns, netns, ..Container::default() };
    c.runtime.container_id = id.to_owned();
    c.runtime.container_name = name.to_owned();
    c
}

fn names(batch: &Batch) -> Vec<String> {
    let field = batch.schema().find("runtime.containerName").unwrap();
    let mut scratch = Vec::new();
    fn text(value: Value<'_>) -> String {
        match value {
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        }
    }
    (0..batch.len()).map(|row| text(batch.value(row, field, &mut scratch))).collect()
}

/// Rows are named by mount namespace, else by an unshared network namespace; the host and strangers stay empty.
#[test]
fn names_rows() {
    let inventory = Inventory::new();
    inventory.insert(container("1", "web", 10, 100));
    inventory.insert(container("2", "db", 20, 200));
    let (mut operator, schema) = bound(&inventory);
    let mut batch = Batch::new(schema, 100, 10_000);
    for (mntns, netns) in [(10, 0), (20, 0), (10, 0), (host_mntns(), 0), (0, 200), (999, 0), (20, 100)] {
        push(&mut batch, mntns, 0, netns);
    }
    operator.process(&mut batch);
    assert_eq!(names(&batch), ["web", "db", "web", "", "db", "", "db"]);
}

/// A batch after a change uses the change; the batch before keeps what it was given.
#[test]
fn follows_the_inventory() {
    let inventory = Inventory::new();
    let (mut operator, schema) = bound(&inventory);
    let mut first = Batch::new(schema.clone(), 100, 10_000);
    push(&mut first, 10, 0, 0);
    operator.process(&mut first);
    inventory.insert(container("1", "web", 10, 100));
    let mut second = Batch::new(schema, 100, 10_000);
    push(&mut second, 10, 0, 0);
    operator.process(&mut second);
    inventory.insert(container("1", "shop", 10, 100));
    assert_eq!((names(&first), names(&second)), (vec![String::new()], vec!["web".to_owned()]));
    second.clear();
    push(&mut second, 10, 0, 0);
    operator.process(&mut second);
    assert_eq!(names(&second), ["shop"]);
}

/// Upstream's names, order and visibility; nothing at all for a source that tells no namespace.
#[test]
fn fields_as_upstream() {
    let (_, schema) = bound(&Inventory::new());
    let shown: Vec<_> = schema.fields().iter().filter(|f| f.name.starts_with("runtime.") && !f.hidden).map(|f| f.name.as_str()).collect();
    assert_eq!(shown, ["runtime.containerName"]);
    for (name, order, kind) in [
        ("k8s.node", -31, Kind::Text),
        ("k8s.namespace", -30, Kind::Text),
        ("k8s.podName", -29, Kind::Text),
        ("k8s.containerName", -28, Kind::Text),
        ("k8s.hostnetwork", -27, Kind::Bool),
        ("k8s.podLabels", -26, Kind::Text),
        ("k8s.owner.kind", 0, Kind::Text),
        ("k8s.owner.name", 0, Kind::Text),
        ("runtime.containerName", -27, Kind::Text),
        ("runtime.runtimeName", -26, Kind::Text),
        ("runtime.containerId", -25, Kind::Text),
        ("runtime.containerPid", -24, Kind::Uint(4)),
        ("runtime.containerImageName", -23, Kind::Text),
        ("runtime.containerImageDigest", -22, Kind::Text),
        ("runtime.containerStartedAt", -21, Kind::Int(8)),
    ] {
        let field = schema.field(schema.find(name).expect(name)).unwrap();
        assert_eq!((field.order, field.kind), (order, kind), "{name}");
    }
    let mut plain = builder();
    plain.add(field("pid", Kind::Uint(4), 0, 4, &["gadget_pid"])).unwrap();
    let mut operator = Enrich::new(Inventory::new(), Default::default());
    operator.bind(&mut plain).unwrap();
    assert_eq!(plain.fields().len(), 1);
    let mut batch = Batch::new(plain.finish(), 10, 100);
    batch.push(&[0; 4]);
    operator.process(&mut batch);
}

/// Rows shorter than the fields they should hold are padded, so they are unknown, not a crash.
#[test]
fn short_rows_are_unknown() {
    let inventory = Inventory::new();
    let (mut operator, schema) = bound(&inventory);
    let mut batch = Batch::new(schema, 10, 100);
    batch.push(&[1, 2]);
    batch.push(&[]);
    operator.process(&mut batch);
    assert_eq!(names(&batch), ["", ""]);
}

/// Unknown namespaces lead to a look at their process once per 100 ms, and to a bounded number of looks in all.
#[test]
fn unknown_namespaces_are_looked_up_rarely() {
    let inventory = Inventory::new();
    let (mut operator, schema) = bound(&inventory);
    let mut batch = Batch::new(schema, 10_000, 1_000_000);
    (0..1000).for_each(|_| push(&mut batch, 77, std::process::id(), 0));
    operator.process(&mut batch);
    assert_eq!(inventory.stats().unresolved, 1);
    std::thread::sleep(Duration::from_millis(110));
    operator.process(&mut batch);
    assert_eq!(inventory.stats().unresolved, 2);
    batch.clear();
    (0..1000).for_each(|i| push(&mut batch, 1_000_000 + i, std::process::id(), 0));
    operator.process(&mut batch);
    assert!(inventory.stats().unresolved <= 2 + 64, "{:?}", inventory.stats());
}

/// Answers are void after their time, after a change of the inventory, and never mixed up between namespaces.
#[test]
fn cache_forgets_in_time() {
    let named = |entry: u32| Answer { entry, class: Class::Named };
    let mut cache = Cache::default();
    let start = Instant::now();
    cache.begin(1, start);
    assert_eq!(cache.get(0), None);
    (1..2000).for_each(|n| cache.keep(n, named(n as u32)));
    for n in 1..2000 {
        assert!(cache.get(n).is_none_or(|answer| u64::from(answer.entry) == n));
    }
    cache.keep_for_a_moment(5, named(50));
    assert_eq!(cache.get(5), Some(named(50)));
    cache.begin(1, start + Duration::from_millis(99));
    assert_eq!((cache.get(5), cache.get(1999)), (Some(named(50)), Some(named(1999))));
    cache.begin(1, start + Duration::from_millis(101));
    assert_eq!((cache.get(5), cache.get(1999)), (None, Some(named(1999))));
    cache.begin(2, start + Duration::from_millis(102));
    assert_eq!(cache.get(1999), None);
}

fn coverage(coverage: &Coverage) -> [u64; 3] {
    coverage.totals().map(|(_, count)| count)
}

/// A row whose container has no name yet is put off as long as there is room, named once the name is there, and counted as late; one
/// that finds no room goes on at once, marked.
#[test]
fn nameless_rows_wait_for_their_name() {
    let inventory = Inventory::new();
    let counts = Arc::new(Coverage::default());
    let (mut operator, schema) = bound_counting(&inventory, &counts);
    inventory.insert(container("1", "", 10, 0));
    let mut batch = Batch::new(schema.clone(), 100, 10_000);
    batch.begin(Round::First, 2 * (16 + DEFERRED_OVERHEAD) + 8);
    (0..3).for_each(|_| push(&mut batch, 10, 0, 0));
    push(&mut batch, host_mntns(), 0, 0);
    operator.process(&mut batch);
    // Two rows of 16 bytes find room.
    assert_eq!((batch.deferred(), batch.selection().iter().collect::<Vec<_>>()), ([0, 1].as_slice(), vec![2, 3]));
    assert_eq!((unresolved(&batch, 2), unresolved(&batch, 3)), (Some(true), None));
    assert_eq!(coverage(&counts), [0, 0, 1]);
    inventory.insert(container("1", "web", 10, 0));
    batch.clear();
    batch.begin(Round::Again, 1000);
    push(&mut batch, 10, 0, 0);
    operator.process(&mut batch);
    assert_eq!((names(&batch), batch.deferred().len(), unresolved(&batch, 0)), (vec!["web".to_owned()], 0, None));
    assert_eq!(coverage(&counts), [0, 1, 1]);
}

/// A name that never comes: the last look lets the row go on, marked and counted, with the id that is known.
#[test]
fn rows_without_a_name_go_on_in_the_end() {
    let inventory = Inventory::new();
    let counts = Arc::new(Coverage::default());
    let (mut operator, schema) = bound_counting(&inventory, &counts);
    inventory.insert(container("1", "", 10, 0));
    let mut batch = Batch::new(schema, 100, 10_000);
    batch.begin(Round::Last, 1000);
    push(&mut batch, 10, 0, 0);
    push(&mut batch, 4711, u32::MAX - 1, 0);
    operator.process(&mut batch);
    assert!(batch.deferred().is_empty());
    assert_eq!((unresolved(&batch, 0), unresolved(&batch, 1)), (Some(true), Some(true)));
    let id = batch.schema().find("runtime.containerId").unwrap();
    assert_eq!(batch.value(0, id, &mut Vec::new()), Value::Text(b"1"));
    assert_eq!(coverage(&counts), [0, 0, 2]);
}

/// Snapshots stay whole: their rows are never put off.
#[test]
fn rows_of_snapshots_do_not_wait() {
    let inventory = Inventory::new();
    let mut schema = SchemaBuilder::new("processes", SourceKind::Array, GadgetIdentity::default(), BTreeMap::new());
    schema.add(field("mntns_id", Kind::Uint(8), 0, 8, &["gadget_mntns_id"])).unwrap();
    let mut operator = Enrich::new(inventory.clone(), Default::default());
    operator.bind(&mut schema).unwrap();
    inventory.insert(container("1", "", 10, 0));
    let mut batch = Batch::new(schema.finish(), 10, 100);
    batch.begin(Round::First, 1000);
    batch.push(&10u64.to_ne_bytes());
    operator.process(&mut batch);
    assert_eq!((batch.deferred().len(), batch.selection().count()), (0, 1));
}

/// What the kernel's watcher would tell, by hand.
struct Told(HashMap<u32, u64>);

impl KernelTable for Told {
    fn catch_up(&self) {}

    fn cgroup_of_namespace(&self, _: u64) -> Option<u64> {
        None
    }

    fn cgroup_of_process(&self, pid: u32) -> Option<u64> {
        self.0.get(&pid).copied()
    }

    fn open_filter(&self, _: std::os::fd::BorrowedFd<'_>) -> Option<u32> {
        None
    }

    fn close_filter(&self, _: u32) {}
}

/// Containers that share a network namespace, the host's too, are told apart by the process; without one they get what is common.
#[test]
fn shared_network_namespaces_are_told_apart_by_process() {
    let inventory = Inventory::new();
    for (id, name, cgroup) in [("1", "web", 501), ("2", "proxy", 502)] {
        let mut c = container(id, name, 10 + cgroup, 100);
        c.cgroup_id = cgroup;
        c.k8s.pod_name = "shop".to_owned();
        inventory.insert(c);
    }
    inventory.set_table(Arc::new(Told(HashMap::from([(71, 501), (72, 502)]))));
    let (mut operator, schema) = bound(&inventory);
    let mut batch = Batch::new(schema, 100, 10_000);
    for (pid, netns) in [(71, 100), (72, 100), (0, 100), (71, inventory.snapshot().host_netns() as u32)] {
        push(&mut batch, 0, pid, netns);
    }
    operator.process(&mut batch);
    assert_eq!(names(&batch), ["web", "proxy", "", "web"]);
    let pod = batch.schema().find("k8s.podName").unwrap();
    assert_eq!((batch.value(2, pod, &mut Vec::new()), unresolved(&batch, 2)), (Value::Text(b"shop"), None));
}

fn unresolved(batch: &Batch, row: usize) -> Option<bool> {
    let field = batch.schema().find("runtime.unresolved").unwrap();
    match batch.value(row, field, &mut Vec::new()) {
        Value::Bool(mark) => Some(mark),
        _ => None,
    }
}
