//! What is measured: two bare readers, and the data plane cut off after each of its steps.

use std::hint::black_box;
use std::os::fd::AsFd;
use std::sync::Arc;

use aya::maps::{Map, MapData, RingBuf};
use gadgetry::batch::{Batch, Schema, SchemaBuilder};
use gadgetry::component::{ExporterSource, MetricKind, MetricSpec, Operator};
use gadgetry::container::{Container, Inventory};
use gadgetry::datasource::{self, Datasource, Progress};
use gadgetry::exporter::json::{JsonEncoder, JsonOptions};
use gadgetry::exporter::otlp::encode::LogEncoder;
use gadgetry::exporter::series::{DEFAULT_LIMIT, SeriesSet};
use gadgetry::loader::{Reader, RingSource};
use gadgetry::operator::{enrich::Enrich, filter, format::Format};
use gadgetry::telemetry::Ledger;
use serde_json::json;

use crate::synthetic::{MNTNS, Synthetic};

/// `while let Some(item) = ring.next()`, the item's length looked at.
pub const BARE: &str = "bare aya reader";
/// The same, and each record copied into a vector that is reused.
pub const BARE_COPY: &str = "bare aya reader, copying";
/// Everything that is measured, in this order.
pub const NAMES: [&str; 8] =
    [BARE, BARE_COPY, "ring to batch", "to enrichment", "to filter", "to JSON lines", "to OTLP logs", "to Prometheus series"];

/// As in `pipeline::build`.
const BATCH_ROWS: usize = 4096;
const BATCH_BYTES: usize = 256 << 10;
/// As in `exporter::file` and `exporter::sender`.
const FILE_CHUNK: usize = 256 << 10;
const OTLP_CHUNK: usize = 64 << 10;

/// Reads all there is.
pub trait Stage {
    /// Number of records.
    fn read(&mut self) -> usize;
}

/// The stage of that name.
pub fn open(name: &str, synthetic: &mut Synthetic) -> Box<dyn Stage> {
    let (reader, schema) = synthetic.take();
    match (name, reader) {
        (BARE, Reader::Ring(source)) => Box::new(Bare(aya_ring(&source))),
        (BARE_COPY, Reader::Ring(source)) => Box::new(BareCopy(aya_ring(&source), Vec::new())),
        (name, reader) => Box::new(Chain::new(name, reader, schema)),
    }
}

/// The same ring through aya's reader. Ours must not be used beside it.
fn aya_ring(source: &RingSource) -> RingBuf<MapData> {
    let map = source.ring.as_fd().try_clone_to_owned().expect("a descriptor");
    RingBuf::try_from(Map::RingBuf(MapData::from_fd(map).expect("a map"))).expect("a ring buffer")
}

struct Bare(RingBuf<MapData>);

impl Stage for Bare {
    fn read(&mut self) -> usize {
        let mut count = 0;
        while let Some(item) = self.0.next() {
            black_box(item.len());
            count += 1;
        }
        count
    }
}

struct BareCopy(RingBuf<MapData>, Vec<u8>);

impl Stage for BareCopy {
    fn read(&mut self) -> usize {
        let mut count = 0;
        self.1.clear();
        while let Some(item) = self.0.next() {
            self.1.extend_from_slice(&item);
            count += 1;
            if self.1.len() >= BATCH_BYTES {
                black_box(&self.1);
                self.1.clear();
            }
        }
        black_box(&self.1);
        count
    }
}

/// A lane without its accounts.
struct Chain {
    source: Box<dyn Datasource>,
    batch: Batch,
    operators: Vec<Box<dyn Operator>>,
    encoder: Box<dyn FnMut(&Batch)>,
}

impl Chain {
    fn new(name: &str, reader: Reader, mut schema: SchemaBuilder) -> Self {
        let mut operators: Vec<Box<dyn Operator>> = Vec::new();
        if name != "ring to batch" {
            operators.push(Box::new(Format::new()));
            operators.push(Box::new(Enrich::new(inventory(), Default::default())));
        }
        if name == "to filter" {
            let settings = json!("proc.comm == \"synthetic\" && error_raw != 0 && fname startsWith \"/usr\"");
            operators.push((filter::KIND.build)(&settings).expect("a filter"));
        }
        for operator in &mut operators {
            operator.bind(&mut schema).expect("a bound operator");
        }
        let schema = schema.finish();
        let encoder = encoder(name, &schema);
        Chain { source: datasource::open(reader), batch: Batch::new(schema, BATCH_ROWS, BATCH_BYTES), operators, encoder }
    }
}

impl Stage for Chain {
    fn read(&mut self) -> usize {
        let mut count = 0;
        loop {
            self.batch.clear();
            let progress = self.source.poll(&mut self.batch).expect("a readable ring");
            self.operators.iter_mut().for_each(|operator| operator.process(&mut self.batch));
            (self.encoder)(&self.batch);
            assert_eq!(self.batch.selection().count(), self.batch.len(), "the filter lets everything pass");
            count += self.batch.len();
            if progress != Progress::More {
                return count;
            }
        }
    }
}

/// One container, whose namespace all records carry.
fn inventory() -> Arc<Inventory> {
    let mut container = Container { mntns: MNTNS, ..Container::default() };
    container.runtime.runtime_name = "docker".to_owned();
    container.runtime.container_name = "benchmark".to_owned();
    container.runtime.container_id = "0123456789abcdef".repeat(4);
    container.runtime.container_image_name = "docker.io/library/busybox:latest".to_owned();
    let inventory = Inventory::new();
    inventory.insert(container);
    inventory
}

fn encoder(name: &str, schema: &Arc<Schema>) -> Box<dyn FnMut(&Batch)> {
    match name {
        "to JSON lines" => json_lines(schema),
        "to OTLP logs" => otlp_logs(schema),
        "to Prometheus series" => series(schema),
        _ => Box::new(|batch| {
            black_box(batch.len());
        }),
    }
}

fn json_lines(schema: &Arc<Schema>) -> Box<dyn FnMut(&Batch)> {
    let mut encoder = JsonEncoder::bind(schema, JsonOptions { extra: vec![("gadget".to_owned(), "synthetic".to_owned())] });
    let mut out = Vec::new();
    Box::new(move |batch| {
        for row in batch.selection().iter() {
            encoder.row(batch, row, &mut out);
            out.push(b'\n');
            if out.len() >= FILE_CHUNK {
                black_box(&out);
                out.clear();
            }
        }
    })
}

fn otlp_logs(schema: &Arc<Schema>) -> Box<dyn FnMut(&Batch)> {
    let collector = [("service.name".to_owned(), "gadgetry".to_owned()), ("host.name".to_owned(), "bench".to_owned())];
    let mut encoder = LogEncoder::bind(schema, &collector).expect("a log encoder");
    let mut out = Vec::new();
    Box::new(move |batch| {
        for row in batch.selection().iter() {
            encoder.add(batch, row);
            if encoder.bytes() >= OTLP_CHUNK {
                out.clear();
                encoder.finish(&mut out);
                black_box(&out);
            }
        }
    })
}

fn series(schema: &Arc<Schema>) -> Box<dyn FnMut(&Batch)> {
    let metric = MetricSpec {
        name: "opens".to_owned(),
        kind: MetricKind::Counter,
        field: None,
        attributes: vec!["proc.comm".to_owned(), "error".to_owned(), "runtime.containerName".to_owned()],
        unit: String::new(),
        description: String::new(),
        boundaries: Vec::new(),
    };
    let entry = Ledger::default().gadget("synthetic").exporter("prometheus");
    let source = ExporterSource { schema: schema.clone(), metrics: vec![metric], entry };
    let mut series = SeriesSet::bind(&source, DEFAULT_LIMIT).expect("series").expect("a metric");
    Box::new(move |batch| series.absorb(batch))
}
