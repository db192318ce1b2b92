//! The layout of values, and what the setting may say.

use super::{SocketFields, SocketFieldsError};
use crate::gadget::btf::Kind;

/// Sizes add up to the documented totals, and the text round-trips.
#[test]
fn sizes_follow_the_setting() {
    for (text, total, shown) in [
        ("cwd=512,exepath=512", 1112, "cwd=512,exepath=512"),
        ("cwd, exepath", 1112, "cwd=512,exepath=512"),
        ("", 88, ""),
        ("exepath=4096", 88 + 4096, "exepath=4096"),
        ("exepath=1,cwd=2", 96, "cwd=2,exepath=1"),
    ] {
        let fields: SocketFields = text.parse().unwrap();
        assert_eq!((fields.value_size(), fields.to_string().as_str()), (total, shown), "{text}");
    }
    assert_eq!(SocketFields::default().to_string(), "cwd=512,exepath=512");
}

/// Unknown names and sizes that are no power of two up to 4096 are refused.
#[test]
fn nonsense_is_refused() {
    assert_eq!("pwd=512".parse::<SocketFields>(), Err(SocketFieldsError::Unknown("pwd".to_owned())));
    for size in ["0", "3", "8192", "-1", "", "x"] {
        let error = SocketFields::of([format!("cwd={size}").as_str()]).unwrap_err();
        assert_eq!(error, SocketFieldsError::Size { field: "cwd".to_owned(), size: size.to_owned() });
    }
}

/// The struct has the documented offsets, and absent members are absent.
#[test]
fn types_are_the_effective_struct() {
    let layout = |text: &str| {
        let (types, id) = text.parse::<SocketFields>().unwrap().types().unwrap();
        let value = types.get(id).unwrap();
        assert_eq!((value.kind, types.name(id)), (Kind::Struct, "gadget_socket_value"));
        let members = value.members().map(|m| (types.string(m.name).unwrap().to_owned(), m.bit_offset / 8, types.size(m.type_id).unwrap()));
        (value.word, members.collect::<Vec<_>>())
    };
    let (size, members) = layout("cwd=64,exepath=4096");
    assert_eq!(size, 88 + 64 + 4096);
    let member = |name: &str| members.iter().find(|m| m.0 == name).map(|m| (m.1, m.2));
    assert_eq!((member("task"), member("ipv6only")), (Some((24, 16)), Some((80, 1))));
    assert_eq!((member("optional_fields_start"), member("cwd"), member("exepath")), (Some((88, 0)), Some((88, 64)), Some((152, 4096))));
    let (size, members) = layout("exepath=512");
    assert_eq!((size, members.iter().filter(|m| m.0 == "cwd").count()), (600, 0));
    assert_eq!(members.last().map(|m| (m.0.as_str(), m.1)), Some(("exepath", 88)));
}

fn declared(kind: u32, key: u32, entries: u32) -> aya_obj::Map {
    aya_obj::Map::new_from_params(kind, key, 8280, entries, 0)
}

/// Only a map of the documented kind is replaced; how long the values are in the declaration does not matter.
#[test]
fn foreign_maps_do_not_fit() {
    assert!(super::fits(&declared(1, 12, 16384)));
    for (kind, key, entries) in [(2, 4, 16384), (1, 16, 16384), (1, 12, 1024)] {
        assert!(!super::fits(&declared(kind, key, entries)), "{kind} {key} {entries}");
    }
}

/// A kernel that cannot run the enricher is no reason for the gadget not to run: it goes without.
#[test]
fn a_gadget_goes_without() {
    let map = declared(1, 12, 16384);
    let nothing = crate::gadget::btf::KernelTypes::of(crate::gadget::btf::Btf::empty());
    assert!(super::for_gadget("test", Some(&map), &SocketFields::default(), &nothing).is_none());
    assert!(super::for_gadget("test", None, &SocketFields::default(), &nothing).is_none());
}
