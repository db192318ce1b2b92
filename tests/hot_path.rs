//! The data plane allocates nothing once warm: an allocator counts while real operators and encoders work on rows of trace_open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use gadgetry::batch::{Batch, Schema, SchemaBuilder, Source};
use gadgetry::component::{Exporter, ExporterSource, MetricKind, MetricSpec, Operator};
use gadgetry::container::{Container, Inventory, host_mntns};
use gadgetry::exporter::json::{JsonEncoder, JsonOptions};
use gadgetry::exporter::otlp::encode::LogEncoder;
use gadgetry::exporter::series::{DEFAULT_LIMIT, SeriesSet};
use gadgetry::exporter::{ExporterContext, file};
use gadgetry::operator::{enrich::Enrich, filter, format::Format};
use gadgetry::telemetry::Ledger;
use gadgetry::{gadget, image};
use serde_json::json;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: u64 = 500;
const MNTNS: u64 = 4_026_539_000;

/// trace_open's schema after the operators of every chain and a filter that takes every fifth row out.
fn chain(inventory: &Arc<Inventory>) -> (Vec<Box<dyn Operator>>, Arc<Schema>) {
    let mut gadget = gadget::open(&image::open("trace_open").unwrap(), "opens").unwrap();
    let mut schema: SchemaBuilder = gadget.sources.remove(0).schema;
    let condition = json!("error != \"EACCES\" && proc.comm startsWith \"s\" && fname matches \"^/[a-z]+\"");
    let mut operators: Vec<Box<dyn Operator>> = vec![
        Box::new(Format::new()),
        Box::new(Enrich::new(inventory.clone(), Default::default())),
        (filter::KIND.build)(&condition).unwrap(),
    ];
    operators.iter_mut().for_each(|operator| operator.bind(&mut schema).unwrap());
    (operators, schema.finish())
}

/// A record as the kernel writes it: error 13 in every fifth, paths of many lengths, three containers and the host.
fn record(schema: &Schema, number: u64) -> Vec<u8> {
    let mut record = vec![0; schema.fixed_size().next_multiple_of(8)];
    let path = format!("/usr/lib/\"quoted\"/\u{e9}\n/{}", "x".repeat(number as usize % 90));
    let tail = (path.len() << 16 | record.len()) as u32;
    let mut put = |name: &str, bytes: &[u8]| {
        let field = schema.field(schema.find(name).unwrap()).unwrap();
        let (Source::Row { offset, .. } | Source::Tail { offset }) = field.source else { panic!("{name} is not in the row") };
        record[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    };
    put("proc.comm", b"storm\0");
    put("proc.pid", &(number as u32 % 7).to_ne_bytes());
    // Strangers would be looked for in /proc ten times a second, which allocates.
    put("proc.mntns_id", &if number % 4 == 3 { host_mntns() } else { MNTNS + number % 4 }.to_ne_bytes());
    put("error_raw", &if number.is_multiple_of(5) { 13_u32 } else { 2 }.to_ne_bytes());
    put("flags_raw", &0o2_100_101_u32.to_ne_bytes());
    put("mode_raw", &0o644_u32.to_ne_bytes());
    put("fname", &tail.to_ne_bytes());
    record.extend(path.as_bytes());
    record
}

fn inventory() -> Arc<Inventory> {
    let inventory = Inventory::new();
    for number in 0..3 {
        let mut container = Container { mntns: MNTNS + number, ..Container::default() };
        container.runtime.container_id = format!("{number:064}");
        container.runtime.container_name = format!("name {number}");
        inventory.insert(container);
    }
    inventory
}

/// Allocations of the fifth to the tenth batch, each of the same rows, from `Batch::clear` to the end of `export`.
fn allocations(export: impl FnOnce(&Arc<Schema>) -> Box<dyn FnMut(&Batch)>) -> u64 {
    let inventory = inventory();
    let (mut operators, schema) = chain(&inventory);
    let records: Vec<Vec<u8>> = (0..ROWS).map(|number| record(&schema, number)).collect();
    let mut export = export(&schema);
    let mut batch = Batch::new(schema, 4096, 1 << 20);
    let mut before = 0;
    for round in 0..10 {
        if round == 4 {
            before = ALLOCATIONS.get();
        }
        batch.clear();
        records.iter().for_each(|record| batch.push(record));
        batch.set_observed(1);
        operators.iter_mut().for_each(|operator| operator.process(&mut batch));
        export(&batch);
    }
    let counted = ALLOCATIONS.get() - before;
    assert_eq!((batch.len() as u64, batch.selection().count() as u64), (ROWS, ROWS * 4 / 5), "the rows went through the filter");
    counted
}

fn source(schema: &Arc<Schema>, metrics: Vec<MetricSpec>) -> ExporterSource {
    ExporterSource { schema: schema.clone(), metrics, entry: Ledger::default().gadget("opens").exporter("test") }
}

/// The counter counts: it sees one vector.
#[test]
fn an_allocation_is_counted() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1_u8]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

/// Operators, filter and JSON encoder allocate nothing per event or batch.
#[test]
fn json_allocates_nothing_once_warm() {
    let counted = allocations(|schema| {
        let mut encoder = JsonEncoder::bind(schema, JsonOptions::default());
        let mut out = Vec::new();
        Box::new(move |batch| {
            out.clear();
            batch.selection().iter().for_each(|row| encoder.row(batch, row, &mut out));
            assert!(out.starts_with(b"{\"error\":\"ENOENT\""), "{}", String::from_utf8_lossy(&out[..40]));
        })
    });
    assert_eq!(counted, 0);
}

/// The file exporter as configured, down to write(2), allocates nothing per event or batch.
#[test]
fn the_file_exporter_allocates_nothing_once_warm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let context = ExporterContext {
        id: "file".parse().unwrap(),
        runtime: runtime.handle().clone(),
        listeners: Arc::default(),
        resource: Arc::default(),
    };
    let service = (file::KIND.build)(&json!({"path": path}), &context).unwrap();
    let counted = allocations(|schema| {
        let mut exporter: Box<dyn Exporter> = service.open(source(schema, Vec::new())).unwrap();
        Box::new(move |batch| exporter.export(batch).unwrap())
    });
    let lines = std::fs::read_to_string(&path).unwrap().lines().count() as u64;
    assert_eq!((counted, lines), (0, 10 * ROWS * 4 / 5));
}

/// The OTLP log encoder allocates nothing per event or request.
#[test]
fn otlp_logs_allocate_nothing_once_warm() {
    let counted = allocations(|schema| {
        let mut encoder = LogEncoder::bind(schema, &[("service.name".to_owned(), "gadgetry".to_owned())]).unwrap();
        let mut out = Vec::new();
        Box::new(move |batch| {
            out.clear();
            batch.selection().iter().for_each(|row| encoder.add(batch, row));
            assert_eq!(encoder.finish(&mut out), ROWS * 4 / 5);
        })
    });
    assert_eq!(counted, 0);
}

/// Series of known attributes absorb events without allocating.
#[test]
fn known_series_allocate_nothing_once_warm() {
    let metric = MetricSpec {
        name: "opens".to_owned(),
        kind: MetricKind::Counter,
        field: None,
        attributes: ["proc.comm", "proc.pid", "error", "runtime.containerName"].map(str::to_owned).to_vec(),
        unit: String::new(),
        description: String::new(),
        boundaries: Vec::new(),
    };
    let counted = allocations(|schema| {
        let mut series = SeriesSet::bind(&source(schema, vec![metric]), DEFAULT_LIMIT).unwrap().unwrap();
        Box::new(move |batch| {
            series.absorb(batch);
            assert_eq!((series.len(), series.overflowed()), (28, 0));
        })
    });
    assert_eq!(counted, 0);
}
