//! The data plane on synthetic records of two sizes: ring, batch, enrichment, each encoder, beside a bare aya reader.
//!
//! Needs root: the records come through a real ring buffer, from a real program. `benches/README.md` explains the numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "support/stages.rs"]
mod stages;
#[path = "support/summary.rs"]
mod summary;
#[path = "support/synthetic.rs"]
mod synthetic;
#[path = "support/time.rs"]
mod time;

use std::process::ExitCode;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use gadgetry::kernel::{capabilities, features};

use stages::Stage;
use summary::Summary;
use synthetic::{RECORDS, Synthetic};

/// Record sizes in bytes.
const SIZES: [u32; 2] = [128, 900];

fn main() -> ExitCode {
    let missing = capabilities::missing_capabilities();
    if !missing.is_empty() || !features::has_btf() {
        let why = if missing.is_empty() { "a kernel with BTF".to_owned() } else { missing.join(" and ") };
        eprintln!("hot_path: nothing was measured: loading the synthetic gadget needs {why}");
        return ExitCode::FAILURE;
    }
    let mut criterion =
        Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1500)).sample_size(20);
    criterion = criterion.configure_from_args();
    let mut summary = Summary::default();
    let object = synthetic::compile();
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("{size} B"));
        group.throughput(Throughput::Elements(u64::from(RECORDS)));
        for name in stages::NAMES {
            let mut loaded = None;
            group.bench_function(name, |bencher| {
                let (synthetic, stage) = loaded.get_or_insert_with(|| open(&object, size, name));
                bencher.iter_custom(|rounds| summary.timed(size, name, rounds, || synthetic.fill(), || stage.read()));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    summary.print();
    ExitCode::SUCCESS
}

fn open(object: &[u8], size: u32, name: &str) -> (Synthetic, Box<dyn Stage>) {
    let mut synthetic = Synthetic::load(object, size);
    let stage = stages::open(name, &mut synthetic);
    synthetic.attach();
    (synthetic, stage)
}
