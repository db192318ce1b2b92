//! When data sources are read, and how much room their records get.

use std::time::Duration;

use crate::batch::{self, SchemaBuilder};
use crate::gadget::{Gadget, Origin, SourceSpec};
use crate::loader::error::LoadError;
use crate::loader::reader::Schedule;

/// A ring holds so many records of its tracer unless the gadget or the user says otherwise: a burst during which nobody reads.
pub const BURST: usize = 100_000;
/// The most memory a ring takes by itself, in bytes; on a small machine it is less: a 128th of the memory.
/// It is the kernel's, taken when the gadget is loaded. What of it is in our address space is a window of one MiB.
pub const ROOM: u64 = 64 << 20;
/// What a record with text behind its fixed part is taken to have of it, in bytes.
const USUAL_TAIL: usize = 64;

/// A data source to be read.
pub(in crate::loader) struct Source {
    pub name: String,
    pub origin: Origin,
    pub schedule: Schedule,
    /// Bytes of a usual record.
    pub(super) record: usize,
}

/// The data sources, with when they are read.
pub(in crate::loader) fn sources(gadget: &Gadget) -> Result<Vec<Source>, LoadError> {
    gadget.sources.iter().map(|spec| source(gadget, spec)).collect()
}

fn source(gadget: &Gadget, spec: &SourceSpec) -> Result<Source, LoadError> {
    let schedule = match &spec.origin {
        Origin::Tracer { .. } => Schedule::default(),
        Origin::MapIter { interval, count, flush_on_stop, .. } => Schedule { interval: *interval, count: *count, at_stop: *flush_on_stop },
        Origin::Polled { interval, count, .. } => Schedule { interval: *interval, count: *count, at_stop: false },
        Origin::Iter { interval, count, fetch_on_stop, .. } => Schedule { interval: *interval, count: *count, at_stop: *fetch_on_stop },
    };
    if matches!(spec.origin, Origin::MapIter { .. }) && schedule.interval == Duration::ZERO && schedule.count > 1 {
        let (name, count, gadget) = (&spec.name, schedule.count, &gadget.identity.name);
        return Err(LoadError::Invalid(format!(
            "data source {name:?} of gadget {gadget:?} is to be read {count} times without an interval"
        )));
    }
    let mut origin = spec.origin.clone();
    if let Origin::Iter { programs, .. } = &mut origin {
        let disabled = |name: &String| gadget.programs.iter().any(|p| p.name == *name && p.disabled);
        programs.retain(|name| !disabled(name));
    }
    Ok(Source { name: spec.name.clone(), origin, schedule, record: usual_record(&spec.schema) })
}

/// Bytes of a usual record: its struct, and some of what may follow.
fn usual_record(schema: &SchemaBuilder) -> usize {
    let ends = schema.iter().map(|(_, field)| match field.source {
        batch::Source::Row { offset, size } if size < u32::from(u16::MAX) => offset.saturating_add(size) as usize,
        // What is behind the struct.
        batch::Source::Row { offset, .. } => offset as usize + USUAL_TAIL,
        batch::Source::Tail { .. } => schema.fixed_size() + USUAL_TAIL,
        _ => 0,
    });
    ends.max().unwrap_or(0).max(schema.fixed_size())
}

/// Bytes of a ring for a burst of records of `record` bytes, on a machine with `memory` bytes.
pub(in crate::loader) fn room(record: usize, memory: u64) -> u32 {
    const HEADER: usize = 8;
    let record = HEADER.saturating_add(record).checked_next_multiple_of(8).unwrap_or(usize::MAX);
    let burst = (BURST as u64).saturating_mul(record as u64);
    let most = ROOM.min(memory / 128).max(1);
    // The largest power of two within the limit.
    let most = 1 << most.ilog2();
    u32::try_from(burst.checked_next_power_of_two().unwrap_or(u64::MAX).min(most)).unwrap_or(u32::MAX)
}
