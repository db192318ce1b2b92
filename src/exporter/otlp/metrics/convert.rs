//! Series as OTLP's message types.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::batch::GadgetIdentity;
use crate::exporter::otlp::encode::scope_attributes;
use crate::exporter::series::{AttrValue, Family, FamilyKind, Point, PointValue};

/// Points per request: with 26 buckets each they stay below 1 MiB, a quarter of what receivers take by default.
const MAX_POINTS: usize = 2000;

/// Encoded `ExportMetricsServiceRequest`s with all points of `families`, as of `now` (nanoseconds since the Unix epoch).
pub(super) fn requests(families: Vec<Family>, resource: &[(String, String)], now: u64) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    let mut scopes: Vec<ScopeMetrics> = Vec::new();
    let mut room = MAX_POINTS;
    let mut last: Option<GadgetIdentity> = None;
    for mut family in families {
        while !family.points.is_empty() {
            if room == 0 {
                requests.push(encode(std::mem::take(&mut scopes), resource));
                (room, last) = (MAX_POINTS, None);
            }
            let rest = family.points.split_off(room.min(family.points.len()));
            room -= family.points.len();
            if last.as_ref() != Some(&family.scope) {
                scopes.push(ScopeMetrics { scope: Some(scope(&family.scope)), ..ScopeMetrics::default() });
                last = Some(family.scope.clone());
            }
            let points = std::mem::replace(&mut family.points, rest);
            if let Some(scope) = scopes.last_mut() {
                scope.metrics.push(metric(&family, points, now));
            }
        }
    }
    if !scopes.is_empty() {
        requests.push(encode(scopes, resource));
    }
    requests
}

fn encode(scope_metrics: Vec<ScopeMetrics>, resource: &[(String, String)]) -> Vec<u8> {
    let attributes = resource.iter().map(|(key, value)| pair(key, Any::StringValue(value.clone()))).collect();
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn scope(gadget: &GadgetIdentity) -> InstrumentationScope {
    InstrumentationScope {
        name: gadget.scope().to_owned(),
        version: gadget.version.clone(),
        attributes: scope_attributes(gadget).map(|(key, value)| pair(key, Any::StringValue(value.to_owned()))).collect(),
        ..InstrumentationScope::default()
    }
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn metric(family: &Family, points: Vec<Point>, now: u64) -> Metric {
    let start = family.start_unix_ns;
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match &family.kind {
        FamilyKind::Counter => Data::Sum(Sum {
            data_points: points.into_iter().map(|p| number(p, start, now)).collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        FamilyKind::Gauge => Data::Gauge(Gauge { data_points: points.into_iter().map(|p| number(p, 0, now)).collect() }),
        FamilyKind::Histogram { bounds } => Data::Histogram(Histogram {
            data_points: points.into_iter().map(|p| histogram(p, bounds, start, now)).collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: family.name.clone(),
        description: family.description.clone(),
        unit: family.unit.clone(),
        data: Some(data),
        ..Metric::default()
    }
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    let pairs = point.attributes.iter().map(|(key, value)| {
        let value = match value {
            AttrValue::Text(text) => Any::StringValue(text.clone()),
            AttrValue::Int(n) => Any::IntValue(*n),
            AttrValue::Bool(b) => Any::BoolValue(*b),
            AttrValue::Float(f) => Any::DoubleValue(*f),
        };
        pair(key, value)
    });
    pairs.collect()
}

fn number(point: Point, start: u64, now: u64) -> NumberDataPoint {
    let value = match point.value {
        PointValue::Number(n) => Number::AsDouble(n),
        // OTLP has no uint64.
        PointValue::Integer(n) => Number::AsInt(i64::try_from(n).unwrap_or(i64::MAX)),
        PointValue::Histogram { sum, .. } => Number::AsDouble(sum),
    };
    let attributes = attributes(&point);
    NumberDataPoint { attributes, start_time_unix_nano: start, time_unix_nano: now, value: Some(value), ..NumberDataPoint::default() }
}

fn histogram(point: Point, bounds: &[f64], start: u64, now: u64) -> HistogramDataPoint {
    let attributes = attributes(&point);
    let (bucket_counts, sum, count) = match point.value {
        PointValue::Histogram { counts, sum, count } => (counts, sum, count),
        PointValue::Number(_) | PointValue::Integer(_) => (vec![0; bounds.len() + 1], 0.0, 0),
    };
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: start,
        time_unix_nano: now,
        count,
        sum: Some(sum),
        bucket_counts,
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}
