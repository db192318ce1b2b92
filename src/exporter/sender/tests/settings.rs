//! Settings of a sender and their units.

use std::time::Duration;

use crate::exporter::sender::units::{format_duration, parse_duration, parse_size};
use crate::exporter::sender::{QueueSettings, SenderSettings, Sizer};

#[test]
fn durations_and_sizes_read_as_people_write_them() {
    let ms = Duration::from_millis;
    for (text, expected) in
        [("5s", ms(5000)), ("1m30s", ms(90_000)), ("300ms", ms(300)), ("0s", ms(0)), ("0", ms(0)), ("1.5h", ms(5_400_000))]
    {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
        assert_eq!(parse_duration(&format_duration(expected)), Ok(expected), "{text}");
    }
    for text in ["", "5", "s", "-1s", "1x", "5 s", "1s2", "1..5s", "99999999999h", "1e9s", "\u{663}s"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
    for (text, expected) in [("512MiB", 512 << 20), ("64kib", 64 << 10), ("2GB", 2_000_000_000), ("1.5 KB", 1500), ("17", 17), ("3B", 3)] {
        assert_eq!(parse_size(text), Ok(expected), "{text}");
    }
    for text in ["", "MiB", "-1MiB", "1XB", "99999999999TiB"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

#[test]
fn a_bare_queue_size_counts_requests_and_one_with_a_unit_bytes() {
    let read = |json: serde_json::Value| serde_json::from_value::<QueueSettings>(json).unwrap();
    assert_eq!(read(serde_json::json!({"queue_size": 1000})).sizer(), Sizer::Requests);
    assert_eq!(read(serde_json::json!({"queue_size": "512MiB"})).sizer(), Sizer::Bytes);
    assert_eq!(read(serde_json::json!({"queue_size": 1000, "sizer": "items"})).sizer(), Sizer::Items);
    assert_eq!(read(serde_json::json!({})), QueueSettings::default());
}

#[test]
fn settings_that_cannot_be_honoured_are_named() {
    let json = serde_json::json!({"enabled": false, "storage": "disk", "block_on_overflow": true, "num_consumers": 0, "queue_size": 0,
        "batch": {"min_size": 10, "max_size": 5, "sizer": "requests"}});
    let mut settings = SenderSettings { queue: serde_json::from_value(json).unwrap(), ..SenderSettings::default() };
    settings.retry.randomization_factor = 2.0;
    settings.retry.multiplier = 0.5;
    let paths: Vec<_> = settings.check().into_iter().map(|e| e.path).collect();
    let expected = ["enabled", "block_on_overflow", "storage", "num_consumers", "queue_size", "batch.max_size", "batch.sizer"];
    let expected = expected.map(|k| format!("sending_queue.{k}")).into_iter();
    let expected = expected.chain(["randomization_factor", "multiplier"].map(|k| format!("retry_on_failure.{k}")));
    assert_eq!(paths, expected.collect::<Vec<_>>());
    assert!(serde_json::from_value::<QueueSettings>(serde_json::json!({"queue_sise": 1})).is_err());
}
