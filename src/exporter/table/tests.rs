//! Tables: cells, widths, choices.

use std::collections::BTreeMap;

use super::*;
use crate::batch::{Element, FieldSpec, GadgetIdentity, SchemaBuilder, Source, SourceKind};

fn field(name: &str, kind: Kind, offset: u32, size: u32, annotations: &[(&str, &str)]) -> FieldSpec {
    let mut field = FieldSpec::new(name, kind, Source::Row { offset, size });
    field.annotate(annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    field
}

fn schema(fields: Vec<FieldSpec>) -> Arc<Schema> {
    let mut b = SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    for field in fields {
        b.add(field).unwrap();
    }
    b.finish()
}

fn lines(schema: &Arc<Schema>, choice: &str, room: Option<usize>, record: &[u8]) -> String {
    let mut columns = Columns::bind(schema, &choice.parse().unwrap()).unwrap();
    columns.fit(room);
    let mut batch = Batch::new(schema.clone(), 10, 1000);
    batch.push(record);
    let mut out = Vec::new();
    columns.header(false, &mut out);
    columns.row(&batch, 0, &mut out);
    String::from_utf8(out).unwrap()
}

fn three() -> Arc<Schema> {
    schema(vec![
        field("one", Kind::Text, 0, 4, &[("columns.alias", "first")]),
        field("two", Kind::Text, 4, 4, &[]),
        field("three", Kind::Text, 8, 40, &[("columns.hidden", "true")]),
    ])
}

/// Fields are chosen exactly, or by changing what is shown anyway; by name or by title.
#[test]
fn fields_are_chosen() {
    let titles = |choice: &str| lines(&three(), choice, None, b"").lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for (choice, expected) in [
        ("", "FIRST TWO"),
        ("three,one", "THREE FIRST"),
        ("+three", "FIRST TWO THREE"),
        ("-two,+three", "FIRST THREE"),
        ("-first", "TWO"),
        ("two,+one,-two", "FIRST"),
    ] {
        assert_eq!(titles(choice), expected, "{choice}");
    }
}

/// On a terminal a line takes all of it and no more, and what does not fit is cut; elsewhere nothing is cut.
#[test]
fn lines_fit_the_terminal() {
    let record = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL";
    for room in [20, 33, 90] {
        let text = lines(&three(), "two,three", Some(room), record);
        let longest = text.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(longest <= room, "{room}: {text}");
        assert_eq!(text.contains('\u{2026}'), room < 90, "{room}: {text}");
    }
    assert!(lines(&three(), "three", None, record).ends_with("\nijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\n"));
}

/// Widths keep to their bounds whatever the room, down to none at all.
#[test]
fn widths_keep_their_bounds() {
    let flexible = Bounds { natural: 16, least: 4, most: 100 };
    let narrow = Bounds { natural: 16, least: 7, most: 16 };
    let fixed = Bounds { natural: 10, least: 10, most: 10 };
    assert_eq!(fit::widths(&[flexible, narrow, fixed], 80), [52, 16, 10]);
    assert_eq!(fit::widths(&[flexible, narrow, fixed], 30), [9, 9, 10]);
    assert_eq!(fit::widths(&[flexible, narrow, fixed], 24), [5, 7, 10]);
    assert_eq!(fit::widths(&[flexible, narrow, fixed], 0), [4, 7, 10]);
    assert_eq!(fit::widths(&[], 10), [0usize; 0]);
}

#[test]
fn cells_follow_their_annotations() {
    let schema = schema(vec![
        field("hex", Kind::Int(4), 0, 4, &[("columns.hex", "true"), ("columns.width", "type")]),
        field("float", Kind::Float(4), 4, 4, &[("columns.precision", "3"), ("columns.width", "6")]),
        field("start", Kind::Text, 8, 8, &[("columns.width", "4"), ("columns.ellipsis", "start")]),
        field("middle", Kind::Text, 8, 8, &[("columns.width", "4"), ("columns.ellipsis", "middle")]),
        field("none", Kind::Text, 8, 8, &[("columns.width", "9"), ("columns.maxwidth", "4"), ("columns.ellipsis", "none")]),
        field("arr", Kind::Array(Element { size: 4, signed: false, float: false }), 8, 8, &[]),
        FieldSpec::new("parent", Kind::Struct, Source::Parent),
    ]);
    let mut columns = Columns::bind(&schema, &FieldChoice::default()).unwrap();
    let mut batch = Batch::new(schema, 10, 1000);
    let record = [&(-1i32).to_ne_bytes()[..], &1.5f32.to_ne_bytes(), b"abcdefgh"].concat();
    batch.push(&record);
    let mut out = Vec::new();
    columns.header(false, &mut out);
    columns.row(&batch, 0, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "HEX         FLOAT  \u{2026}ART MI\u{2026}E NONE ARR\n0xffffffff  1.500  \u{2026}fgh ab\u{2026}h abcd <8 bytes>\n");
}

#[test]
fn a_parent_shows_the_field_that_replaces_it_and_unknown_columns_are_refused() {
    let mut parent = FieldSpec::new("src", Kind::Struct, Source::Parent);
    parent.annotations.insert("columns.replace".into(), "src.addr".into());
    let schema = schema(vec![parent, field("src.addr", Kind::Text, 0, 4, &[("columns.hidden", "true")])]);
    let mut batch = Batch::new(schema.clone(), 10, 100);
    batch.push(b"::1\0");
    let (mut out, mut columns) = (Vec::new(), Columns::bind(&schema, &FieldChoice::default()).unwrap());
    columns.header(false, &mut out);
    columns.row(&batch, 0, &mut out);
    assert_eq!(out, b"SRC\n::1\n");
    let error = Columns::bind(&schema, &"src.adr".parse().unwrap()).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("has no field \"src.adr\", did you mean \"src.addr\"?"));
}

/// An alignment that there is not is an error, a width that is no number is not.
#[test]
fn alignments_are_checked() {
    let of =
        |notes: &[(&str, &str)]| Columns::bind(&schema(vec![field("f", Kind::Uint(4), 0, 4, notes)]), &FieldChoice::default()).map(drop);
    let error = of(&[("columns.alignment", "centre")]).unwrap_err().to_string();
    assert_eq!(error, r#"field "f" has the alignment "centre", which is neither left nor right"#);
    of(&[("columns.width", "wide"), ("columns.alignment", "left"), ("columns.with", "3")]).unwrap();
}

/// A title that is longer than its column does not push the others away from their values.
#[test]
fn titles_have_room_where_nothing_is_cut() {
    let long = field("a_rather_long_name", Kind::Text, 0, 2, &[("columns.width", "4")]);
    let schema = schema(vec![long, field("second", Kind::Text, 2, 2, &[])]);
    let text = lines(&schema, "", None, b"xxyy");
    let mut lines = text.lines();
    let (titles, row) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(titles.find("SECOND"), row.find("yy"), "{text}");
}
