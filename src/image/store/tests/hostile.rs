//! Tests with an `index.json` from a hostile hand: refused, bounded, never followed out of the store, never written over.

use super::*;

fn refused(store: &Store, text: &[u8], why: &str) {
    fs::write(store.folder.join("index.json"), text).unwrap();
    assert!(store.roots().is_err(), "{why}: read");
    assert!(store.prune().is_err() && store.remove("a").is_err() && store.tag("a", "b").is_err(), "{why}: changed");
    let files = packed(&full("new"), b"new");
    let staging = store.stage().unwrap();
    stage(&staging, &files);
    assert!(staging.commit(vec![root_of(&files)]).is_err(), "{why}: committed");
    assert_eq!(fs::read(store.folder.join("index.json")).unwrap(), text, "{why}: written over");
}

/// What is no index is refused by whoever reads or changes it, and stays as it is.
#[test]
fn what_is_no_index_is_refused() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let element = serde_json::to_string(&one).unwrap();
    let digest = one.digest().to_string();
    let in_list = |element: &str| format!("{{\"schemaVersion\":2,\"manifests\":[{element}]}}");
    let texts = [
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("a number", "{\"manifests\":3}".to_owned()),
        ("an object", "{\"manifests\":{}}".to_owned()),
        ("no list", "{\"schemaVersion\":2}".to_owned()),
        ("two lists", format!("{{\"manifests\":[{element}],\"manifests\":[]}}")),
        ("a second list in other letters", format!("{{\"manifests\":[{element}],\"\\u006danifests\":[]}}")),
        ("wrong elements", in_list("1,\"a\",[],null")),
        ("a digest that leads elsewhere", in_list(&element.replace(&digest, "sha256:../../../../etc/passwd"))),
        ("a digest that is none", in_list(&element.replace(&digest, "x"))),
        ("a negative size", in_list(&element.replace(&format!("\"size\":{}", one.size()), "\"size\":-1"))),
        ("something behind it", in_list(&element) + "{}"),
        ("a trailing comma", in_list(&format!("{element},"))),
        ("depth", "{\"a\":".to_owned() + &"[".repeat(1_000_000)),
        ("deep elements", in_list(&("[".repeat(100_000) + &"]".repeat(100_000)))),
        ("too many", in_list(&vec!["{}"; listing::MAX_ROOTS + 1].join(","))),
    ];
    for (why, text) in texts {
        refused(&store, text.as_bytes(), why);
    }
    let path = store.folder.join("index.json");
    fs::File::create(&path).unwrap().set_len(crate::image::layout::INDEX_LIMIT + 1).unwrap();
    assert!(store.roots().is_err() && store.named("a").is_err() && store.prune().is_err(), "too many bytes");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(store.roots().is_err(), "a folder");
    assert_eq!(blobs(&store).len(), 6, "no blob was touched");
}

/// Digests that are not SHA-256 are listed but lead nowhere, and nobody collects beside them.
#[test]
fn other_digests_lead_nowhere() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let text = fs::read_to_string(store.folder.join("index.json")).unwrap();
    let other = format!("sha512:{}", "0".repeat(128));
    fs::write(store.folder.join("index.json"), text.replace(one.digest().as_ref(), &other)).unwrap();
    let root = store.named(&full("one")).unwrap().unwrap();
    assert!(store.files().index(&root).unwrap_err().to_string().contains("not SHA-256"));
    assert!(matches!(store.prune(), Err(ImageError::Unclear { .. })));
    assert_eq!(blobs(&store).len(), 6);
}

/// Of two elements with the same name the first counts, and both go at once.
#[test]
fn a_name_that_is_there_twice_goes_at_once() {
    let (_dir, store) = store();
    let (one, two) = (add(&store, &full("one"), b"1"), add(&store, &full("two"), b"2"));
    let text = fs::read_to_string(store.folder.join("index.json")).unwrap();
    fs::write(store.folder.join("index.json"), text.replace(&full("two"), &full("one"))).unwrap();
    assert_eq!(store.named(&full("one")).unwrap().unwrap().digest(), one.digest());
    store.remove(&full("one")).unwrap();
    assert_eq!(store.roots().unwrap(), []);
    store.prune().unwrap();
    assert!(!blob_path(&store.folder, two.digest().as_ref()).unwrap().exists());
}

/// Documents that go round in circles, in depth or in number without end are not followed.
#[test]
fn endless_documents_are_not_followed() {
    let (_dir, store) = store();
    let staging = store.stage().unwrap();
    let mut root = serde_json::json!({"mediaType": "application/octet-stream", "digest": staging.put(b"x").unwrap(), "size": 1});
    for _ in 0..20 {
        let index = serde_json::to_vec(&serde_json::json!({"schemaVersion": 2, "manifests": [root]})).unwrap();
        root = serde_json::json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": staging.put(&index).unwrap(), "size": index.len()});
    }
    let error = staging.commit(vec![serde_json::from_value(root).unwrap()]).unwrap_err().to_string();
    assert!(error.contains("4 levels"), "{error}");
    let staging = store.stage().unwrap();
    let leaf = |n: u64| serde_json::json!({"mediaType": "x/y", "digest": format!("sha256:{n:064x}"), "size": 0});
    let index = serde_json::to_vec(&serde_json::json!({"manifests": (0..20_000).map(leaf).collect::<Vec<_>>()})).unwrap();
    let root = serde_json::json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": staging.put(&index).unwrap(), "size": index.len()});
    assert!(staging.commit(vec![serde_json::from_value(root).unwrap()]).is_err());
}
