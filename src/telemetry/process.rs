//! What this process uses, from `/proc/self`.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use crate::kernel::clock;

/// Use of the machine by this process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessUse {
    /// CPU time of all threads, in user and kernel mode, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The most resident memory there ever was, in bytes.
    pub peak_resident_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Threads.
    pub threads: u64,
    /// When the process started, in seconds since the Unix epoch.
    pub start_unix_seconds: f64,
}

/// Reads it now; what cannot be read is 0.
pub fn read() -> ProcessUse {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // The directory that is being read is open too.
    let fds = std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count().saturating_sub(1));
    let (ticks, start_ticks) = cpu(&stat);
    ProcessUse {
        cpu_seconds: ticks as f64 / clock::ticks_per_second(),
        resident_bytes: number(&status, "VmRSS:") * 1024,
        peak_resident_bytes: number(&status, "VmHWM:") * 1024,
        open_fds: fds as u64,
        threads: number(&status, "Threads:"),
        start_unix_seconds: start(start_ticks),
    }
}

/// User plus kernel ticks, and the start in ticks since boot, of a `/proc/<pid>/stat` line.
fn cpu(stat: &str) -> (u64, u64) {
    // The second field is the name in parentheses and may hold anything, so count from its end: state is field 3.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |n: usize| rest.split_ascii_whitespace().nth(n - 3).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    (field(14) + field(15), field(22))
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_ascii_whitespace().next()).and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn start(ticks: u64) -> f64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    let boot = BOOT.get_or_init(|| {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        number(&stat, "btime ")
    });
    *boot as f64 + ticks as f64 / clock::ticks_per_second()
}
