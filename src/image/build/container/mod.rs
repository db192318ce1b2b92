//! Runs commands in a builder image, by way of a Docker engine: the source read-only, no network, as the user we are.

mod engine;

use std::path::{Path, PathBuf};

use engine::Engine;

use super::error::ImageError;
use super::step::{Ended, Places, Runner, Step};
use super::{Built, Job};

/// The builder image unless another is named: that of the Inspektor Gadget project, which has clang, Go and Rust.
pub const BUILDER_IMAGE: &str = "ghcr.io/inspektor-gadget/gadget-builder:main";

/// When a builder image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Before each build.
    Always,
    /// When the engine does not have it.
    Missing,
    /// Not at all.
    Never,
}

/// A builder image and the engine that runs it.
#[derive(Debug, Clone)]
pub struct Container {
    /// Where the engine listens: `unix:///run/docker.sock`, `tcp://...`.
    pub host: String,
    /// The image.
    pub image: String,
    /// When it is pulled.
    pub pull: Pull,
}

impl Container {
    /// Gets the image ready and does the work with a runner that uses it.
    pub(super) fn with(
        &self,
        job: &Job,
        note: &dyn Fn(&str),
        work: impl FnOnce(&mut dyn Runner) -> Result<Built, ImageError>,
    ) -> Result<Built, ImageError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ImageError::Io { action: "run", path: PathBuf::from("a builder image"), source })?;
        let engine = runtime.block_on(async {
            let engine = Engine::connect(&self.host).await?;
            engine.provide(&self.image, self.pull, note).await?;
            Ok(engine)
        })?;
        let places = Places { folder: "/work".into(), headers: "/headers".into(), results: "/out".into() };
        work(&mut Contained { runtime, engine, image: &self.image, job, places })
    }
}

struct Contained<'a> {
    runtime: tokio::runtime::Runtime,
    engine: Engine,
    image: &'a str,
    job: &'a Job,
    places: Places,
}

impl Runner for Contained<'_> {
    fn places(&self) -> &Places {
        &self.places
    }

    fn results(&self) -> &Path {
        &self.job.results
    }

    fn run(&mut self, step: &Step) -> Result<Ended, ImageError> {
        let mounts = [
            (self.job.folder.as_path(), self.places.folder.as_path(), true),
            (self.job.headers.as_path(), self.places.headers.as_path(), true),
            (self.job.results.as_path(), self.places.results.as_path(), false),
        ];
        self.runtime.block_on(self.engine.run(self.image, step, &mounts))
    }
}
