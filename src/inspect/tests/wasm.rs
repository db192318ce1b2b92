//! Modules written by hand.

use proptest::prelude::*;

use super::super::extra_info;
use super::{json, text, told};
use crate::image::GadgetImage;

/// A section: its number, the number of its entries, the entries.
fn section(number: u8, entries: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![u8::try_from(entries.len()).unwrap()];
    entries.iter().for_each(|entry| body.extend_from_slice(entry));
    [vec![number, u8::try_from(body.len()).unwrap()], body].concat()
}

fn named(name: &str) -> Vec<u8> {
    [vec![u8::try_from(name.len()).unwrap()], name.as_bytes().to_vec()].concat()
}

fn import(module: &str, name: &str, what: &[u8]) -> Vec<u8> {
    [named(module), named(name), what.to_vec()].concat()
}

/// A module with three imports and two globals, whose exported function 2 has this body; function 3 gives 40.
fn module(body: &[u8]) -> Vec<u8> {
    let code = |body: &[u8]| [vec![u8::try_from(body.len() + 1).unwrap(), 0], body.to_vec()].concat();
    let parts = [
        b"\0asm\x01\0\0\0".to_vec(),
        // () -> i64
        section(1, &[&[0x60, 0, 1, 0x7e]]),
        section(2, &[&import("ig", "gadgetLog", &[0, 0]), &import("env", "other", &[0, 0]), &import("env", "global", &[3, 0x7e, 0])]),
        section(3, &[&[0], &[0]]),
        // A constant 2, a variable 3.
        section(6, &[&[0x7e, 0, 0x42, 2, 0x0b], &[0x7e, 1, 0x42, 3, 0x0b]]),
        section(7, &[&[named("gadgetAPIVersion"), vec![0, 2]].concat()]),
        section(10, &[&code(body), &code(&[0x42, 40, 0x0b])]),
    ];
    parts.concat()
}

fn version(body: &[u8]) -> String {
    text(&told(None, Some(module(body))), "wasm.gadgetAPIVersion")
}

/// Only functions of the module `ig` are calls to the host.
#[test]
fn host_functions_are_told() {
    assert_eq!(json(&told(None, Some(module(&[0x42, 1, 0x0b]))), "wasm.upcalls"), serde_json::json!(["gadgetLog"]));
}

/// A version that is computed straight on is known: constants, constant globals, sums, calls of such functions.
#[test]
fn versions_are_read_off() {
    assert_eq!(version(&[0x42, 1, 0x0b]), "1");
    assert_eq!(version(&[0x42, 1, 0x0f, 0x0b]), "1");
    assert_eq!(version(&[0x42, 0x7f, 0x0b]), "-1");
    assert_eq!(version(&[0x23, 1, 0x0b]), "2");
    assert_eq!(version(&[0x10, 3, 0x23, 1, 0x7c, 0x0b]), "42");
    assert_eq!(version(&[0x41, 7, 0xad, 0x0b]), "7");
}

/// A version that depends on anything else is not guessed: a variable, an imported value, a branch, endless recursion, another type.
#[test]
fn other_versions_are_unknown() {
    for body in
        [&[0x23, 2, 0x0b][..], &[0x23, 0, 0x0b], &[0x10, 0, 0x0b], &[0x10, 2, 0x0b], &[0x41, 1, 0x0b], &[0x02, 0x7e, 0x42, 1, 0x0b, 0x0b]]
    {
        assert_eq!(version(body), "unknown", "{body:?}");
    }
    let empty = told(None, Some(b"\0asm\x01\0\0\0".to_vec()));
    assert_eq!((text(&empty, "wasm.gadgetAPIVersion"), text(&empty, "wasm.upcalls")), ("unknown".to_owned(), "[]".to_owned()));
}

proptest! {
    /// Any bytes behind a module's head are an error or an answer.
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..120) {
        let mut module = module(&[0x42, 1, 0x0b]);
        module.truncate(cut);
        module.extend(bytes);
        let _ = extra_info(&GadgetImage { wasm: Some(module), ..GadgetImage::default() });
    }
}
