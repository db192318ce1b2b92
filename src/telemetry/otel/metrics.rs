//! The ledger and the process as observable instruments.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::telemetry::process;
use crate::telemetry::{ExporterTotals, GadgetTotals, Ledger};

/// Values with their attributes.
type Observations = Vec<(u64, Vec<KeyValue>)>;

/// Makes the instruments; the provider's reader asks them.
pub fn observe(provider: &SdkMeterProvider, ledger: &Arc<Ledger>) {
    let meter = provider.meter(env!("CARGO_PKG_NAME"));
    counter(&meter, ledger, "gadgetry.gadget.received", "Records read from the kernel", |g| vec![(g.received, vec![gadget(g)])]);
    counter(&meter, ledger, "gadgetry.gadget.lost", "Records that the kernel could not hand over", |g| {
        vec![(g.lost, vec![gadget(g), KeyValue::new("stage", "ring")])]
    });
    counter(&meter, ledger, "gadgetry.gadget.filtered", "Records that an operator took out", |g| {
        g.filtered.iter().map(|(operator, n)| (*n, vec![gadget(g), KeyValue::new("operator", operator.to_string())])).collect()
    });
    counter(&meter, ledger, "gadgetry.gadget.dropped", "Records given up before any exporter", |g| {
        g.dropped.iter().map(|(reason, n)| (*n, vec![gadget(g), KeyValue::new("reason", reason.as_str())])).collect()
    });
    counter(&meter, ledger, "gadgetry.exporter.accepted", "Records handed to the exporter", |g| per_exporter(g, |e| e.accepted));
    counter(&meter, ledger, "gadgetry.exporter.delivered", "Records that the destination confirmed", |g| per_exporter(g, |e| e.delivered));
    counter(&meter, ledger, "gadgetry.exporter.dropped", "Accepted records that were given up", |g| {
        g.exporters.iter().flat_map(|e| dropped(g, e)).collect()
    });
    in_flight(&meter, ledger);
    own(&meter);
}

fn gadget(totals: &GadgetTotals) -> KeyValue {
    KeyValue::new("gadget", totals.name.to_string())
}

fn exporter(totals: &ExporterTotals) -> KeyValue {
    KeyValue::new("exporter", totals.exporter.to_string())
}

fn per_exporter(totals: &GadgetTotals, value: fn(&ExporterTotals) -> u64) -> Observations {
    totals.exporters.iter().map(|e| (value(e), vec![gadget(totals), exporter(e)])).collect()
}

fn dropped(totals: &GadgetTotals, e: &ExporterTotals) -> Observations {
    let attributes = |reason| vec![gadget(totals), exporter(e), KeyValue::new("reason", reason)];
    e.dropped.iter().map(|(reason, n)| (*n, attributes(reason.as_str()))).collect()
}

fn counter(meter: &Meter, ledger: &Arc<Ledger>, name: &'static str, description: &'static str, of: fn(&GadgetTotals) -> Observations) {
    let ledger = ledger.clone();
    let instrument = meter.u64_observable_counter(name).with_description(description).with_unit("{record}");
    let callback = instrument.with_callback(move |observer| {
        for (value, attributes) in ledger.totals().iter().flat_map(of) {
            observer.observe(value, &attributes);
        }
    });
    // The provider keeps the callback; the instrument is only a name for it.
    callback.build();
}

fn in_flight(meter: &Meter, ledger: &Arc<Ledger>) {
    let ledger = ledger.clone();
    let instrument = meter.u64_observable_gauge("gadgetry.exporter.in_flight").with_unit("{record}");
    let instrument = instrument.with_description("Records accepted, neither delivered nor dropped yet");
    let callback = instrument.with_callback(move |observer| {
        for (value, attributes) in ledger.totals().iter().flat_map(|g| per_exporter(g, ExporterTotals::in_flight)) {
            observer.observe(value, &attributes);
        }
    });
    callback.build();
}

/// Names as in the semantic conventions for processes.
fn own(meter: &Meter) {
    let cpu = meter.f64_observable_counter("process.cpu.time").with_unit("s").with_description("CPU time of the process, user and system");
    cpu.with_callback(|observer| observer.observe(process::read().cpu_seconds, &[])).build();
    let memory = meter.i64_observable_up_down_counter("process.memory.usage").with_unit("By").with_description("Resident memory");
    let resident = || i64::try_from(process::read().resident_bytes).unwrap_or(i64::MAX);
    memory.with_callback(move |observer| observer.observe(resident(), &[])).build();
}
