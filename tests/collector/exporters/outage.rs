//! A receiver that is away: for a while, or for good.

use std::sync::Arc;
use std::time::Duration;

use super::{opens, own_metric};
use crate::support::receivers::otlp::{Otlp, Protocol, Received};
use crate::support::{Collector, Storm, can_trace, free_port, ledger, wait_for};

#[test]
fn a_receiver_that_goes_down_and_comes_back_during_a_storm_misses_nothing() {
    const OPENS: u64 = 60_000;
    if !can_trace("receiver down and back") {
        return;
    }
    for protocol in Protocol::BOTH {
        let (received, port, own) = (Arc::new(Received::default()), free_port(), free_port());
        let receiver = Otlp::start(protocol, port, &received);
        let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
        let exporter = protocol.exporter();
        let exporters = format!(
            "  {exporter}:\n    endpoint: \"http://127.0.0.1:{port}\"\n    sending_queue: {{queue_size: 256MiB, batch: {{flush_timeout: 20ms}}}}\n    retry_on_failure: {{initial_interval: 200ms, max_interval: 400ms}}\n"
        );
        let service = format!("  telemetry: {{endpoint: \"127.0.0.1:{own}\"}}\n  shutdown_timeout: 5s\n");
        let collector = Collector::start(&opens(storm.pid, &format!("    exporters: [{exporter}]\n"), &exporters, &service));
        storm.begin();
        wait_for(10, "the first records", || (received.times().1 > 0).then_some(()));
        drop(receiver);
        collector.wait_log(10, "cannot deliver, trying again");
        storm.finish();
        let waiting = wait_for(10, "records that wait", || own_metric(own, "gadgetry_exporter_in_flight{").filter(|n| *n > 0));
        std::thread::sleep(Duration::from_secs(2));
        let _back = Otlp::start(protocol, port, &received);
        collector.wait_log(10, "delivering again");
        wait_for(15, "an empty queue", || own_metric(own, "gadgetry_exporter_in_flight{").filter(|n| *n == 0));
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        let row = &ledger(&log)[0];
        let (distinct, all) = received.times();
        println!("{exporter} down and back: {waiting} waited, {} sent twice, {row:?}", all - distinct.len() as u64);
        assert_eq!((row.produced, row.produced - row.lost, row.exporter_dropped, row.in_flight), (OPENS, row.delivered, 0, 0), "{log}");
        assert_eq!(distinct.len() as u64, row.delivered, "distinct records received");
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_the_end_counts_what_is_left() {
    const OPENS: u64 = 20_000;
    if !can_trace("queue full") {
        return;
    }
    for protocol in Protocol::BOTH {
        let (nobody, own) = (free_port(), free_port());
        let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
        let exporter = protocol.exporter();
        let exporters = format!("  {exporter}: {{endpoint: \"http://127.0.0.1:{nobody}\", sending_queue: {{queue_size: 64KiB}}}}\n");
        let service = format!("  telemetry: {{endpoint: \"127.0.0.1:{own}\"}}\n  shutdown_timeout: 1s\n");
        let collector = Collector::start(&opens(storm.pid, &format!("    exporters: [{exporter}]\n"), &exporters, &service));
        storm.begin();
        storm.finish();
        let sum = |prefix: &str| own_metric(own, prefix).unwrap();
        let reason =
            |reason: &str| format!("gadgetry_exporter_dropped_total{{gadget=\"opens\",exporter=\"{exporter}\",reason=\"{reason}\"}}");
        wait_for(10, "the storm in the ledger", || {
            (sum("gadgetry_gadget_received_total") + sum("gadgetry_gadget_lost_total") == OPENS).then_some(())
        });
        wait_for(5, "the end of the batch", || {
            let all = sum("gadgetry_exporter_in_flight{") + sum(&reason("queue_full"));
            (all == sum("gadgetry_gadget_received_total")).then_some(())
        });
        let (full, waiting) = (sum(&reason("queue_full")), sum("gadgetry_exporter_in_flight{"));
        assert!(full > OPENS / 2 && waiting > 0, "{full} did not fit, {waiting} wait");
        assert!(sum("gadgetry_exporter_queue_bytes") <= 64 << 10);
        wait_for(5, "the failure on the page", || (sum("gadgetry_exporter_failing") == 1).then_some(()));
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        let row = &ledger(&log)[0];
        assert_eq!((row.delivered, row.exporter_dropped, row.in_flight), (0, full + waiting, 0), "{log}");
        assert_eq!(row.lost + row.exporter_dropped, OPENS, "{log}");
        assert!(log.replace(',', "").contains(&format!("(queue_full {full} shutdown {waiting})")), "{log}");
    }
}
