//! What the encoder writes, read back with the official message types.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;

use super::*;
use crate::batch::{ColumnId, Decode, Element, FieldId, FieldSpec, Kind, SchemaBuilder, Source, SourceKind};

struct Upper;

impl Decode for Upper {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend(raw.iter().map(|b| b'A' + b % 26));
    }
}

struct Containers;

impl Dictionary for Containers {
    fn value(&self, entry: u32, attribute: u16) -> Value<'_> {
        match (entry, attribute) {
            (7, 0) => Value::Text(b"from-the-field"),
            _ => Value::None,
        }
    }

    fn resource(&self, entry: u32) -> Vec<(std::borrow::Cow<'static, str>, String)> {
        let pairs: &[(&str, &str)] = match entry {
            1 => &[("container.name", "web"), ("container.image.tags", "v1"), ("service.name", "shop")],
            2 => &[("container.name", "db")],
            _ => &[],
        };
        pairs.iter().map(|(key, value)| (key.to_string().into(), value.to_string())).collect()
    }
}

fn row(offset: u32, size: u32) -> Source {
    Source::Row { offset, size }
}

fn builder() -> SchemaBuilder {
    let gadget = GadgetIdentity {
        instance: "execs".to_owned(),
        image: "trace_exec:v1".to_owned(),
        name: "trace exec".to_owned(),
        version: "v1".to_owned(),
        digest: "sha256:abc".to_owned(),
    };
    SchemaBuilder::new("exec", SourceKind::Single, gadget, BTreeMap::new())
}

/// Every kind of field a gadget can have.
fn full() -> (Arc<Schema>, ColumnId) {
    let mut b = builder();
    let mut stamp = FieldSpec::new("timestamp_raw", Kind::Uint(8), Source::BootTime { offset: 0 }).hidden(true);
    stamp.types = vec!["gadget_timestamp".to_owned()];
    let stamp = b.add(stamp).unwrap();
    let decoded = |from: FieldId| Source::Decoded { from, decoder: Arc::new(Upper) };
    b.add(FieldSpec::new("timestamp", Kind::Text, decoded(stamp))).unwrap();
    b.add(FieldSpec::new("proc", Kind::Struct, Source::Parent)).unwrap();
    b.add(FieldSpec::new("proc.pid", Kind::Uint(4), row(8, 4))).unwrap();
    b.add(FieldSpec::new("ret", Kind::Int(4), row(12, 4))).unwrap();
    b.add(FieldSpec::new("big", Kind::Uint(8), row(16, 8))).unwrap();
    b.add(FieldSpec::new("ratio", Kind::Float(8), row(24, 8))).unwrap();
    b.add(FieldSpec::new("ok", Kind::Bool, row(32, 1))).unwrap();
    b.add(FieldSpec::new("comm", Kind::Text, row(33, 7))).unwrap();
    b.add(FieldSpec::new("mac", Kind::Bytes, row(40, 4))).unwrap();
    b.add(FieldSpec::new("slots", Kind::Array(Element { size: 2, signed: true, float: false }), row(44, 4))).unwrap();
    let raw = b.add(FieldSpec::new("error_raw", Kind::Uint(1), row(48, 1)).hidden(true)).unwrap();
    b.add(FieldSpec::new("error", Kind::Text, decoded(raw))).unwrap();
    b.add(FieldSpec::new("uid", Kind::Uint(1), row(49, 1)).hidden(true)).unwrap();
    let mut internal = FieldSpec::new("internal", Kind::Uint(1), row(49, 1));
    internal.json_skip = true;
    b.add(internal).unwrap();
    let column = b.add_column();
    b.add(FieldSpec::new("runtime.containerName", Kind::Text, Source::Dictionary { column, attribute: 0 })).unwrap();
    (b.finish(), column)
}

fn record(pid: u32) -> Vec<u8> {
    let mut r = Vec::new();
    r.extend(1_000_000_u64.to_ne_bytes());
    r.extend(pid.to_ne_bytes());
    r.extend((-13_i32).to_ne_bytes());
    r.extend(u64::MAX.to_ne_bytes());
    r.extend(0.25_f64.to_ne_bytes());
    r.push(1);
    r.extend(b"b\xffsh\0\0\0");
    r.extend([1, 2, 3, 4]);
    r.extend((-1_i16).to_ne_bytes());
    r.extend(300_i16.to_ne_bytes());
    r.extend([2, 42]);
    r
}

/// A batch with one row per entry; the row's pid is its index.
fn batch(schema: &Arc<Schema>, column: Option<ColumnId>, entries: &[u32]) -> Batch {
    let mut batch = Batch::new(schema.clone(), 100, 1 << 20);
    (0..entries.len()).for_each(|i| batch.push(&record(i as u32)));
    batch.set_observed(1_700_000_000_000_000_000);
    if let Some(column) = column.and_then(|c| batch.column_mut(c)) {
        column.entries = entries.to_vec();
        column.dictionary = Some(Arc::new(Containers));
    }
    batch
}

fn collector() -> Vec<(String, String)> {
    let all = [("service.name", "gadgetry"), ("service.version", "0.1"), ("host.name", "node1")];
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

fn request(encoder: &mut LogEncoder, batch: &Batch) -> ExportLogsServiceRequest {
    batch.selection().iter().for_each(|row| encoder.add(batch, row));
    let mut out = Vec::new();
    assert_eq!(encoder.finish(&mut out), batch.selection().count() as u64);
    ExportLogsServiceRequest::decode(&*out).unwrap()
}

fn only_record(schema: &Arc<Schema>) -> LogRecord {
    let mut encoder = LogEncoder::bind(schema, &[]).unwrap();
    let mut request = request(&mut encoder, &batch(schema, None, &[0]));
    request.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
}

fn any(kv: &KeyValue) -> Any {
    kv.value.clone().unwrap().value.unwrap()
}

fn text(value: &str) -> Any {
    Any::StringValue(value.to_owned())
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, Any)> {
    attributes.iter().map(|kv| (kv.key.as_str(), any(kv))).collect()
}

fn list(elements: Vec<Any>) -> Any {
    let values = elements.into_iter().map(|v| opentelemetry_proto::tonic::common::v1::AnyValue { value: Some(v) }).collect();
    Any::ArrayValue(ArrayValue { values })
}

#[test]
fn a_row_becomes_a_log_record_with_typed_attributes() {
    let (schema, _) = full();
    let record = only_record(&schema);
    assert_eq!(record.time_unix_nano, clock::boot_to_unix(1_000_000));
    assert_eq!(record.observed_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!((record.severity_number, record.severity_text.as_str(), record.event_name.as_str()), (9, "INFO", "gadgetry.exec"));
    assert_eq!(record.body, None);
    let expected = vec![
        ("proc.pid", Any::IntValue(0)),
        ("ret", Any::IntValue(-13)),
        ("big", Any::IntValue(i64::MAX)),
        ("ratio", Any::DoubleValue(0.25)),
        ("ok", Any::BoolValue(true)),
        ("comm", text("b\u{fffd}sh")),
        ("mac", Any::BytesValue(vec![1, 2, 3, 4])),
        ("slots", list(vec![Any::IntValue(-1), Any::IntValue(300)])),
        ("error", text("C")),
        ("uid", Any::IntValue(42)),
    ];
    assert_eq!(pairs(&record.attributes), expected);
}

#[test]
fn rows_are_grouped_by_container_and_the_container_is_the_resource() {
    let (schema, column) = full();
    let mut encoder = LogEncoder::bind(&schema, &collector()).unwrap();
    let request = request(&mut encoder, &batch(&schema, Some(column), &[1, 2, 1, 0, 7, 2, 1]));
    let mut found = Vec::new();
    for group in &request.resource_logs {
        let scope = group.scope_logs[0].scope.as_ref().unwrap();
        assert_eq!((scope.name.as_str(), scope.version.as_str()), ("trace_exec", "v1"));
        let identity = [
            ("gadgetry.gadget.instance", text("execs")),
            ("gadgetry.gadget.image", text("trace_exec:v1")),
            ("gadgetry.gadget.digest", text("sha256:abc")),
        ];
        assert_eq!(pairs(&scope.attributes), identity);
        let pids: Vec<_> = group.scope_logs[0].log_records.iter().map(|r| any(&r.attributes[0])).collect();
        found.push((pairs(&group.resource.as_ref().unwrap().attributes), pids));
    }
    let host = ("host.name", text("node1"));
    let service = [("service.name", text("gadgetry")), ("service.version", text("0.1")), host.clone()];
    let ours = |more: &[(&'static str, Any)]| service.iter().chain(more).cloned().collect::<Vec<_>>();
    let pids = |pids: &[i64]| pids.iter().map(|p| Any::IntValue(*p)).collect::<Vec<_>>();
    // A service of its own has not our version.
    let web = vec![
        host.clone(),
        ("container.name", text("web")),
        ("container.image.tags", list(vec![text("v1")])),
        ("service.name", text("shop")),
    ];
    let expected = vec![
        (web, pids(&[0, 2, 6])),
        (ours(&[("container.name", text("db"))]), pids(&[1, 5])),
        (ours(&[]), pids(&[3])),
        (ours(&[("runtime.containerName", text("from-the-field"))]), pids(&[4])),
    ];
    assert_eq!(found, expected);
}

#[test]
fn rows_that_are_not_selected_and_earlier_chunks_do_not_come_again_and_chunks_concatenate() {
    let (schema, column) = full();
    let mut encoder = LogEncoder::bind(&schema, &collector()).unwrap();
    let mut batch = batch(&schema, Some(column), &[1, 2, 1]);
    let mut out = Vec::new();
    batch.selection().iter().for_each(|row| encoder.add(&batch, row));
    assert_eq!((encoder.finish(&mut out), encoder.records(), encoder.bytes()), (3, 0, 0));
    batch.selection_mut().remove(1);
    batch.selection().iter().for_each(|row| encoder.add(&batch, row));
    assert_eq!(encoder.finish(&mut out), 2);
    assert_eq!(encoder.finish(&mut out), 0);
    let request = ExportLogsServiceRequest::decode(&*out).unwrap();
    let counts: Vec<_> = request.resource_logs.iter().map(|r| r.scope_logs[0].log_records.len()).collect();
    assert_eq!(counts, [2, 1, 2]);
}

#[test]
fn annotations_choose_attributes_severity_body_and_event_name() {
    let mut annotations = BTreeMap::new();
    annotations.insert("logs.name".to_owned(), "my.event".to_owned());
    annotations.insert("logs.body".to_owned(), "comm".to_owned());
    let mut b = SchemaBuilder::new("exec", SourceKind::Single, GadgetIdentity::default(), annotations);
    let field = |name: &str, kind, source, role: &str| {
        let mut f = FieldSpec::new(name, kind, source);
        if !role.is_empty() {
            f.annotations.insert("logs.name".to_owned(), role.to_owned());
        }
        f
    };
    b.add(field("pid", Kind::Uint(4), row(8, 4), "process.pid")).unwrap();
    b.add(field("level", Kind::Uint(1), row(40, 1), "severity")).unwrap();
    b.add(field("comm", Kind::Text, row(35, 5), "")).unwrap();
    b.add(field("unnamed", Kind::Uint(1), row(40, 1), "")).unwrap();
    let record = only_record(&b.finish());
    assert_eq!(pairs(&record.attributes), [("process.pid", Any::IntValue(0))]);
    assert_eq!((record.severity_number, record.event_name.as_str()), (1, "my.event"));
    assert_eq!(record.body.unwrap().value, Some(text("sh")));
    assert_eq!(record.time_unix_nano, 0);
}

#[test]
fn annotations_that_make_no_sense_are_refused_with_their_name() {
    let bind = |key: &str, value: &str| {
        let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let mut b = SchemaBuilder::new("exec", SourceKind::Single, GadgetIdentity::default(), annotations);
        b.add(FieldSpec::new("comm", Kind::Text, row(0, 5))).unwrap();
        LogEncoder::bind(&b.finish(), &[]).err().map(|e| e.to_string())
    };
    assert_eq!(bind("logs.body", "com").unwrap(), "data source \"exec\" has no field \"com\", did you mean \"comm\"?");
    assert!(bind("logs.severity", "25").unwrap().contains("\"25\""));
    assert_eq!(bind("logs.severity", "24"), None);
    assert_eq!(bind("logs.body", "comm + 'x'"), None);
}

#[test]
fn lengths_of_every_magnitude_are_written_as_protobuf_reads_them() {
    for len in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
        let mut out = Vec::new();
        wire::attribute(&mut out, 1, &wire::key("k"), Value::Text(&vec![b'x'; len]));
        let resource = opentelemetry_proto::tonic::resource::v1::Resource::decode(&*out).unwrap();
        assert_eq!(any(&resource.attributes[0]), text(&"x".repeat(len)));
    }
    for value in (0..64).flat_map(|shift| [1_u64 << shift, (1 << shift) - 1]).chain([u64::MAX]) {
        let mut out = Vec::new();
        wire::varint(&mut out, value);
        assert_eq!((out.len(), prost::encoding::decode_varint(&mut &*out).unwrap()), (wire::varint_len(value), value));
    }
}
