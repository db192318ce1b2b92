//! What names cost: enrichment per event with 500 containers, and the inventory's work per container start. Needs no root, no engine.
//! Prints CPU time of the thread, medians of rounds; asserts nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use gadgetry::batch::{Batch, FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use gadgetry::component::Operator;
use gadgetry::container::{Container, Inventory};
use gadgetry::operator::enrich::Enrich;

const CONTAINERS: u64 = 500;
const ROWS: usize = 4096;
const BATCHES: usize = 200;
const ROUNDS: usize = 15;
/// Bytes of a record, as most of trace_exec's and trace_open's.
const RECORD: usize = 192;
const FIRST_NAMESPACE: u64 = 4_026_532_000;

fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn container(number: u64) -> Container {
    // Each has mount and network namespaces of its own, of consecutive numbers as the kernel gives them.
    let mut c = Container { mntns: FIRST_NAMESPACE + 4 * number, netns: FIRST_NAMESPACE + 4 * number + 1, ..Container::default() };
    c.runtime.runtime_name = "containerd".to_owned();
    c.runtime.container_id = format!("{number:064x}");
    c.runtime.container_name = format!("app-{number}");
    c.runtime.container_image_name = "registry.example.com/shop/app:1.2.3".to_owned();
    c.runtime.container_pid = number as u32 + 1000;
    c.cgroup_id = 10_000 + number;
    c.k8s.pod_name = format!("app-{number}-5d4f8c7b9-x2x{number}");
    c.k8s.namespace = "shop".to_owned();
    c.k8s.pod_uid = format!("uid-{number}");
    c.k8s.pod_labels = (0..5).map(|n| (format!("example.com/label-{n}"), "value".to_owned())).collect::<BTreeMap<_, _>>();
    c
}

fn schema(operator: Option<&mut Enrich>) -> Arc<Schema> {
    let mut schema = SchemaBuilder::new("bench", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    let mut field = FieldSpec::new("mntns_id", Kind::Uint(8), Source::Row { offset: 0, size: 8 });
    field.types.push("gadget_mntns_id".to_owned());
    schema.add(field).unwrap();
    operator.into_iter().for_each(|operator| operator.bind(&mut schema).unwrap());
    schema.finish()
}

/// Fills a batch again and again; with an operator, names the rows. Gives CPU time per row.
fn run(mut operator: Option<Enrich>, namespace: &mut dyn FnMut() -> u64) -> f64 {
    let mut batch = Batch::new(schema(operator.as_mut()), ROWS, ROWS * RECORD);
    let mut record = [0u8; RECORD];
    let began = cpu();
    for _ in 0..BATCHES {
        batch.clear();
        for _ in 0..ROWS {
            record[..8].copy_from_slice(&namespace().to_ne_bytes());
            batch.push(&record);
        }
        operator.iter_mut().for_each(|operator| operator.process(&mut batch));
        black_box(&batch);
    }
    (cpu() - began).as_nanos() as f64 / (BATCHES * ROWS) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rows of containers in the order that a pattern gives, the same in every round.
fn pattern(name: &str) -> Box<dyn FnMut() -> u64> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut current = 0;
    let stays = if name == "runs of 8" { 8 } else { 1 };
    let mut left = 0;
    Box::new(move || {
        if left == 0 {
            current = random.u64(0..CONTAINERS);
            left = stays;
        }
        left -= 1;
        FIRST_NAMESPACE + 4 * current
    })
}

fn enrichment() {
    let inventory = Inventory::new();
    (0..CONTAINERS).for_each(|number| inventory.insert(container(number)));
    println!("{:<34}{:>12}{:>12}{:>14}", "events of 500 containers", "batch ns", "named ns", "enrichment ns");
    for name in ["each of another container", "runs of 8"] {
        let rounds: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let bare = run(None, &mut *pattern(name));
                (bare, run(Some(Enrich::new(inventory.clone(), Arc::default())), &mut *pattern(name)))
            })
            .collect();
        let (bare, named) = (median(rounds.iter().map(|r| r.0).collect()), median(rounds.iter().map(|r| r.1).collect()));
        println!("{name:<34}{bare:>12.1}{named:>12.1}{:>14.1}", named - bare);
    }
}

/// One container more, from the first word to its end, among 500: five changes, each published.
fn starts() {
    let inventory = Inventory::new();
    (0..CONTAINERS).for_each(|number| inventory.insert(container(number)));
    let times: Vec<f64> = (0..200)
        .map(|round| {
            let mut c = container(CONTAINERS + round);
            let began = cpu();
            inventory.insert(Container { mntns: 0, netns: 0, ..c.clone() });
            inventory.insert(c.clone());
            c.runtime.container_started_at = 1;
            inventory.insert(c.clone());
            inventory.remove(&c.key());
            inventory.sweep(std::time::Instant::now() + Duration::from_secs(20));
            (cpu() - began).as_nanos() as f64 / 1000.0
        })
        .collect();
    println!("\na container's life in an inventory of 500: {:.0} us of CPU (median of 200)", median(times));
}

fn main() {
    enrichment();
    starts();
}
