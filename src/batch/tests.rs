//! What a batch promises.

use std::collections::BTreeMap;

use super::*;

fn schema() -> Arc<Schema> {
    let mut b = SchemaBuilder::new("open", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    b.add(FieldSpec::new("pid", Kind::Uint(4), Source::Row { offset: 0, size: 4 })).unwrap();
    b.add(FieldSpec::new("fname", Kind::Text, Source::Tail { offset: 4 })).unwrap();
    b.add(FieldSpec::new("path", Kind::Text, Source::Row { offset: 8, size: 255 })).unwrap();
    b.finish()
}

#[test]
fn a_record_cut_behind_its_scalars_reads_as_if_the_rest_were_zero() {
    let mut batch = Batch::new(schema(), 10, 1000);
    batch.push(&[7, 0, 0, 0]);
    let mut scratch = Vec::new();
    assert_eq!(batch.value(0, batch.schema().find("pid").unwrap(), &mut scratch), Value::Uint(7));
    assert_eq!(batch.value(0, batch.schema().find("fname").unwrap(), &mut scratch), Value::Text(b""));
    assert_eq!(batch.value(0, batch.schema().find("path").unwrap(), &mut scratch), Value::Text(b""));
    assert_eq!(batch.row(0).len(), 8);
}

#[test]
fn a_tail_word_that_points_outside_the_record_gives_what_is_inside() {
    let mut batch = Batch::new(schema(), 10, 1000);
    let mut record = vec![1, 0, 0, 0];
    record.extend((0xffff_u32 << 16 | 8).to_ne_bytes());
    record.extend(b"/etc/passwd");
    batch.push(&record);
    let mut scratch = Vec::new();
    assert_eq!(batch.value(0, batch.schema().find("fname").unwrap(), &mut scratch), Value::Text(b"/etc/passwd"));
}

#[test]
fn selection_counts_what_it_iterates() {
    let mut s = Selection::default();
    (0..200).for_each(|_| s.push());
    s.retain(|row| row % 3 == 0);
    s.remove(0);
    s.remove(0);
    assert_eq!(s.iter().collect::<Vec<_>>(), (1..67).map(|i| i * 3).collect::<Vec<_>>());
    assert_eq!(s.count(), 66);
    assert!(!s.contains(0) && s.contains(3));
}
