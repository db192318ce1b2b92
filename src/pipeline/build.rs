//! From a gadget's plan to an instance that is loaded and bound but not attached.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::PipelineError;
use super::instance::Instance;
use super::lane::{Lane, Outlet, Stage};
use super::scope::Cover;
use super::selection;
use crate::batch::{Batch, Schema, SchemaBuilder};
use crate::component::{BindError, ComponentId, ExporterService, ExporterSource, Operator};
use crate::components;
use crate::config::{GadgetPlan, OperatorPlan};
use crate::container::Inventory;
use crate::datasource;
use crate::gadget::{self, Gadget};
use crate::image::Images;
use crate::kubernetes;
use crate::loader::{self, MntnsFilter, SocketFields};
use crate::operator::{endpoints::Endpoints, enrich::Enrich, format::Format, select::Select};
use crate::telemetry::{GadgetEntry, Ledger};

/// Rows per batch: enough to amortise what is done per batch, few enough to stay in the cache.
const BATCH_ROWS: usize = 4096;
/// Row bytes per batch: what was just read is still in the second-level cache when it is encoded.
const BATCH_BYTES: usize = 256 << 10;

/// The running exporters by id.
pub type Exporters = HashMap<ComponentId, Arc<dyn ExporterService>>;

/// What every gadget of the process shares.
#[derive(Clone)]
pub struct Context {
    /// The containers that are known.
    pub inventory: Arc<Inventory>,
    /// What the Kubernetes API server tells, when it is asked.
    pub kubernetes: Option<kubernetes::Handle>,
    /// Where records are accounted for.
    pub ledger: Arc<Ledger>,
    /// Where control-plane tasks run.
    pub runtime: tokio::runtime::Handle,
    /// What the socket enricher tells about sockets.
    pub sockets: SocketFields,
    /// Where the images of gadgets come from.
    pub images: Arc<Images>,
}

/// Opens, loads and binds a gadget. Nothing is attached, so nothing that runs is touched.
///
/// # Errors
/// Whatever stands between the plan and a gadget that could be attached.
#[tracing::instrument(name = "load gadget", skip_all, fields(gadget = plan.name))]
pub fn build(plan: &GadgetPlan, exporters: &Exporters, context: &Context) -> Result<Instance, PipelineError> {
    assemble(open(plan, &context.images)?, plan, Selecting::Always, exporters, context)
}

/// What becomes of a selection that a gadget's programs cannot apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selecting {
    /// It is an error.
    Always,
    /// Only one that names containers is: leaving the host out is given up where that is impossible.
    Containers,
}

/// As [`build`], for a gadget that is open and configured already.
///
/// # Errors
/// As [`build`].
pub fn assemble(
    mut gadget: Gadget,
    plan: &GadgetPlan,
    selecting: Selecting,
    exporters: &Exporters,
    context: &Context,
) -> Result<Instance, PipelineError> {
    let load_error = |source| PipelineError::Load { gadget: plan.name.clone(), source: Box::new(source) };
    let unsupported = |problem| PipelineError::Unsupported { gadget: plan.name.clone(), problem };
    let filter = if plan.containers.is_everything() { None } else { Some(MntnsFilter::create().map_err(load_error)?) };
    let options = loader::Options {
        mntns_filter: filter.as_ref(),
        ring_bytes: plan.buffer,
        sockets: context.sockets,
        ..loader::Options::new(&plan.params)
    };
    let mut loaded = loader::load(&gadget, &options).map_err(load_error)?;
    let cover = loaded.scoped().map(|scoped| Cover::new(&plan.name, scoped, &plan.containers, context));
    if filter.is_some() && !loaded.filters_in_kernel() && cover.is_none() {
        if selecting == Selecting::Containers && plan.containers.selects_all_containers() {
            tracing::info!(gadget = plan.name, "the gadget cannot leave out the host: its programs have no mount-namespace filter");
        } else {
            return Err(unsupported("cannot select containers: its programs have no mount-namespace filter".to_owned()));
        }
    }
    let mut readers: HashMap<_, _> = loaded.readers().map_err(load_error)?.into_iter().collect();
    let entry = context.ledger.gadget(&plan.name);
    let mut lanes = Vec::new();
    for source in std::mem::take(&mut gadget.sources) {
        let Some(reader) = readers.remove(&source.name) else { continue };
        let (stages, schema) = chain(
            plan,
            source.schema,
            Format::with_maps(&|name| loaded.map(name)),
            &context.inventory,
            context.kubernetes.as_ref(),
            loaded.filters_in_kernel(),
            &entry,
        )?;
        let outlets = outlets(plan, &schema, exporters, &entry)?;
        let batch = Batch::new(schema, BATCH_ROWS, BATCH_BYTES);
        lanes.push(Lane::new(datasource::open(reader), batch, stages, outlets, entry.clone()));
    }
    let follower = filter.map(|filter| selection::follow(filter, plan, context, entry));
    Ok(Instance::new(plan.name.clone(), loaded, lanes, follower, cover))
}

/// The fields that exporters would see of each data source, as far as that can be told without loading anything; with `kubernetes` those
/// that its API server gives, too.
///
/// # Errors
/// When an operator does not fit a data source.
pub fn schemas(gadget: Gadget, plan: &GadgetPlan, kubernetes: bool) -> Result<Vec<Arc<Schema>>, PipelineError> {
    let (inventory, ledger) = (Inventory::new(), Ledger::default());
    let entry = ledger.gadget(&plan.name);
    let kubernetes = kubernetes.then(|| kubernetes::Handle::of(Arc::default()));
    let chain = |schema| chain(plan, schema, Format::new(), &inventory, kubernetes.as_ref(), false, &entry);
    gadget.sources.into_iter().map(|source| chain(source.schema).map(|(_, schema)| schema)).collect()
}

fn open(plan: &GadgetPlan, images: &Images) -> Result<Gadget, PipelineError> {
    let image = images
        .reopen(&plan.image, plan.digest.as_deref())
        .map_err(|source| PipelineError::Image { gadget: plan.name.clone(), source: Box::new(source) })?;
    let mut gadget =
        gadget::open(&image, &plan.name).map_err(|source| PipelineError::Gadget { gadget: plan.name.clone(), source: Box::new(source) })?;
    gadget.configure(&plan.params).map_err(|errors| PipelineError::Params { gadget: plan.name.clone(), errors })?;
    Ok(gadget)
}

fn chain(
    plan: &GadgetPlan,
    mut schema: SchemaBuilder,
    format: Format,
    inventory: &Arc<Inventory>,
    kubernetes: Option<&kubernetes::Handle>,
    filters_in_kernel: bool,
    entry: &GadgetEntry,
) -> Result<(Vec<Stage>, Arc<Schema>), PipelineError> {
    let selects = !plan.containers.is_everything();
    let enrich = Enrich::new(inventory.clone(), entry.coverage.clone()).thorough(selects);
    let mut operators: Vec<(&str, Box<dyn Operator>)> = vec![("format", Box::new(format)), ("enrich", Box::new(enrich))];
    if selects {
        operators.push(("containers", Box::new(Select::new(inventory.clone(), plan.containers.clone()).behind_filter(filters_in_kernel))));
    }
    if let Some(kubernetes) = kubernetes {
        operators.push(("endpoints", Box::new(Endpoints::new(kubernetes.addresses().clone()))));
    }
    let operator_error = |operator: &str, source| PipelineError::Operator {
        gadget: plan.name.clone(),
        operator: operator.to_owned(),
        source: Box::new(source),
    };
    for operator in &plan.operators {
        operators.push((&operator.kind, configured(operator).map_err(|e| operator_error(&operator.kind, e))?));
    }
    let mut stages = Vec::with_capacity(operators.len());
    for (name, mut operator) in operators {
        operator.bind(&mut schema).map_err(|e| operator_error(name, e))?;
        stages.push(Stage::new(operator, entry.filtered_by(name)));
    }
    Ok((stages, schema.finish()))
}

fn configured(plan: &OperatorPlan) -> Result<Box<dyn Operator>, BindError> {
    match components::COMPILED_IN.operator(&plan.kind) {
        Some(kind) => (kind.build)(&plan.settings),
        None => Err(BindError::Invalid("there is no such operator".to_owned())),
    }
}

fn outlets(plan: &GadgetPlan, schema: &Arc<Schema>, exporters: &Exporters, entry: &GadgetEntry) -> Result<Vec<Outlet>, PipelineError> {
    let mut outlets = Vec::with_capacity(plan.exporters.len());
    for id in &plan.exporters {
        let exporter_error = |source| PipelineError::Exporter { gadget: plan.name.clone(), exporter: id.clone(), source: Box::new(source) };
        let service = exporters.get(id).ok_or_else(|| exporter_error(BindError::Invalid("there is no such exporter".to_owned())))?;
        let entry = entry.exporter(&id.to_string());
        let source = ExporterSource { schema: schema.clone(), metrics: plan.metrics.clone(), entry: entry.clone() };
        outlets.push(Outlet::new(service.open(source).map_err(exporter_error)?, entry));
    }
    Ok(outlets)
}
