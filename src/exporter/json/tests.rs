//! What the JSON encoder promises.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::batch::{Decode, Element, FieldSpec, GadgetIdentity, Kind, SchemaBuilder, Source, SourceKind};

fn builder() -> SchemaBuilder {
    SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new())
}

fn row_field(name: &str, kind: Kind, offset: u32, size: u32) -> FieldSpec {
    FieldSpec::new(name, kind, Source::Row { offset, size })
}

fn encode(builder: SchemaBuilder, options: JsonOptions, record: &[u8]) -> String {
    let schema = builder.finish();
    let mut encoder = JsonEncoder::bind(&schema, options);
    let mut batch = Batch::new(schema, 10, 1 << 20);
    batch.push(record);
    let mut out = Vec::new();
    encoder.row(&batch, 0, &mut out);
    String::from_utf8(out).unwrap()
}

fn single(kind: Kind, record: &[u8]) -> String {
    let mut b = builder();
    b.add(row_field("v", kind, 0, record.len() as u32)).unwrap();
    encode(b, JsonOptions::default(), record)
}

#[test]
fn members_are_sorted_and_nested_and_skipped_ones_are_missing() {
    let mut b = builder();
    let parent = FieldSpec::new("proc", Kind::Struct, Source::Parent).hidden(true);
    b.add(parent).unwrap();
    b.add(row_field("proc.pid", Kind::Uint(4), 0, 4)).unwrap();
    b.add(row_field("proc.comm", Kind::Text, 4, 4).hidden(true)).unwrap();
    b.add(row_field("proc.creds.uid", Kind::Int(4), 0, 4)).unwrap();
    b.add(row_field("Zed", Kind::Bool, 0, 1)).unwrap();
    let mut skipped = FieldSpec::new("secret", Kind::Struct, Source::Parent);
    skipped.json_skip = true;
    b.add(skipped).unwrap();
    b.add(row_field("secret.x", Kind::Uint(4), 0, 4)).unwrap();
    b.add(row_field("a", Kind::Uint(2), 0, 2)).unwrap();
    let options = JsonOptions { extra: vec![("gadget".into(), "x\"y".into()), ("a".into(), "taken".into())] };
    let text = encode(b, options, b"\x01\0\0\0sh\0!");
    assert_eq!(text, r#"{"Zed":true,"a":1,"gadget":"x\"y","proc":{"comm":"sh","creds":{"uid":1},"pid":1}}"#);
}

#[test]
fn an_object_without_members_is_still_an_object() {
    assert_eq!(encode(builder(), JsonOptions::default(), b""), "{}");
}

#[test]
fn numbers_that_json_cannot_write_become_null_and_the_rest_is_exact() {
    for (number, text) in [
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
        (f64::NEG_INFINITY, "null"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-2.5e-9, "-2.5e-9"),
        (1e300, "1e+300"),
        (1e20, "100000000000000000000"),
    ] {
        assert_eq!(single(Kind::Float(8), &number.to_ne_bytes()), format!("{{\"v\":{text}}}"));
    }
    assert_eq!(single(Kind::Float(4), &0.1f32.to_ne_bytes()), r#"{"v":0.1}"#);
    assert_eq!(single(Kind::Uint(8), &u64::MAX.to_ne_bytes()), r#"{"v":18446744073709551615}"#);
    assert_eq!(single(Kind::Int(8), &i64::MIN.to_ne_bytes()), r#"{"v":-9223372036854775808}"#);
    assert_eq!(single(Kind::Int(1), &[0xff]), r#"{"v":-1}"#);
}

#[test]
fn arrays_are_arrays_and_bytes_are_hexadecimal() {
    let element = |size, signed, float| Kind::Array(Element { size, signed, float });
    let mut two = u64::MAX.to_ne_bytes().to_vec();
    two.extend(1u64.to_ne_bytes());
    assert_eq!(single(element(8, false, false), &two), r#"{"v":[18446744073709551615,1]}"#);
    assert_eq!(single(element(1, true, false), &[0xff, 1]), r#"{"v":[-1,1]}"#);
    let mut floats = f32::NAN.to_ne_bytes().to_vec();
    floats.extend(0.5f32.to_ne_bytes());
    assert_eq!(single(element(4, false, true), &floats), r#"{"v":[null,0.5]}"#);
    assert_eq!(single(element(4, false, false), b""), r#"{"v":[]}"#);
    assert_eq!(single(Kind::Bytes, &[0, 0xab]), r#"{"v":"00ab"}"#);
}

#[test]
fn text_is_escaped_and_invalid_utf8_replaced() {
    for (raw, text) in [
        (&b"plain text, longer than one word"[..], "plain text, longer than one word"),
        (b"12345678\"", "12345678\\\""),
        (b"tab\there", "tab\\there"),
        (b"a\\b\x01\x1f\x7f", "a\\\\b\\u0001\\u001f\u{7f}"),
        (b"ok\xffok\xe2\x82", "ok\u{fffd}ok\u{fffd}"),
        ("gr\u{fc}n \u{2028}\u{2029}\u{20ac}".as_bytes(), "gr\u{fc}n \\u2028\\u2029\u{20ac}"),
    ] {
        let mut out = Vec::new();
        push_escaped(&mut out, raw);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

struct Upper;

impl Decode for Upper {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend(raw.iter().map(u8::to_ascii_uppercase));
    }
}

#[test]
fn decoded_text_is_escaped_too() {
    let mut b = builder();
    let mut from = row_field("t_raw", Kind::Bytes, 0, 4);
    from.json_skip = true;
    let from = b.add(from).unwrap();
    b.add(FieldSpec::new("t", Kind::Text, Source::Decoded { from, decoder: Arc::new(Upper) })).unwrap();
    assert_eq!(encode(b, JsonOptions::default(), b"a\"\nb"), r#"{"t":"A\"\nB"}"#);
}

#[derive(Default)]
struct Names(AtomicU32);

impl Dictionary for Names {
    fn value(&self, entry: u32, attribute: u16) -> Value<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match (entry, attribute) {
            (1, 0) => Value::Text(b"web"),
            (1, 1) => Value::Uint(7),
            _ => Value::None,
        }
    }
}

#[test]
fn entries_of_a_dictionary_are_rendered_once_and_unknown_ones_are_empty() {
    let mut b = builder();
    let column = b.add_column();
    b.add(FieldSpec::new("runtime.name", Kind::Text, Source::Dictionary { column, attribute: 0 })).unwrap();
    b.add(FieldSpec::new("runtime.pid", Kind::Uint(4), Source::Dictionary { column, attribute: 1 })).unwrap();
    b.add(row_field("x", Kind::Uint(1), 0, 1)).unwrap();
    let schema = b.finish();
    let names = Arc::new(Names::default());
    let mut encoder = JsonEncoder::bind(&schema, JsonOptions::default());
    let mut batch = Batch::new(schema, 10, 1000);
    (0..4).for_each(|n| batch.push(&[n]));
    let mut lines = Vec::new();
    encoder.row(&batch, 0, &mut lines);
    lines.push(b'\n');
    let filled = batch.column_mut(column).unwrap();
    filled.entries = vec![1, 0, 1, 1];
    filled.dictionary = Some(names.clone());
    for row in 0..4 {
        encoder.row(&batch, row, &mut lines);
        lines.push(b'\n');
    }
    let unknown = |x| format!("{{\"runtime\":{{\"name\":\"\",\"pid\":0}},\"x\":{x}}}\n");
    let known = |x| format!("{{\"runtime\":{{\"name\":\"web\",\"pid\":7}},\"x\":{x}}}\n");
    let expected = [unknown(0), known(0), unknown(1), known(2), known(3)].concat();
    assert_eq!(String::from_utf8(lines).unwrap(), expected);
    assert_eq!(names.0.load(Ordering::Relaxed), 4);
}

#[test]
fn the_fragment_cache_stays_bounded() {
    let mut fragments = Fragments::default();
    let big = vec![b'x'; 1 << 18];
    for entry in 0..100u32 {
        let text = fragments.get(entry, |out| out.extend_from_slice(&big)).len();
        assert_eq!(text, big.len());
    }
    assert!(fragments.size() < 3 << 20);
}

fn sorted(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => {
            let names: Vec<_> = members.keys().map(|k| k.as_bytes()).collect();
            names.is_sorted() && members.values().all(sorted)
        }
        _ => true,
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let size = prop_oneof![Just(1u8), Just(2), Just(4), Just(8)];
    prop_oneof![
        Just(Kind::Bool),
        size.clone().prop_map(Kind::Int),
        size.clone().prop_map(Kind::Uint),
        prop_oneof![Just(4u8), Just(8)].prop_map(Kind::Float),
        Just(Kind::Text),
        Just(Kind::Bytes),
        (size, any::<bool>()).prop_map(|(size, signed)| Kind::Array(Element { size, signed, float: false })),
    ]
}

proptest! {
    #[test]
    fn whatever_the_schema_and_the_bytes_the_output_parses_and_is_sorted(
        fields in prop::collection::vec(("[a-cA-C]{1,2}(\\.[a-c\"]{0,2}){0,2}", kinds(), 0u32..40, any::<bool>()), 0..12),
        record in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut b = builder();
        for (name, kind, offset, tail) in fields {
            let size = match kind {
                Kind::Int(n) | Kind::Uint(n) | Kind::Float(n) => u32::from(n),
                Kind::Bool => 1,
                _ => 17,
            };
            let text = matches!(kind, Kind::Text | Kind::Bytes);
            let source = if tail && text { Source::Tail { offset } } else { Source::Row { offset, size } };
            let _ = b.add(FieldSpec::new(name, kind, source));
        }
        let text = encode(b, JsonOptions { extra: vec![("a".into(), "b".into())] }, &record);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(value.is_object() && sorted(&value));
    }

    #[test]
    fn escaped_bytes_read_back_as_their_lossy_text(raw in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut out = Vec::new();
        push_string(&mut out, &raw);
        let back: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(back, String::from_utf8_lossy(&raw).into_owned());
    }
}
