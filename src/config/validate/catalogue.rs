//! What validation must know about gadgets, behind a trait, so that it can be tested without any.

use std::path::PathBuf;

use crate::component::MetricSpec;
use crate::config::plan::OperatorPlan;
use crate::image::{Pull, Settings};

/// Where catalogues come from: the configuration itself says which images there are.
pub trait Catalogues {
    /// The data directory that was given, not in the configuration.
    fn data_dir(&self) -> Option<PathBuf> {
        None
    }

    /// The gadgets there are under those settings; with `kubernetes` they have the fields that its API server gives.
    fn with(&self, settings: &Settings, kubernetes: bool) -> Box<dyn Catalogue>;
}

/// The gadgets there are.
pub trait Catalogue {
    /// What the gadget `image`, running as `instance`, can be told and gives; `pull` is what the gadget itself says about pulling.
    ///
    /// # Errors
    /// When there is no such image or it is broken.
    fn gadget(&self, image: &str, instance: &str, pull: Option<Pull>) -> Result<Box<dyn Facts>, Unavailable>;
}

/// Why a gadget is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The reason, as a sentence.
    pub message: String,
    /// The image that was most likely meant.
    pub hint: Option<String>,
    /// Whether it may still be had when it is to run, so that it is only not checked.
    pub later: bool,
}

/// What is known about a gadget.
pub trait Facts {
    /// Digest of its image, if it has one.
    fn digest(&self) -> Option<String> {
        None
    }

    /// Keys of its parameters.
    fn params(&self) -> Vec<String>;

    /// Whether it has a parameter that users may call `key`.
    fn has_param(&self, key: &str) -> bool {
        self.params().iter().any(|known| known == key)
    }

    /// Whether `value` is one for the parameter `key`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check_param(&self, key: &str, value: &str) -> Result<(), String>;

    /// Binds the operators to the gadget's fields: what is wrong, each with the index of the operator, or with none
    /// when the operators that always run do not fit.
    fn check_operators(&self, operators: &[OperatorPlan]) -> Vec<(Option<usize>, String)>;

    /// Whether the fields of a metric are there after those operators.
    ///
    /// # Errors
    /// What is wrong.
    fn check_metric(&self, metric: &MetricSpec, operators: &[OperatorPlan]) -> Result<(), String>;
}
