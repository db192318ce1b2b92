//! The kernel's word on containers: a program sees cgroups, mount namespaces and OCI runtimes as they come, a thread tells the inventory.
//!
//! `ebpf/programs/container_watch.bpf.c` is the program; what its records mean is told in `container::sighting`.

mod programs;
mod record;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::LoadError;
use super::micros;
use crate::container::Inventory;
use crate::container::sighting::{KernelTable, Observer, Wanted};
use crate::kernel::wait::WaitSet;
use programs::Attached;
use table::Table;

/// How often lost records are looked for, and whether to end.
const TICK: Duration = Duration::from_millis(500);
/// How long what is told is gathered: one wake-up and one look for all that a runtime does at once. Whoever needs it sooner catches up.
const GATHER: Duration = Duration::from_millis(2);

/// Watches the kernel for containers until cancelled, on a thread of its own. What is `wanted` can be changed in the inventory later.
///
/// # Errors
/// When the kernel does not take the program, or the system has no thread left. Then containers are known by their runtimes' word only.
pub fn watch(inventory: &Arc<Inventory>, wanted: Wanted, cancel: &CancellationToken) -> Result<(), LoadError> {
    let began = Instant::now();
    let (attached, ring) = Attached::start()?;
    inventory.set_wanted(wanted);
    let observer = Observer::new(inventory.clone());
    let table = Arc::new(Table::new(attached, ring, observer)?);
    inventory.set_table(table.clone());
    tracing::debug!(micros = micros(began), "watching the kernel for containers");
    let (theirs, cancel) = (inventory.clone(), cancel.clone());
    let thread = std::thread::Builder::new().name("containers".to_owned());
    let spawned = thread.spawn(move || follow(&table, &theirs, &cancel));
    spawned.map_err(|source| LoadError::Kernel { doing: "start the thread that watches for containers".to_owned(), source })?;
    Ok(())
}

fn follow(table: &Table, inventory: &Inventory, cancel: &CancellationToken) {
    // In time for the first process of a container, also on a busy machine.
    if let Err(error) = crate::kernel::priority::prefer_this_thread() {
        tracing::debug!(%error, "the thread that watches for containers has no priority over others");
    }
    let mut waits = WaitSet::default();
    let mut lost = 0;
    while !cancel.is_cancelled() {
        table.catch_up();
        lost = report_lost(table, inventory, lost);
        waits.clear();
        waits.add(table.readable());
        match waits.wait(Some(TICK)) {
            Ok(true) => std::thread::sleep(GATHER),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "waiting for containers failed, polling instead");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    table.close();
}

/// Says when the kernel could not tell everything; gives how much that is so far.
fn report_lost(table: &Table, inventory: &Inventory, before: u64) -> u64 {
    let lost = table.lost();
    if lost > before {
        inventory.count_missed(lost - before);
        tracing::warn!(
            records = lost - before,
            "too much came at once to be noted, some containers are named by their runtime's word only"
        );
    }
    lost
}

/// Locks although a thread that held it panicked: what it guards is whole at every moment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
