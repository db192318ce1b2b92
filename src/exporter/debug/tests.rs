//! What the terminal shows.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::batch::{FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::telemetry::Ledger;

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn field(name: &str, kind: Kind, offset: u32, size: u32, annotations: &[(&str, &str)]) -> FieldSpec {
    let mut field = FieldSpec::new(name, kind, Source::Row { offset, size });
    field.annotate(annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    field
}

fn schema(fields: Vec<FieldSpec>) -> Arc<Schema> {
    let gadget = GadgetIdentity { instance: "opens".into(), ..GadgetIdentity::default() };
    let mut b = SchemaBuilder::new("open", SourceKind::Single, gadget, BTreeMap::new());
    for field in fields {
        b.add(field).unwrap();
    }
    b.finish()
}

fn opens() -> Arc<Schema> {
    schema(vec![
        field(
            "proc.pid",
            Kind::Uint(4),
            0,
            4,
            &[("columns.alias", "pid"), ("columns.minwidth", "7"), ("columns.width", "7"), ("columns.alignment", "right")],
        ),
        field("fname", Kind::Text, 4, 16, &[("columns.width", "8")]).order(-1),
        field("secret", Kind::Uint(4), 0, 4, &[("columns.hidden", "true")]),
    ])
}

fn record(pid: u32, name: &[u8]) -> Vec<u8> {
    [&pid.to_ne_bytes()[..], name].concat()
}

/// What is shown of two batches of two events, and the ledger's entry.
fn show(settings: serde_json::Value, terminal: Terminal) -> Arc<ExporterEntry> {
    let service = DebugService { config: Config::read(&settings).unwrap(), terminal: Arc::new(terminal) };
    let entry = Ledger::default().gadget("opens").exporter("debug");
    let source = ExporterSource { schema: opens(), metrics: Vec::new(), entry: entry.clone() };
    let mut exporter = ExporterService::open(&service, source).unwrap();
    let mut batch = Batch::new(opens(), 10, 1000);
    for _ in 0..2 {
        batch.clear();
        batch.push(&record(42, b"/etc/hosts"));
        batch.push(&record(7, b"a\x1b[2J"));
        batch.push(&record(9, b"unselected"));
        batch.selection_mut().remove(2);
        entry.accepted.add(2);
        exporter.export(&batch).unwrap();
        exporter.flush();
    }
    entry
}

fn shown(settings: serde_json::Value, color: bool) -> String {
    let screen = Screen::default();
    assert_eq!(show(settings, Terminal::new(Box::new(screen.clone()), color)).totals().delivered, 4);
    screen.text()
}

#[test]
fn basic_counts_at_most_once_a_second_and_the_rest_at_the_end() {
    assert_eq!(shown(json!({}), false), "opens: 2 events\nopens: 2 events\n");
}

#[test]
fn normal_is_a_table_with_one_header_and_nothing_a_terminal_obeys() {
    let rows = "/etc/ho\u{2026}      42\na\\x1b[2J       7\n";
    let expected = format!("FNAME        PID\n{rows}{rows}");
    assert_eq!(shown(json!({"verbosity": "normal"}), false), expected);
    assert!(shown(json!({"verbosity": "normal"}), true).starts_with("\x1b[1mFNAME        PID\x1b[0m\n/etc"));
}

#[test]
fn normal_in_json_is_an_object_per_line() {
    let text = shown(json!({"verbosity": "normal", "format": "json"}), false);
    assert!(text.starts_with("{\"fname\":\"/etc/hosts\",\"proc\":{\"pid\":42},\"secret\":42}\n{"));
    assert_eq!(text.lines().count(), 4);
}

#[test]
fn detailed_is_indented() {
    let text = shown(json!({"verbosity": "detailed"}), false);
    assert!(text.starts_with("{\n  \"fname\": \"/etc/hosts\",\n  \"proc\": {\n    \"pid\": 42\n  },\n  \"secret\": 42\n}\n{"), "{text}");
}

#[test]
fn a_closed_pipe_is_counted() {
    for settings in [json!({"verbosity": "normal"}), json!({})] {
        let totals = show(settings, Terminal::new(Box::new(ClosedPipe), false)).totals();
        assert_eq!((totals.delivered, totals.in_flight()), (0, 0));
        assert!(totals.dropped.contains(&(DropReason::WriteFailed, 4)));
    }
}

#[test]
fn settings_are_checked() {
    assert_eq!((KIND.check)(&json!({"verbosity": "normal", "format": "json"})), []);
    assert_eq!((KIND.check)(&serde_json::Value::Null), []);
    assert!((KIND.check)(&json!({"verbosity": "loud"}))[0].message.contains("unknown variant `loud`"));
}
