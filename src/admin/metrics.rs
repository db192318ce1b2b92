//! The collector's own metrics: every term of the ledger, queues, reloads, the process.

use super::report::{GadgetState, Report};
use crate::exporter::prometheus::exposition::{Metric, MetricType, SampleValue};
use crate::kubernetes::KubernetesState;
use crate::telemetry::process::{self, ProcessUse};
use crate::telemetry::{ExporterTotals, GadgetTotals};

/// All metrics of this moment.
pub fn gather(totals: &[GadgetTotals], report: &Report) -> Vec<Metric> {
    let mut metrics = gadgets(totals);
    metrics.extend(exporters(totals));
    metrics.extend(state(report));
    metrics.extend(own(&process::read()));
    metrics.retain(|m| !m.samples.is_empty());
    metrics
}

fn counter(name: &str, help: &str) -> Metric {
    Metric::new(name, help, MetricType::Counter)
}

fn gauge(name: &str, help: &str) -> Metric {
    Metric::new(name, help, MetricType::Gauge)
}

fn gadgets(totals: &[GadgetTotals]) -> Vec<Metric> {
    let mut received = counter("gadgetry_gadget_received", "Records read from the kernel");
    let mut lost = counter("gadgetry_gadget_lost", "Records that the kernel could not hand over");
    let mut filtered = counter("gadgetry_gadget_filtered", "Records that an operator took out");
    let mut dropped = counter("gadgetry_gadget_dropped", "Records given up before any exporter");
    let mut waiting = gauge("gadgetry_gadget_waiting", "Records put off until their container has a name");
    let mut named = counter("gadgetry_gadget_container_records", "Records of containers by when their container's name was known");
    for gadget in totals {
        let name = ("gadget", &*gadget.name);
        received.integer(&[name], gadget.received);
        lost.integer(&[name, ("stage", "ring")], gadget.lost);
        waiting.integer(&[name], gadget.waiting);
        for (coverage, n) in gadget.coverage {
            named.integer(&[name, ("coverage", coverage)], n);
        }
        for (operator, n) in &gadget.filtered {
            filtered.integer(&[name, ("operator", operator)], *n);
        }
        for (reason, n) in &gadget.dropped {
            dropped.integer(&[name, ("reason", reason.as_str())], *n);
        }
    }
    let mut metrics = vec![received, lost, filtered, dropped, waiting, named];
    metrics.extend(selections(totals));
    metrics
}

fn selections(totals: &[GadgetTotals]) -> [Metric; 3] {
    let mut all = [
        gauge("gadgetry_gadget_selection_namespaces", "Mount namespaces of selected containers in the in-kernel filter"),
        gauge("gadgetry_gadget_selection_limit", "Mount namespaces that the in-kernel filter has room for"),
        gauge("gadgetry_gadget_selection_refused", "Mount namespaces of selected containers that found no room and are not traced"),
    ];
    for gadget in totals {
        for (metric, value) in all.iter_mut().zip(gadget.selection.into_iter().flatten()) {
            metric.integer(&[("gadget", &*gadget.name)], value);
        }
    }
    all
}

fn exporters(totals: &[GadgetTotals]) -> Vec<Metric> {
    let pairs = || totals.iter().flat_map(|g| g.exporters.iter().map(move |e| (g, e)));
    let mut metrics = Vec::new();
    let mut term = |mut metric: Metric, value: fn(&ExporterTotals) -> u64| {
        for (gadget, exporter) in pairs() {
            metric.integer(&[("gadget", &gadget.name), ("exporter", &exporter.exporter)], value(exporter));
        }
        metrics.push(metric);
    };
    term(counter("gadgetry_exporter_accepted", "Records handed to the exporter"), |e| e.accepted);
    term(counter("gadgetry_exporter_delivered", "Records that the destination confirmed"), |e| e.delivered);
    term(gauge("gadgetry_exporter_in_flight", "Records accepted, neither delivered nor dropped yet"), ExporterTotals::in_flight);
    let mut dropped = counter("gadgetry_exporter_dropped", "Accepted records that were given up");
    for (gadget, exporter) in pairs() {
        for (reason, n) in &exporter.dropped {
            dropped.integer(&[("gadget", &gadget.name), ("exporter", &exporter.exporter), ("reason", reason.as_str())], *n);
        }
    }
    metrics.push(dropped);
    metrics
}

fn state(report: &Report) -> Vec<Metric> {
    let mut running = gauge("gadgetry_gadget_running", "Whether the gadget collects");
    for gadget in &report.gadgets {
        running.integer(&[("gadget", &gadget.name)], u64::from(gadget.state == GadgetState::Running));
    }
    let mut failing = gauge("gadgetry_exporter_failing", "Whether the last attempt to deliver failed");
    let mut queued = gauge("gadgetry_exporter_queue_bytes", "Bytes waiting for delivery");
    let mut limit = gauge("gadgetry_exporter_queue_limit_bytes", "Most bytes that may wait for delivery");
    for exporter in &report.exporters {
        let (id, status) = ([("exporter", exporter.id.as_str())], &exporter.status);
        failing.integer(&id, u64::from(status.failing.is_some()));
        if status.queue_limit > 0 {
            queued.integer(&id, status.queue_bytes);
            limit.integer(&id, status.queue_limit);
        }
    }
    let mut connected = gauge("gadgetry_runtime_connected", "Whether the container runtime's events arrive");
    for runtime in &report.runtimes {
        connected.integer(&[("runtime", &runtime.name)], u64::from(runtime.connected));
    }
    let mut kubernetes = gauge("gadgetry_kubernetes_connected", "Whether the Kubernetes API server tells of the pods of this node");
    if let Some(status) = &report.kubernetes {
        kubernetes.integer(&[], u64::from(status.state == KubernetesState::Connected));
    }
    let mut metrics = vec![running, failing, queued, limit, connected, kubernetes];
    metrics.extend(containers(report));
    metrics.extend(reloads(report));
    metrics
}

fn containers(report: &Report) -> [Metric; 5] {
    let mut running = gauge("gadgetry_containers_running", "Containers that run");
    running.integer(&[], report.containers.running);
    let mut kept = gauge("gadgetry_containers_kept", "Containers in the inventory: running, stopped, over since a short time");
    kept.integer(&[], report.containers.kept);
    let mut refused = counter("gadgetry_containers_refused", "Containers that the inventory had no room for");
    refused.integer(&[], report.containers.refused);
    let mut lookups =
        counter("gadgetry_containers_lookups", "Namespaces and processes looked up because nobody had told of them, by the result");
    lookups.integer(&[("result", "found")], report.containers.found);
    lookups.integer(&[("result", "none")], report.containers.not_found);
    let mut missed = counter("gadgetry_containers_watch_missed", "Records of the kernel's watcher for containers that found no room");
    missed.integer(&[], report.containers.missed);
    [running, kept, refused, lookups, missed]
}

fn reloads(report: &Report) -> [Metric; 3] {
    let mut reloads = counter("gadgetry_config_reloads", "Reloads of the configuration by their result");
    reloads.integer(&[("result", "success")], report.reloads.succeeded);
    reloads.integer(&[("result", "failure")], report.reloads.failed);
    let mut last = gauge("gadgetry_config_last_reload_timestamp_seconds", "When the configuration was last reloaded or refused");
    let mut applied = gauge("gadgetry_config_last_reload_successful", "Whether the last reload was applied");
    if report.reloads.last_unix_seconds > 0.0 {
        last.add(&[], SampleValue::Float(report.reloads.last_unix_seconds));
        applied.integer(&[], u64::from(report.reloads.last_succeeded));
    }
    [reloads, last, applied]
}

fn own(used: &ProcessUse) -> Vec<Metric> {
    let mut build = gauge("gadgetry_build_info", "The version that runs");
    build.integer(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let mut cpu = counter("process_cpu_seconds", "CPU time of the process, user and system");
    cpu.add(&[], SampleValue::Float(used.cpu_seconds));
    let mut start = gauge("process_start_time_seconds", "Start of the process since the Unix epoch");
    start.add(&[], SampleValue::Float(used.start_unix_seconds));
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory", used.resident_bytes),
        ("process_resident_memory_peak_bytes", "The most resident memory there ever was", used.peak_resident_bytes),
        ("process_open_fds", "Open file descriptors", used.open_fds),
        ("process_threads", "Threads", used.threads),
    ];
    let mut metrics = vec![build, cpu, start];
    for (name, help, value) in gauges {
        let mut metric = gauge(name, help);
        metric.integer(&[], value);
        metrics.push(metric);
    }
    metrics
}
