//! The gadgets that validation asks: real images, opened but not loaded, their operators bound to the real fields.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::plan::OperatorPlan;
use super::validate::catalogue::{Catalogue, Catalogues, Facts, Unavailable};
use crate::batch::{Schema, SchemaBuilder};
use crate::component::{BindError, MetricKind, MetricSpec, Operator};
use crate::components::COMPILED_IN;
use crate::container::Inventory;
use crate::gadget::{self, Gadget};
use crate::image::{GadgetImage, ImageError, Images, Pull, Settings};
use crate::operator::endpoints::Endpoints;
use crate::operator::enrich::Enrich;
use crate::operator::format::Format;

/// Whose images are opened, and whether they may be pulled for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The data directory that was given; none: the usual one.
    pub data_dir: Option<PathBuf>,
    /// Asks no registry: what is not on this machine is not checked.
    pub offline: bool,
}

impl Catalogues for Access {
    fn data_dir(&self) -> Option<PathBuf> {
        self.data_dir.clone()
    }

    fn with(&self, settings: &Settings, kubernetes: bool) -> Box<dyn Catalogue> {
        let images = if self.offline { Settings { disallow_pulling: true, ..settings.clone() } } else { settings.clone() };
        let disallowed = settings.disallow_pulling;
        Box::new(Opening {
            images: Images::new(&images),
            offline: self.offline && !disallowed,
            usual: settings.pull,
            inventory: OnceLock::new(),
            kubernetes,
        })
    }
}

/// Opens gadgets for their facts.
struct Opening {
    images: Result<Images, ImageError>,
    /// Whether more could be had with the network.
    offline: bool,
    usual: Pull,
    inventory: OnceLock<Arc<Inventory>>,
    kubernetes: bool,
}

impl Catalogue for Opening {
    fn gadget(&self, reference: &str, instance: &str, pull: Option<Pull>) -> Result<Box<dyn Facts>, Unavailable> {
        // The error makes its own suggestion.
        let unavailable = |error: &dyn std::error::Error| Unavailable { message: with_causes(error), hint: None, later: false };
        let images = self.images.as_ref().map_err(|error| unavailable(error))?;
        let may_come = self.offline && pull.unwrap_or(self.usual) != Pull::Never;
        let image = images.open(reference, if may_come { Some(Pull::Never) } else { pull }).map_err(|error| match error {
            ImageError::NotFound { suggestion, .. } if may_come => Unavailable {
                message: format!("image {reference:?} is not on this machine: it will be pulled, and is not checked here"),
                hint: suggestion,
                later: true,
            },
            error => unavailable(&error),
        })?;
        let gadget = gadget::open(&image, instance).map_err(|error| unavailable(&error))?;
        let inventory = self.inventory.get_or_init(Inventory::new).clone();
        Ok(Box::new(Opened { image, instance: instance.to_owned(), gadget, inventory, kubernetes: self.kubernetes }))
    }
}

/// An opened gadget.
struct Opened {
    image: GadgetImage,
    instance: String,
    gadget: Gadget,
    inventory: Arc<Inventory>,
    kubernetes: bool,
}

impl Opened {
    /// The raw fields of each data source, fresh: binding uses them up.
    fn sources(&self) -> Vec<SchemaBuilder> {
        let opened = gadget::open(&self.image, &self.instance);
        opened.map(|gadget| gadget.sources.into_iter().map(|source| source.schema).collect()).unwrap_or_default()
    }

    /// The fields of one data source behind all operators.
    fn bind(&self, mut schema: SchemaBuilder, operators: &[OperatorPlan]) -> Result<Arc<Schema>, (Option<usize>, BindError)> {
        let mut builtin: Vec<Box<dyn Operator>> =
            vec![Box::new(Format::new()), Box::new(Enrich::new(self.inventory.clone(), Default::default()))];
        if self.kubernetes {
            builtin.push(Box::new(Endpoints::new(Arc::default())));
        }
        for operator in &mut builtin {
            operator.bind(&mut schema).map_err(|error| (None, error))?;
        }
        for (index, plan) in operators.iter().enumerate() {
            // Unknown kinds are the schema check's business.
            let Some(kind) = COMPILED_IN.operator(&plan.kind) else { continue };
            let mut operator = (kind.build)(&plan.settings).map_err(|error| (Some(index), error))?;
            operator.bind(&mut schema).map_err(|error| (Some(index), error))?;
        }
        Ok(schema.finish())
    }
}

impl Facts for Opened {
    fn digest(&self) -> Option<String> {
        Some(self.image.digest.clone()).filter(|digest| !digest.is_empty())
    }

    fn params(&self) -> Vec<String> {
        self.gadget.params.iter().map(|param| param.key.clone()).collect()
    }

    fn has_param(&self, key: &str) -> bool {
        self.gadget.params.iter().any(|param| param.answers_to(key))
    }

    fn check_param(&self, key: &str, value: &str) -> Result<(), String> {
        let Some(param) = self.gadget.params.iter().find(|param| param.answers_to(key)) else { return Ok(()) };
        param.encode(value).map(drop).map_err(|error| with_causes(&error))
    }

    fn check_operators(&self, operators: &[OperatorPlan]) -> Vec<(Option<usize>, String)> {
        let failures = self.sources().into_iter().filter_map(|schema| self.bind(schema, operators).err());
        failures.map(|(index, error)| (index, with_causes(&error))).collect()
    }

    fn check_metric(&self, metric: &MetricSpec, operators: &[OperatorPlan]) -> Result<(), String> {
        if metric.field.is_none() && metric.kind != MetricKind::Counter {
            return Err("a gauge or a histogram needs the \"field\" whose value it shows".to_owned());
        }
        let schemas: Vec<Arc<Schema>> = self.sources().into_iter().filter_map(|schema| self.bind(schema, operators).ok()).collect();
        for field in metric.field.iter().chain(&metric.attributes) {
            if let Some(schema) = schemas.first().filter(|_| schemas.iter().all(|schema| schema.find(field).is_none())) {
                return Err(BindError::unknown_field(schema, field).to_string());
            }
        }
        Ok(())
    }
}

/// An error with the causes it leaves to its sources, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
