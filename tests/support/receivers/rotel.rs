//! rotel, an OpenTelemetry collector in Rust that is not ours: takes OTLP over gRPC and HTTP and prints what it got.

use std::process::Command;

use super::{Program, find, owned};
use crate::support::{free_port, wait_for};

/// Runs until it is dropped.
pub struct Rotel {
    program: Program,
    _dir: tempfile::TempDir,
    /// URLs.
    pub grpc: String,
    pub http: String,
}

impl Rotel {
    /// `None`, with the reason printed, where there is none.
    pub fn start(test: &str) -> Option<Self> {
        let agent = find(test, "rotel-agent", "ROTEL_AGENT", "rotel/rotel-agent")?;
        let dir = tempfile::tempdir().unwrap();
        let [grpc, http] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(agent);
        command
            .args(["start", "--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http, "--exporter", "blackhole"])
            .args(["--debug-log", "traces", "--debug-log", "metrics", "--debug-log", "logs", "--debug-log-verbosity", "detailed"])
            .args(["--pid-file", &owned(&dir.path().join("pid")), "--log-file", &owned(&dir.path().join("file.log"))]);
        let program = Program::start(&mut command, dir.path().join("rotel.log"), &[&grpc, &http]);
        Some(Rotel { program, _dir: dir, grpc: format!("http://{grpc}"), http: format!("http://{http}") })
    }

    /// Everything it printed.
    pub fn text(&self) -> String {
        self.program.text()
    }

    /// Waits for a resource's block (as printed, to the next resource) that holds all of `words`.
    pub fn wait(&self, seconds: u64, words: &[&str]) -> String {
        wait_for(seconds, &format!("{words:?} in what rotel prints"), || {
            let text = self.text();
            // A block that nothing follows may not be complete yet, so only one that has all the words counts anyway.
            let found = blocks(&text).into_iter().find(|block| words.iter().all(|word| block.contains(word)));
            found.map(str::to_owned)
        })
    }
}

/// The text cut before each `Resource… #n`.
fn blocks(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text.match_indices("\nResource").map(|(at, _)| at + 1).filter(|at| is_start(&text[*at..])).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

fn is_start(text: &str) -> bool {
    ["ResourceLog #", "ResourceMetrics #", "ResourceSpans #"].iter().any(|head| text.starts_with(head))
}
