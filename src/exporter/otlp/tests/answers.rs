//! How answers are read.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::exporter::otlp::answer::{accepted, retry_after};
use crate::exporter::otlp::resolve::Resolver;
use crate::exporter::sender::Outcome;

#[test]
fn retry_after_is_seconds_or_a_date_and_anything_else_nothing() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let read = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(read("120"), Some(Duration::from_secs(120)));
    assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), None);
    assert_eq!(read("soon"), None);
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[test]
fn an_unreadable_body_of_a_success_is_a_success() {
    assert_eq!(accepted(b"<html>ok</html>"), Outcome::Delivered);
    assert_eq!(accepted(b""), Outcome::Delivered);
}

#[tokio::test]
async fn names_resolve_without_name_servers_from_literals_localhost_and_the_hosts_file() {
    let etc = tempfile::tempdir().unwrap();
    let resolver = Resolver::with_directory(etc.path());
    let found = async |name: &str| resolver.lookup(name).await.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found("10.1.2.3").await, ["10.1.2.3"]);
    assert_eq!(found("[::1]").await, ["::1"]);
    assert_eq!(found("localhost").await, ["127.0.0.1", "::1"]);
    std::fs::write(etc.path().join("hosts"), "# 9.9.9.9 collector\n10.0.0.7\tother Collector.example # x\nbad collector.example\n")
        .unwrap();
    assert_eq!(found("collector.example").await, ["10.0.0.7"]);
    std::fs::write(etc.path().join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let error = resolver.lookup("unknown.invalid").await.unwrap_err();
    assert_eq!(error.to_string(), "resolve host name \"unknown.invalid\"");
}
