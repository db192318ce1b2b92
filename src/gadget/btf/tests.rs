//! The reader and the edits: on the running kernel's BTF, on BTF written by hand, and on hostile bytes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A type with the given words behind the name.
fn raw(kind: Kind, flag: bool, len: u16, name: u32, words: &[u32]) -> Vec<u8> {
    [name, encode_info(kind, flag, len)].iter().chain(words).flat_map(|w| w.to_le_bytes()).collect()
}

/// int, a typedef of it, an array of 4 of those, a struct { array a; int b:3 }, and a pointer to the struct.
fn by_hand() -> Btf<'static> {
    let mut btf = Btf::empty();
    let names = ["int", "name_t", "thing___old", "a", "b"].map(|n| btf.add_string(n).unwrap());
    btf.add_type(&raw(Kind::Int, false, 0, names[0], &[4, 1 << 24 | 32])).unwrap();
    btf.add_type(&raw(Kind::Typedef, false, 0, names[1], &[1])).unwrap();
    btf.add_type(&raw(Kind::Array, false, 0, 0, &[0, 2, 1, 4])).unwrap();
    btf.add_type(&raw(Kind::Struct, true, 2, names[2], &[20, names[3], 3, 0, names[4], 1, 3 << 24 | 128])).unwrap();
    btf.add_type(&raw(Kind::Ptr, false, 0, 0, &[4])).unwrap();
    btf
}

fn load(bytes: &[u8]) -> Result<Btf<'static>, BtfError> {
    let unreadable = |source| BtfError::Unreadable { path: "memory".into(), source };
    Btf::load(&mut std::io::Cursor::new(bytes), bytes.len(), None, unreadable)
}

/// What is written is read back the same.
#[test]
fn reads_what_it_writes() {
    let bytes = by_hand().to_bytes();
    let btf = Btf::parse(&bytes).unwrap();
    let thing = btf.structure("thing___old").unwrap();
    let members: Vec<_> = btf.get(thing).unwrap().members().map(|m| (m.bit_offset, m.bit_size)).collect();
    assert_eq!(members, [(0, 0), (128, 3)]);
    assert_eq!((btf.size(3).unwrap(), btf.size(thing).unwrap(), btf.size(5).unwrap()), (16, 20, 8));
    assert_eq!(btf.resolve(2).unwrap(), Resolved { id: 1, names: vec!["name_t"] });
    assert!(btf.get(1).unwrap().int().unwrap().signed);
    assert_eq!(load(&bytes).unwrap().to_bytes(), bytes);
}

/// Circles of types end in an error instead of running forever.
#[test]
fn circles_are_errors() {
    let mut btf = Btf::empty();
    btf.add_type(&raw(Kind::Const, false, 0, 0, &[2])).unwrap();
    btf.add_type(&raw(Kind::Volatile, false, 0, 0, &[1])).unwrap();
    btf.add_type(&raw(Kind::Array, false, 0, 0, &[0, 3, 3, 2])).unwrap();
    assert!(matches!(btf.resolve(1), Err(BtfError::TooDeep { id: 1 })));
    assert!(matches!(btf.peel(2), Err(BtfError::TooDeep { id: 2 })));
    assert!(btf.size(3).is_err());
}

/// Sizes that do not fit are errors.
#[test]
fn huge_arrays_are_errors() {
    let mut btf = by_hand();
    for inner in [3, 6, 7] {
        btf.add_type(&raw(Kind::Array, false, 0, 0, &[0, inner, 1, u32::MAX])).unwrap();
    }
    assert!(matches!(btf.size(8), Err(BtfError::Size { id: 8 })));
}

/// A word that would change a type's length is not written.
#[test]
fn edits_keep_lengths() {
    let mut btf = by_hand();
    assert!(btf.set_word(4, 4, encode_info(Kind::Struct, true, 3)).is_err());
    assert_eq!(btf.get(4).unwrap().len, 2);
    assert!(btf.set_word(99, 0, 0).is_err() && btf.set_word(1, 400, 0).is_err());
}

/// A type of another length takes the place of one; those behind it keep their ids.
#[test]
fn replaces_types() {
    let mut btf = by_hand();
    let name = btf.add_string("other").unwrap();
    btf.replace(2, &raw(Kind::Enum, false, 2, name, &[4, name, 1, name, 2])).unwrap();
    let bytes = btf.to_bytes();
    let again = Btf::parse(&bytes).unwrap();
    assert_eq!((again.name(2), again.get(2).unwrap().values().count(), again.name(4)), ("other", 2, "thing___old"));
    assert_eq!(btf.to_bytes(), again.to_bytes());
    assert_eq!(btf.raw(4).unwrap(), again.raw(4).unwrap());
    assert!(btf.replace(9, &raw(Kind::Ptr, false, 0, 0, &[1])).is_err());
}

/// Merged types refer to each other under their new ids and keep their names.
#[test]
fn merges_with_new_ids() {
    let (first, second) = (by_hand(), by_hand());
    let merged = first.merge(&second, &[5]).unwrap();
    assert_eq!(merged.len(), 10);
    let bytes = merged.to_bytes();
    let merged = Btf::parse(&bytes).unwrap();
    let copy = merged.get(6).unwrap().target().unwrap();
    assert!(copy > 5 && merged.name(copy) == "thing___old");
    let array = merged.get(copy).unwrap().members().next().unwrap().type_id;
    assert!(array > 5 && merged.size(array).unwrap() == 16);
}

/// A subset ignores flavours, keeps members in full and hollows what is only pointed at.
#[test]
fn subsets_hollow_what_is_pointed_at() {
    let btf = by_hand();
    let subset = btf.subset(&BTreeSet::from(["thing"])).unwrap();
    assert_eq!((subset.len(), subset.get(1).unwrap().members().count()), (4, 2));
    let mut holder = by_hand();
    let name = holder.add_string("holder").unwrap();
    holder.add_type(&raw(Kind::Struct, false, 1, name, &[8, name, 5, 0])).unwrap();
    let subset = holder.subset(&BTreeSet::from(["holder"])).unwrap();
    let hollow = subset.structure("thing___old").unwrap();
    assert_eq!((subset.size(hollow).unwrap(), subset.get(hollow).unwrap().members().count()), (20, 0));
}

/// The kernel's BTF is read, and aya takes a small part of it that has the struct in full.
#[test]
fn cuts_the_kernel_down() {
    let Ok(kernel) = Btf::kernel() else { return };
    let subset = kernel.subset(&BTreeSet::from(["task_struct"])).unwrap();
    assert!(subset.len() * 10 < kernel.len(), "{} of {}", subset.len(), kernel.len());
    let [cut, whole] = [&subset, &kernel].map(|btf| {
        let t = btf.get(btf.structure("task_struct").unwrap()).unwrap();
        t.members().map(|m| (btf.string(m.name).unwrap().to_owned(), m.bit_offset, btf.size(m.type_id).unwrap())).collect::<Vec<_>>()
    });
    assert_eq!(cut, whole);
    aya_obj::btf::Btf::parse(&subset.to_bytes(), aya::Endianness::default()).unwrap();
}

/// A file that is not there is named.
#[test]
fn names_a_missing_file() {
    let error = Btf::read(Path::new("/nowhere/btf")).unwrap_err().to_string();
    assert_eq!(error, "read kernel type information (BTF) from /nowhere/btf");
}

fn use_all(btf: &Btf<'_>) {
    for id in btf.ids() {
        let _ = (btf.get(id), btf.resolve(id), btf.size(id), btf.name(id));
    }
    let _ = (btf.subset(&BTreeSet::from(["thing", "int"])), btf.merge(btf, &[1, 4]), btf.to_bytes());
}

proptest! {
    /// Damaged and cut BTF is refused or read, never a panic.
    #[test]
    fn survives_damage(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut bytes = by_hand().to_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            use_all(&btf);
        }
        let cut = cut.index(bytes.len());
        let _ = (Btf::parse(&bytes[..cut]), load(&bytes[..cut]));
    }
}
