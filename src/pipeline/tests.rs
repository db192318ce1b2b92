//! What a lane and the pacer promise, without a kernel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::lane::{Lane, Outlet, Stage, Turn};
use super::pacer::Pacer;
use crate::batch::{Batch, DEFERRED_OVERHEAD, FieldSpec, GadgetIdentity, Kind, Round, Schema, SchemaBuilder, Source, SourceKind};
use crate::component::{BindError, ExportError, Exporter, Operator};
use crate::container::PATIENCE;
use crate::datasource::{Datasource, DatasourceError, Progress, Wakeup};
use crate::telemetry::{DropReason, ExporterEntry, Ledger};

fn schema() -> Arc<Schema> {
    let mut builder = SchemaBuilder::new("numbers", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    builder.add(FieldSpec::new("n", Kind::Uint(4), Source::Row { offset: 0, size: 4 })).unwrap();
    builder.finish()
}

/// Yields numbers, `per_poll` at a time, and claims to have lost some.
struct Numbers {
    left: VecDeque<u32>,
    lost: u64,
    broken: bool,
}

impl Datasource for Numbers {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        while let Some(n) = self.left.pop_front() {
            batch.push(&n.to_ne_bytes());
            if batch.is_full() {
                return Ok(Progress::More);
            }
        }
        if self.broken {
            return Err(DatasourceError { doing: "read numbers".to_owned(), source: std::io::ErrorKind::Other.into() });
        }
        Ok(Progress::Drained)
    }

    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Never
    }

    fn lost(&mut self) -> u64 {
        self.lost
    }
}

struct Even;

impl Operator for Even {
    fn bind(&mut self, _: &mut SchemaBuilder) -> Result<(), BindError> {
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        let odd: Vec<usize> = (0..batch.len()).filter(|row| batch.row(*row).first().is_some_and(|b| b % 2 == 1)).collect();
        odd.into_iter().for_each(|row| batch.selection_mut().remove(row));
    }
}

/// Delivers, or refuses every second batch.
struct Sometimes {
    entry: Arc<ExporterEntry>,
    refuse: bool,
    batches: usize,
}

impl Exporter for Sometimes {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        self.batches += 1;
        if self.refuse && self.batches.is_multiple_of(2) {
            return Err(ExportError { reason: DropReason::WriteFailed, message: "no".to_owned() });
        }
        self.entry.delivered.add(batch.selection().count() as u64);
        Ok(())
    }
}

fn lane(ledger: &Ledger, source: Numbers) -> Lane {
    let entry = ledger.gadget("numbers");
    let outlet = |name: &str, refuse| {
        let entry = entry.exporter(name);
        Outlet::new(Box::new(Sometimes { entry: entry.clone(), refuse, batches: 0 }), entry)
    };
    let outlets = vec![outlet("good", false), outlet("bad", true)];
    let stages = vec![Stage::new(Box::new(Even), entry.filtered_by("even"))];
    Lane::new(Box::new(source), Batch::new(schema(), 10, 1 << 20), stages, outlets, entry)
}

#[test]
fn the_ledger_closes_over_filters_refusals_and_losses() {
    let ledger = Ledger::default();
    let mut lane = lane(&ledger, Numbers { left: (0..95).collect(), lost: 7, broken: false });
    lane.turn(Turn::Poll).unwrap();
    lane.turn(Turn::Drain).unwrap();
    let totals = ledger.totals().remove(0);
    assert_eq!((totals.produced(), totals.lost, totals.received, totals.filtered_total()), (102, 7, 95, 47));
    assert!(totals.closes(), "{totals:?}");
    assert_eq!(totals.exporters[0].delivered, 48);
    assert_eq!((totals.exporters[1].delivered, totals.exporters[1].dropped_total()), (25, 23));
    assert_eq!(totals.exporters[1].in_flight(), 0);
}

#[test]
fn what_was_read_before_an_error_is_exported_and_counted() {
    let ledger = Ledger::default();
    let mut lane = lane(&ledger, Numbers { left: (0..4).collect(), lost: 0, broken: true });
    assert!(lane.turn(Turn::Poll).is_err());
    let totals = ledger.totals().remove(0);
    assert_eq!((totals.received, totals.exporters[0].delivered), (4, 2));
    assert!(totals.closes());
}

#[test]
fn an_idle_worker_waits_to_be_woken_and_a_busy_one_pauses_longer_while_the_ring_stays_empty() {
    let mut pacer = Pacer::new();
    assert_eq!(pacer.after(0, 0), None);
    let pauses: Vec<Duration> = (0..8).filter_map(|_| pacer.after(100, 1)).collect();
    assert!(pauses.windows(2).all(|w| w[0] <= w[1]), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&Duration::from_millis(4)));
    let filling: Vec<Duration> = (0..8).filter_map(|_| pacer.after(100, 200)).collect();
    assert!(filling.windows(2).all(|w| w[0] >= w[1]), "{filling:?}");
    assert!(filling.last() < Some(&Duration::from_millis(1)));
    assert_eq!(pacer.after(0, 0), None);
}

/// Puts every third number off until told that they may go, or until the last round.
struct Patient(Arc<AtomicBool>);

impl Operator for Patient {
    fn bind(&mut self, _: &mut SchemaBuilder) -> Result<(), BindError> {
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        if self.0.load(Ordering::Relaxed) || batch.round() == Round::Last {
            return;
        }
        for row in 0..batch.len() {
            if batch.row(row).first().is_some_and(|n| n % 3 == 0) {
                batch.defer(row);
            }
        }
    }
}

fn patient_lane(ledger: &Ledger, numbers: u32) -> (Lane, Arc<AtomicBool>) {
    let entry = ledger.gadget("numbers");
    let go = Arc::new(AtomicBool::new(false));
    let good = entry.exporter("good");
    let outlets = vec![Outlet::new(Box::new(Sometimes { entry: good.clone(), refuse: false, batches: 0 }), good)];
    let patient = Stage::new(Box::new(Patient(go.clone())), entry.filtered_by("patient"));
    let stages = vec![patient, Stage::new(Box::new(Even), entry.filtered_by("even"))];
    let source = Numbers { left: (0..numbers).collect(), lost: 0, broken: false };
    (Lane::new(Box::new(source), Batch::new(schema(), 10, 1 << 20), stages, outlets, entry), go)
}

/// What waits is neither lost nor filtered: the ledger closes while it does, and each record is delivered once when it may go on.
#[test]
fn waiting_records_are_in_the_ledger() {
    let ledger = Ledger::default();
    let (mut lane, go) = patient_lane(&ledger, 96);
    lane.turn(Turn::Poll).unwrap();
    let totals = ledger.totals().remove(0);
    assert_eq!((totals.received, totals.waiting, totals.filtered_total()), (96, 32, 32));
    assert!(totals.closes() && lane.is_waiting(), "{totals:?}");
    go.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(11));
    lane.turn(Turn::Poll).unwrap();
    let totals = ledger.totals().remove(0);
    assert_eq!((totals.received, totals.waiting, totals.filtered_total(), totals.exporters[0].delivered), (96, 0, 48, 48));
    assert!(totals.closes() && !lane.is_waiting(), "{totals:?}");
}

/// At the end nothing waits longer than it would have anyway, and all of it goes on.
#[test]
fn a_drain_waits_for_a_bounded_time() {
    let ledger = Ledger::default();
    let (mut lane, _) = patient_lane(&ledger, 30);
    let began = Instant::now();
    lane.turn(Turn::Poll).unwrap();
    lane.turn(Turn::Drain).unwrap();
    let took = began.elapsed();
    assert!(took >= PATIENCE && took < PATIENCE * 2, "{took:?}");
    let totals = ledger.totals().remove(0);
    assert_eq!((totals.waiting, totals.exporters[0].delivered), (0, 15));
    assert!(totals.closes());
}

/// There is a bound to what waits; what finds no room goes on at once.
#[test]
fn waiting_has_a_bound() {
    let ledger = Ledger::default();
    let entry = ledger.gadget("numbers");
    let good = entry.exporter("good");
    let outlets = vec![Outlet::new(Box::new(Sometimes { entry: good.clone(), refuse: false, batches: 0 }), good)];
    let stages = vec![Stage::new(Box::new(Patient(Arc::default())), entry.filtered_by("patient"))];
    let source = Numbers { left: std::iter::repeat_n(3, 200_000).collect(), lost: 0, broken: false };
    let mut lane = Lane::new(Box::new(source), Batch::new(schema(), 4096, 1 << 20), stages, outlets, entry);
    lane.turn(Turn::Poll).unwrap();
    let totals = ledger.totals().remove(0);
    let room = (8 << 20) / (4 + DEFERRED_OVERHEAD as u64);
    assert_eq!((totals.waiting, totals.exporters[0].delivered), (room, 200_000 - room));
    assert!(totals.closes());
}
