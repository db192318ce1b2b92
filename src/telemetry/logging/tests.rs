//! What the log looks like and which filter counts.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log(format: LogFormat, filter: EnvFilter, say: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let (subscriber, _logging) = subscriber(format, filter, false, move || writer.clone());
    tracing::subscriber::with_default(subscriber, say);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn our_variable_goes_before_the_common_one_and_both_before_the_setting() {
    let of = |ours: Option<&'static str>, common: Option<&'static str>| {
        filter(move |name| if name == "RUST_LOG" { common } else { ours }.map(str::to_owned), "info").unwrap().to_string()
    };
    assert_eq!(of(Some("debug"), Some("trace")), "debug");
    assert_eq!(of(Some(" "), Some("trace")), "trace");
    assert!(of(None, None).ends_with(",info"), "{}", of(None, None));
}

#[test]
fn a_wrong_filter_is_named_with_its_variable() {
    let error = filter(|_| Some("gadgetry=loud".to_owned()), "info").unwrap_err();
    assert_eq!(error.to_string(), "read the log filter \"gadgetry=loud\" of GADGETRY_LOG");
}

#[test]
fn json_lines_have_the_fields_at_the_top() {
    let text = log(LogFormat::Json, EnvFilter::new("info"), || {
        tracing::info!(gadget = "execs", "gadget started");
        tracing::debug!("not this");
    });
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["message"], &line["gadget"]), (&"gadget started".into(), &"execs".into()));
}

#[test]
fn text_without_a_terminal_has_no_escapes() {
    let text = log(LogFormat::Text, EnvFilter::new("info"), || tracing::warn!(gadget = "execs", "gadget restarted"));
    assert!(text.contains("WARN") && text.contains("gadget restarted gadget=\"execs\""), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}
