//! The collector's own metrics and traces reach a real third-party receiver (rotel) over gRPC and HTTP.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadgetry::telemetry::Ledger;
use gadgetry::telemetry::logging::{self, LogFormat};
use gadgetry::telemetry::otel::{self, Protocol, Settings};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ROTEL_AGENT`, or `rotel-agent` on the path.
fn rotel() -> Option<PathBuf> {
    let named = std::env::var_os("ROTEL_AGENT").map(PathBuf::from);
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join("rotel-agent")).find(|p| p.is_file());
    named.or_else(on_path)
}

fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Waits until the receiver's log holds all of `words`.
fn wait_for(log: &std::path::Path, words: &[String]) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        match words.iter().find(|word| !text.contains(word.as_str())) {
            None => return Ok(()),
            Some(word) if Instant::now() > end => return Err(format!("{word} is missing in\n{text}")),
            Some(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotel_receives_the_ledger_and_our_spans() {
    let Some(agent) = rotel() else {
        eprintln!("skipped: no rotel-agent on the path or in ROTEL_AGENT (pip install rotel==0.0.1a15)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("rotel.log");
    let (grpc, http) = (free(), free());
    let out = std::fs::File::create(&log).unwrap();
    let child = Command::new(agent)
        .args(["start", "--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http, "--exporter", "blackhole"])
        .args(["--debug-log", "traces", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"])
        .stdout(Stdio::from(out.try_clone().unwrap()))
        .stderr(Stdio::from(out))
        .spawn()
        .unwrap();
    let _rotel = Killed(child);
    let end = Instant::now() + Duration::from_secs(15);
    while std::net::TcpStream::connect(&grpc).is_err() || std::net::TcpStream::connect(&http).is_err() {
        assert!(Instant::now() < end, "rotel does not listen: {}", std::fs::read_to_string(&log).unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let logging = logging::init(LogFormat::Text, "warn").unwrap();
    for (protocol, address, gadget) in [(Protocol::Grpc, grpc, "over_grpc"), (Protocol::HttpProtobuf, http, "over_http")] {
        let ledger = Arc::new(Ledger::default());
        ledger.gadget(gadget).received.add(4711);
        let resource = vec![("service.name".to_owned(), gadget.to_owned())];
        let endpoint = format!("http://{address}");
        let settings = Settings { endpoint, protocol, headers: BTreeMap::new(), interval: Duration::from_secs(60), resource };
        let own = otel::start(&settings, &ledger, Some(&logging), &tokio::runtime::Handle::current()).unwrap();
        match protocol {
            Protocol::Grpc => tracing::info_span!(target: "gadgetry::daemon", "start_over_grpc").in_scope(|| ()),
            Protocol::HttpProtobuf => tracing::info_span!(target: "gadgetry::daemon", "start_over_http").in_scope(|| ()),
        }
        own.shutdown(Duration::from_secs(5)).await;
        let wanted = log.clone();
        let (service, span) = (format!("service.name: Str({gadget})"), format!("Name           : start_{gadget}"));
        let words = ["gadgetry.gadget.received".to_owned(), "4711".to_owned(), service, span];
        tokio::task::spawn_blocking(move || wait_for(&wanted, &words)).await.unwrap().unwrap();
    }
}
