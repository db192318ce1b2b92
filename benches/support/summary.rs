//! The table at the end: medians of all rounds, and how they compare to the bare reader of the same run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stages;
use crate::time::thread_cpu;

/// Nanoseconds per event of each round, by record size and stage.
#[derive(Default)]
pub struct Summary {
    rounds: BTreeMap<(u32, &'static str), Vec<f64>>,
}

impl Summary {
    /// Runs `rounds` rounds: `fill` untimed, `read` timed. `read` says how many events it read.
    pub fn timed(
        &mut self,
        size: u32,
        name: &'static str,
        rounds: u64,
        mut fill: impl FnMut() -> usize,
        mut read: impl FnMut() -> usize,
    ) -> Duration {
        let samples = self.rounds.entry((size, name)).or_default();
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            let filled = fill();
            let before = thread_cpu();
            let events = read();
            let spent = thread_cpu() - before;
            assert_eq!(events, filled, "a round must read everything that was written");
            total += spent;
            samples.push(spent.as_nanos() as f64 / events as f64);
        }
        total
    }

    /// Prints medians, and ratios to the two bare readers.
    pub fn print(&self) {
        let median = |size: u32, name: &str| {
            let mut samples = self.rounds.iter().find(|((s, n), _)| *s == size && *n == name)?.1.clone();
            samples.sort_by(f64::total_cmp);
            samples.get(samples.len() / 2).copied()
        };
        println!("\nCPU time per event, medians; a ratio compares with a bare aya reader of the same run");
        println!("{:<8}{:<26}{:>10}{:>16}{:>10}{:>16}", "record", "stage", "ns/event", "events/s/core", "to bare", "to bare+copy");
        for (size, name) in self.rounds.keys().map(|(size, _)| *size).collect::<std::collections::BTreeSet<_>>().into_iter().flat_map(pairs)
        {
            let Some(ns) = median(size, name) else { continue };
            let ratio = |to| median(size, to).map_or(String::new(), |base| format!("{:.2}", ns / base));
            let (bare, copy) = (ratio(stages::BARE), ratio(stages::BARE_COPY));
            println!("{:<8}{name:<26}{ns:>10.1}{:>16.0}{bare:>10}{copy:>16}", format!("{size} B"), 1e9 / ns);
        }
    }
}

fn pairs(size: u32) -> impl Iterator<Item = (u32, &'static str)> {
    stages::NAMES.into_iter().map(move |name| (size, name))
}
