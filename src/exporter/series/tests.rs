//! What a series set promises.

use std::collections::BTreeMap;

use super::*;
use crate::batch::{Element, FieldSpec, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::component::{MetricKind, MetricSpec};
use crate::telemetry::Ledger;

const SLOTS: u32 = 4;

fn field(name: &str, kind: Kind, offset: u32, size: u32, notes: &[(&str, &str)]) -> FieldSpec {
    let mut field = FieldSpec::new(name, kind, Source::Row { offset, size });
    field.annotations = notes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    field
}

/// A map: key {comm: char[8]}, value {ops: u64, delta: i32, slots: u32[4]}.
fn schema(annotations: &[(&str, &str)]) -> Arc<Schema> {
    let annotations = annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let gadget = GadgetIdentity { instance: "io".to_owned(), name: "profile_blockio".to_owned(), ..Default::default() };
    let mut b = SchemaBuilder::new("blockio", SourceKind::Array, gadget, annotations);
    let mut comm = field("comm", Kind::Text, 0, 8, &[]);
    comm.tags.push("role:key".to_owned());
    b.add(comm).unwrap();
    b.add(field("ops", Kind::Uint(8), 8, 8, &[])).unwrap();
    b.add(field("delta", Kind::Int(4), 16, 4, &[])).unwrap();
    let element = Element { size: 4, signed: false, float: false };
    b.add(field("slots", Kind::Array(element), 20, 4 * SLOTS, &[])).unwrap();
    b.add(field("bytes", Kind::Array(Element { size: 1, ..element }), 20, 4 * SLOTS, &[])).unwrap();
    b.finish()
}

fn typed_schema() -> Arc<Schema> {
    let base = schema(&[("metrics.collect", "true"), ("metrics.implicit-counter.name", "rows")]);
    let mut b = SchemaBuilder::new("blockio", SourceKind::Array, base.gadget().clone(), base.annotations().clone());
    for f in base.fields() {
        let mut f = f.clone();
        match f.name.as_str() {
            "ops" => f.types.push("gadget_counter__u64".to_owned()),
            "slots" => {
                f.types.push("gadget_histogram_slot__u32".to_owned());
                f.annotations.insert("metrics.name".to_owned(), "latency".to_owned());
                f.annotations.insert("metrics.unit".to_owned(), "us".to_owned());
            }
            "delta" => drop(f.annotations.insert("metrics.type".to_owned(), "gauge".to_owned())),
            _ => {}
        }
        b.add(f).unwrap();
    }
    b.finish()
}

fn source(schema: &Arc<Schema>, metrics: Vec<MetricSpec>) -> ExporterSource {
    ExporterSource { schema: schema.clone(), metrics, entry: Ledger::default().gadget("io").exporter("prometheus") }
}

fn spec(name: &str, kind: MetricKind, field: Option<&str>, attributes: &[&str]) -> MetricSpec {
    let attributes = attributes.iter().map(|a| a.to_string()).collect();
    let (unit, description, boundaries) = Default::default();
    MetricSpec { name: name.to_owned(), kind, field: field.map(str::to_owned), attributes, unit, description, boundaries }
}

fn row(comm: &str, ops: u64, delta: i32, slots: [u32; SLOTS as usize]) -> Vec<u8> {
    let mut record = comm.as_bytes().to_vec();
    record.resize(8, 0);
    record.extend(ops.to_ne_bytes());
    record.extend(delta.to_ne_bytes());
    slots.iter().for_each(|s| record.extend(s.to_ne_bytes()));
    record
}

fn batch(schema: &Arc<Schema>, rows: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::new(schema.clone(), 1000, 1 << 20);
    batch.set_observed(1000);
    rows.iter().for_each(|r| batch.push(r));
    batch
}

fn family<'a>(families: &'a [Family], name: &str) -> &'a Family {
    families.iter().find(|f| f.name == name).unwrap()
}

fn text(value: &str) -> AttrValue {
    AttrValue::Text(value.to_owned())
}

#[test]
fn a_source_without_metrics_makes_none() {
    assert!(SeriesSet::bind(&source(&schema(&[]), Vec::new()), 10).unwrap().is_none());
}

#[test]
fn deltas_of_a_map_add_up_per_key_and_gauges_keep_the_last_value() {
    let schema = typed_schema();
    let mut set = SeriesSet::bind(&source(&schema, Vec::new()), 10).unwrap().unwrap();
    set.absorb(&batch(&schema, &[row("cat", 2, -1, [0; 4]), row("dd", 5, 7, [0; 4])]));
    set.absorb(&batch(&schema, &[row("cat", 3, -4, [0; 4])]));
    let families = set.snapshot();
    let ops = family(&families, "ops");
    assert_eq!(ops.kind, FamilyKind::Counter);
    assert_eq!(ops.points[0], Point { attributes: vec![("comm".to_owned(), text("cat"))], value: PointValue::Integer(5) });
    assert_eq!(ops.points[1].value, PointValue::Integer(5));
    assert_eq!(family(&families, "delta").points[0].value, PointValue::Number(-4.0));
    assert_eq!(family(&families, "rows").points[0].value, PointValue::Integer(2));
    assert_eq!(ops.scope.instance, "io");
}

/// Slot 0 holds 0 and 1, slot i values below 2^(i+1), the last slot everything else; the sum is that of the slots' middles.
#[test]
fn kernel_slots_become_buckets_with_powers_of_two() {
    let schema = typed_schema();
    let mut set = SeriesSet::bind(&source(&schema, Vec::new()), 10).unwrap().unwrap();
    set.absorb(&batch(&schema, &[row("cat", 0, 0, [1, 2, 3, 4]), row("cat", 0, 0, [1, 0, 0, 0])]));
    let families = set.snapshot();
    let latency = family(&families, "latency");
    assert_eq!(latency.kind, FamilyKind::Histogram { bounds: Arc::from([2.0, 4.0, 8.0]) });
    assert_eq!(latency.unit, "us");
    let sum = 2.0 * 0.5 + 2.0 * 3.0 + 3.0 * 6.0 + 4.0 * 12.0;
    assert_eq!(latency.points[0].value, PointValue::Histogram { counts: vec![2, 2, 3, 4], sum, count: 11 });
}

#[test]
fn rows_taken_out_by_a_filter_do_not_count() {
    let schema = typed_schema();
    let mut set = SeriesSet::bind(&source(&schema, Vec::new()), 10).unwrap().unwrap();
    let mut batch = batch(&schema, &[row("cat", 2, 0, [0; 4]), row("cat", 40, 0, [0; 4])]);
    batch.selection_mut().remove(1);
    set.absorb(&batch);
    assert_eq!(family(&set.snapshot(), "ops").points[0].value, PointValue::Integer(2));
}

#[test]
fn beyond_the_limit_everything_goes_to_one_overflow_series() {
    let schema = typed_schema();
    let mut set = SeriesSet::bind(&source(&schema, Vec::new()), 2).unwrap().unwrap();
    let rows: Vec<_> = (0..10).map(|i| row(&format!("c{i}"), 1, 0, [0; 4])).collect();
    set.absorb(&batch(&schema, &rows));
    assert_eq!((set.len(), set.overflowed()), (3, 8));
    let families = set.snapshot();
    let overflow = &family(&families, "ops").points[2];
    assert_eq!(overflow.attributes, vec![(OVERFLOW_ATTRIBUTE.to_owned(), AttrValue::Bool(true))]);
    assert_eq!(overflow.value, PointValue::Integer(8));
}

#[test]
fn expired_series_make_room_and_the_others_keep_their_values() {
    let schema = typed_schema();
    let mut set = SeriesSet::bind(&source(&schema, Vec::new()), 2).unwrap().unwrap();
    let rows = ["a", "b", "c"].map(|c| row(c, 1, 0, [1, 0, 0, 0]));
    set.absorb(&batch(&schema, &rows));
    let mut later = batch(&schema, &[row("b", 5, 0, [0, 1, 0, 0])]);
    later.set_observed(5000);
    set.absorb(&later);
    set.expire(2000);
    set.absorb(&batch(&schema, &[row("d", 9, 0, [0; 4]), row("b", 1, 0, [0; 4])]));
    let families = set.snapshot();
    let ops = family(&families, "ops");
    let find = |name: &str| ops.points.iter().find(|p| p.attributes[0].1 == text(name)).map(|p| p.value.clone());
    assert_eq!(find("a"), None);
    assert_eq!(find("b"), Some(PointValue::Integer(7)));
    assert_eq!(find("d"), Some(PointValue::Integer(9)));
    let slots = family(&families, "latency").points.iter().find(|p| p.attributes[0].1 == text("b")).unwrap();
    assert_eq!(slots.value, PointValue::Histogram { counts: vec![1, 1, 0, 0], sum: 3.5, count: 2 });
    assert_eq!(set.len(), 3);
}

#[test]
fn configured_metrics_count_set_and_observe() {
    let schema = schema(&[]);
    let mut sizes = spec("io.size", MetricKind::Histogram, Some("ops"), &[]);
    sizes.boundaries = vec![10.0, 100.0];
    let specs = vec![spec("io.rows", MetricKind::Counter, None, &["comm"]), spec("io.depth", MetricKind::Gauge, Some("delta"), &[]), sizes];
    let mut set = SeriesSet::bind(&source(&schema, specs), 10).unwrap().unwrap();
    set.absorb(&batch(&schema, &[row("a", 10, 3, [0; 4]), row("a", 11, 4, [0; 4]), row("b", 1000, 5, [0; 4])]));
    let families = set.snapshot();
    assert_eq!(family(&families, "io.rows").points[0].value, PointValue::Integer(2));
    assert_eq!(family(&families, "io.depth").points[0].value, PointValue::Number(5.0));
    let expected = PointValue::Histogram { counts: vec![1, 1, 1], sum: 1021.0, count: 3 };
    assert_eq!(family(&families, "io.size").points[0].value, expected);
}

/// ("ab", "c") and ("a", "bc") are different series.
#[test]
fn keys_do_not_run_into_each_other() {
    let mut b = SchemaBuilder::new("s", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    b.add(field("x", Kind::Text, 0, 4, &[])).unwrap();
    b.add(field("y", Kind::Text, 4, 4, &[])).unwrap();
    let schema = b.finish();
    let specs = vec![spec("n", MetricKind::Counter, None, &["x", "y"])];
    let mut set = SeriesSet::bind(&source(&schema, specs), 10).unwrap().unwrap();
    set.absorb(&batch(&schema, &[b"ab\0\0c\0\0\0".to_vec(), b"a\0\0\0bc\0\0".to_vec()]));
    assert_eq!(set.len(), 2);
}

#[test]
fn what_cannot_be_a_metric_is_refused_by_name() {
    let schema = schema(&[]);
    let bind = |spec: MetricSpec| SeriesSet::bind(&source(&schema, vec![spec]), 10).err().unwrap().to_string();
    let unknown = bind(spec("n", MetricKind::Counter, None, &["com"]));
    assert_eq!(unknown, "data source \"blockio\" has no field \"com\", did you mean \"comm\"?");
    assert!(bind(spec("n", MetricKind::Gauge, None, &[])).contains("needs a `field`"));
    assert!(bind(spec("n", MetricKind::Counter, Some("comm"), &[])).contains("not a number"));
    assert!(bind(spec("n", MetricKind::Gauge, Some("slots"), &[])).contains("not a number"));
    assert!(bind(spec("n", MetricKind::Histogram, Some("bytes"), &[])).contains("not an array of 1 to 64 counts"));
    let mut falling = spec("n", MetricKind::Histogram, Some("ops"), &[]);
    falling.boundaries = vec![2.0, 1.0];
    assert!(bind(falling).contains("ascending"));
}

#[test]
fn a_name_can_be_used_once() {
    let schema = schema(&[]);
    let twice = vec![spec("n", MetricKind::Counter, None, &[]), spec("n", MetricKind::Counter, None, &["comm"])];
    assert!(SeriesSet::bind(&source(&schema, twice), 10).is_err());
}
