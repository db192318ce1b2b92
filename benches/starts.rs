//! What a container's start, and its whole life, cost a collector that knows 500 others: CPU time of all its threads, of real containers of
//! runc and of Docker, in a process of its own. Needs root, runc and Docker; prints what it leaves out; asserts nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/support/bundle.rs"]
mod bundle;
#[path = "../tests/support/docker.rs"]
mod engine;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
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
/// What the collector's process is started with.
const FOLLOW: &str = "--follow-containers";

/// The collector's part: a process of its own, which nothing else is done in. Forking would make its every page dear to write.
struct Collector(Child);

impl Collector {
    /// Starts it and waits until it follows containers.
    fn start(docker: Option<&Engine>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(FOLLOW).args(docker.map(Engine::socket)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
        Collector(child)
    }

    /// CPU time of all its threads.
    fn cpu(&self) -> Duration {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `clock` and `time` are valid and outlive the calls.
        let failed =
            unsafe { libc::clock_getcpuclockid(self.0.id() as libc::pid_t, &mut clock) != 0 || libc::clock_gettime(clock, &mut time) != 0 };
        assert!(!failed, "the collector's CPU time cannot be read");
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
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
fn measure(what: &str, collector: &Collector, idle: f64, mut start: impl FnMut(usize)) {
    // What went before is let go meanwhile.
    std::thread::sleep(gadgetry::container::GRACE + Duration::from_secs(2));
    let (began, before) = (Instant::now(), collector.cpu());
    (0..STARTS).for_each(&mut start);
    let spent = (collector.cpu() - before).as_secs_f64();
    let took = began.elapsed().as_secs_f64();
    println!("{what:<34}{STARTS:>8} in {took:>5.1} s{:>10.0} us of CPU each", (spent - idle * took) * 1e6 / STARTS as f64);
}

/// The collector's process: follows containers beside 500 others until its input ends.
fn follow(docker: Option<PathBuf>) {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = tokio.enter();
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    (0..OTHERS).for_each(|number| inventory.insert(other(number)));
    containers::watch(&inventory, Wanted { oci: true, systemd: false }, &cancel).unwrap();
    runtime::follow(&inventory, &Settings { docker, oci: true, ..Settings::default() }, &cancel);
    let connected = || inventory.runtimes().iter().all(|runtime| runtime.state == RuntimeState::Connected);
    let began = Instant::now();
    while !connected() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("ready");
    let _ = std::io::stdin().read_line(&mut String::new());
    cancel.cancel();
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(FOLLOW) {
        return follow(arguments.next().map(PathBuf::from));
    }
    let Some(mut bundle) = Bundle::prepare("bench-starts") else { return };
    bundle.program(&["/bin/busybox", "true"]);
    let mut engine = Engine::prepare("bench-starts-docker");
    engine.iter_mut().for_each(Engine::start);
    let collector = Collector::start(engine.as_ref());
    let before = collector.cpu();
    std::thread::sleep(IDLE);
    let idle = (collector.cpu() - before).as_secs_f64() / IDLE.as_secs_f64();
    println!("{:<34}{:>18}{:>10.0} us of CPU per second", "idle, 500 containers known", "", idle * 1e6);
    let name = |number: usize| format!("bench-{number}");
    measure("runc run, its whole life", &collector, idle, |number| drop(bundle.runc(&["run", &name(number)])));
    bundle.program(&["/bin/busybox", "sleep", "1000"]);
    measure("runc run -d, its start", &collector, idle, |number| bundle.start(&name(number)));
    (0..STARTS).for_each(|number| drop(bundle.runc(&["delete", "-f", &name(number)])));
    if let Some(engine) = &engine {
        measure("docker run --rm, its whole life", &collector, idle, |number| drop(engine.run_container(&name(number), "true")));
        let args = ["run", "-d", "--network", "none", "--name"];
        let start = |number| drop(engine.docker(&[args.as_slice(), &[&name(number), "localhost/busybox:1", "sleep", "1000"]].concat()));
        measure("docker run -d, its start", &collector, idle, start);
    }
}
