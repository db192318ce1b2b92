//! Every BPF program and what it costs: `operators.md` section 6.3.5.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::Sampler;
use super::row::Layout;
use crate::batch::{Decode, GadgetIdentity};
use crate::decoder::duration;
use crate::gadget::polled::PROGRAMS;
use crate::kernel::programs::{self, ProgramStat, Statistics};
use crate::loader::own_programs;

/// Owners listed in one row.
const MAX_OWNERS: usize = 10;

/// Compares run times between looks; keeps the kernel's statistics on meanwhile.
pub(super) struct Programs {
    layout: Layout,
    gadgets_only: bool,
    _statistics: Option<Statistics>,
    last: Instant,
    seen: HashMap<u32, (u64, u64)>,
    node: String,
}

/// What one row is about.
#[derive(Default)]
struct Summary {
    gadget: Option<Arc<GadgetIdentity>>,
    program: ProgramStat,
    run_time: u64,
    run_count: u64,
    total_run_time: u64,
    memory: u64,
    maps: u64,
    pids: Vec<u32>,
}

impl Programs {
    pub(super) fn new(now: Instant, gadgets_only: bool) -> Self {
        let statistics = Statistics::enable();
        if let Err(error) = &statistics {
            tracing::warn!(%error, "the kernel keeps no statistics of BPF programs, their run times stay zero");
        }
        let node = std::env::var("NODE_NAME").unwrap_or_default();
        let layout = Layout::new(PROGRAMS);
        Programs { layout, gadgets_only, _statistics: statistics.ok(), last: now, seen: HashMap::new(), node }
    }

    /// What a program did since the last look.
    fn summary(&self, program: ProgramStat, gadget: Option<Arc<GadgetIdentity>>, pids: Vec<u32>) -> Summary {
        let (time, count) = self.seen.get(&program.id).copied().unwrap_or((0, 0));
        Summary {
            gadget,
            run_time: program.run_time_ns.saturating_sub(time),
            run_count: program.run_count.saturating_sub(count),
            total_run_time: program.run_time_ns,
            memory: program.maps.iter().map(|id| programs::map_memory(*id)).sum(),
            maps: program.maps.len() as u64,
            program,
            pids,
        }
    }

    fn row(&self, summary: &Summary, elapsed: f64, cpus: f64, rows: &mut Vec<u8>) {
        let usage = if elapsed > 0.0 { summary.run_time as f64 / 1e7 / elapsed } else { 0.0 };
        let mut total = Vec::new();
        duration::Duration.decode(&summary.total_run_time.to_le_bytes(), &mut total);
        let (id, name, image) = summary.gadget.as_deref().map_or(("", "", ""), |g| (&g.instance, &g.name, &g.image));
        let kind = if summary.program.id == 0 { "" } else { programs::kind_name(summary.program.kind) };
        let pids: Vec<String> = summary.pids.iter().map(u32::to_string).collect();
        let comms: Vec<String> = summary.pids.iter().map(|pid| comm(*pid)).collect();
        self.layout
            .append(rows)
            .text("nodeName", self.node.as_bytes())
            .text("gadgetID", id.as_bytes())
            .text("gadgetName", name.as_bytes())
            .text("gadgetImage", image.as_bytes())
            .unsigned("progID", summary.program.id.into())
            .text("progName", summary.program.name.as_bytes())
            .text("progType", kind.as_bytes())
            .float("cpuUsage", usage)
            .float("cpuUsageRelative", usage / cpus)
            .text("cpuTimeStr", &total)
            .unsigned("runtime_raw", summary.run_time)
            .unsigned("runcount", summary.run_count)
            .unsigned("mapMemory_raw", summary.memory)
            .unsigned("mapCount", summary.maps)
            .text("comms", comms.join(",").as_bytes())
            .text("pids", pids.join(",").as_bytes());
    }
}

fn comm(pid: u32) -> String {
    crate::kernel::procstat::process(pid).map(|p| p.comm).unwrap_or_default()
}

/// One row per gadget; maps that several of its programs share count once.
fn by_gadget(summaries: Vec<Summary>) -> Vec<Summary> {
    let mut gadgets: BTreeMap<String, Summary> = BTreeMap::new();
    for summary in summaries {
        let Some(gadget) = summary.gadget.clone() else { continue };
        let all = gadgets.entry(gadget.instance.clone()).or_default();
        all.gadget = Some(gadget);
        all.run_time += summary.run_time;
        all.run_count += summary.run_count;
        all.total_run_time += summary.total_run_time;
        all.program.maps.extend(summary.program.maps);
        all.pids.extend(summary.pids);
    }
    let mut all: Vec<Summary> = gadgets.into_values().collect();
    for summary in &mut all {
        summary.program.maps.sort_unstable();
        summary.program.maps.dedup();
        summary.pids.sort_unstable();
        summary.pids.dedup();
        summary.maps = summary.program.maps.len() as u64;
        summary.memory = summary.program.maps.iter().map(|id| programs::map_memory(*id)).sum();
    }
    all
}

impl Sampler for Programs {
    fn sample(&mut self, now: Instant, rows: &mut Vec<u8>) -> io::Result<()> {
        let own = own_programs();
        let owners = programs::owners();
        let ids: Vec<u32> = if self.gadgets_only { own.keys().copied().collect() } else { programs::ids()? };
        // One that has gone meanwhile is left out.
        let stats: Vec<ProgramStat> = ids.into_iter().filter_map(|id| programs::by_id(id).ok()).collect();
        let seen = stats.iter().map(|p| (p.id, (p.run_time_ns, p.run_count))).collect();
        let pids = |id: u32| owners.get(&id).map(|pids| pids.iter().take(MAX_OWNERS).copied().collect()).unwrap_or_default();
        let mut summaries: Vec<Summary> =
            stats.into_iter().map(|p| (own.get(&p.id).cloned(), pids(p.id), p)).map(|(g, pids, p)| self.summary(p, g, pids)).collect();
        if self.gadgets_only {
            summaries = by_gadget(summaries);
        }
        let elapsed = now.duration_since(self.last).as_secs_f64();
        let cpus = aya::util::online_cpus().map_or(1, |cpus| cpus.len().max(1)) as f64;
        summaries.iter().for_each(|summary| self.row(summary, elapsed, cpus, rows));
        (self.seen, self.last) = (seen, now);
        Ok(())
    }
}
