//! Where signatures are found.

use serde_json::json;

use super::super::Kind;
use super::{BUNDLE, MANIFEST, Shelf, key, payload, put, statement};

const COSIGN: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

fn kinds(shelf: &Shelf) -> Vec<Kind> {
    shelf.found().artifacts.iter().map(|artifact| artifact.kind).collect()
}

/// A signature is found under the tag of its own repository, of another one, and of none, the own one first.
#[test]
fn tags() {
    for name in ["registry.test/team/gadget:", "elsewhere.test/x:", ""] {
        let shelf = Shelf::new();
        put(&shelf.store, MANIFEST, &shelf.manifest(&[]), Some(&format!("{name}sha256-{}.sig", shelf.hex())), None);
        assert_eq!(kinds(&shelf), [Kind::CosignTag], "{name}");
    }
    let shelf = Shelf::new();
    let own = shelf.signed("own", b"");
    for (name, layers) in [("elsewhere.test/x", vec![]), ("registry.test/team/gadget", vec![own])] {
        put(&shelf.store, MANIFEST, &shelf.manifest(&layers), Some(&format!("{name}:sha256-{}.sig", shelf.hex())), None);
    }
    assert_eq!(shelf.found().artifacts.iter().map(|a| a.layers.len()).collect::<Vec<_>>(), [1, 0]);
    let other = Shelf::new();
    put(&other.store, MANIFEST, &other.manifest(&[]), Some(&format!("registry.test/team/gadget:sha256-{}.sig", "0".repeat(64))), None);
    put(&other.store, MANIFEST, &other.manifest(&[]), Some(&format!("x-sha256-{}.sig", other.hex())), None);
    assert!(other.found().is_empty());
}

/// Referrers are found as nameless roots, marked or not, under any name, and in the fallback index; and are told apart by `artifactType`, config
/// or layer.
#[test]
fn referrers() {
    let shelf = Shelf::new();
    put(&shelf.store, MANIFEST, &shelf.referrer(COSIGN, &[]), None, Some(&shelf.digest()));
    assert_eq!(kinds(&shelf), [Kind::CosignReferrer]);
    put(&shelf.store, MANIFEST, &shelf.referrer("application/vnd.cncf.notary.signature", &[]), None, None);
    assert_eq!(kinds(&shelf), [Kind::CosignReferrer, Kind::Notation]);
    let layer = shelf.layer(BUNDLE, b"{}");
    let mut nameless = shelf.referrer("", std::slice::from_ref(&layer));
    nameless.as_object_mut().unwrap().remove("artifactType");
    put(&shelf.store, MANIFEST, &nameless, Some("some.thing/else:1"), None);
    assert_eq!(kinds(&shelf), [Kind::CosignReferrer, Kind::Bundle, Kind::Notation], "of those that are only listed, the last comes first");

    let shelf = Shelf::new();
    let listed = put(&shelf.store, MANIFEST, &shelf.referrer(BUNDLE, &[shelf.layer(BUNDLE, b"{}")]), Some("x.test/y:gone"), None);
    let entry = json!({"mediaType": MANIFEST, "size": listed.size(), "digest": listed.digest().to_string()});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
    let name = format!("registry.test/team/gadget:sha256-{}", shelf.hex());
    put(&shelf.store, "application/vnd.oci.image.index.v1+json", &index, Some(&name), None);
    shelf.store.remove("x.test/y:gone").unwrap();
    assert_eq!(kinds(&shelf), [Kind::Bundle]);
}

/// What is about another image, or is no signature, is passed over.
#[test]
fn others_are_passed_over() {
    let shelf = Shelf::new();
    let mut other = shelf.referrer(COSIGN, &[]);
    other["subject"]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    put(&shelf.store, MANIFEST, &other, None, None);
    other["annotations"] = json!({"a": "marked as ours, yet it is not"});
    put(&shelf.store, MANIFEST, &other, None, Some(&shelf.digest()));
    put(&shelf.store, MANIFEST, &shelf.referrer("application/spdx+json", &[]), None, Some(&shelf.digest()));
    put(&shelf.store, MANIFEST, &shelf.manifest(&[]), None, None);
    assert!(shelf.found().is_empty());
}

/// Broken, huge and countless signatures do not hide a good one, and are reported.
#[test]
fn broken_ones_do_not_hide_a_good_one() {
    let (shelf, good) = (Shelf::new(), key());
    let text = payload(&shelf.digest());
    let huge = shelf.signed(&" ".repeat((1 << 20) + 1), b"");
    let mut missing = shelf.signed("missing", b"");
    missing["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    let mut odd = shelf.signed("odd", b"");
    odd["digest"] = json!("sha512:../../etc/passwd");
    shelf.tag(&[huge.clone(), missing.clone()]);
    put(&shelf.store, MANIFEST, &json!({"schemaVersion": 2}), None, Some(&shelf.digest()));
    put(&shelf.store, MANIFEST, &shelf.referrer(COSIGN, &[odd]), None, Some(&shelf.digest()));
    let error = shelf.verify(&[&good]).unwrap_err();
    for reason in ["1048577 bytes are more than", "No such file", "it is no manifest"] {
        assert!(error.contains(reason), "{reason}: {error}");
    }
    shelf.tag(&[huge, missing, shelf.signed(&text, &good.sign(text.as_bytes()).unwrap())]);
    assert!(shelf.verify(&[&good]).is_ok());
}

/// No more than so many signatures and layers are looked at.
#[test]
fn their_number_is_bounded() {
    let (shelf, good) = (Shelf::new(), key());
    let text = payload(&shelf.digest());
    let layers: Vec<_> = (0..17).map(|_| shelf.signed(&text, &[])).collect();
    shelf.tag(&layers);
    for n in 0..60 {
        shelf.put_bundle(&shelf.bundle(&statement(&"0".repeat(64)), &good).to_string().replace("hint\":\"", &format!("hint\":\"{n}")));
    }
    let found = shelf.found();
    assert_eq!((found.artifacts.len(), found.artifacts[0].layers.len(), found.broken.len()), (50, 16, 12));
}

/// What is collected for one image has an end, however often manifests name the same bytes; the newest are within it, and what is broken takes
/// nothing from them.
#[test]
fn their_bytes_are_bounded() {
    let (shelf, good) = (Shelf::new(), key());
    let big = shelf.signed(&" ".repeat(1 << 20), b"");
    let mut broken = big.clone();
    broken["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    for n in 0..50 {
        let mut manifest = shelf.referrer(COSIGN, &vec![big.clone(); 16]);
        manifest["annotations"] = json!({"n": n.to_string()});
        put(&shelf.store, MANIFEST, &manifest, None, Some(&shelf.digest()));
    }
    let collected = |found: &super::Signatures| found.artifacts.iter().flat_map(|artifact| &artifact.layers).map(Vec::len).sum::<usize>();
    let found = shelf.found();
    // One more MiB would fit but for the manifest.
    assert_eq!((collected(&found), found.artifacts.len()), (7 << 20, 1));
    assert!(found.broken.iter().any(|reason| reason.contains("too much")), "{:?}", found.broken);
    assert!(shelf.verify(&[&good]).unwrap_err().contains("too much"));

    shelf.put_bundle(&shelf.bundle(&statement(&shelf.hex()), &good).to_string());
    put(&shelf.store, MANIFEST, &shelf.referrer(COSIGN, &vec![broken; 16]), None, Some(&shelf.digest()));
    let found = shelf.found();
    assert_eq!((found.artifacts[0].kind, found.artifacts.len()), (Kind::Bundle, 2));
    assert!(collected(&found) < 8 << 20 && shelf.verify(&[&good]).is_ok());
}

/// Of more layers than are looked at, the last are: that is where cosign adds.
#[test]
fn the_newest_layers_are_looked_at() {
    let (shelf, good) = (Shelf::new(), key());
    let text = payload(&shelf.digest());
    let mut layers = vec![shelf.signed(&text, b""); 40];
    shelf.tag(&layers);
    assert!(shelf.verify(&[&good]).is_err());
    layers.push(shelf.signed(&text, &good.sign(text.as_bytes()).unwrap()));
    shelf.tag(&layers);
    assert!(shelf.verify(&[&good]).is_ok());
}

/// A digest that is none is no reason to look anywhere.
#[test]
fn the_subject_has_a_digest() {
    let shelf = Shelf::new();
    let found = super::artifacts(&shelf.store.files(), &[], &super::reference(super::NAME), "sha256:../x");
    assert!(found.is_err());
}
