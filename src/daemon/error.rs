//! Why the daemon could not start, or a reload was refused.

use crate::component::ComponentId;
use crate::config::ConfigErrors;
use crate::exporter::BuildError;
use crate::image::ImageError;
use crate::pipeline::PipelineError;

impl From<PipelineError> for DaemonError {
    fn from(error: PipelineError) -> Self {
        DaemonError::Gadget(Box::new(error))
    }
}

/// Why the daemon could not start, or a reload was refused.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error("the configuration has errors")]
    Config(#[source] ConfigErrors),
    /// An exporter.
    #[error("start exporter \"{id}\"")]
    Exporter {
        /// Its id.
        id: ComponentId,
        /// Why.
        source: BuildError,
    },
    /// A gadget.
    #[error(transparent)]
    Gadget(Box<PipelineError>),
    /// Keys, policies, or what is needed to reach registries.
    #[error("use the settings of images")]
    Images(#[source] ImageError),
    /// Everything else from the system: `doing` says what was done to what.
    #[error("{doing}")]
    System {
        /// For instance "listen on 127.0.0.1:8888".
        doing: String,
        /// Why.
        source: std::io::Error,
    },
}
