//! What the output modes write.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;

use super::*;
use crate::batch::{FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::telemetry::Ledger;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer whose every write fails.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn schema(kind: SourceKind, annotations: &[(&str, &str)]) -> Arc<Schema> {
    let annotations = annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut b = SchemaBuilder::new("open", kind, GadgetIdentity::default(), annotations);
    b.add(FieldSpec::new("comm", Kind::Text, Source::Row { offset: 0, size: 8 })).unwrap();
    b.add(FieldSpec::new("proc.pid", Kind::Uint(4), Source::Row { offset: 8, size: 4 })).unwrap();
    b.finish()
}

/// Writes two sets: two rows, then none.
fn two_sets(mode: Mode, kind: SourceKind, screen: Screen) -> (Arc<Screen>, u64) {
    let (schema, screen) = (schema(kind, &[]), Arc::new(screen));
    let views = HashMap::from([("open".to_owned(), View { mode, fields: FieldChoice::default() })]);
    let terminal = Terminal::new(views, screen.clone());
    let entry = Ledger::default().gadget("g").exporter("terminal");
    let mut exporter = terminal.open(ExporterSource { schema: schema.clone(), metrics: Vec::new(), entry: entry.clone() }).unwrap();
    for pid in [1u32, 2] {
        let mut batch = Batch::new(schema.clone(), 1, 100);
        batch.push(&[&b"yes\0    "[..], &pid.to_ne_bytes()].concat());
        exporter.export(&batch).unwrap();
    }
    if kind == SourceKind::Array {
        exporter.end_of_set();
        exporter.end_of_set();
    }
    (screen, entry.totals().delivered)
}

fn written(mode: Mode, kind: SourceKind) -> String {
    let paper = Paper::default();
    let (_, delivered) = two_sets(mode, kind, Screen::new(Box::new(paper.clone())));
    assert_eq!(delivered, 2);
    String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
}

/// Events are an object per line; a set is one array, in however many pieces it came, and an empty one is an empty array.
#[test]
fn json_is_an_object_per_event_or_an_array_per_set() {
    let (one, two) = (r#"{"comm":"yes","proc":{"pid":1}}"#, r#"{"comm":"yes","proc":{"pid":2}}"#);
    assert_eq!(written(Mode::Json, SourceKind::Single), format!("{one}\n{two}\n"));
    assert_eq!(written(Mode::Json, SourceKind::Array), format!("[{one},{two}]\n[]\n"));
}

/// The indented form is what serde_json makes of the compact one.
#[test]
fn jsonpretty_is_json_indented() {
    for kind in [SourceKind::Single, SourceKind::Array] {
        let compact = written(Mode::Json, kind);
        let values = compact.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        let expected: String = values.map(|v| serde_json::to_string_pretty(&v).unwrap() + "\n").collect();
        assert_eq!(written(Mode::JsonPretty, kind), expected);
    }
}

/// Each row is a document that reads back as the same values, text that looks like something else included.
#[test]
fn yaml_is_a_document_per_row() {
    let text = written(Mode::Yaml, SourceKind::Array);
    let documents: Vec<&str> = text.split("---\n").skip(1).collect();
    assert_eq!(documents.len(), 2);
    let value: serde_json::Value = serde_saphyr::from_str(documents[1]).unwrap();
    assert_eq!(value, serde_json::json!({"comm": "yes", "proc": {"pid": 2}}));
}

/// The header stands once above events and above every set.
#[test]
fn columns_have_headers() {
    let rows = "yes              1\nyes              2\n";
    let head = "COMM             PROC.PID\n";
    assert_eq!(written(Mode::Columns, SourceKind::Single), format!("{head}{rows}"));
    assert_eq!(written(Mode::Columns, SourceKind::Array), format!("{head}{rows}{head}"));
}

/// A mode of the gadget's own shows its texts; none shows nothing.
#[test]
fn raw_is_text_and_none_is_nothing() {
    assert_eq!(written(Mode::Raw, SourceKind::Single), "yesyes");
    assert_eq!(written(Mode::None, SourceKind::Array), "");
}

/// A closed pipe ends the output without a failure; a full disk is one. Both count what was not written.
#[test]
fn writing_ends_with_the_reader() {
    for (kind, failure) in [(io::ErrorKind::BrokenPipe, None), (io::ErrorKind::StorageFull, Some("no storage space".to_owned()))] {
        let (screen, delivered) = two_sets(Mode::Json, SourceKind::Single, Screen::new(Box::new(Failing(kind))));
        assert!(screen.ended().is_cancelled());
        assert_eq!((screen.failure(), delivered), (failure, 0));
    }
}

/// A data source's own modes and default count; a mode it does not have is refused with the nearest.
#[test]
fn modes_follow_annotations() {
    let with = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> { pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect() };
    let (supported, default) = ("cli.supported-output-modes", "cli.default-output-mode");
    assert_eq!(Mode::of(&with(&[]), None), Ok(Mode::Columns));
    assert_eq!(Mode::of(&with(&[(default, "yaml")]), None), Ok(Mode::Yaml));
    assert_eq!(Mode::of(&with(&[(supported, "raw,advise")]), None), Ok(Mode::Raw));
    assert_eq!(Mode::of(&with(&[(supported, "pcap-ng,json"), (default, "pcap-ng")]), None), Ok(Mode::Json));
    assert_eq!(Mode::of(&with(&[(supported, "json")]), Some("none")), Ok(Mode::None));
    let text = Mode::of(&with(&[]), Some("jsonprety")).unwrap_err().to_string();
    assert_eq!(
        text,
        "output mode \"jsonprety\" is not supported, did you mean \"jsonpretty\"?; there are columns, json, jsonpretty, yaml, none"
    );
    assert!(Mode::of(&with(&[(supported, "json")]), Some("columns")).is_err());
}
