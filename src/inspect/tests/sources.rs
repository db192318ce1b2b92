//! Data sources as messages.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::sources::{Described, messages};
use crate::batch::{ColumnId, Decode, FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::gadget::Origin;

struct Text;

impl Decode for Text {
    fn decode(&self, _: &[u8], _: &mut Vec<u8>) {}
}

fn column(schema: &mut SchemaBuilder) -> ColumnId {
    schema.add_column()
}

fn described(schema: &Schema, origin: &Origin) -> serde_json::Value {
    serde_json::to_value(messages(&[Described { schema, origin, tags: Vec::new() }])).unwrap()
}

/// Numbers of kinds, flags, buffers and orders as other programs know them; nothing that is zero.
#[test]
fn fields_have_the_numbers_that_others_know() {
    let mut schema = SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    let row = |offset, size| Source::Row { offset, size };
    let mut pid = FieldSpec::new("pid", Kind::Uint(4), row(0, 4));
    pid.types = vec!["gadget_pid".to_owned(), "__u32".to_owned()];
    pid.tags = vec!["src:ebpf".to_owned()];
    pid.annotations.insert("description".to_owned(), "who".to_owned());
    schema.add(pid).unwrap();
    schema.add(FieldSpec::new("proc", Kind::Struct, row(8, 24))).unwrap();
    let raw = schema.add(FieldSpec::new("proc.error_raw", Kind::Int(4), row(8, 4)).hidden(true)).unwrap();
    schema.add(FieldSpec::new("proc.comm", Kind::Text, row(12, 16))).unwrap();
    schema.add(FieldSpec::new("proc.error", Kind::Text, Source::Decoded { from: raw, decoder: std::sync::Arc::new(Text) })).unwrap();
    let column = column(&mut schema);
    schema.add(FieldSpec::new("k8s", Kind::Struct, Source::Parent)).unwrap();
    let host = FieldSpec::new("k8s.hostnetwork", Kind::Bool, Source::Dictionary { column, attribute: 0 });
    schema.add(host.order(-27)).unwrap();
    let origin = Origin::Tracer { map: "events".to_owned(), lost_map: None };
    let expected = serde_json::json!([{"name": "open", "type": 1, "fields": [
        {"name": "pid", "fullName": "pid", "size": 4, "flags": 16, "kind": 8,
            "tags": ["type:gadget_pid", "type:__u32", "src:ebpf"], "annotations": {"description": "who"}},
        {"name": "proc", "fullName": "proc", "index": 1, "offs": 8, "size": 24, "flags": 16, "kind": 14, "order": 1},
        {"name": "error_raw", "fullName": "proc.error_raw", "index": 2, "offs": 8, "size": 4, "flags": 28, "kind": 4,
            "parent": 1, "order": 2},
        {"name": "comm", "fullName": "proc.comm", "index": 3, "offs": 12, "size": 16, "flags": 24, "kind": 13, "parent": 1, "order": 3},
        {"name": "error", "fullName": "proc.error", "index": 4, "payloadIndex": 1, "flags": 8, "kind": 12, "parent": 1, "order": 2},
        {"name": "k8s", "fullName": "k8s", "index": 5, "flags": 1, "order": 5},
        {"name": "hostnetwork", "fullName": "k8s.hostnetwork", "index": 6, "payloadIndex": 2, "size": 1, "flags": 8, "kind": 1,
            "parent": 5, "order": -27},
    ]}]);
    assert_eq!(described(&schema.finish(), &origin), expected);
}

/// Keys and values of a map are two buffers, and arrays have numbers of their own.
#[test]
fn maps_have_two_buffers() {
    let mut schema = SchemaBuilder::new("hists", SourceKind::Array, GadgetIdentity::default(), BTreeMap::new());
    let element = crate::batch::Element { size: 4, signed: false, float: false };
    schema.add(FieldSpec::new("dev", Kind::Uint(2), Source::Row { offset: 2, size: 2 })).unwrap();
    schema.add(FieldSpec::new("slots", Kind::Array(element), Source::Row { offset: 16, size: 108 })).unwrap();
    let (interval, map) = (Duration::ZERO, "hists".to_owned());
    let origin = Origin::MapIter { map, key_size: 12, value_size: 108, interval, count: 0, flush_on_stop: false };
    let found = described(&schema.finish(), &origin);
    assert_eq!(found[0]["type"], 2);
    let place =
        |field: usize| [&found[0]["fields"][field]["payloadIndex"], &found[0]["fields"][field]["offs"]].map(serde_json::Value::as_u64);
    assert_eq!((place(0), place(1)), ([None, Some(2)], [Some(1), None]));
    assert_eq!(found[0]["fields"][1]["kind"], 0x1000_0008);
}
