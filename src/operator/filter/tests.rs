//! What filters accept, keep and refuse.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::batch::{Decode, Element, FieldSpec, GadgetIdentity, Kind, Source, SourceKind};

struct Upper;

impl Decode for Upper {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend(raw.iter().take_while(|b| **b != 0).map(u8::to_ascii_uppercase));
    }
}

fn schema() -> SchemaBuilder {
    let mut b = SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    let row = |name: &str, kind, offset, size| FieldSpec::new(name, kind, Source::Row { offset, size });
    b.add(FieldSpec::new("proc", Kind::Struct, Source::Parent)).unwrap();
    b.add(row("proc.pid", Kind::Uint(4), 0, 4)).unwrap();
    b.add(row("proc.tid", Kind::Uint(4), 4, 4)).unwrap();
    b.add(row("ret", Kind::Int(2), 8, 2)).unwrap();
    b.add(row("ok", Kind::Bool, 10, 1)).unwrap();
    b.add(row("load", Kind::Float(8), 16, 8)).unwrap();
    b.add(row("slots", Kind::Array(Element { size: 4, signed: false, float: false }), 0, 8)).unwrap();
    let comm = b.add(row("proc.comm", Kind::Text, 24, 16)).unwrap();
    b.add(FieldSpec::new("upper", Kind::Text, Source::Decoded { from: comm, decoder: Arc::new(Upper) })).unwrap();
    let column = b.add_column();
    b.add(FieldSpec::new("k8s.podName", Kind::Text, Source::Dictionary { column, attribute: 0 })).unwrap();
    b
}

fn record(pid: u32, tid: u32, ret: i16, ok: bool, load: f64, comm: &str) -> Vec<u8> {
    let mut r = [pid.to_ne_bytes(), tid.to_ne_bytes()].concat();
    r.extend(ret.to_ne_bytes());
    r.extend([u8::from(ok), 0, 0, 0, 0, 0]);
    r.extend(load.to_ne_bytes());
    r.extend(comm.as_bytes());
    r
}

/// Of the three rows pause (1), bash (42) and "my, prog" (43), the pids that are kept.
fn kept(settings: serde_json::Value) -> Result<Vec<usize>, String> {
    let mut filter = (KIND.build)(&settings).map_err(|e| e.to_string())?;
    let mut builder = schema();
    filter.bind(&mut builder).map_err(|e| e.to_string())?;
    let mut batch = Batch::new(builder.finish(), 10, 10_000);
    batch.push(&record(1, 1, 0, true, f64::NAN, "pause"));
    batch.push(&record(42, 43, -2, false, 0.5, "bash"));
    batch.push(&record(43, 43, 7, true, 2.0, "my, prog"));
    filter.process(&mut batch);
    Ok(batch.selection().iter().map(|row| [1, 42, 43][row]).collect())
}

#[test]
fn expressions_keep_what_fits() {
    for (text, expected) in [
        (r#"proc.comm != "pause" && proc.pid == 42"#, &[42][..]),
        (r#"proc.comm != "pause" && (proc.pid == 42 || ret > 0)"#, &[42, 43]),
        ("ret < 0 or ret >= 7", &[42, 43]),
        ("not ok", &[42]),
        ("!(ok and ret == 0)", &[42, 43]),
        ("ok == false", &[42]),
        ("-2 == ret", &[42]),
        ("5 < ret", &[43]),
        ("proc.pid == proc.tid", &[1, 43]),
        ("load > proc.pid", &[]),
        ("load != 0.5", &[1, 43]),
        ("load in [0.5, 2]", &[42, 43]),
        ("proc.pid in [42, 0x2b]", &[42, 43]),
        ("proc.pid not in [42]", &[1, 43]),
        (r#"proc.comm in ["bash", 'pause']"#, &[1, 42]),
        (r#"proc.comm contains "a""#, &[1, 42]),
        (r#"proc.comm startsWith "my,""#, &[43]),
        (r#"proc.comm endsWith "sh" "#, &[42]),
        (r#"proc.comm not endsWith "sh""#, &[1, 43]),
        ("proc.comm matches `^.a`", &[1, 42]),
        (r#"upper == "BASH""#, &[42]),
        (r#"upper != proc.comm"#, &[1, 42, 43]),
        (r#"proc.comm < "c""#, &[42]),
        (r#"PROC.COMM == "\x62ash""#, &[42]),
        (r#"k8s.podName == """#, &[1, 42, 43]),
        ("true", &[1, 42, 43]),
        ("false || ok", &[1, 43]),
        ("1 == ret || ok != true && ret == -2", &[42]),
    ] {
        assert_eq!(kept(json!(text)).as_deref(), Ok(expected), "{text}");
        assert_eq!(kept(json!({"expression": text})).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn simple_rules_keep_what_fits() {
    for (text, expected) in [
        ("proc.comm==bash", &[42][..]),
        ("proc.comm=bash", &[42]),
        ("proc.comm!=pause,proc.pid>42", &[43]),
        (r"proc.comm==my\, prog", &[43]),
        ("proc.comm~^.a(s|u)", &[1, 42]),
        ("proc.comm!~a", &[43]),
        ("ret<=-2", &[42]),
        ("ok==1,", &[1, 43]),
        ("ok!=true", &[42]),
        ("load<1", &[42]),
        ("", &[1, 42, 43]),
    ] {
        assert_eq!(kept(json!(text)).as_deref(), Ok(expected), "{text}");
        assert_eq!(kept(json!({"rules": text})).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(kept(json!(["proc.pid>1", "ret < 0"])).as_deref(), Ok(&[42][..]));
    assert_eq!(kept(json!({"rules": ["proc.pid>1", "ret>0"]})).as_deref(), Ok(&[43][..]));
}

#[test]
fn what_cannot_work_says_why_and_where() {
    for (settings, expected) in [
        (json!("proc.com == \"x\""), "data source \"open\" has no field \"proc.com\", did you mean \"proc.comm\"?"),
        (json!("proc.pid == \"x\""), "field \"proc.pid\" is an integer, \"x\" is not"),
        (json!("proc.pid==x"), "field \"proc.pid\" is an integer, \"x\" is not"),
        (json!("proc.pid == -1"), "field \"proc.pid\" is between 0 and 4294967295, -1 is not"),
        (json!("ret == 40000"), "field \"ret\" is between -32768 and 32767, 40000 is not"),
        (json!("proc.comm == 5"), "field \"proc.comm\" is text, 5 is not; put texts in quotes"),
        (json!("proc.comm"), "field \"proc.comm\" is text: compare it with something"),
        (json!("ok < true"), "field \"ok\" is true or false: only == and != make sense"),
        (json!("slots == 1"), "field \"slots\" is neither text nor a number, it cannot be filtered by"),
        (json!("proc.pid contains \"1\""), "field \"proc.pid\" is an integer, only text contains, starts, ends or matches"),
        (json!("proc.pid == proc.comm"), "field \"proc.pid\" is an integer, it cannot be compared with \"proc.comm\", which is text"),
        (json!("proc.comm matches \"(\""), "field \"proc.comm\" cannot be matched with \"(\": unclosed group"),
        (json!("proc.pid == "), "filter, column 13: expected a field or a value, found the end"),
        (json!("(ok && ok"), "filter, column 10: expected \")\", found the end"),
        (json!("ok ok"), "filter, column 4: expected an operator or the end, found \"ok\""),
        (json!("ok && \"x"), "filter, column 7: text is not closed"),
        (json!("proc.pid == 1 # 2"), "filter, column 15: unexpected '#'"),
        (json!("len(proc.comm) > 3"), "filter, column 4: functions like \"len\" are not supported"),
        (json!("1 == 1"), "filter, column 1: a comparison needs a field on one side"),
        (json!({"rules": "proc.pid=="}), "filter, column 1: incomplete rule \"proc.pid==\": expected field, operator and value"),
        (json!({"rules": "ok==1,proc.pid=!1"}), "filter, column 7: unknown operator \"=!\": expected one of = == != < <= > >= ~ !~"),
        (json!(5), "filter: expected a text, a list of texts, {expression: ...} or {rules: ...}"),
    ] {
        assert_eq!(kept(settings.clone()).unwrap_err(), expected, "{settings}");
    }
}

#[test]
fn depth_and_length_are_limited() {
    let nested = format!("{}ok{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(kept(json!({"expression": nested})).unwrap_err().contains("nested deeper than 64 levels"));
    assert!(kept(json!({"expression": "!".repeat(10_000) + "ok"})).unwrap_err().contains("nested deeper than 64 levels"));
    assert!(kept(json!({"expression": " ".repeat(70_000) + "ok"})).unwrap_err().contains("longer than"));
    assert!(kept(json!("proc.comm matches \"(a{1000}){1000}\"")).unwrap_err().contains("cannot be matched"));
}

#[test]
fn rows_taken_out_before_stay_out() {
    let mut filter = (KIND.build)(&json!("ok")).unwrap();
    let mut builder = schema();
    filter.bind(&mut builder).unwrap();
    let mut batch = Batch::new(builder.finish(), 10, 10_000);
    (0..3).for_each(|_| batch.push(&record(1, 1, 0, true, 0.0, "x")));
    batch.selection_mut().remove(1);
    filter.process(&mut batch);
    assert_eq!(batch.selection().iter().collect::<Vec<_>>(), [0, 2]);
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("proc.pid"),
        Just("proc.comm"),
        Just("ok"),
        Just("=="),
        Just("!="),
        Just("<"),
        Just("&&"),
        Just("||"),
        Just("!"),
        Just("not"),
        Just("in"),
        Just("["),
        Just("]"),
        Just(","),
        Just("("),
        Just(")"),
        Just("1"),
        Just("-"),
        Just("1.5e3"),
        Just("\"a\""),
        Just("contains"),
        Just("matches"),
        Just("\\"),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in prop_oneof![any::<String>(), words(), "[a-z.=!<>~,\\\\\" '`0-9]{0,40}"]) {
        let _ = kept(json!(text));
        let _ = kept(json!({"expression": text}));
        let _ = kept(json!({"rules": text}));
    }

    #[test]
    fn comparing_integers_agrees_with_rust(pid: u32, other: u32) {
        let mut filter = (KIND.build)(&json!(format!("proc.pid < {other}"))).unwrap();
        let mut builder = schema();
        filter.bind(&mut builder).unwrap();
        let mut batch = Batch::new(builder.finish(), 10, 10_000);
        batch.push(&pid.to_ne_bytes());
        filter.process(&mut batch);
        prop_assert_eq!(batch.selection().count() == 1, pid < other);
    }
}
