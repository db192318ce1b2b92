//! What runs, and how it becomes what a new plan wants: prepare everything, swap, retire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::DaemonError;
use super::overview::GadgetState;
use crate::component::{ComponentId, ExporterService, ExporterStatus};
use crate::components;
use crate::config::{self, Diff, GadgetPlan, Plan};
use crate::exporter::{BuildError, ExporterContext, SettingError, listeners::Listeners};
use crate::image::Images;
use crate::kernel::clock;
use crate::pipeline::{self, Context, Exporters, Instance, PipelineError, State};

/// Between the attachment of a gadget's successor and the moment from which on events are the successor's.
const HANDOVER: Duration = Duration::from_millis(100);

/// The gadgets and exporters that run.
pub(super) struct Running {
    plan: Plan,
    exporters: Exporters,
    instances: Vec<Instance>,
    context: Context,
    listeners: Arc<Listeners>,
    resource: Arc<Vec<(String, String)>>,
}

/// What a transaction has prepared: nothing of it touches what runs.
struct Prepared {
    exporters: Exporters,
    fresh: Vec<ComponentId>,
    instances: Vec<Instance>,
}

impl Running {
    /// Nothing yet; services as in `plan`, which is to be applied next.
    pub(super) fn new(plan: &Plan, context: Context, listeners: Arc<Listeners>, resource: Arc<Vec<(String, String)>>) -> Self {
        let plan = Plan { gadgets: Vec::new(), exporters: Vec::new(), warnings: Vec::new(), ..plan.clone() };
        Running { plan, exporters: HashMap::new(), instances: Vec::new(), context, listeners, resource }
    }

    /// Makes `plan` run. Either all of it, or nothing changes.
    ///
    /// # Errors
    /// The first exporter or gadget that cannot be started.
    pub(super) async fn apply(&mut self, plan: Plan) -> Result<Diff, DaemonError> {
        let diff = config::diff(&self.plan, &plan);
        let mut context = self.context.clone();
        if self.plan.images != plan.images {
            context.images = Arc::new(Images::new(&plan.images).map_err(DaemonError::Images)?);
        }
        let mut prepared = Prepared { exporters: HashMap::new(), fresh: Vec::new(), instances: Vec::new() };
        let result = match self.prepare_exporters(&plan, &mut prepared) {
            Ok(()) => self.prepare_gadgets(&plan, &diff, &context, &mut prepared).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            abandon(prepared).await;
            return Err(error);
        }
        self.swap(plan, &diff, prepared).await?;
        self.context = context;
        Ok(diff)
    }

    fn prepare_exporters(&self, plan: &Plan, prepared: &mut Prepared) -> Result<(), DaemonError> {
        for exporter in &plan.exporters {
            let running = self.exporters.get(&exporter.id).filter(|_| self.plan.exporters.contains(exporter));
            let service = match running {
                Some(service) => service.clone(),
                None => {
                    let service = self.build_exporter(&exporter.id, &exporter.settings);
                    let service = service.map_err(|source| DaemonError::Exporter { id: exporter.id.clone(), source })?;
                    prepared.fresh.push(exporter.id.clone());
                    service
                }
            };
            prepared.exporters.insert(exporter.id.clone(), service);
        }
        Ok(())
    }

    fn build_exporter(&self, id: &ComponentId, settings: &serde_json::Value) -> Result<Arc<dyn ExporterService>, BuildError> {
        let Some(kind) = components::COMPILED_IN.exporter(id.kind()) else {
            return Err(SettingError { path: id.to_string(), message: "there is no such type of exporter".to_owned() }.into());
        };
        let context = ExporterContext {
            id: id.clone(),
            runtime: self.context.runtime.clone(),
            listeners: self.listeners.clone(),
            resource: self.resource.clone(),
        };
        (kind.build)(settings, &context)
    }

    /// Loads and attaches the new gadgets while the old ones still run.
    async fn prepare_gadgets(&self, plan: &Plan, diff: &Diff, context: &Context, prepared: &mut Prepared) -> Result<(), DaemonError> {
        let wanted = |g: &&GadgetPlan| diff.start.contains(&g.name) || diff.restart.contains(&g.name);
        let plans: Vec<GadgetPlan> = plan.gadgets.iter().filter(wanted).cloned().collect();
        let (exporters, context) = (prepared.exporters.clone(), context.clone());
        let started = tokio::task::spawn_blocking(move || attach_all(&plans, &exporters, &context)).await;
        prepared.instances = started.map_err(|e| DaemonError::System { doing: "start the gadgets".to_owned(), source: e.into() })??;
        Ok(())
    }

    async fn swap(&mut self, plan: Plan, diff: &Diff, mut prepared: Prepared) -> Result<(), DaemonError> {
        let retired = |i: &mut Instance| diff.stop.iter().chain(&diff.restart).any(|name| name == i.name());
        // Both see the events until the old ones are detached; this moment, soon to come, decides whose an event is.
        let handover = clock::boot_now() + HANDOVER.as_nanos() as u64;
        let since = |i: &Instance| if diff.restart.iter().any(|name| name == i.name()) { handover } else { 0 };
        if let Err(error) = prepared.instances.iter_mut().try_for_each(|i| i.run(since(i))) {
            abandon(prepared).await;
            return Err(error.into());
        }
        let mut old: Vec<Instance> = self.instances.extract_if(.., retired).collect();
        old.iter_mut().filter(|i| since(i) == handover).for_each(|i| i.hand_over(handover));
        self.instances.append(&mut prepared.instances);
        let old_exporters = std::mem::replace(&mut self.exporters, prepared.exporters);
        let timeout = plan.service.shutdown_timeout;
        self.plan = plan;
        if !diff.restart.is_empty() {
            tokio::time::sleep(HANDOVER).await;
        }
        stop_all(old).await;
        let retired = old_exporters.into_iter().filter(|(id, service)| self.exporters.get(id).is_none_or(|s| !Arc::ptr_eq(s, service)));
        stop_exporters(retired.map(|(_, service)| service).collect(), timeout).await;
        Ok(())
    }

    /// Opens the exporters' files anew.
    pub(super) fn reopen(&self) {
        self.exporters.values().for_each(|e| e.reopen());
    }

    /// The plan that runs.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn gadgets(&self) -> Vec<GadgetState> {
        let image = |name: &str| self.plan.gadgets.iter().find(|g| g.name == name).map(|g| g.image.clone()).unwrap_or_default();
        let state = |i: &Instance| GadgetState { name: i.name().to_owned(), image: image(i.name()), running: i.state() == State::Running };
        self.instances.iter().map(state).collect()
    }

    pub(super) fn exporters(&self) -> Vec<(String, ExporterStatus)> {
        let order = self.plan.exporters.iter().filter_map(|e| self.exporters.get(&e.id).map(|s| (e.id.to_string(), s.status())));
        order.collect()
    }

    /// Stops sources first, exporters last.
    pub(super) async fn stop(&mut self) {
        stop_all(std::mem::take(&mut self.instances)).await;
        let services = std::mem::take(&mut self.exporters).into_values().collect();
        stop_exporters(services, self.plan.service.shutdown_timeout).await;
    }
}

fn attach_all(plans: &[GadgetPlan], exporters: &Exporters, context: &Context) -> Result<Vec<Instance>, PipelineError> {
    let mut instances = Vec::with_capacity(plans.len());
    for plan in plans {
        instances.push(pipeline::build(plan, exporters, context)?);
    }
    for instance in &mut instances {
        instance.attach()?;
    }
    Ok(instances)
}

async fn stop_all(instances: Vec<Instance>) {
    // Detaching blocks for some 100 ms a link, so gadgets are stopped side by side.
    let stops = instances.into_iter().map(|mut i| tokio::task::spawn_blocking(move || i.stop()));
    for stopped in futures::future::join_all(stops).await {
        if let Err(error) = stopped {
            tracing::error!(%error, "stopping a gadget failed");
        }
    }
}

async fn stop_exporters(services: Vec<Arc<dyn ExporterService>>, timeout: Duration) {
    futures::future::join_all(services.iter().map(|s| s.stop(timeout))).await;
}

async fn abandon(prepared: Prepared) {
    stop_all(prepared.instances).await;
    let fresh = prepared.fresh.iter().filter_map(|id| prepared.exporters.get(id).cloned()).collect();
    stop_exporters(fresh, Duration::ZERO).await;
}
