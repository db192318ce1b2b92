//! From OpenTelemetry's names and units to Prometheus's, by the rules of the Collector's exporter.
//!
//! Two things go further, because `promtool check metrics` asks for them: camelCase becomes snake_case, and units that are
//! multiples (`us`, `KiBy`) become base units with their values scaled. Off with `add_metric_suffixes: false`.

use std::borrow::Cow;

use super::config::Config;
use super::exposition::{Labels, Metric, MetricType, Sample, SampleValue};
use crate::exporter::series::{AttrValue, Family, FamilyKind, Point, PointValue};

/// The labels that say where a series comes from.
pub const SCOPE_LABELS: [&str; 2] = ["gadget", "otel_scope_name"];

/// UCUM unit, suffix of the name, factor of the values.
const UNITS: [(&str, &str, f64); 19] = [
    ("d", "seconds", 86_400.0),
    ("h", "seconds", 3600.0),
    ("min", "seconds", 60.0),
    ("s", "seconds", 1.0),
    ("ms", "seconds", 1e3),
    ("us", "seconds", 1e6),
    ("\u{b5}s", "seconds", 1e6),
    ("\u{3bc}s", "seconds", 1e6),
    ("ns", "seconds", 1e9),
    ("By", "bytes", 1.0),
    ("KiBy", "bytes", 1024.0),
    ("MiBy", "bytes", 1_048_576.0),
    ("GiBy", "bytes", 1_073_741_824.0),
    ("Hz", "hertz", 1.0),
    ("Cel", "celsius", 1.0),
    ("m", "meters", 1.0),
    ("V", "volts", 1.0),
    ("J", "joules", 1.0),
    ("%", "percent", 1.0),
];

/// The name's unit suffix and how a value is scaled to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    suffix: &'static str,
    factor: f64,
    divide: bool,
}

impl Unit {
    /// The unit of that UCUM name; annotations and unknown units have no suffix.
    fn of(unit: &str, kind: &FamilyKind) -> Unit {
        let none = Unit { suffix: "", factor: 1.0, divide: false };
        if unit == "1" && *kind == FamilyKind::Gauge {
            return Unit { suffix: "ratio", ..none };
        }
        let known = UNITS.iter().find(|(name, ..)| *name == unit);
        // Parts of a second divide: 3 us are 3/1e6 s, which rounds right, as 3*1e-6 does not.
        known.map_or(none, |&(name, suffix, factor)| Unit { suffix, factor, divide: name != "s" && name.ends_with('s') })
    }

    fn scale(self, value: f64) -> f64 {
        if self.divide { value / self.factor } else { value * self.factor }
    }
}

/// The metric that `family` of data source `source` is in Prometheus. Labels `gadget` (its name in the configuration) and
/// `otel_scope_name` (the data source, as upstream has it) keep the series of different gadgets apart.
pub fn metric(family: &Family, source: &str, config: &Config) -> Metric {
    let unit = if config.add_metric_suffixes { Unit::of(&family.unit, &family.kind) } else { Unit::of("", &family.kind) };
    let kind = match family.kind {
        FamilyKind::Counter => MetricType::Counter,
        FamilyKind::Gauge => MetricType::Gauge,
        FamilyKind::Histogram { .. } => MetricType::Histogram,
    };
    let help = match family.description.trim() {
        "" => format!("{} of gadget {}", family.name, family.scope.name),
        text => text.to_owned(),
    };
    let mut metric = Metric::new(metric_name(family, unit, config), help, kind);
    let bounds: &[f64] = match &family.kind {
        FamilyKind::Histogram { bounds } => bounds,
        _ => &[],
    };
    metric.samples = family.points.iter().map(|point| sample([&family.scope.instance, source], point, bounds, unit, config)).collect();
    metric
}

fn metric_name(family: &Family, unit: Unit, config: &Config) -> String {
    let mut name = snake(&family.name);
    if let Some(base) = name.strip_suffix("_total").filter(|_| config.add_metric_suffixes || family.kind == FamilyKind::Counter) {
        name = base.to_owned();
    }
    if !unit.suffix.is_empty() && !name.split('_').any(|token| token == unit.suffix) {
        name = format!("{name}_{}", unit.suffix);
    }
    if !config.namespace.is_empty() {
        name = format!("{}_{name}", snake(&config.namespace));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn sample(scope: [&str; 2], point: &Point, bounds: &[f64], unit: Unit, config: &Config) -> Sample {
    let mut labels = Labels::with_capacity(point.attributes.len() + config.const_labels.len() + scope.len());
    SCOPE_LABELS.into_iter().zip(scope).for_each(|(name, value)| labels.push((name.to_owned(), value.to_owned())));
    config.const_labels.iter().for_each(|(name, value)| label(&mut labels, name, value.clone()));
    for (name, value) in &point.attributes {
        label(&mut labels, name, text(value).into_owned());
    }
    labels.retain(|(_, value)| !value.is_empty());
    Sample { labels, value: value(&point.value, bounds, unit) }
}

/// Adds a label; two attributes that come to the same label name are joined with `;`, as the Collector does.
fn label(labels: &mut Labels, name: &str, value: String) {
    let name = label_name(name);
    match labels.iter_mut().find(|(there, _)| *there == name) {
        Some((_, there)) => *there = format!("{there};{value}"),
        None => labels.push((name, value)),
    }
}

fn value(value: &PointValue, bounds: &[f64], unit: Unit) -> SampleValue {
    match value {
        PointValue::Integer(v) if unit.factor == 1.0 => SampleValue::Integer(*v),
        PointValue::Integer(v) => SampleValue::Float(unit.scale(*v as f64)),
        PointValue::Number(v) => SampleValue::Float(unit.scale(*v)),
        PointValue::Histogram { counts, sum, count } => {
            let bounds = bounds.iter().map(|b| unit.scale(*b)).chain([f64::INFINITY]);
            SampleValue::Histogram { buckets: bounds.zip(counts.iter().copied()).collect(), sum: unit.scale(*sum), count: *count }
        }
    }
}

fn text(value: &AttrValue) -> Cow<'_, str> {
    match value {
        AttrValue::Text(v) => Cow::Borrowed(v),
        AttrValue::Int(v) => Cow::Owned(v.to_string()),
        AttrValue::Bool(v) => Cow::Owned(v.to_string()),
        AttrValue::Float(v) => Cow::Owned(v.to_string()),
    }
}

/// A valid label name: what Prometheus keeps for itself gets a prefix.
fn label_name(name: &str) -> String {
    let name = snake(name);
    let name = if name == "le" || name == "quantile" { format!("exported_{name}") } else { name };
    match name.chars().next() {
        Some(c) if c.is_ascii_digit() => format!("key_{name}"),
        Some('_') | None => format!("key{name}"),
        _ => name,
    }
}

/// `k8s.podName` to `k8s_pod_name`: other characters become one underscore, a capital behind a small letter starts a word.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            if !out.ends_with('_') {
                out.push('_');
            }
        } else {
            if c.is_ascii_uppercase() && lower_before {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        lower_before = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

/// The sample of `target_info`.
pub fn target_info(resource: &[(String, String)]) -> Sample {
    let mut labels = Labels::new();
    resource.iter().for_each(|(name, value)| label(&mut labels, name, value.clone()));
    Sample { labels, value: SampleValue::Integer(1) }
}
