//! Why a gadget cannot work.

use crate::component::{BindError, ComponentId};
use crate::gadget::{ConfigureError, GadgetError};
use crate::image::ImageError;
use crate::loader::LoadError;

/// Why a gadget could not be made ready or started.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its image.
    #[error("open the image of gadget {gadget:?}")]
    Image {
        /// Name in the configuration.
        gadget: String,
        /// Why.
        source: Box<ImageError>,
    },
    /// What the image contains.
    #[error("read gadget {gadget:?}")]
    Gadget {
        /// Name in the configuration.
        gadget: String,
        /// Why.
        source: Box<GadgetError>,
    },
    /// Its parameters.
    #[error("gadget {gadget:?}: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Params {
        /// Name in the configuration.
        gadget: String,
        /// All that is wrong with them.
        errors: Vec<ConfigureError>,
    },
    /// An operator and the gadget's fields.
    #[error("bind operator {operator:?} of gadget {gadget:?}")]
    Operator {
        /// Name in the configuration.
        gadget: String,
        /// The operator's kind.
        operator: String,
        /// Why.
        source: Box<BindError>,
    },
    /// An exporter and the gadget's fields.
    #[error("bind exporter \"{exporter}\" of gadget {gadget:?}")]
    Exporter {
        /// Name in the configuration.
        gadget: String,
        /// The exporter's id.
        exporter: ComponentId,
        /// Why.
        source: Box<BindError>,
    },
    /// The kernel's answer to the programs.
    #[error("load gadget {gadget:?}")]
    Load {
        /// Name in the configuration.
        gadget: String,
        /// Why.
        source: Box<LoadError>,
    },
    /// The kernel's answer when the programs were to run.
    #[error("attach gadget {gadget:?}")]
    Attach {
        /// Name in the configuration.
        gadget: String,
        /// Why.
        source: Box<LoadError>,
    },
    /// The system.
    #[error("{doing} for gadget {gadget:?}")]
    System {
        /// Name in the configuration.
        gadget: String,
        /// For instance "start the worker thread".
        doing: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration asks for what the gadget cannot do.
    #[error("gadget {gadget:?} {problem}")]
    Unsupported {
        /// Name in the configuration.
        gadget: String,
        /// The rest of the sentence.
        problem: String,
    },
}
