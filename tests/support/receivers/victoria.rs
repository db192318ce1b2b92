//! VictoriaMetrics: takes OTLP metrics over HTTP, answers PromQL.

use std::process::Command;

use super::{Program, find, number, owned, query};
use crate::support::free_port;

/// Runs until it is dropped.
pub struct Victoria {
    program: Program,
    _dir: tempfile::TempDir,
    address: String,
}

impl Victoria {
    /// `None`, with the reason printed, where there is none.
    pub fn start(test: &str) -> Option<Self> {
        let server = find(test, "victoria-metrics", "VICTORIA_METRICS", "victoria-metrics/usr/bin/victoria-metrics")?;
        let dir = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(server);
        command.arg(format!("-storageDataPath={}", owned(&dir.path().join("data")))).arg(format!("-httpListenAddr={address}")).args([
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-memory.allowedPercent=5",
        ]);
        let program = Program::start(&mut command, dir.path().join("victoria.log"), &[&address]);
        Some(Victoria { program, _dir: dir, address })
    }

    /// Where metrics go.
    pub fn endpoint(&self) -> String {
        format!("http://{}/opentelemetry/v1/metrics", self.address)
    }

    /// The number that a PromQL query gives, once it gives one.
    pub fn number(&self, promql: &str) -> f64 {
        number(&query(&self.address, promql, &|| self.program.text()))
    }
}
