//! `--watch`: containers as they start and end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::output::{Event, Events};
use super::table::Look;
use super::warnings::{self, Reachability};
use super::{ListContainers, add_configuration};
use crate::container::sighting::Wanted;
use crate::container::{Container, Inventory, runtime};
use crate::kernel::clock;
use crate::loader::containers;

/// How long a new container may be without the engine's word on it before it is shown as it is.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    args: &ListContainers,
    look: Look,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
    cancel: CancellationToken,
) -> io::Result<()> {
    warnings::repeated(&args.runtimes, err)?;
    let inventory = Inventory::new();
    let mut changed = inventory.changed();
    let following = cancel.child_token();
    let _following_ends = following.clone().drop_guard();
    let settings = args.runtimes.settings();
    // Without it, or without the right to it, what lives for some milliseconds is told by its engine only.
    if let Err(error) = containers::watch(&inventory, Wanted { oci: settings.oci, systemd: settings.systemd }, &following) {
        tracing::debug!(error = &error as &dyn std::error::Error, "the kernel cannot be watched for containers");
    }
    runtime::follow(&inventory, &settings, &following);
    let timeout = Duration::from_secs(if args.timeout == 0 { u64::from(u32::MAX) } else { args.timeout });
    let end = tokio::time::sleep(timeout);
    tokio::pin!(end);
    let (mut shown, mut events) = (Shown::default(), Events::new(&args.output, look));
    let mut reachability = Reachability::default();
    let selector = args.selector();
    let mut first = true;
    loop {
        let told = shown.update(&inventory, Instant::now());
        let is_wanted = |(_, c): &(&str, Container)| args.runtimes.includes(&c.runtime.runtime_name) && selector.matches(c);
        let told: Vec<Event> = told.into_iter().filter(is_wanted).map(|(event, c)| an_event(args, event, c)).collect();
        if !told.is_empty() || std::mem::take(&mut first) {
            events.write(&told, out)?;
        }
        reachability.update(&inventory.runtimes(), &args.runtimes, err)?;
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = &mut end => return Ok(()),
            _ = changed.changed() => {}
            () = tokio::time::sleep(PATIENCE) => {}
        }
    }
}

fn an_event(args: &ListContainers, event: &'static str, mut container: Container) -> Event {
    if args.output.shows_configuration() {
        add_configuration(&mut container);
    }
    Event { timestamp: utc_now(), event, container }
}

/// What was printed as created, and what waits to be. By the containers' keys.
#[derive(Default)]
pub(super) struct Shown {
    printed: BTreeMap<String, Container>,
    pending: BTreeMap<String, (Instant, Container)>,
    /// What ended and was told, as long as the inventory has it.
    over: BTreeSet<String>,
}

impl Shown {
    /// The events between what was shown and what is now. A container that came and went in between has both of its own.
    pub fn update(&mut self, inventory: &Inventory, now: Instant) -> Vec<(&'static str, Container)> {
        let snapshot = inventory.snapshot();
        let running: BTreeMap<String, &Container> = snapshot.running().map(|c| (c.key(), c)).collect();
        let mut created: Vec<Container> = Vec::new();
        for (key, container) in &running {
            if self.printed.contains_key(key) {
                continue;
            }
            let since = self.pending.get(key).map_or(now, |(since, _)| *since);
            let complete = container.runtime.container_pid != 0 && container.is_named();
            if complete || now.saturating_duration_since(since) >= PATIENCE {
                self.pending.remove(key);
                self.over.remove(key);
                self.printed.insert(key.clone(), (*container).clone());
                created.push((*container).clone());
            } else {
                self.pending.insert(key.clone(), (since, (*container).clone()));
            }
        }
        super::sort(&mut created);
        let mut events: Vec<_> = created.into_iter().map(|container| ("CREATED", container)).collect();
        let ended: BTreeMap<String, &Container> = snapshot.ended().map(|c| (c.key(), c)).collect();
        // It may have been named or renamed since.
        let last = |key: &str, known: Container| snapshot.by_id(key).and_then(|entry| snapshot.container(entry)).cloned().unwrap_or(known);
        let quick = self.pending.extract_if(.., |key, _| !running.contains_key(key)).map(|(key, (_, container))| (key, container));
        let unseen = ended.iter().map(|(key, container)| (key.clone(), (*container).clone()));
        for (key, container) in quick.chain(unseen) {
            if !running.contains_key(&key) && !self.printed.contains_key(&key) && self.over.insert(key.clone()) {
                let container = last(&key, container);
                events.extend([("CREATED", container.clone()), ("DELETED", container)]);
            }
        }
        for (key, container) in self.printed.extract_if(.., |key, _| !running.contains_key(key)) {
            events.push(("DELETED", last(&key, container)));
            self.over.insert(key);
        }
        self.over.retain(|key| ended.contains_key(key));
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
