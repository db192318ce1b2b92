//! The exporters against real receivers: third-party programs for what others understand, our own for what exactly was sent.

mod debug;
mod otlp;
mod outage;
mod own;
mod prometheus;

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::get;

/// A configuration of trace_open for one process, with more lines for the gadget and the exporters.
fn opens(pid: u32, gadget: &str, exporters: &str, service: &str) -> String {
    format!(
        "version: v1\ngadgets:\n  - name: opens\n    image: trace_open\n    params: {{pid: {pid}}}\n{gadget}exporters:\n{exporters}service:\n{service}"
    )
}

/// Makes the disk work `times` times.
fn write_through(times: u32) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exporters-{}", std::process::id()));
    for _ in 0..times {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
        file.write_all(&[7; 65536]).unwrap();
        file.sync_all().unwrap();
    }
    fs::remove_file(path).unwrap();
}

/// The sum of the samples of the collector's own page that start with `prefix`.
fn own_metric(port: u16, prefix: &str) -> Option<u64> {
    let (_, page) = get(&format!("127.0.0.1:{port}"), "/metrics", "text/plain").ok()?;
    let samples = page.lines().filter(|line| line.starts_with(prefix)).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Some(samples.sum())
}
