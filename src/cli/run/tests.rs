//! The first look at the command line, values, views.

use std::collections::BTreeMap;

use super::*;
use crate::batch::{FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::cli::value;
use crate::gadget::{ParamKind, ParamSpec};

fn known(line: &str) -> Option<String> {
    let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let found = peek(&arguments)?.known;
    Some(found.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" "))
}

/// The image is found among flags of every form, those that only the gadget knows included; what is known is kept in its order.
#[test]
fn the_image_is_found() {
    for (line, expected) in [
        ("gadgetry run trace_open", "gadgetry run -- trace_open"),
        ("gadgetry run -o json trace_open --pid 3", "gadgetry run -o json -- trace_open"),
        ("gadgetry run --pid 3 trace_open --host", "gadgetry run --host -- trace_open"),
        ("gadgetry run --collect-ustack trace_open", "gadgetry run -- trace_open"),
        ("gadgetry run --pid=3 -vt5 trace_open -x", "gadgetry run -v -t5 -- trace_open"),
        ("gadgetry --log-level debug run trace_open --help", "gadgetry run --log-level debug -- trace_open"),
        ("gadgetry run --runtime-containername web x", "gadgetry run --runtime-containername web -- x"),
        ("gadgetry run --host=false -F a==b x y", "gadgetry run --host=false -F a==b -- x"),
        ("gadgetry run -- x", "gadgetry run -- x"),
    ] {
        assert_eq!(known(line).as_deref(), Some(expected), "{line}");
    }
    for line in
        ["gadgetry", "gadgetry run", "gadgetry run --help", "gadgetry collect -c run", "gadgetry --version", "gadgetry list-containers run"]
    {
        assert_eq!(known(line), None, "{line}");
    }
}

fn param(key: &str, kind: ParamKind, size: u32) -> ParamSpec {
    let text = |t: &str| t.to_owned();
    ParamSpec { key: text(key), variable: text("v"), kind, default: String::new(), description: String::new(), tags: Vec::new(), size }
}

fn read(params: &[ParamSpec], arguments: &[&str]) -> Result<BTreeMap<String, String>, clap::Error> {
    let taken = peek::taken(Cli::command().find_subcommand("run").unwrap());
    let command = Command::new("run").args(params::arguments(params, &taken)).args(params::missing(params));
    command.try_get_matches_from(["run"].iter().chain(arguments)).map(|matches| params::values(&matches, params))
}

/// Parameters are flags under their key and their full name; truths need no value, files can stand for values.
#[test]
fn parameters_are_flags() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("comm"), "sh\n").unwrap();
    let file = format!("@{}", dir.path().join("comm").display());
    let all = [
        param("pid", ParamKind::Uint(4), 4),
        param("comm", ParamKind::Text(16), 16),
        param("paths", ParamKind::Bool, 1),
        param("host", ParamKind::Bool, 1),
    ];
    let values = read(&all, &["--operator.oci.ebpf.pid", "3", "--comm", &file, "--paths", "--operator.oci.ebpf.host=false"]).unwrap();
    let expected = [("comm", "sh"), ("host", "false"), ("paths", "true"), ("pid", "3")];
    assert!(values.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected), "{values:?}");
    assert!(read(&all, &[]).unwrap().is_empty());
    for wrong in [&["--pid", "x"][..], &["--pid=-1"], &["--paths=maybe"], &["--host"], &["--comm", "@/nonexistent"], &["--sort", "x"]] {
        assert!(read(&all, wrong).is_err(), "{wrong:?}");
    }
}

/// Whatever metadata calls its parameters, the command line can be read.
#[test]
fn hostile_names_of_parameters_are_left_out() {
    let keys = ["", "-x", "a b", "a=b", "--", "\u{e4}", "pid", "pid", "help", "timeout", "sort"];
    let all: Vec<ParamSpec> = keys.iter().map(|key| param(key, ParamKind::Uint(4), 4)).collect();
    let values = read(&all, &["--pid", "1", "--operator.oci.ebpf.timeout", "2", "--operator.oci.ebpf.help", "3", "--sort", "4"]).unwrap();
    assert_eq!(values.len(), 4, "{values:?}");
}

/// Lists keep escaped commas.
#[test]
fn annotations_are_a_list() {
    let all = value::annotations("open:a=1,open.fname:b=x\\,y").unwrap();
    assert_eq!((all[0].key.as_str(), all[1].field.as_deref(), all[1].value.as_str()), ("a", Some("fname"), "x,y"));
    assert!(value::annotations("open").is_err());
}

fn schema(name: &str, field: &str) -> Arc<Schema> {
    let mut b = SchemaBuilder::new(name, SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    b.add(FieldSpec::new(field, Kind::Text, Source::Row { offset: 0, size: 8 })).unwrap();
    b.finish()
}

/// Modes and fields are chosen for all data sources or for each; of several the one that does not fit is left out, of one it is an error.
#[test]
fn views_are_chosen_per_data_source() {
    use crate::exporter::terminal::Mode;
    let both = [schema("a", "x"), schema("b", "y")];
    let chosen = views::choose(Some("a:json"), None, &both).unwrap().views;
    assert_eq!((chosen["a"].mode, chosen["b"].mode), (Mode::Json, Mode::Columns));
    let chosen = views::choose(None, Some("x"), &both).unwrap();
    assert!(chosen.views.len() == 1 && chosen.warnings[0].contains("\"b\" is not shown"), "{chosen:?}");
    assert!(views::choose(None, Some("a:x;b:y"), &both).unwrap().warnings.is_empty());
    for (output, fields) in [(Some("c:json"), None), (None, Some("c:x")), (Some("jsn"), None), (None, Some("z"))] {
        assert!(matches!(views::choose(output, fields, &both), Err(Failure::Usage(_))), "{output:?} {fields:?}");
    }
}

/// A gadget is called by the last part of where it comes from.
#[test]
fn gadgets_have_short_names() {
    for (reference, name) in
        [("ghcr.io/x/trace_open:v1", "trace_open"), ("./build/", "build"), (".", "gadget"), ("../..", "gadget"), ("a@sha256:1", "a")]
    {
        assert_eq!(instance(&GadgetImage { reference: reference.to_owned(), ..GadgetImage::default() }), name);
    }
}
