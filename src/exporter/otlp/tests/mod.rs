//! The exporters against receivers on the loopback: what arrives, what is tried again, and how it is booked.

mod answers;
mod delivery;
mod receiver;
mod settings;
mod tls;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::batch::{Batch, FieldSpec, GadgetIdentity, Kind, SchemaBuilder, Source, SourceKind};
use crate::component::{ComponentId, Exporter, ExporterService, ExporterSource, MetricKind, MetricSpec};
use crate::exporter::{ExporterContext, ExporterKind};
use crate::telemetry::{DropReason, ExporterEntry, Ledger};

const DEADLINE: Duration = Duration::from_secs(10);

/// An exporter under test with one gadget in front of it.
struct Bench {
    service: Arc<dyn ExporterService>,
    exporter: Box<dyn Exporter>,
    entry: Arc<ExporterEntry>,
    batch: Batch,
}

fn context(kind: &ExporterKind) -> ExporterContext {
    ExporterContext {
        id: ComponentId::from_str(kind.name).unwrap(),
        runtime: tokio::runtime::Handle::current(),
        listeners: Arc::default(),
        resource: Arc::new(vec![("service.name".to_owned(), "gadgetry".to_owned())]),
    }
}

/// Quick settings, changed by `more`.
fn settings(endpoint: &str, more: Value) -> Value {
    let mut all = json!({
        "endpoint": endpoint,
        "timeout": "400ms",
        "sending_queue": {"batch": {"flush_timeout": "10ms"}},
        "retry_on_failure": {"initial_interval": "20ms", "max_interval": "50ms"},
        "metrics_interval": "100ms",
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn counter() -> Vec<MetricSpec> {
    vec![MetricSpec {
        name: "execs".to_owned(),
        kind: MetricKind::Counter,
        field: None,
        attributes: vec!["comm".to_owned()],
        unit: String::new(),
        description: String::new(),
        boundaries: Vec::new(),
    }]
}

impl Bench {
    fn new(kind: &ExporterKind, settings: &Value) -> Bench {
        Bench::with(kind, settings, SourceKind::Single, Vec::new())
    }

    fn with(kind: &ExporterKind, settings: &Value, source: SourceKind, metrics: Vec<MetricSpec>) -> Bench {
        assert_eq!((kind.check)(settings), []);
        let service = (kind.build)(settings, &context(kind)).unwrap();
        let gadget = GadgetIdentity { instance: "execs".to_owned(), name: "trace exec".to_owned(), ..GadgetIdentity::default() };
        let mut b = SchemaBuilder::new("exec", source, gadget, BTreeMap::new());
        b.add(FieldSpec::new("pid", Kind::Uint(4), Source::Row { offset: 0, size: 4 })).unwrap();
        b.add(FieldSpec::new("comm", Kind::Text, Source::Row { offset: 4, size: 4 })).unwrap();
        let schema = b.finish();
        let entry = Ledger::default().gadget("execs").exporter(kind.name);
        let exporter = service.open(ExporterSource { schema: schema.clone(), metrics, entry: entry.clone() }).unwrap();
        Bench { service, exporter, entry, batch: Batch::new(schema, 10_000, 1 << 20) }
    }

    /// Sends events with these pids.
    fn events(&mut self, pids: std::ops::Range<u32>) {
        self.batch.clear();
        for pid in pids {
            let mut record = pid.to_ne_bytes().to_vec();
            record.extend(b"sh\0\0");
            self.batch.push(&record);
        }
        self.batch.set_observed(1_700_000_000_000_000_000);
        self.entry.accepted.add(self.batch.len() as u64);
        self.exporter.export(&self.batch).unwrap();
        self.exporter.flush();
    }

    async fn stop(self) -> Arc<ExporterEntry> {
        drop(self.exporter);
        self.service.stop(DEADLINE).await;
        assert_eq!(self.entry.totals().in_flight(), 0, "{:?}", self.entry.totals());
        self.entry
    }
}

fn dropped(entry: &ExporterEntry, reason: DropReason) -> u64 {
    entry.totals().dropped.iter().find(|(r, _)| *r == reason).unwrap().1
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < DEADLINE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
