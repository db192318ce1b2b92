//! What is said on standard error about runtimes: never about one that nobody asked for and that is not there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::runtimes::RuntimeFlags;
use crate::container::runtime::{RuntimeState, RuntimeStatus};

/// A line for each runtime named more than once.
pub(super) fn repeated(flags: &RuntimeFlags, err: &mut dyn Write) -> io::Result<()> {
    flags.repeated().iter().try_for_each(|line| writeln!(err, "Info: {line}"))
}

/// A line about a runtime that cannot be reached.
pub(super) fn unreachable(flags: &RuntimeFlags, name: &str, socket: &Path, reason: &str, err: &mut dyn Write) -> io::Result<()> {
    if !flags.is_missed(name, socket) {
        return Ok(());
    }
    writeln!(err, "Warning: {name} at {} cannot be reached: {reason}", socket.display())
}

/// Tells of each change between reachable and not, once.
#[derive(Default)]
pub(super) struct Reachability {
    /// Runtimes that a warning was given about.
    missing: Vec<(&'static str, PathBuf)>,
    /// Runtimes that are settled one way or the other.
    settled: Vec<(&'static str, PathBuf)>,
}

impl Reachability {
    /// Compares the statuses with what was told.
    pub fn update(&mut self, statuses: &[RuntimeStatus], flags: &RuntimeFlags, err: &mut dyn Write) -> io::Result<()> {
        for status in statuses {
            let key = (status.name, status.socket.clone());
            let missing = self.missing.iter().position(|known| *known == key);
            match (&status.state, missing) {
                (RuntimeState::Waiting(reason), None) => {
                    // One that was heard before is missed, whoever asked for it.
                    if self.settled.contains(&key) {
                        writeln!(err, "Warning: {} at {} cannot be reached: {reason}", key.0, key.1.display())?;
                    } else {
                        unreachable(flags, status.name, &status.socket, reason, err)?;
                    }
                    self.missing.push(key);
                }
                (RuntimeState::Connected, found) => {
                    if let Some(at) = found {
                        self.missing.remove(at);
                        writeln!(err, "Info: {} at {} can be reached", key.0, key.1.display())?;
                    }
                    if !self.settled.contains(&key) {
                        self.settled.push(key);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
