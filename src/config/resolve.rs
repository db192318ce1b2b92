//! A checked configuration as a plan: defaults filled in, texts parsed, ids canonical, unused exporters left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::model::{CollectorConfig, GadgetConfig, OwnTelemetryConfig, ServiceConfig};
use super::parse;
use super::plan::{ExporterPlan, GadgetPlan, OperatorPlan, OwnTelemetry, Plan, ServicePlan};
use super::{kubernetes, runtimes};
use crate::component::ComponentId;
use crate::components::canonical_id;
use crate::image::Settings;
use crate::loader::SocketFields;

/// The plan of `config`, without the files it came from; `digests` are those of the gadgets' images, by the gadgets' names.
///
/// # Errors
/// What is wrong; nothing, once the checks have passed.
pub(super) fn resolve(config: CollectorConfig, images: Settings, digests: &BTreeMap<String, String>) -> Result<Plan, String> {
    let gadgets: Vec<GadgetPlan> = config.gadgets.into_iter().map(|config| gadget(config, digests)).collect();
    let used: BTreeSet<&ComponentId> = gadgets.iter().flat_map(|gadget| &gadget.exporters).collect();
    let settings = |settings: Option<Value>| settings.unwrap_or_else(|| json!({}));
    let exporters = config.exporters.into_iter().map(|(id, value)| ExporterPlan { id: canonical_id(&id), settings: settings(value) });
    let exporters = exporters.filter(|plan| used.contains(&plan.id)).collect();
    let service = service(config.service)?;
    Ok(Plan {
        gadgets,
        exporters,
        service,
        runtimes: runtimes::settings(config.runtimes),
        kubernetes: kubernetes::settings(config.kubernetes),
        images,
        watched: Vec::new(),
        warnings: Vec::new(),
    })
}

fn gadget(config: GadgetConfig, digests: &BTreeMap<String, String>) -> GadgetPlan {
    let operators = config.operators.into_iter().flatten().map(|(kind, settings)| OperatorPlan { kind, settings });
    GadgetPlan {
        digest: digests.get(&config.name).cloned(),
        name: config.name,
        image: config.image,
        params: config.params,
        buffer: config.buffer.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
        containers: config.containers,
        operators: operators.collect(),
        metrics: config.metrics,
        exporters: config.exporters.iter().map(canonical_id).collect(),
    }
}

fn service(config: ServiceConfig) -> Result<ServicePlan, String> {
    let telemetry = config.telemetry.endpoint.filter(|text| !text.is_empty());
    Ok(ServicePlan {
        telemetry: telemetry.map(|text| parse::listen_address(&text)).transpose()?,
        health: config.health.map(|health| parse::listen_address(&health.endpoint)).transpose()?,
        shutdown_timeout: config.shutdown_timeout.map_or(Ok(Duration::from_secs(10)), |text| parse::duration(&text))?,
        sockets: config.socket_enricher.fields.map_or(Ok(SocketFields::default()), |fields| parse::socket_fields(&fields))?,
        otlp: config.telemetry.otlp.map(own_telemetry).transpose()?,
        log_level: config.telemetry.logs.level.unwrap_or_default(),
        log_encoding: config.telemetry.logs.encoding.unwrap_or_default(),
    })
}

fn own_telemetry(config: OwnTelemetryConfig) -> Result<OwnTelemetry, String> {
    Ok(OwnTelemetry {
        endpoint: config.endpoint,
        protocol: config.protocol,
        headers: config.headers,
        interval: config.interval.map_or(Ok(Duration::from_secs(60)), |text| parse::duration(&text))?,
    })
}
