//! The gadgets that validation asks: real images, opened but not loaded, their operators bound to the real fields.

use std::sync::Arc;

use super::plan::OperatorPlan;
use super::validate::catalogue::{Catalogue, Facts, Unavailable};
use crate::batch::{Schema, SchemaBuilder};
use crate::component::{BindError, MetricKind, MetricSpec, Operator};
use crate::components::COMPILED_IN;
use crate::container::Inventory;
use crate::gadget::{self, Gadget};
use crate::image::{self, GadgetImage};
use crate::operator::enrich::Enrich;
use crate::operator::format::Format;

/// The images that can be had without a network.
#[derive(Default)]
pub struct Embedded {
    inventory: std::sync::OnceLock<Arc<Inventory>>,
}

impl Catalogue for Embedded {
    fn gadget(&self, reference: &str, instance: &str) -> Result<Box<dyn Facts>, Unavailable> {
        let image = image::open(reference).map_err(|error| Unavailable {
            message: with_causes(&error),
            // The error makes its own suggestion.
            hint: None,
        })?;
        let gadget = gadget::open(&image, instance).map_err(|error| Unavailable { message: with_causes(&error), hint: None })?;
        let inventory = self.inventory.get_or_init(Inventory::new).clone();
        Ok(Box::new(Opened { image, instance: instance.to_owned(), gadget, inventory }))
    }
}

/// An opened gadget.
struct Opened {
    image: GadgetImage,
    instance: String,
    gadget: Gadget,
    inventory: Arc<Inventory>,
}

impl Opened {
    /// The raw fields of each data source, fresh: binding uses them up.
    fn sources(&self) -> Vec<SchemaBuilder> {
        let opened = gadget::open(&self.image, &self.instance);
        opened.map(|gadget| gadget.sources.into_iter().map(|source| source.schema).collect()).unwrap_or_default()
    }

    /// The fields of one data source behind all operators.
    fn bind(&self, mut schema: SchemaBuilder, operators: &[OperatorPlan]) -> Result<Arc<Schema>, (Option<usize>, BindError)> {
        let mut builtin: [Box<dyn Operator>; 2] = [Box::new(Format::new()), Box::new(Enrich::new(self.inventory.clone()))];
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
