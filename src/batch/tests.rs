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

/// A bit field is what its bits are, with its sign; a decoder is given it as the whole number.
#[test]
fn bit_fields_are_numbers_of_their_own() {
    struct Hex;
    impl Decode for Hex {
        fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
            raw.iter().for_each(|byte| out.extend(format!("{byte:02x}").bytes()));
        }
    }
    let mut b = SchemaBuilder::new("bits", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    let bits = |shift, width| Source::Bits { offset: 1, size: 2, shift, width };
    let id = b.add(FieldSpec::new("signed", Kind::Int(4), bits(3, 6))).unwrap();
    b.add(FieldSpec::new("plain", Kind::Uint(4), bits(3, 6))).unwrap();
    b.add(FieldSpec::new("text", Kind::Text, Source::Decoded { from: id, decoder: Arc::new(Hex) })).unwrap();
    let mut batch = Batch::new(b.finish(), 10, 1000);
    batch.push(&[0xff, 0b1111_0000, 0b1111_1111]);
    let mut scratch = Vec::new();
    let value = |name: &str, scratch: &mut Vec<u8>| format!("{:?}", batch.value(0, batch.schema().find(name).unwrap(), scratch));
    assert_eq!((value("signed", &mut scratch), value("plain", &mut scratch)), ("Int(-2)".into(), "Uint(62)".into()));
    assert_eq!(batch.value(0, batch.schema().find("text").unwrap(), &mut scratch), Value::Text(b"feffffff"));
}
