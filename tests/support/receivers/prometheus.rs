//! A real Prometheus that scrapes once a second, and promtool.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Program, dechunked, find, number, owned, query};
use crate::support::{free_port, get};

/// Runs until it is dropped.
pub struct Prometheus {
    program: Program,
    _dir: tempfile::TempDir,
    address: String,
}

impl Prometheus {
    /// Scrapes `targets`, each a job's name and an address. `None`, with the reason printed, where there is no Prometheus.
    pub fn start(test: &str, targets: &[(&str, String)]) -> Option<Self> {
        let prometheus = find(test, "prometheus", "PROMETHEUS", "prometheus/usr/bin/prometheus")?;
        let dir = tempfile::tempdir().unwrap();
        let jobs = targets.iter().map(|(job, target)| format!("- {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n"));
        let config = format!("global: {{scrape_interval: 1s}}\nscrape_configs:\n{}", jobs.collect::<String>());
        std::fs::write(dir.path().join("p.yml"), config).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(prometheus);
        command
            .arg(format!("--config.file={}", owned(&dir.path().join("p.yml"))))
            .arg(format!("--storage.tsdb.path={}", owned(&dir.path().join("data"))))
            .arg(format!("--web.listen-address={address}"));
        let program = Program::start(&mut command, dir.path().join("prometheus.log"), &[&address]);
        Some(Prometheus { program, _dir: dir, address })
    }

    /// The number that a PromQL query gives, once it gives one. The first scrape comes some 5 s after the start.
    pub fn number(&self, promql: &str) -> f64 {
        number(&query(&self.address, promql, &|| self.program.text()))
    }

    /// What it knows about the metrics of a job: name, type, help and unit.
    pub fn metadata(&self, job: &str) -> Vec<Value> {
        let target = format!("%7Bjob%3D%22{job}%22%7D");
        let (_, body) = get(&self.address, &format!("/api/v1/targets/metadata?match_target={target}"), "application/json").unwrap();
        let answer: Value = serde_json::from_str(&dechunked(&body)).unwrap();
        answer["data"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }
}

/// What `promtool check metrics` says about a page in the text format: nothing if all is well.
pub fn lint(page: &str) -> String {
    let mut promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}
