//! Records that iterator programs write when they are read.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::timer::Timer;
use super::{Datasource, DatasourceError, Progress, Wakeup};
use crate::batch::Batch;
use crate::kernel::{bpf, netns::NetNs};
use crate::loader::{IterLink, IterSource};

/// Bytes read at once. The kernel fills at most eight pages per call.
const CHUNK: usize = 32 << 10;

/// A run over all programs.
struct Run {
    /// The program that is being read, by number.
    program: usize,
    /// Where it is still to be opened.
    places: Vec<Place>,
    /// What it is read through; not opened yet, or read to its end, when there is none.
    file: Option<File>,
}

/// Where a program is opened.
enum Place {
    /// It does not matter.
    Anywhere,
    /// In the network namespace of this number, which these processes are in or were.
    Namespace(u64, Vec<u32>),
}

impl Place {
    fn all(program: &IterLink) -> Vec<Place> {
        match &program.namespaces {
            None => vec![Place::Anywhere],
            Some(namespaces) => namespaces.list().into_iter().rev().map(|(inode, pids)| Place::Namespace(inode, pids)).collect(),
        }
    }

    /// Opens a program for one run; `None` when the place is gone.
    fn open(&self, program: &IterLink) -> io::Result<Option<OwnedFd>> {
        let open = || bpf::iterator_open(program.link.as_fd());
        let Place::Namespace(inode, pids) = self else { return open().map(Some) };
        for pid in pids {
            if let Some(namespace) = NetNs::find(*inode, *pid)? {
                return namespace.within(open).map(Some);
            }
        }
        Ok(None)
    }
}

/// An iterator's records.
pub(super) struct Iter {
    source: IterSource,
    timer: Timer,
    run: Option<Run>,
    buffer: Vec<u8>,
    /// The part of the buffer that is still to be handed on.
    pending: std::ops::Range<usize>,
    drained: bool,
    fetched: bool,
}

impl Iter {
    pub(super) fn new(source: IterSource) -> Self {
        let timer = Timer::start(source.schedule, Instant::now());
        let size = CHUNK.max(source.record_size);
        Iter { source, timer, run: None, buffer: vec![0; size], pending: 0..0, drained: false, fetched: false }
    }

    fn begin(&mut self) {
        self.run = self.at(0);
        self.pending = 0..0;
    }

    /// A run that is about to read a program; `None` when there is no such.
    fn at(&self, program: usize) -> Option<Run> {
        self.source.links.get(program).map(|link| Run { program, places: Place::all(link), file: None })
    }

    /// Goes on with the run that is under way until it ends or the batch is full. A failed run is over.
    fn advance(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        loop {
            if !self.hand_on(batch) {
                return Ok(Progress::More);
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Ok(if self.timer.is_finished() { Progress::Finished } else { Progress::Drained }),
                Err(error) => {
                    let program = self.run.take().and_then(|run| self.source.links.get(run.program)).map_or("", |link| &link.name);
                    return Err(DatasourceError::new(format!("read iterator program {program:?}"), error));
                }
            }
        }
    }

    /// Moves whole records into the batch; false when it got full before.
    fn hand_on(&mut self, batch: &mut Batch) -> bool {
        let size = self.source.record_size.max(1);
        while let Some(record) = self.buffer.get(self.pending.clone()).and_then(|rest| rest.get(..size)) {
            if batch.is_full() {
                return false;
            }
            batch.push(record);
            self.pending.start += size;
        }
        true
    }

    /// Reads on, behind what is left of a record; false when no run is under way any more.
    fn read(&mut self) -> io::Result<bool> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let Some(file) = &mut run.file else { return self.open_next() };
        let rest = self.pending.len();
        self.buffer.copy_within(self.pending.clone(), 0);
        self.pending = 0..rest;
        let count = read_some(file, self.buffer.get_mut(rest..).unwrap_or_default())?;
        self.pending.end += count;
        if count > 0 {
            return Ok(true);
        }
        if rest > 0 {
            let text = format!("its output ends in the middle of a record ({rest} of {} bytes)", self.source.record_size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        run.file = None;
        Ok(true)
    }

    /// Opens the program in its next place, or goes on to the next program; false at the end of the run.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(run) = &mut self.run else { return Ok(false) };
        match (run.places.pop(), self.source.links.get(run.program)) {
            (Some(place), Some(program)) => run.file = place.open(program)?.map(File::from),
            _ => {
                let next = run.program + 1;
                self.run = self.at(next);
                self.fetched |= self.run.is_none();
            }
        }
        Ok(self.run.is_some())
    }
}

/// The kernel gives up with EAGAIN after a million objects without output; it goes on from there.
fn read_some(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            other => return other,
        }
    }
}

impl Datasource for Iter {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        if self.run.is_none() && self.timer.tick(Instant::now()) {
            self.begin();
        }
        self.advance(batch)
    }

    fn wakeup(&self) -> Wakeup<'_> {
        if self.run.is_some() { Wakeup::After(Duration::ZERO) } else { self.timer.wakeup(Instant::now()) }
    }

    fn lost(&mut self) -> u64 {
        0
    }

    fn take_fetched(&mut self) -> bool {
        std::mem::take(&mut self.fetched)
    }

    /// Ends the run that is under way, and runs once more if the metadata asks for it.
    fn drain(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        if self.run.is_some() && self.advance(batch)? == Progress::More {
            return Ok(Progress::More);
        }
        if self.timer.at_stop() && !self.drained && !self.timer.is_finished() {
            self.begin();
            self.drained = true;
        }
        match self.advance(batch)? {
            Progress::Drained => Ok(Progress::Finished),
            other => Ok(other),
        }
    }
}
