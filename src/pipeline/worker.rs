//! The thread of one gadget: wait, then take turns until there is nothing to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::lane::{Lane, Moved, Turn};
use super::pacer::Pacer;
use super::waiting::RETRY;
use crate::datasource::Wakeup;
use crate::kernel::wait::{WaitSet, Waker};
use crate::kernel::{clock, priority};

/// Losses are looked for at least this often, also when no event comes.
const LOSS_CHECK: Duration = Duration::from_secs(1);
/// Exporters hand on what they buffer at least this often, also when there is no end of events.
const FLUSH: Duration = Duration::from_millis(100);
/// After an error of a data source it is left alone for this long.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

/// How the rest of the process ends a worker.
#[derive(Debug)]
pub(super) struct Control {
    stop: AtomicBool,
    /// Boot-time nanoseconds from which on a successor reports events; `u64::MAX` while there is none.
    handover: AtomicU64,
    waker: Waker,
    /// Cancelled when no data source will ever yield more.
    finished: CancellationToken,
}

impl Control {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Control {
            stop: AtomicBool::new(false),
            handover: AtomicU64::new(u64::MAX),
            waker: Waker::new()?,
            finished: CancellationToken::new(),
        })
    }

    /// Leaves events from `boot_ns` on to a successor that has been attached by then.
    pub(super) fn hand_over(&self, boot_ns: u64) {
        self.handover.store(boot_ns, Ordering::Release);
    }

    /// Cancelled when every data source has ended by itself.
    pub(super) fn finished(&self) -> CancellationToken {
        self.finished.clone()
    }

    /// Asks the worker to drain its sources and end. To be called when the programs are detached.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Runs until [`Control::stop`]; gives the lanes back empty.
pub(super) fn run(name: &str, mut lanes: Vec<Lane>, control: &Arc<Control>) {
    if let Err(error) = priority::prefer_this_thread() {
        tracing::debug!(gadget = name, %error, "the worker has no priority over other threads, so it may be late under load");
    }
    let mut pacer = Pacer::new();
    let mut waits = WaitSet::default();
    let mut failing = Failing::default();
    let mut flushed = Instant::now();
    while !control.stop.load(Ordering::Acquire) {
        clock::refresh();
        lanes.iter_mut().for_each(|lane| lane.hand_over(control.handover.load(Ordering::Acquire)));
        let moved = turn(name, &mut lanes, Turn::Poll, &mut failing);
        let pause = if failing.now { Some(ERROR_PAUSE) } else { pacer.after(moved.rows, moved.fill) };
        waits.clear();
        waits.add(std::os::fd::AsFd::as_fd(&control.waker));
        if pause.is_none() || flushed.elapsed() >= FLUSH {
            flushed = Instant::now();
            lanes.iter_mut().for_each(Lane::flush);
        }
        if !lanes.is_empty() && lanes.iter().all(Lane::is_finished) {
            control.finished.cancel();
        }
        let timeout = pause.unwrap_or_else(|| wait_on(&lanes, &mut waits));
        if let Err(error) = waits.wait(Some(timeout)) {
            tracing::error!(gadget = name, %error, "waiting for events failed, polling instead");
            std::thread::sleep(Duration::from_millis(10));
        }
        control.waker.clear();
    }
    lanes.iter_mut().for_each(|lane| lane.hand_over(control.handover.load(Ordering::Acquire)));
    turn(name, &mut lanes, Turn::Drain, &mut failing);
    lanes.iter_mut().for_each(Lane::flush);
}

fn turn(name: &str, lanes: &mut [Lane], turn: Turn, failing: &mut Failing) -> Moved {
    let mut moved = Moved::default();
    let mut failed = false;
    for lane in lanes {
        match lane.turn(turn) {
            Ok(m) => moved = Moved { rows: moved.rows + m.rows, fill: moved.fill.max(m.fill) },
            Err(error) => {
                failed = true;
                failing.report(name, &error);
            }
        }
    }
    failing.now = failed;
    moved
}

/// Adds what the lanes wait for to `waits`; gives the time until the first of them has to be looked at anyway.
fn wait_on(lanes: &[Lane], waits: &mut WaitSet) -> Duration {
    let mut timeout = LOSS_CHECK;
    for lane in lanes {
        if lane.is_waiting() {
            timeout = timeout.min(RETRY);
        }
        match lane.wakeup() {
            Wakeup::Readable(fd) => waits.add(fd),
            Wakeup::After(time) => timeout = timeout.min(time),
            Wakeup::Never => {}
        }
    }
    timeout
}

/// Keeps a data source that fails again and again from filling the log.
#[derive(Default)]
struct Failing {
    now: bool,
    reported: Option<Instant>,
}

impl Failing {
    fn report(&mut self, name: &str, error: &(dyn std::error::Error + 'static)) {
        if self.reported.is_some_and(|at| at.elapsed() < Duration::from_secs(10)) {
            return;
        }
        self.reported = Some(Instant::now());
        tracing::error!(gadget = name, error, "data source cannot be read");
    }
}
