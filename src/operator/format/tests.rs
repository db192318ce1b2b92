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
    assert_eq!(skipped, ["src.addr_raw", "src.addr_raw.v6", "src.addr_raw.v4", "src.endpoint"]);
}

/// A formatter for users and groups of a folder.
fn format(names: Option<&[(&str, &str)]>) -> Format {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in names.unwrap_or_default() {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    Format { shared: Shared { names: Names::of_folder(folder.path()) }, ..Format::new() }
}

#[test]
fn a_machine_without_users_or_without_groups_has_no_names() {
    for names in [None, Some(&[("passwd", "a:x:1:")][..]), Some(&[("group", "a:x:1:")][..])] {
        let mut f = Fixture::new().row("uid", Kind::Uint(4), 0, 4, &["gadget_uid"], &[]).0;
        format(names).bind(&mut f).unwrap();
        let schema = f.finish();
        assert_eq!((schema.fields().len(), field(&schema, "uid").hidden), (1, false));
    }
    let mut f = Fixture::new().row("gid", Kind::Uint(4), 0, 4, &["gadget_gid"], &[("uidgidresolver.target", "who")]).0;
    format(Some(&[("passwd", ""), ("group", "staff:x:50:")])).bind(&mut f).unwrap();
    assert_eq!(read(&f.finish(), &50u32.to_ne_bytes(), "who"), "staff");
}

#[test]
fn times_have_the_layout_that_the_metadata_gives() {
    let layout = [("formatters.timestamp.format", "2006 at 15h"), ("formatters.timestamp.target", "when")];
    let schema = Fixture::new().row("t", Kind::Uint(8), 0, 8, &["gadget_timestamp"], &layout).bind().unwrap();
    let text = read(&schema, &1u64.to_ne_bytes(), "when");
    assert!(text.len() == 11 && text.get(4..8) == Some(" at ") && text.ends_with('h'), "{text}");
    assert_eq!(field(&schema, "when").annotations["columns.maxwidth"], "35");
    // Zero is now.
    assert_eq!(
        read(&schema, &0u64.to_ne_bytes(), "when").get(..4),
        read(&schema, &crate::kernel::clock::boot_now().to_ne_bytes(), "when").get(..4)
    );
}

#[test]
fn width_decides_for_some_and_kind_for_others() {
    let types =
        ["gadget_syscall", "gadget_file_mode", "gadget_file_flags", "gadget_signal", "gadget_errno", "gadget_bytes", "gadget_duration"];
    let made = |kind, size| {
        let mut f = Fixture::new();
        for name in types {
            f = f.row(&format!("{name}_raw"), kind, 0, size, &[name], &[]);
        }
        let schema = f.bind().unwrap();
        types.iter().filter(|name| schema.find(name).is_some()).copied().collect::<Vec<_>>()
    };
    assert_eq!(made(Kind::Uint(4), 4), ["gadget_file_mode", "gadget_file_flags", "gadget_signal", "gadget_errno"]);
    assert_eq!(made(Kind::Int(4), 4), ["gadget_file_mode", "gadget_file_flags", "gadget_signal"]);
    assert_eq!(made(Kind::Uint(8), 8), ["gadget_syscall", "gadget_bytes", "gadget_duration"]);
    assert_eq!(made(Kind::Int(8), 8), ["gadget_syscall"]);
    assert!(made(Kind::Uint(2), 2).is_empty());
}

#[test]
fn templates_of_texts_are_below_the_metadata() {
    let mut f = Fixture::new().row("size_raw", Kind::Uint(8), 0, 8, &["gadget_bytes"], &[]);
    f.0.annotate("size", BTreeMap::from([("columns.width".to_owned(), "4".to_owned())]));
    let schema = f.bind().unwrap();
    let size = field(&schema, "size");
    assert_eq!((size.annotations["columns.width"].as_str(), size.annotations["columns.alignment"].as_str()), ("4", "right"));
}

#[test]
fn a_text_whose_name_is_taken_is_not_made() {
    let f = Fixture::new().row("error_raw", Kind::Uint(4), 0, 4, &["gadget_errno"], &[]).row("error", Kind::Uint(4), 4, 4, &[], &[]);
    let schema = f.bind().unwrap();
    assert_eq!((schema.fields().len(), field(&schema, "error_raw").hidden), (2, false));
}

#[test]
fn bit_fields_are_formatted_like_others() {
    let mut f = Fixture::new();
    let bits = Source::Bits { offset: 0, size: 2, shift: 4, width: 5 };
    f.0.add(FieldSpec { types: vec!["gadget_signal".to_owned()], ..FieldSpec::new("sig_raw", Kind::Uint(4), bits) }).unwrap();
    let schema = f.bind().unwrap();
    assert_eq!(read(&schema, &(9u16 << 4 | 0xf).to_ne_bytes(), "sig"), "SIGKILL");
}

/// An endpoint as objects had it before there was a protocol in it: the port is a number, the members are where the object says.
#[test]
fn old_and_small_endpoints_have_what_they_have() {
    let bytes = Kind::Array(Element { size: 1, signed: false, float: false });
    let f = Fixture::new()
        .parent("dst", "gadget_l4endpoint_t")
        .parent("dst.addr_raw", "gadget_ip_addr_t")
        .row("dst.addr_raw.v6", bytes, 4, 16, &[], &[])
        .row("dst.port", Kind::Uint(2), 0, 2, &[], &[])
        .row("dst.proto", Kind::Uint(2), 2, 2, &[], &[("columns.hidden", "false")])
        .row("dst.version", Kind::Uint(1), 20, 1, &[], &[])
        .parent("via", "gadget_l3endpoint_t")
        .parent("via.gateway_raw", "gadget_ip_addr_t")
        .row("via.gateway_raw.v6", bytes, 4, 16, &[], &[])
        .row("via.version", Kind::Uint(1), 20, 1, &[], &[]);
    let schema = f.bind().unwrap();
    let mapped = std::net::Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets();
    let record = |version: u8| [&80u16.to_ne_bytes()[..], &[6, 0], &mapped, &[version]].concat();
    assert_eq!(read(&schema, &record(6), "dst.endpoint"), "192.0.2.7:80");
    assert_eq!(read(&schema, &record(9), "dst.endpoint"), ":80");
    assert_eq!((read(&schema, &record(6), "via.gateway"), read(&schema, &record(0), "via.gateway")), ("192.0.2.7".into(), String::new()));
    assert_eq!(read(&schema, &record(6), "dst.proto"), "Uint(6)");
    assert!(schema.find("via.endpoint").is_none());
    assert_eq!(field(&schema, "via").annotations["columns.replace"], "via.gateway");
    assert!(schema.fields().iter().filter(|f| f.name.contains("_raw")).all(|f| f.json_skip && f.hidden));
    assert!(field(&schema, "dst.endpoint").has_tag("endpoint"));
}

fn user_stack() -> Fixture {
    Fixture::new().row("u", Kind::Struct, 0, 24, &["gadget_user_stack"], &[]).row("u.inode", Kind::Uint(8), 8, 8, &[], &[]).row(
        "u.stack_id",
        Kind::Uint(4),
        16,
        4,
        &[],
        &[],
    )
}

#[test]
fn stacks_need_their_maps_once_the_gadget_is_loaded() {
    let kernel = || Fixture::new().row("k_raw", Kind::Uint(4), 0, 4, &["gadget_kernel_stack"], &[]);
    for (mut fixture, expected) in [
        (
            kernel(),
            r#"field "k_raw" is a stack, but the gadget has no map "ig_kstack": its program has to include <gadget/kernel_stack_map.h>"#,
        ),
        (
            user_stack(),
            r#"field "u" is a stack, but the gadget has no map "ig_ustack": its program has to include <gadget/user_stack_map.h>"#,
        ),
    ] {
        let error = Format::with_maps(&|_| None).bind(&mut fixture.0).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let schema = kernel().bind().unwrap();
    assert_eq!((read(&schema, &[1, 0, 0, 0], "k"), field(&schema, "k_raw").hidden), (String::new(), true));
    let no_map = |_: &str| Some(std::fs::File::open("/dev/null").unwrap().into());
    let error = Format::with_maps(&no_map).bind(&mut kernel().0).unwrap_err().to_string();
    assert!(error.starts_with("ask the kernel about map \"ig_kstack\": "), "{error}");
}

#[test]
fn user_stacks_have_three_hidden_texts() {
    let schema = user_stack().bind().unwrap();
    for name in ["u.addresses", "u.buildid", "u.symbols"] {
        assert!(field(&schema, name).hidden && field(&schema, name).has_tag("operator:ustack"));
        assert_eq!(read(&schema, &[0; 24], name), "");
    }
    assert!(schema.fields().iter().all(|f| f.hidden));
}
