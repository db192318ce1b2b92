//! Making signatures.

use super::super::cosign::{Form, sign};
use super::super::{Kind, SignError, signatures_of};
use super::{NAME, Shelf, key, reference};
use crate::image::Stores;

/// What is signed in either form is verified, and a second key's signature stands beside the first one's.
#[test]
fn signed_images_are_verified() {
    let (shelf, first, second) = (Shelf::new(), key(), key());
    for form in [Form::Tag, Form::Bundle] {
        let signed = sign(&shelf.store, &reference(NAME), &first, form).unwrap();
        assert_eq!(signed.digest, shelf.digest());
    }
    assert!(shelf.verify(&[&second]).unwrap_err().matches("has not signed it as it is").count() == 2);
    sign(&shelf.store, &reference(NAME), &second, Form::Tag).unwrap();
    assert!(shelf.verify(&[&first]).is_ok() && shelf.verify(&[&second]).is_ok());
    let found = shelf.found();
    assert_eq!(found.artifacts.iter().map(|a| (a.kind, a.layers.len())).collect::<Vec<_>>(), [(Kind::CosignTag, 2), (Kind::Bundle, 1)]);
}

/// A key that has signed already adds nothing.
#[test]
fn signing_twice_changes_nothing() {
    let (shelf, key) = (Shelf::new(), key());
    let signed = sign(&shelf.store, &reference(NAME), &key, Form::Tag).unwrap();
    assert_eq!(sign(&shelf.store, &reference(NAME), &key, Form::Tag).unwrap(), signed);
}

/// An image may be named by its digest, if its repository is the right one; one that is not there is not signed.
#[test]
fn what_is_signed_is_in_the_store() {
    let (shelf, key) = (Shelf::new(), key());
    let by_digest = reference(&format!("registry.test/team/gadget@{}", shelf.digest()));
    assert!(sign(&shelf.store, &by_digest, &key, Form::Tag).is_ok());
    for other in ["registry.test/team/gadget:2".to_owned(), format!("registry.test/other/gadget@{}", shelf.digest())] {
        assert!(matches!(sign(&shelf.store, &reference(&other), &key, Form::Tag), Err(SignError::NotStored { .. })), "{other}");
    }
}

/// A full manifest of signatures takes no more, instead of one that nobody would look at.
#[test]
fn signatures_are_not_added_beyond_the_bound() {
    let (shelf, key) = (Shelf::new(), key());
    shelf.tag(&(0..16).map(|_| shelf.signed("x", b"")).collect::<Vec<_>>());
    assert!(matches!(sign(&shelf.store, &reference(NAME), &key, Form::Tag), Err(SignError::TooMany { count: 16, .. })));
}

/// The signatures of an image are gathered from all stores, whichever has the image; and out of a layout on disk.
#[test]
fn signatures_are_gathered_from_all_stores() {
    let (ours, theirs, key) = (Shelf::new(), Shelf::new(), key());
    sign(&theirs.store, &reference(NAME), &key, Form::Tag).unwrap();
    let stores = Stores::of(vec![ours.store.folder().to_owned(), theirs.store.folder().to_owned()]);
    for image in [NAME.to_owned(), ours.digest(), theirs.store.folder().display().to_string()] {
        let (subject, found) = signatures_of(&image, &stores).unwrap();
        assert_eq!((subject, found.artifacts.len()), (ours.subject(), 1), "{image}");
    }
    assert!(signatures_of("registry.test/team/gadget:2", &stores).is_err());
}
