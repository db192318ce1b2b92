//! Parameter values as users give them: checked, and applied where they are about data sources.

use std::collections::BTreeMap;

use super::params::{self, ParamKind};
use super::polled;
use super::{Gadget, Origin};
use crate::component::duration;

impl Gadget {
    /// Checks parameter values and applies those the host reads itself (`map-fetch-interval`, `map-fetch-count`).
    ///
    /// # Errors
    /// All that is wrong: unknown names with those that are known, unusable values with what is allowed.
    pub fn configure(&mut self, values: &BTreeMap<String, String>) -> Result<(), Vec<ConfigureError>> {
        let mut errors = Vec::new();
        for (name, value) in values {
            let Some(param) = params::called(&self.params, name).first().copied() else {
                errors.push(ConfigureError::Unknown { name: name.clone(), known: self.params.iter().map(|p| p.key.clone()).collect() });
                continue;
            };
            match param.encode(value) {
                Err(e) => errors.push(e.into()),
                Ok(_) if polled::configure(&mut self.sources, &param.key, value) => {}
                Ok(_) if matches!(param.kind, ParamKind::Interval | ParamKind::Count) => {
                    let key = param.key.clone();
                    errors.extend(self.set_pace(&key, value).err());
                }
                Ok(_) => {}
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn set_pace(&mut self, key: &str, value: &str) -> Result<(), ConfigureError> {
        let maps = || self.sources.iter().filter(|s| matches!(s.origin, Origin::MapIter { .. })).map(|s| s.name.as_str());
        for part in value.split(',') {
            if let Some((source, _)) = part.split_once(':').filter(|(source, _)| !maps().any(|m| m == *source)) {
                return Err(ConfigureError::UnknownSource {
                    key: key.to_owned(),
                    name: source.to_owned(),
                    known: maps().map(str::to_owned).collect(),
                });
            }
        }
        for spec in &mut self.sources {
            let Some(value) = params::for_source(value, &spec.name) else { continue };
            if let Origin::MapIter { interval, count, .. } = &mut spec.origin {
                if key == params::MAP_FETCH_INTERVAL {
                    *interval = duration::parse(value).unwrap_or(*interval);
                } else {
                    *count = value.parse().unwrap_or(*count);
                }
            }
        }
        Ok(())
    }
}

/// Why parameter values were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigureError {
    /// No parameter of that name.
    #[error("no parameter {name:?}; there are: {}", list(known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A value that the parameter cannot have.
    #[error(transparent)]
    Value(#[from] params::ParamError),
    /// A value for a data source that is not there.
    #[error("parameter {key:?} names data source {name:?}; there are: {}", list(known))]
    UnknownSource {
        /// The parameter.
        key: String,
        /// The data source.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
