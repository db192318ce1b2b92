//! Tests of what is collected and what is not.

use super::*;

fn is_whole(store: &Store, root: &Descriptor) {
    for architecture in ["amd64", "arm64"] {
        store.files().parts(root, "image", architecture).unwrap();
    }
}

fn has(store: &Store, root: &Descriptor) -> bool {
    blob_path(&store.folder, root.digest().as_ref()).unwrap().exists()
}

/// Nothing that a root leads to is collected: indexes, manifests, signatures in every form, what two images share.
#[test]
fn what_is_in_use_stays() {
    let (_dir, store) = store();
    assert_eq!(store.prune().unwrap(), Pruned::default());
    assert!(!store.folder.exists());
    let one = add(&store, &full("one"), b"1");
    let signatures = sign_in_every_way(&store, &one, "");
    sign(&store, &signatures[0], true, false, None, b"a signature of the signature");
    let before = (blobs(&store), store.roots().unwrap());
    assert_eq!(store.prune().unwrap(), Pruned::default());
    assert_eq!((blobs(&store), store.roots().unwrap()), before);
    is_whole(&store, &one);
}

/// An image that lost its name is collected, but not what it shares with one that has a name; its signatures go, too.
#[test]
fn what_nothing_refers_to_goes() {
    let (_dir, store) = store();
    let old = add(&store, &full("one"), b"old");
    let signatures = sign_in_every_way(&store, &old, "");
    let of_signature = sign(&store, &signatures[1], false, true, None, b"deeper");
    let new = add(&store, &full("one"), b"new");
    let kept = sign_in_every_way(&store, &new, "new");
    let told = store.garbage().unwrap();
    assert!(has(&store, &old), "asking changes nothing");
    let pruned = store.prune().unwrap();
    assert_eq!(pruned, told);
    // Index, two manifests, two objects; four manifests with a layer each.
    assert_eq!(pruned.blobs, 5 + 8);
    assert!(!signatures.iter().chain([&old, &of_signature]).any(|root| has(&store, root)));
    assert!(kept.iter().all(|root| has(&store, root)));
    is_whole(&store, &new);
    assert_eq!(store.roots().unwrap().len(), 4);
    assert_eq!(store.prune().unwrap(), Pruned::default());
}

/// With another name left only the name goes; with the last one everything that only the image had, its signatures included.
#[test]
fn removing_the_last_name_collects() {
    let (_dir, store) = store();
    let (one, two) = (add(&store, &full("one"), b"1"), add(&store, &full("two"), b"2"));
    let signatures = [sign_in_every_way(&store, &one, "one"), sign_in_every_way(&store, &two, "two")];
    store.tag(&full("one"), &full("again")).unwrap();
    store.keep_verified(one.digest().as_ref(), "p", &crate::image::trust::Verified { by: "by".to_owned(), until: None });
    assert_eq!(store.remove(&full("one")).unwrap(), Pruned::default());
    is_whole(&store, &one);
    assert!(matches!(store.remove(&full("one")), Err(ImageError::Absent { .. })));
    let pruned = store.remove(&full("again")).unwrap();
    assert_eq!(pruned.blobs, 5 + 6);
    assert!(!signatures[0].iter().chain([&one]).any(|root| has(&store, root)));
    assert!(signatures[1].iter().all(|root| has(&store, root)));
    assert_eq!(store.verified(one.digest().as_ref(), "p"), None);
    is_whole(&store, &two);
    assert_eq!(store.roots().unwrap().len(), 4);
    assert_eq!(store.prune().unwrap(), Pruned::default());
}

/// An image that loses its name to another one, stored or tagged, is still found by its digest, and only prune takes it away.
#[test]
fn an_image_that_lost_its_name_is_found_by_its_digest() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"v1");
    let two = add(&store, &full("one"), b"v2");
    let three = add(&store, &full("three"), b"v3");
    store.tag(&full("three"), &full("one")).unwrap();
    let stores = crate::image::Stores::of(vec![store.folder().to_owned()]);
    let open = |root: &Descriptor| crate::image::open_in(&format!("one@{}", root.digest()), &stores);
    for lost in [&one, &two] {
        assert_eq!(name_of(&store.by_digest(lost.digest().as_ref()).unwrap().unwrap()), None);
        assert_eq!(store.resolve(&format!("one@{}", lost.digest())).unwrap().digest(), lost.digest());
        assert_eq!(open(lost).unwrap().digest, lost.digest().to_string());
        is_whole(&store, lost);
    }
    assert_eq!(names(&store), [full("one"), full("three")]);
    assert_eq!(store.roots().unwrap().len(), 4);
    assert!(store.prune().unwrap().blobs > 0);
    assert!(!has(&store, &one) && !has(&store, &two) && has(&store, &three));
    assert!(open(&one).is_err() && open(&two).is_err());
}

/// No image is listed without a name while it has one: not when it keeps another name, and not when it gets a name again.
#[test]
fn only_images_without_any_name_are_nameless() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"v1");
    store.tag(&full("one"), &full("again")).unwrap();
    add(&store, &full("one"), b"v2");
    assert_eq!(store.roots().unwrap().len(), 2, "it keeps its other name");
    add(&store, &full("again"), b"v2");
    assert_eq!(store.roots().unwrap().iter().filter(|root| name_of(root).is_none()).count(), 1);
    store.tag(one.digest().as_ref(), &full("back")).unwrap();
    assert_eq!(store.roots().unwrap().len(), 3);
    assert_eq!(names(&store), [full("again"), full("back"), full("one")]);
    add(&store, &full("one"), b"v2");
    assert_eq!(store.roots().unwrap().len(), 3, "the same image under the same name changes nothing");
}

/// Removing takes along only what belongs to the image: other garbage is left to prune.
#[test]
fn removing_leaves_other_garbage_alone() {
    let (_dir, store) = store();
    let lost = add(&store, &full("one"), b"lost");
    let orphan = sign(&store, &lost, true, false, None, b"orphan");
    add(&store, &full("one"), b"1");
    store.remove(&full("one")).unwrap();
    assert!(has(&store, &lost) && has(&store, &orphan));
    assert_eq!(store.roots().unwrap().len(), 2, "the image without a name and its signature");
    store.prune().unwrap();
    assert_eq!((blobs(&store).len(), store.roots().unwrap().len()), (0, 0));
}

/// What cannot be followed stops the collection, which then has removed nothing, and the message names the image; removing a name
/// works all the same, and once the damaged image is gone all is well.
#[test]
fn what_cannot_be_read_stops_the_collection() {
    let (_dir, store) = store();
    let (one, two) = (add(&store, &full("one"), b"1"), add(&store, &full("two"), b"2"));
    add(&store, &full("three"), b"garbage");
    let three = add(&store, &full("three"), b"3");
    let before = blobs(&store);
    let index = store.files().index(&one).unwrap();
    for victim in [&one, &index.manifests()[0]] {
        let path = blob_path(&store.folder, victim.digest().as_ref()).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [b" ", &whole[1..]].concat()).unwrap();
        for error in [store.prune().unwrap_err(), store.garbage().unwrap_err()] {
            assert!(error.to_string().contains(&full("one")), "{error}");
        }
        assert_eq!(blobs(&store), before);
        fs::write(&path, whole).unwrap();
    }
    let path = blob_path(&store.folder, one.digest().as_ref()).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(store.prune(), Err(ImageError::Unclear { .. })), "a root that is not there");
    assert_eq!(store.remove(&full("two")).unwrap(), Pruned::default());
    assert!(has(&store, &two));
    store.remove(&full("one")).unwrap();
    assert!(store.prune().unwrap().blobs > 5);
    is_whole(&store, &three);
}

/// An index may list manifests that nobody has fetched; files that are no blobs are nobody's business.
#[test]
fn what_was_never_there_is_not_missed() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let index = store.files().index(&one).unwrap();
    fs::remove_file(blob_path(&store.folder, index.manifests()[1].digest().as_ref()).unwrap()).unwrap();
    let odd = store.folder.join("blobs/sha256/README");
    fs::write(&odd, b"").unwrap();
    assert_eq!(store.prune().unwrap().blobs, 1, "only the object of the other architecture");
    assert!(odd.exists());
    assert!(store.files().parts(&one, "one", "amd64").is_ok());
}
