//! Which metrics a data source makes, from its annotations, C types and the configuration.

use std::sync::Arc;

use super::cells::{Cells, Measure, slot_bounds};
use super::group::{Group, Label, Metric};
use crate::batch::{Field, FieldId, Kind, Schema, Source};
use crate::component::{BindError, MetricKind, MetricSpec};

/// Buckets of a histogram that says nothing else: those of the OpenTelemetry SDKs.
const DEFAULT_BOUNDS: [f64; 15] = [0., 5., 10., 25., 50., 75., 100., 250., 500., 750., 1000., 2500., 5000., 7500., 10_000.];
/// More buckets than anybody draws; each costs 8 bytes per series.
const MAX_BOUNDS: usize = 512;
/// A slot per bit of a u64.
const MAX_SLOTS: usize = 64;

/// The groups of all metrics of a data source; those with the same attributes are in one group.
pub fn groups(schema: &Schema, specs: &[MetricSpec], limit: usize) -> Result<Vec<Group>, BindError> {
    let mut groups = Vec::new();
    annotated(schema, limit, &mut groups)?;
    for spec in specs {
        let labels = spec.attributes.iter().map(|name| configured_label(schema, name)).collect::<Result<Vec<_>, _>>()?;
        add(&mut groups, labels, limit, configured(schema, spec)?)?;
    }
    Ok(groups)
}

fn add(groups: &mut Vec<Group>, labels: Vec<Label>, limit: usize, metric: Metric) -> Result<(), BindError> {
    let taken = groups.iter().flat_map(|g| g.empty_families(&Default::default(), 0)).any(|f| f.name == metric.name);
    if taken {
        return Err(BindError::Invalid(format!("there are two metrics named {:?}", metric.name)));
    }
    for (i, label) in labels.iter().enumerate() {
        if labels.iter().skip(i + 1).any(|other| other.name == label.name) {
            return Err(BindError::Invalid(format!("metric {:?} has two attributes named {:?}", metric.name, label.name)));
        }
    }
    match groups.iter_mut().find(|g| g.labels() == labels) {
        Some(group) => group.add(metric),
        None => {
            let mut group = Group::new(labels, limit);
            group.add(metric);
            groups.push(group);
        }
    }
    Ok(())
}

/// Metrics that the gadget's author asked for.
fn annotated(schema: &Schema, limit: usize, groups: &mut Vec<Group>) -> Result<(), BindError> {
    let note = |key: &str| schema.annotations().get(key).map(String::as_str).unwrap_or_default();
    let implicit = note("metrics.implicit-counter.name");
    let asked = note("metrics.collect") == "true" || note("metrics.print") == "true" || !implicit.is_empty();
    if !asked && !schema.fields().iter().any(|f| type_kind(f).is_some()) {
        return Ok(());
    }
    let labels = key_labels(schema)?;
    for (id, field) in schema.iter() {
        if let Some(kind) = annotated_kind(field)? {
            add(groups, labels.clone(), limit, annotated_metric(id, field, kind)?)?;
        }
    }
    if !implicit.is_empty() {
        let description = note("metrics.implicit-counter.description").to_owned();
        add(groups, labels, limit, metric(implicit.to_owned(), description, String::new(), Measure::Count, true))?;
    }
    Ok(())
}

/// Fields annotated as keys; without any, the fields of a map's key.
fn key_labels(schema: &Schema) -> Result<Vec<Label>, BindError> {
    let annotated = |f: &Field| annotation(f, "metrics.type") == Some("key");
    let of_map = |f: &Field| f.tags.iter().any(|t| t == "role:key") && !f.json_skip && !matches!(f.kind, Kind::Struct | Kind::Array(_));
    let any = schema.fields().iter().any(annotated);
    let wanted = schema.iter().filter(|(_, f)| if any { annotated(f) } else { of_map(f) });
    wanted.map(|(id, field)| label(id, field)).collect()
}

fn label(id: FieldId, field: &Field) -> Result<Label, BindError> {
    if matches!(field.kind, Kind::Struct | Kind::Array(_)) {
        return Err(problem(field, "cannot be an attribute of a metric: it is not a single value"));
    }
    Ok(Label { name: annotation(field, "metrics.name").unwrap_or(&field.name).to_owned(), field: id })
}

fn configured_label(schema: &Schema, name: &str) -> Result<Label, BindError> {
    let id = schema.find(name).ok_or_else(|| BindError::unknown_field(schema, name))?;
    let field = schema.field(id).ok_or_else(|| BindError::unknown_field(schema, name))?;
    // Named as in the configuration's list, whatever the gadget's author calls it as a key.
    label(id, field).map(|label| Label { name: field.name.clone(), ..label })
}

fn type_kind(field: &Field) -> Option<MetricKind> {
    let has = |prefix: &str| field.types.iter().any(|t| t.starts_with(prefix));
    let kinds = [
        ("gadget_counter__", MetricKind::Counter),
        ("gadget_gauge__", MetricKind::Gauge),
        ("gadget_histogram_slot__", MetricKind::Histogram),
    ];
    kinds.into_iter().find(|(prefix, _)| has(prefix)).map(|(_, kind)| kind)
}

fn annotated_kind(field: &Field) -> Result<Option<MetricKind>, BindError> {
    match annotation(field, "metrics.type") {
        Some("key") => Ok(None),
        Some("counter") => Ok(Some(MetricKind::Counter)),
        Some("gauge") => Ok(Some(MetricKind::Gauge)),
        Some("histogram") => Ok(Some(MetricKind::Histogram)),
        None | Some("") => Ok(type_kind(field)),
        Some(_) => Err(problem(field, "has a metrics.type that is none of key, counter, gauge, histogram")),
    }
}

fn annotated_metric(id: FieldId, field: &Field, kind: MetricKind) -> Result<Metric, BindError> {
    let text = |key: &str| annotation(field, key).unwrap_or_default().to_owned();
    let name = annotation(field, "metrics.name").unwrap_or(&field.name).to_owned();
    let description = Some(text("metrics.description")).filter(|d| !d.is_empty()).unwrap_or_else(|| text("description"));
    let measure = measure(id, field, kind, boundaries(field)?)?;
    Ok(metric(name, description, text("metrics.unit"), measure, matches!(field.kind, Kind::Uint(_))))
}

fn boundaries(field: &Field) -> Result<Vec<f64>, BindError> {
    let Some(list) = annotation(field, "metrics.boundaries") else { return Ok(Vec::new()) };
    let parsed = list.split(',').map(|bound| bound.trim().parse()).collect::<Result<_, _>>();
    parsed.map_err(|_| problem(field, "has a metrics.boundaries that is not a list of numbers"))
}

fn configured(schema: &Schema, spec: &MetricSpec) -> Result<Metric, BindError> {
    let metric = |measure, integers| metric(spec.name.clone(), spec.description.clone(), spec.unit.clone(), measure, integers);
    if spec.name.is_empty() {
        return Err(BindError::Invalid("a metric has an empty name".to_owned()));
    }
    let Some(name) = &spec.field else {
        return match spec.kind {
            MetricKind::Counter => Ok(metric(Measure::Count, true)),
            _ => Err(BindError::Invalid(format!("metric {:?} needs a `field`: only a counter works without one", spec.name))),
        };
    };
    let id = schema.find(name).ok_or_else(|| BindError::unknown_field(schema, name))?;
    let field = schema.field(id).ok_or_else(|| BindError::unknown_field(schema, name))?;
    Ok(metric(measure(id, field, spec.kind, spec.boundaries.clone())?, matches!(field.kind, Kind::Uint(_))))
}

fn metric(name: String, description: String, unit: String, measure: Measure, integers: bool) -> Metric {
    let cells = Cells::new(&measure, integers);
    Metric { name, description, unit, measure, cells }
}

fn measure(id: FieldId, field: &Field, kind: MetricKind, bounds: Vec<f64>) -> Result<Measure, BindError> {
    if let (Kind::Array(_), MetricKind::Histogram) = (field.kind, kind) {
        return slots(id, field);
    }
    if !matches!(field.kind, Kind::Bool | Kind::Int(_) | Kind::Uint(_) | Kind::Float(_)) {
        return Err(problem(field, "cannot be the value of a metric: it is not a number"));
    }
    Ok(match kind {
        MetricKind::Counter => Measure::Sum(id),
        MetricKind::Gauge => Measure::Last(id),
        MetricKind::Histogram => Measure::Observe(id, checked(field, bounds)?),
    })
}

fn slots(id: FieldId, field: &Field) -> Result<Measure, BindError> {
    let (Kind::Array(element), Source::Row { size, .. }) = (field.kind, &field.source) else {
        return Err(problem(field, "cannot be a histogram: it is not an array in the record"));
    };
    let slots = *size as usize / usize::from(element.size.max(1));
    // Whoever says `histogram` of an array of counts means slots, whether or not the C type says so too.
    if element.float || element.size < 4 || slots == 0 || slots > MAX_SLOTS {
        return Err(problem(field, "cannot be a histogram: it is not an array of 1 to 64 counts of 32 or 64 bits"));
    }
    Ok(Measure::Slots(id, slot_bounds(slots)))
}

fn checked(field: &Field, bounds: Vec<f64>) -> Result<Arc<[f64]>, BindError> {
    if bounds.is_empty() {
        return Ok(DEFAULT_BOUNDS.into());
    }
    let ascending = bounds.iter().zip(bounds.iter().skip(1)).all(|(a, b)| a < b);
    if !ascending || bounds.len() > MAX_BOUNDS || bounds.iter().any(|b| !b.is_finite()) {
        return Err(problem(field, "has histogram boundaries that are not at most 512 finite, ascending numbers"));
    }
    Ok(bounds.into())
}

fn annotation<'a>(field: &'a Field, key: &str) -> Option<&'a str> {
    field.annotations.get(key).map(String::as_str).filter(|v| !v.is_empty())
}

fn problem(field: &Field, problem: &str) -> BindError {
    BindError::Field { field: field.name.clone(), problem: problem.to_owned() }
}
