//! `--watch`: containers as they start and end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{ListContainers, load, output};
use crate::container::runtime::docker;
use crate::container::{Container, Inventory};
use crate::kernel::clock;
use output::Event;

/// How long a new container may be without the engine's word on it before it is shown as it is.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    args: &ListContainers,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
    cancel: CancellationToken,
) -> io::Result<()> {
    let inventory = Inventory::new();
    load(args, &inventory, err).await?;
    let mut changed = inventory.changed();
    let socket = docker::socket_path(args.docker_socketpath.as_deref());
    let follow = docker::follow(inventory.clone(), socket, cancel.clone());
    let timeout = Duration::from_secs(if args.timeout == 0 { u64::from(u32::MAX) } else { args.timeout });
    let mut shown = Shown::default();
    tokio::pin!(follow);
    let end = tokio::time::sleep(timeout);
    tokio::pin!(end);
    let mut first = true;
    loop {
        let events = shown.update(&inventory, args, Instant::now());
        let events: Vec<Event<'_>> = events.iter().map(|(event, c)| Event { timestamp: utc_now(), event, container: c }).collect();
        if !events.is_empty() || first {
            output::events(&args.output, &events, first, out)?;
            first = false;
        }
        tokio::select! {
            () = &mut follow => return Ok(()),
            () = &mut end => return Ok(()),
            _ = changed.changed() => {}
            () = tokio::time::sleep(PATIENCE), if !shown.pending.is_empty() => {}
        }
    }
}

/// What was printed as created, and what waits to be.
#[derive(Default)]
pub(super) struct Shown {
    printed: BTreeMap<String, Container>,
    pending: BTreeMap<String, (Instant, Container)>,
}

impl Shown {
    /// The events between what was shown and what runs now.
    pub fn update(&mut self, inventory: &Inventory, args: &ListContainers, now: Instant) -> Vec<(&'static str, Container)> {
        let snapshot = inventory.snapshot();
        let running: BTreeMap<&str, &Container> = snapshot.running().map(|c| (c.runtime.container_id.as_str(), c)).collect();
        let mut events = Vec::new();
        for (id, container) in &running {
            if self.printed.contains_key(*id) {
                continue;
            }
            let since = self.pending.get(*id).map_or(now, |(since, _)| *since);
            let complete = container.runtime.container_pid != 0 && !container.runtime.container_name.is_empty();
            if complete || now.saturating_duration_since(since) >= PATIENCE {
                self.pending.remove(*id);
                self.printed.insert((*id).to_owned(), (*container).clone());
                events.push(("CREATED", (*container).clone()));
            } else {
                self.pending.insert((*id).to_owned(), (since, (*container).clone()));
            }
        }
        let over: Vec<String> = self.pending.keys().filter(|id| !running.contains_key(id.as_str())).cloned().collect();
        for (_, container) in over.iter().filter_map(|id| self.pending.remove(id)) {
            events.extend([("CREATED", container.clone()), ("DELETED", container)]);
        }
        let over: Vec<String> = self.printed.keys().filter(|id| !running.contains_key(id.as_str())).cloned().collect();
        events.extend(over.iter().filter_map(|id| self.printed.remove(id)).map(|container| ("DELETED", container)));
        events.retain(|(_, container)| args.wants(container));
        events
    }
}

fn utc_now() -> String {
    utc(clock::unix_now() / 1_000_000_000)
}

/// RFC 3339 of seconds since the Unix epoch.
pub(super) fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0; years begin in March, so that the leap day is a year's last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let day = day - (153 * shifted + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}
