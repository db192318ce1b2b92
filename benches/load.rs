//! What it costs to get each embedded gadget into the kernel and out again: open, load (with verification), attach, detach, and the
//! memory it takes at its peak. Needs root. Prints a table of medians; asserts nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gadgetry::{gadget, image, loader};

const ROUNDS: usize = 9;

/// Times of one round.
struct Round {
    open: Duration,
    load: Duration,
    attach: Duration,
    detach: Duration,
    /// Kilobytes.
    before: u64,
    peak: u64,
    after: u64,
}

fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

fn round(name: &str) -> Round {
    let before = status("VmRSS");
    // Forgets the highest memory use so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (gadget, open) = timed(|| gadget::open(&image::open(name).unwrap(), name).unwrap());
    let params = BTreeMap::new();
    let (mut loaded, load) = timed(|| loader::load(&gadget, &loader::Options::new(&params)).unwrap());
    let readers = loaded.readers().unwrap();
    let ((), attach) = timed(|| loaded.attach().unwrap());
    let (peak, after) = (status("VmHWM"), status("VmRSS"));
    let ((), detach) = timed(|| loaded.detach());
    drop(readers);
    Round { open, load, attach, detach, before, peak, after }
}

fn median<T: Ord + Copy>(rounds: &[Round], of: impl Fn(&Round) -> T) -> T {
    let mut values: Vec<T> = rounds.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    println!(
        "{:<20}{:>9}{:>9}{:>9}{:>12}{:>9}{:>10}{:>10}{:>10}",
        "gadget", "open", "load", "attach", "load+attach", "detach", "before", "peak", "after"
    );
    for name in image::embedded_names() {
        let rounds: Vec<Round> = (0..ROUNDS).map(|_| round(name)).collect();
        let ms = |of: fn(&Round) -> Duration| format!("{:.1}ms", median(&rounds, of).as_secs_f64() * 1e3);
        let mb = |of: fn(&Round) -> u64| format!("{:.1}MB", median(&rounds, of) as f64 / 1024.0);
        println!(
            "{name:<20}{:>9}{:>9}{:>9}{:>12}{:>9}{:>10}{:>10}{:>10}",
            ms(|r| r.open),
            ms(|r| r.load),
            ms(|r| r.attach),
            ms(|r| r.load + r.attach),
            ms(|r| r.detach),
            mb(|r| r.before),
            mb(|r| r.peak),
            mb(|r| r.after)
        );
    }
}
