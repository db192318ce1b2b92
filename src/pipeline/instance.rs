//! A gadget from loaded to stopped.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::error::PipelineError;
use super::lane::Lane;
use super::scope::{Cover, Covering};
use super::worker::{self, Control};
use crate::loader::Loaded;

/// What a gadget is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Loaded, its programs attached nowhere.
    Loaded,
    /// Attached, its worker running, or about to.
    Running,
    /// Its worker has ended although nobody stopped it.
    Failed,
}

/// One gadget of the configuration, loaded and bound.
pub struct Instance {
    name: String,
    loaded: Loaded,
    lanes: Option<Vec<Lane>>,
    follower: Option<tokio::task::JoinHandle<()>>,
    cover: Option<Cover>,
    covering: Option<Covering>,
    worker: Option<(Arc<Control>, JoinHandle<()>)>,
}

impl Instance {
    pub(super) fn new(
        name: String,
        loaded: Loaded,
        lanes: Vec<Lane>,
        follower: Option<tokio::task::JoinHandle<()>>,
        cover: Option<Cover>,
    ) -> Self {
        Instance { name, loaded, lanes: Some(lanes), follower, cover, covering: None, worker: None }
    }

    /// Name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        match &self.worker {
            None => State::Loaded,
            Some((_, thread)) if thread.is_finished() => State::Failed,
            Some(_) => State::Running,
        }
    }

    /// Attaches the programs. What they produce waits in the kernel until [`Instance::run`].
    ///
    /// # Errors
    /// When a program cannot be attached; those that were are detached again.
    pub fn attach(&mut self) -> Result<(), PipelineError> {
        let failed = |source| PipelineError::Attach { gadget: self.name.clone(), source: Box::new(source) };
        self.loaded.attach().map_err(failed)?;
        if let Some(mut cover) = self.cover.take() {
            if let Err(error) = cover.begin() {
                self.loaded.detach();
                return Err(failed(error));
            }
            let doing = "start the thread that follows containers";
            let failed = |source| PipelineError::System { gadget: self.name.clone(), doing, source };
            self.covering = Some(cover.start().map_err(failed)?);
        }
        Ok(())
    }

    /// Starts the worker. Events from before `since` (boot-time nanoseconds, 0 for none) are a predecessor's.
    ///
    /// # Errors
    /// When the system has no descriptor or no thread left.
    pub fn run(&mut self, since: u64) -> Result<(), PipelineError> {
        let system = |doing, source| PipelineError::System { gadget: self.name.clone(), doing, source };
        let Some(mut lanes) = self.lanes.take() else { return Ok(()) };
        let control = Arc::new(Control::new().map_err(|e| system("create an event descriptor", e))?);
        lanes.iter_mut().for_each(|lane| lane.take_over(since));
        let (name, theirs) = (self.name.clone(), control.clone());
        let thread = std::thread::Builder::new().name(format!("gadget {name}"));
        let thread = thread.spawn(move || worker::run(&name, lanes, &theirs)).map_err(|e| system("start the worker thread", e))?;
        self.worker = Some((control, thread));
        Ok(())
    }

    /// Cancelled when every data source has ended by itself, as a snapshot does; never for one that was not started.
    pub fn finished(&self) -> CancellationToken {
        self.worker.as_ref().map(|(control, _)| control.finished()).unwrap_or_default()
    }

    /// Leaves events from `at` on (boot-time nanoseconds) to a successor that is attached already.
    pub fn hand_over(&mut self, at: u64) {
        if let Some((control, _)) = &self.worker {
            control.hand_over(at);
        }
    }

    /// Detaches the programs, lets the worker drain what the kernel still holds, and waits for its end. Blocks: a link takes
    /// the kernel some 100 ms to close.
    pub fn stop(&mut self) {
        self.loaded.detach();
        self.covering = None;
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
        if let Some((control, thread)) = self.worker.take() {
            control.stop();
            if thread.join().is_err() {
                tracing::error!(gadget = self.name, "worker ended in a panic");
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop();
    }
}
