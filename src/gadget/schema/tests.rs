//! From C to fields: structs compiled on the spot, their metadata, and what records of them read as.

use std::sync::Arc;

use super::*;
use crate::batch::{Batch, Schema, SchemaError, Value};
use crate::gadget::elf::Elf;
use crate::gadget::fixture;

const TYPES: &str =
    "typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;";

/// The types of an object with a variable of `struct event`.
fn btf(source: &str) -> Vec<u8> {
    let object = fixture::compile(&format!("{TYPES} {source} struct event keep; int f(void) {{ return 0; }}")).unwrap();
    Elf::parse(&object).unwrap().section(".BTF").unwrap().data.to_vec()
}

/// The kernel's types are those of this C.
fn kernel(source: &str) -> KernelTypes {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), btf(&format!("{source} struct event {{ int x; }};"))).unwrap();
    KernelTypes::of(Some(Btf::read(file.path()).unwrap()))
}

fn build(source: &str, notes: &str, kernel: &KernelTypes, tag: Option<&'static str>) -> Result<Arc<Schema>, FieldsError> {
    let bytes = btf(source);
    let btf = Btf::parse(&bytes).unwrap();
    let manifest = Manifest::parse(format!("datasources: {{calls: {notes}}}").as_bytes()).unwrap();
    let mut fields = Fields::new(&btf, &manifest, kernel, "calls", SourceKind::Single, &GadgetIdentity::default());
    let size = fields.add_struct(btf.structure("event").unwrap(), 0, tag)?;
    fields.add_rest(size)?;
    Ok(fields.finish().finish())
}

fn schema(source: &str, notes: &str) -> Arc<Schema> {
    build(source, notes, &KernelTypes::of(None), None).unwrap()
}

fn field<'a>(schema: &'a Schema, name: &str) -> &'a FieldSpec {
    schema.field(schema.find(name).unwrap_or_else(|| panic!("no field {name}"))).unwrap()
}

fn read(schema: &Arc<Schema>, record: &[u8], name: &str) -> String {
    let mut batch = Batch::new(schema.clone(), 1, 1000);
    batch.push(record);
    match batch.value(0, schema.find(name).unwrap(), &mut Vec::new()) {
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => format!("{other:?}"),
    }
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|f| f.name.as_str()).collect()
}

/// Packed bit fields may start and end anywhere, up to all 64 bits over nine bytes, and have signs of their own.
#[test]
fn bit_fields_are_cut_out_wherever_they_are() {
    let schema = schema("struct event { __u8 a : 1; __u64 b : 64; int c : 5; __u32 d : 31; _Bool e : 1; } __attribute__((packed));", "{}");
    let a = 1u128;
    let b = 0x8123_4567_89ab_cdefu128;
    let (c, d, e) = (0b10011u128, 0x7fff_fffeu128, 1u128);
    let bits = a | b << 1 | c << 65 | d << 70 | e << 101;
    let record = &bits.to_le_bytes()[..13];
    assert_eq!(read(&schema, record, "a"), "Uint(1)");
    assert_eq!(read(&schema, record, "b"), format!("Uint({b})"));
    assert_eq!(read(&schema, record, "c"), "Int(-13)");
    assert_eq!(read(&schema, record, "d"), format!("Uint({d})"));
    assert_eq!(read(&schema, record, "e"), "Bool(true)");
    assert_eq!(schema.fixed_size(), 13);
    assert_eq!(read(&schema, &record[..4], "d"), "Uint(0)");
}

/// Members keep the order of declaration, those of nameless structs stand in their place, and one struct may occur twice.
#[test]
fn fields_are_in_the_order_of_declaration() {
    let schema = schema(
        "struct p { __u32 x; __u32 y; };
         struct event { struct p one; struct { __u32 a; union { __u32 b; struct { __u32 c; }; }; }; struct p two; __u32 last; };",
        "{}",
    );
    assert_eq!(names(&schema), ["one", "one.x", "one.y", "a", "b", "c", "two", "two.x", "two.y", "last"]);
    assert!(schema.fields().iter().zip(0..).all(|(f, order)| f.order == order));
    let offset = |name: &str| match field(&schema, name).source {
        Source::Row { offset, .. } => offset,
        _ => panic!("{name} is not in the row"),
    };
    assert_eq!(["a", "b", "c", "two", "two.y", "last"].map(offset), [8, 12, 12, 16, 20, 24]);
}

/// A field has a tag for each name on the way to its base type, for its member, for where it comes from, and those of the metadata.
#[test]
fn fields_are_tagged() {
    let source = "typedef __u32 inner; typedef inner outer; struct event { const outer x; outer many[2]; struct { outer y; } z; };";
    let schema = build(source, "{fields: {z.y: {tags: [mine, 7]}}}", &KernelTypes::of(None), Some("role:key")).unwrap();
    for name in ["x", "many", "z.y"] {
        assert_eq!(field(&schema, name).types, ["outer", "inner", "__u32", "unsigned int"], "{name}");
    }
    let y = field(&schema, "z.y");
    assert!(["type:inner", "type:unsigned int", "name:y", "src:ebpf", "role:key", "mine", "7"].iter().all(|tag| y.has_tag(tag)));
    assert!(!y.has_tag("name:z.y") && !y.has_tag("type:y"));
}

/// What the types bring along is below the metadata's template, and that is below the metadata's other annotations.
#[test]
fn annotations_have_an_order_of_precedence() {
    let source = "typedef __u32 gadget_pid; typedef __u32 gadget_ptid; typedef __u32 gadget_ppid;
         struct gadget_parent { gadget_ppid pid; gadget_ptid tid; };
         struct gadget_process { gadget_pid pid; struct gadget_parent parent; };
         struct event { struct gadget_process proc; gadget_pid a; gadget_pid b; gadget_ptid c; };";
    let schema = schema(
        source,
        "{fields: {a: {annotations: {Template: UID}}, b: {annotations: {template: uid, columns.minWidth: 9, columns.fixed: true, columns.with: 3}}, proc.parent.pid: {annotations: {columns.hidden: false}}}}",
    );
    let note = |name: &str, key: &str| field(&schema, name).annotations.get(key).map(String::as_str);
    assert_eq!((note("proc.pid", "columns.minwidth"), note("a", "columns.minwidth")), (Some("7"), Some("8")));
    assert_eq!((note("b", "columns.minwidth"), note("b", "columns.alignment")), (Some("9"), Some("right")));
    assert_eq!((note("b", "columns.fixed"), note("b", "columns.with")), (Some("true"), Some("3")));
    assert_eq!((note("proc.pid", "columns.alias"), note("proc.parent", "columns.alias")), (Some("pid"), Some("parent")));
    assert_eq!((note("c", "columns.minwidth"), field(&schema, "c").hidden), (None, false));
    assert!(field(&schema, "proc").hidden && field(&schema, "proc.parent").hidden);
    assert!(!field(&schema, "proc.parent.pid").hidden && !field(&schema, "proc.parent.tid").hidden);
}

/// Counters and gauges are metrics by their types.
#[test]
fn types_make_metrics() {
    let schema = schema(
        "typedef __u64 gadget_counter__u64; typedef __u32 gadget_gauge__u32; typedef __u64 gadget_histogram_slot__u64;
         struct event { gadget_counter__u64 c; gadget_gauge__u32 g; gadget_histogram_slot__u64 slots[27]; };",
        "{fields: {g: {annotations: {metrics.type: key}}}}",
    );
    assert_eq!(field(&schema, "c").annotations["metrics.type"], "counter");
    assert_eq!(field(&schema, "g").annotations["metrics.type"], "key");
    assert!(field(&schema, "slots").has_type("gadget_histogram_slot__u64"));
}

const COLORS: &str = "enum color { RED = 1, GREEN = -2 };";

/// An enum of the same name in the kernel replaces the names and the sign; another one, or none at all, leaves the object's.
#[test]
fn enumerators_are_those_of_the_kernel() {
    let source = format!("{COLORS} struct event {{ enum color c_raw; }};");
    let text = |kernel: &KernelTypes, value: i32| {
        let schema = build(&source, "{}", kernel, None).unwrap();
        read(&schema, &value.to_le_bytes(), "c")
    };
    let own = KernelTypes::of(None);
    assert_eq!([1, -2, 5].map(|v| text(&own, v)), ["RED", "GREEN", "UNKNOWN"]);
    let other = kernel("enum shade { DARK = 1 }; enum shade s;");
    assert_eq!(text(&other, 1), "RED");
    let same = kernel("enum color { ZERO, ONE, MOST = 0xfffffffe }; enum color c;");
    assert_eq!([0, 1, -2, 5].map(|v| text(&same, v)), ["ZERO", "ONE", "MOST", "UNKNOWN"]);
}

/// Values of 64 bits and of one byte are compared as what they are.
#[test]
fn enumerators_have_any_size() {
    let schema = schema(
        "enum wide { FAR = 0x100000002ULL, NEAR = 2 }; enum tiny { LOW = -1, HIGH = 100 } __attribute__((packed));
         struct event { enum wide w_raw; enum tiny t_raw; };",
        "{}",
    );
    let record = |wide: u64, tiny: i8| [&wide.to_le_bytes()[..], &[tiny as u8; 8]].concat();
    assert_eq!((read(&schema, &record(0x1_0000_0002, -1), "w"), read(&schema, &record(0, -1), "t")), ("FAR".into(), "LOW".into()));
    assert_eq!((read(&schema, &record(2, 100), "w"), read(&schema, &record(0, 100), "t")), ("NEAR".into(), "HIGH".into()));
}

/// All flags that are set are joined, those of zero always, with what the metadata says.
#[test]
fn sets_are_joined() {
    let schema = schema(
        "enum x_set { NONE, A = 1, B = 2, AB = 3 }; struct event { enum x_set a_raw; enum x_set b; };",
        "{fields: {b: {annotations: {ebpf.formatter.enum: shown, ebpf.formatter.bitfield.separator: ', '}}}}",
    );
    let record = [3u32.to_le_bytes(), 1u32.to_le_bytes()].concat();
    assert_eq!((read(&schema, &record, "a"), read(&schema, &record, "shown")), ("NONE|A|B|AB".into(), "NONE, A".into()));
}

/// The number is hidden; without a target it stays one; of two with one target the first counts; typedefs and arrays stay numbers; a
/// target that is another member's name is an error.
#[test]
fn enum_targets_follow_the_rules() {
    let source = |members: &str| format!("{COLORS} typedef enum color alias; struct event {{ {members} }};");
    let schema = schema(
        &source("struct { enum color c_raw; } in; enum color bare; enum color d_raw; enum color e; alias f_raw; enum color g_raw[2];"),
        "{fields: {e: {annotations: {ebpf.formatter.enum: d}}, d: {annotations: {description: shown}}}}",
    );
    assert_eq!(names(&schema), ["in", "in.c_raw", "bare", "d_raw", "e", "f_raw", "g_raw", "in.c", "d"]);
    let hidden: Vec<_> = schema.fields().iter().filter(|f| f.hidden).map(|f| f.name.as_str()).collect();
    assert_eq!(hidden, ["in.c_raw", "bare", "d_raw", "e"]);
    let d = field(&schema, "d");
    assert_eq!((d.order, d.annotations["description"].as_str()), (field(&schema, "d_raw").order, "shown"));
    assert!(d.tags.is_empty());
    let record = [1i32, 1, 1, -2, 0, 0, 0].map(i32::to_le_bytes).concat();
    assert_eq!(read(&schema, &record, "d"), "RED");
    let error = build(&source("enum color c_raw; int c;"), "{}", &KernelTypes::of(None), None).map(drop).unwrap_err();
    assert!(matches!(error, FieldsError::Duplicate(SchemaError::Duplicate { field, .. }) if field == "c"));
}

/// The rest of a record is limited by the length field and by the record; without a name there is none.
#[test]
fn rests_are_limited() {
    let source = "struct event { __u32 n; };";
    let limited =
        schema(source, "{annotations: {ebpf.rest.name: Data, ebpf.rest.len: n}, fields: {data: {annotations: {columns.width: 4}}}}");
    let record = |n: u32| [&n.to_le_bytes()[..], b"abc"].concat();
    for (n, expected) in [(0, "Bytes([])"), (2, "Bytes([97, 98])"), (3, "Bytes([97, 98, 99])"), (u32::MAX, "Bytes([97, 98, 99])")] {
        assert_eq!(read(&limited, &record(n), "Data"), expected);
    }
    assert_eq!(read(&limited, &[1], "Data"), "Bytes([])");
    assert_eq!(field(&limited, "Data").annotations["columns.width"], "4");
    let open = schema(source, "{annotations: {ebpf.rest.name: data}}");
    assert_eq!(read(&open, &record(1), "data"), "Bytes([97, 98, 99])");
    assert_eq!(names(&schema(source, "{annotations: {ebpf.rest.len: nowhere}}")), ["n"]);
}

/// A length field that is not there or is no u32 is refused when the gadget is opened.
#[test]
fn lengths_of_rests_are_checked() {
    let of = |len: &str| {
        let notes = format!("{{annotations: {{ebpf.rest.name: data, ebpf.rest.len: {len}}}}}");
        build("struct event { __u32 n; __u16 small; };", &notes, &KernelTypes::of(None), None).map(drop).unwrap_err().to_string()
    };
    assert_eq!(of("m"), r#"annotation ebpf.rest.len of data source "calls" names field "m", which is not there"#);
    assert!(of("small").ends_with(r#"names field "small", which is no unsigned integer of 4 bytes"#));
}

/// A record that ends early reads as if zeros followed, arrays included.
#[test]
fn short_records_are_filled_up() {
    let schema = schema("struct event { __u32 a; __u16 many[2]; char text[4]; __u64 last; __u8 tail[3]; };", "{}");
    let record = [1, 0, 0, 0, 2];
    assert_eq!(read(&schema, &record, "many"), "Array(Element { size: 2, signed: false, float: false }, [2, 0, 0, 0])");
    assert_eq!((read(&schema, &record, "last"), read(&schema, &record, "text")), ("Uint(0)".into(), String::new()));
    assert!(read(&schema, &record, "tail").ends_with("[0, 0, 0])"));
}

/// A struct without any field is its bytes.
#[test]
fn childless_structs_are_bytes() {
    let schema = schema("struct event { struct { void *p; } a; union { __u8 x; } b; };", "{}");
    assert_eq!((field(&schema, "a").kind, field(&schema, "b").kind), (Kind::Bytes, Kind::Struct));
    assert_eq!(read(&schema, &[1; 16], "a"), "Bytes([1, 1, 1, 1, 1, 1, 1, 1])");
}
