//! Every process: `operators.md` section 6.5.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use super::Sampler;
use super::row::Layout;
use crate::batch::Decode;
use crate::decoder::{duration, timestamp};
use crate::gadget::polled::PROCESSES;
use crate::kernel::clock;
use crate::kernel::procstat::{self, ProcessStat};

/// Compares CPU times between looks.
pub(super) struct Processes {
    layout: Layout,
    last: Instant,
    ticks: HashMap<(i32, u64), u64>,
    boot_time: u64,
    total_memory: u64,
}

impl Processes {
    pub(super) fn new(now: Instant) -> Self {
        let (boot_time, total_memory) = (procstat::boot_time(), procstat::total_memory());
        Processes { layout: Layout::new(PROCESSES), last: now, ticks: HashMap::new(), boot_time, total_memory }
    }

    fn row(&self, process: &ProcessStat, elapsed: f64, cpus: f64, rows: &mut Vec<u8>) {
        let per_second = clock::ticks_per_second();
        // One that was not there before has done all its work since.
        let before = self.ticks.get(&(process.pid, process.start_ticks)).copied().unwrap_or(0);
        let used = process.cpu_ticks.saturating_sub(before) as f64 / per_second;
        let usage = if elapsed > 0.0 { 100.0 * used / elapsed } else { 0.0 };
        let relative = if self.total_memory > 0 { 100.0 * process.resident_bytes as f64 / self.total_memory as f64 } else { 0.0 };
        let nanoseconds = |ticks: u64| (ticks as f64 / per_second * 1e9) as u64;
        let mut cpu_time = Vec::new();
        duration::Duration.decode(&nanoseconds(process.cpu_ticks).to_le_bytes(), &mut cpu_time);
        let mut started = Vec::new();
        timestamp::push_unix(self.boot_time * 1_000_000_000 + nanoseconds(process.start_ticks), &mut started);
        let mut state = [0; 4];
        self.layout
            .append(rows)
            .number("pid", process.pid.into())
            .number("ppid", process.ppid.into())
            .text("comm", process.comm.as_bytes())
            .number("priority", process.priority)
            .number("nice", process.nice)
            .float("cpuUsage", usage)
            .float("cpuUsageRelative", usage / cpus)
            .unsigned("memoryRSS_raw", process.resident_bytes)
            .unsigned("memoryVirtual_raw", process.virtual_bytes)
            .unsigned("memoryShared_raw", process.shared_bytes)
            .float("memoryRelative", relative)
            .number("threadCount", process.threads)
            .text("state", process.state.encode_utf8(&mut state).as_bytes())
            .unsigned("uid", process.uid.into())
            .unsigned("startTime", process.start_ticks)
            .text("startTimeStr", &without_fraction(started))
            .number("cpuTime", process.cpu_ticks as i64)
            .text("cpuTimeStr", &cpu_time)
            .unsigned("mountnsid", process.mntns);
    }
}

/// RFC 3339 in whole seconds.
fn without_fraction(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(dot) = text.iter().position(|b| *b == b'.') {
        text.drain(dot..(dot + 10).min(text.len()));
    }
    text
}

impl Sampler for Processes {
    fn sample(&mut self, now: Instant, rows: &mut Vec<u8>) -> io::Result<()> {
        let processes: Vec<ProcessStat> = procstat::processes()?.into_iter().filter_map(|pid| procstat::process(pid).ok()).collect();
        let elapsed = now.duration_since(self.last).as_secs_f64();
        let cpus = aya::util::online_cpus().map_or(1, |cpus| cpus.len().max(1)) as f64;
        processes.iter().for_each(|process| self.row(process, elapsed, cpus, rows));
        self.ticks = processes.into_iter().map(|p| ((p.pid, p.start_ticks), p.cpu_ticks)).collect();
        self.last = now;
        Ok(())
    }
}
