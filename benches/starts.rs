//! What a container's start, and its whole life, cost a collector that knows 500 others: CPU time of all its threads, of real containers of
//! runc and of Docker. The thread that starts them is not counted. Needs root, runc and Docker; prints what it leaves out; asserts nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/support/bundle.rs"]
mod bundle;
#[path = "../tests/support/docker.rs"]
mod engine;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bundle::Bundle;
use engine::Engine;
use gadgetry::container::runtime::{self, RuntimeState, Settings};
use gadgetry::container::sighting::Wanted;
use gadgetry::container::{Container, Inventory};
use gadgetry::loader::containers;
use tokio_util::sync::CancellationToken;

const OTHERS: u64 = 500;
const STARTS: usize = 100;
const IDLE: Duration = Duration::from_secs(10);

/// CPU time of all threads but this one.
fn cpu() -> Duration {
    let of = |clock| {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid timespec that outlives the call.
        unsafe { libc::clock_gettime(clock, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    of(libc::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(of(libc::CLOCK_THREAD_CPUTIME_ID))
}

/// One that nobody asks after: it has no process and no cgroup.
fn other(number: u64) -> Container {
    let mut c = Container { mntns: 4 * number + 1, netns: 4 * number + 2, ..Container::default() };
    c.runtime.runtime_name = "other".to_owned();
    c.runtime.container_id = format!("{number:064x}");
    c.runtime.container_name = format!("app-{number}");
    c.k8s.pod_name = format!("app-{number}-5d4f8c7b9-x2x{number}");
    c.k8s.pod_labels = (0..5).map(|n| (format!("example.com/label-{n}"), "value".to_owned())).collect();
    c
}

/// Starts containers one after the other and prints what that costs beside what doing nothing costs.
fn measure(what: &str, inventory: &Inventory, idle: f64, mut start: impl FnMut(usize)) {
    let generation = || inventory.snapshot().generation();
    let (began, before, first) = (Instant::now(), cpu(), generation());
    (0..STARTS).for_each(&mut start);
    let spent = (cpu() - before).as_secs_f64();
    let net = spent - idle * began.elapsed().as_secs_f64();
    println!(
        "{what:<34}{STARTS:>8} in {:>5.1} s{:>10.0} us of CPU and {:.1} publications each",
        began.elapsed().as_secs_f64(),
        net * 1e6 / STARTS as f64,
        (generation() - first) as f64 / STARTS as f64
    );
}

fn follow(engine: Option<&Engine>) -> (Arc<Inventory>, CancellationToken) {
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    (0..OTHERS).for_each(|number| inventory.insert(other(number)));
    containers::watch(&inventory, Wanted { oci: true, systemd: false }, &cancel).unwrap();
    let settings = Settings { docker: engine.map(Engine::socket), oci: true, ..Settings::default() };
    runtime::follow(&inventory, &settings, &cancel);
    let connected = || inventory.runtimes().iter().all(|runtime| runtime.state == RuntimeState::Connected);
    let began = Instant::now();
    while !connected() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    (inventory, cancel)
}

fn main() {
    let Some(mut bundle) = Bundle::prepare("bench-starts") else { return };
    bundle.program(&["/bin/busybox", "true"]);
    let mut engine = Engine::prepare("bench-starts-docker");
    engine.iter_mut().for_each(Engine::start);
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = tokio.enter();
    let (inventory, cancel) = follow(engine.as_ref());
    let before = cpu();
    std::thread::sleep(IDLE);
    let idle = (cpu() - before).as_secs_f64() / IDLE.as_secs_f64();
    println!("{:<34}{:>18}{:>10.0} us of CPU per second", "idle, 500 containers known", "", idle * 1e6);
    let name = |number: usize| format!("bench-{number}");
    measure("runc run, its whole life", &inventory, idle, |number| drop(bundle.runc(&["run", &name(number)])));
    bundle.program(&["/bin/busybox", "sleep", "1000"]);
    measure("runc run -d, its start", &inventory, idle, |number| bundle.start(&name(number)));
    (0..STARTS).for_each(|number| drop(bundle.runc(&["delete", "-f", &name(number)])));
    if let Some(engine) = &engine {
        measure("docker run --rm, its whole life", &inventory, idle, |number| drop(engine.run_container(&name(number), "true")));
        let start = |number| {
            drop(engine.docker(&["run", "-d", "--network", "none", "--name", &name(number), "localhost/busybox:1", "sleep", "1000"]))
        };
        measure("docker run -d, its start", &inventory, idle, start);
    }
    println!("{} containers are kept at the end", inventory.stats().kept);
    cancel.cancel();
}
