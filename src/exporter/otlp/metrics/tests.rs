//! What becomes of series on the wire.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use prost::Message;

use super::convert::requests;
use crate::batch::GadgetIdentity;
use crate::exporter::series::{AttrValue, Family, FamilyKind, Point, PointValue};

fn family(name: &str, scope: &str, kind: FamilyKind, values: Vec<PointValue>) -> Family {
    let scope =
        GadgetIdentity { name: scope.to_owned(), version: "v1".to_owned(), digest: "sha256:a".to_owned(), ..GadgetIdentity::default() };
    let attributes = vec![("k".to_owned(), AttrValue::Text("v".to_owned())), ("n".to_owned(), AttrValue::Int(-1))];
    let points = values.into_iter().map(|value| Point { attributes: attributes.clone(), value }).collect();
    Family { name: name.to_owned(), description: "what".to_owned(), unit: "us".to_owned(), scope, kind, start_unix_ns: 5, points }
}

fn decoded(families: Vec<Family>) -> Vec<ExportMetricsServiceRequest> {
    let resource = vec![("service.name".to_owned(), "gadgetry".to_owned())];
    requests(families, &resource, 9).iter().map(|r| ExportMetricsServiceRequest::decode(&**r).unwrap()).collect()
}

#[test]
fn families_keep_their_kind_unit_scope_and_times() {
    let histogram = FamilyKind::Histogram { bounds: Arc::new([1.0, 2.0]) };
    let counts = PointValue::Histogram { counts: vec![1, 0, 2], sum: 7.5, count: 3 };
    let found = decoded(vec![
        family("latency", "blockio", histogram, vec![counts]),
        family("gauge", "blockio", FamilyKind::Gauge, vec![PointValue::Number(0.5)]),
        family("sum", "other", FamilyKind::Counter, vec![PointValue::Integer(u64::MAX)]),
        family("nothing", "other", FamilyKind::Counter, Vec::new()),
    ]);
    assert_eq!(found.len(), 1);
    let resource = &found[0].resource_metrics[0];
    assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
    let scopes: Vec<_> = resource.scope_metrics.iter().map(|s| (s.scope.as_ref().unwrap().name.as_str(), s.metrics.len())).collect();
    assert_eq!(scopes, [("blockio", 2), ("other", 1)]);
    let metrics = &resource.scope_metrics[0].metrics;
    assert_eq!((metrics[0].name.as_str(), metrics[0].unit.as_str(), metrics[0].description.as_str()), ("latency", "us", "what"));
    let Some(Data::Histogram(h)) = &metrics[0].data else { panic!() };
    let point = &h.data_points[0];
    assert_eq!(
        (&point.bucket_counts[..], &point.explicit_bounds[..], point.sum, point.count),
        (&[1, 0, 2][..], &[1.0, 2.0][..], Some(7.5), 3)
    );
    assert_eq!((h.aggregation_temporality, point.start_time_unix_nano, point.time_unix_nano, point.attributes.len()), (2, 5, 9, 2));
    let Some(Data::Gauge(g)) = &metrics[1].data else { panic!() };
    assert_eq!(g.data_points[0].value, Some(Number::AsDouble(0.5)));
    let Some(Data::Sum(s)) = &resource.scope_metrics[1].metrics[0].data else { panic!() };
    assert_eq!((s.data_points[0].value, s.is_monotonic), (Some(Number::AsInt(i64::MAX)), true));
}

#[test]
fn many_points_are_split_over_requests_without_losing_one() {
    let values = |n: u64| (0..n).map(PointValue::Integer).collect();
    let found = decoded(vec![family("a", "x", FamilyKind::Counter, values(1500)), family("b", "x", FamilyKind::Counter, values(3000))]);
    let mut points = Vec::new();
    for request in &found {
        let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
        let of_request = metrics.map(|m| match &m.data {
            Some(Data::Sum(sum)) => sum.data_points.len(),
            other => panic!("{other:?}"),
        });
        points.push(of_request.collect::<Vec<_>>());
    }
    assert_eq!(points, [vec![1500, 500], vec![2000], vec![500]]);
    assert!(decoded(Vec::new()).is_empty());
}
