//! Which fields formatting adds, how they are shown and what they read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::batch::{Element, GadgetIdentity, Schema, SourceKind, Value};

struct Fixture(SchemaBuilder);

impl Fixture {
    fn new() -> Self {
        Fixture(SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new()))
    }

    fn row(mut self, name: &str, kind: Kind, offset: u32, size: u32, types: &[&str], annotations: &[(&str, &str)]) -> Self {
        let mut field = FieldSpec::new(name, kind, Source::Row { offset, size }).order(offset as i32);
        field.types = types.iter().map(|t| t.to_string()).collect();
        field.annotate(annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
        self.0.add(field).unwrap();
        self
    }

    fn parent(mut self, name: &str, type_name: &str) -> Self {
        let mut field = FieldSpec::new(name, Kind::Struct, Source::Parent);
        field.types = vec![type_name.to_owned()];
        self.0.add(field).unwrap();
        self
    }

    fn bind(mut self) -> Result<Arc<Schema>, BindError> {
        Format::new().bind(&mut self.0).map(|()| self.0.finish())
    }
}

fn read(schema: &Arc<Schema>, record: &[u8], name: &str) -> String {
    let mut batch = Batch::new(schema.clone(), 10, 1000);
    batch.push(record);
    let mut scratch = Vec::new();
    match batch.value(0, schema.find(name).unwrap(), &mut scratch) {
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => format!("{other:?}"),
    }
}

fn field<'a>(schema: &'a Schema, name: &str) -> &'a FieldSpec {
    schema.field(schema.find(name).unwrap()).unwrap()
}

#[test]
fn a_target_is_named_by_annotation_then_by_suffix_and_else_not_made() {
    let f = Fixture::new()
        .row("p.error_raw", Kind::Uint(4), 0, 4, &["gadget_errno", "__u32"], &[])
        .row("p.other_raw", Kind::Uint(4), 0, 4, &["gadget_errno"], &[("formatters.errno.target", "why")])
        .row("p.plain", Kind::Uint(4), 0, 4, &["gadget_errno"], &[])
        .row("p.wide_raw", Kind::Uint(8), 0, 8, &["gadget_errno"], &[]);
    let schema = f.bind().unwrap();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["p.error_raw", "p.other_raw", "p.plain", "p.wide_raw", "p.error", "p.why"]);
    assert_eq!(read(&schema, &2u64.to_ne_bytes(), "p.error"), "ENOENT");
    assert_eq!(field(&schema, "p.error").annotations["columns.width"], "12");
    assert!(field(&schema, "p.error").annotations["value.one-of"].contains("ENOENT"));
    let hidden: Vec<_> = schema.fields().iter().filter(|f| f.hidden).map(|f| f.leaf()).collect();
    assert_eq!(hidden, ["error_raw", "other_raw"]);
}

#[test]
fn an_explicit_hidden_annotation_decides_and_the_order_is_inherited() {
    let f = Fixture::new().row("size_raw", Kind::Uint(8), 8, 8, &["gadget_bytes"], &[("columns.hidden", "false")]);
    let schema = f.bind().unwrap();
    assert!(!field(&schema, "size_raw").hidden);
    assert_eq!(field(&schema, "size").order, 8);
}

#[test]
fn annotations_for_an_added_field_reach_it() {
    let mut f = Fixture::new().row("timestamp_raw", Kind::Uint(8), 0, 8, &["gadget_timestamp"], &[]);
    f.0.annotate("timestamp", BTreeMap::from([("columns.hidden".to_owned(), "false".to_owned())]));
    let schema = f.bind().unwrap();
    assert!(!field(&schema, "timestamp").hidden);
    assert_eq!(field(&schema, "timestamp").annotations["columns.width"], "35");
}

#[test]
fn timestamps_read_as_wall_time_in_number_and_text() {
    let f = Fixture::new().row("timestamp_raw", Kind::Uint(8), 0, 8, &["gadget_timestamp", "__u64"], &[]);
    let schema = f.bind().unwrap();
    let boot = crate::kernel::clock::boot_now();
    let wall = crate::kernel::clock::boot_to_unix(boot);
    assert_eq!(read(&schema, &boot.to_ne_bytes(), "timestamp_raw"), format!("Uint({wall})"));
    let mut text = Vec::new();
    crate::decoder::timestamp::push_unix(wall, &mut text);
    assert_eq!(read(&schema, &boot.to_ne_bytes(), "timestamp").into_bytes(), text);
    assert!(field(&schema, "timestamp").hidden);
}

#[test]
fn users_and_groups_have_fixed_names_and_are_hidden() {
    let f = Fixture::new()
        .row("proc.creds.uid", Kind::Uint(4), 0, 4, &["gadget_uid"], &[])
        .row("proc.creds.gid", Kind::Uint(4), 4, 4, &["gadget_gid"], &[])
        .row("uid_raw", Kind::Uint(4), 0, 4, &["gadget_uid"], &[]);
    let schema = f.bind().unwrap();
    let record = [0xfe_u8, 0xff, 0xff, 0x7f, 0, 0, 0, 0];
    let id = u32::from_ne_bytes([0xfe, 0xff, 0xff, 0x7f]);
    assert_eq!(read(&schema, &record, "proc.creds.user"), format!("uid:{id}"));
    assert_eq!(read(&schema, &record, "proc.creds.group"), "root");
    assert_eq!(read(&schema, &record, "uid"), format!("uid:{id}"));
    assert!(schema.fields().iter().all(|f| f.hidden));
}

#[test]
fn two_users_under_one_parent_are_an_error_that_names_them() {
    let f = Fixture::new().row("a", Kind::Uint(4), 0, 4, &["gadget_uid"], &[]).row("b", Kind::Uint(4), 4, 4, &["gadget_uid"], &[]);
    let error = f.bind().map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "data source \"open\" already has a field \"user\"");
}

#[test]
fn argument_vectors_are_text_and_their_bytes_stay_out_of_json() {
    let mut f = Fixture::new();
    let mut raw = FieldSpec::new("args_raw", Kind::Bytes, Source::Tail { offset: 0 });
    raw.types = vec!["gadget_tail_args".to_owned()];
    f.0.add(raw).unwrap();
    let schema = f.bind().unwrap();
    let mut record = (9u32 << 16 | 4).to_ne_bytes().to_vec();
    record.extend(b"ls\0-l\0/x\0");
    assert_eq!(read(&schema, &record, "args"), "ls -l /x");
    assert!(field(&schema, "args_raw").json_skip && field(&schema, "args_raw").hidden);
}

#[test]
fn a_text_that_is_there_already_is_not_made_twice() {
    let mut f = Fixture::new();
    let mut raw = FieldSpec::new("args_raw", Kind::Bytes, Source::Tail { offset: 0 });
    raw.types = vec!["gadget_tail_args".to_owned()];
    let from = f.0.add(raw).unwrap();
    let decoder = Arc::new(crate::decoder::args::Args);
    f.0.add(FieldSpec::new("args", Kind::Text, Source::Decoded { from, decoder })).unwrap();
    assert_eq!(f.bind().unwrap().fields().len(), 2);
}

#[test]
fn endpoints_get_address_protocol_and_endpoint() {
    let bytes = Kind::Array(Element { size: 1, signed: false, float: false });
    let f = Fixture::new()
        .parent("src", "gadget_l4endpoint_t")
        .parent("src.addr_raw", "gadget_ip_addr_t")
        .row("src.addr_raw.v6", bytes, 16, 16, &[], &[])
        .row("src.addr_raw.v4", Kind::Uint(4), 16, 4, &[], &[])
        .row("src.port", Kind::Uint(2), 32, 2, &[], &[])
        .row("src.proto_raw", Kind::Uint(2), 34, 2, &[], &[])
        .row("src.version", Kind::Uint(1), 36, 1, &[], &[]);
    let schema = f.bind().unwrap();
    let mut record = vec![0; 16];
    record.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    record.extend(443u16.to_ne_bytes());
    record.extend(6u16.to_ne_bytes());
    record.extend([4, 0, 0, 0]);
    assert_eq!(read(&schema, &record, "src.endpoint"), "10.0.0.1:443");
    assert_eq!(read(&schema, &record, "src.proto"), "TCP");
    assert_eq!(field(&schema, "src").annotations["columns.replace"], "src.endpoint");
    let visible: Vec<_> = schema.fields().iter().filter(|f| !f.hidden).map(|f| f.name.as_str()).collect();
    assert_eq!(visible, ["src"]);
    assert_eq!(read(&schema, &record, "src.addr"), "10.0.0.1");
    let skipped: Vec<_> = schema.fields().iter().filter(|f| f.json_skip).map(|f| f.name.as_str()).collect();
    assert_eq!(skipped, ["src.addr_raw", "src.endpoint"]);
}
