//! Images moved between stores and real registries, by us and by others.

use std::path::Path;
use std::process::Command;

use gadgetry::image::layout::Files;
use gadgetry::image::store::{Store, set_name};

use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER, foreign, layout, tool};

/// Puts an embedded gadget into a store under that name; gives its digest.
pub fn seed(store: &Path, gadget: &str, name: &str) -> String {
    let folder = layout(gadget);
    let store = Store::at(store.to_owned());
    let stage = store.stage().unwrap();
    for blob in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        stage.put(&std::fs::read(blob.unwrap().path()).unwrap()).unwrap();
    }
    let mut root = Files::Folder(folder).roots().unwrap().remove(0);
    set_name(&mut root, name);
    let digest = root.digest().to_string();
    stage.commit(vec![root]).unwrap();
    digest
}

/// The names of the blobs in a layout, and that each is what its name says.
pub fn blobs(layout: &Path) -> Vec<String> {
    let folder = layout.join("blobs/sha256");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in &names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(gadgetry::image::pack::digest_of(&bytes), format!("sha256:{name}"));
    }
    names
}

/// Pushes from one store and pulls into another with these flags; all of it must arrive, under the same digest.
fn there_and_back(host: &str, flags: &[&str], prepare: impl Fn(&Gadgetry)) {
    let name = format!("{host}/gadgets/trace_open:v1");
    let (from, to) = (Gadgetry::new(), Gadgetry::new());
    prepare(&from);
    prepare(&to);
    let digest = seed(&from.store(), "trace_open", &name);
    let said = from.ok(&[&["image", "push", &name], flags].concat());
    assert_eq!(said, format!("Pushing {name}...\nSuccessfully pushed {name}@{digest}\n"));
    let said = to.ok(&[&["image", "pull", &name], flags].concat());
    assert_eq!(said, format!("Pulling {name}...\nSuccessfully pulled {name}@{digest}\n"));
    assert_eq!(blobs(&to.store()), blobs(&layout("trace_open")));
    let opened = Store::at(to.store()).named(&name).unwrap().unwrap();
    assert_eq!(opened.digest().to_string(), digest);
    assert!(!to.store().join("ingest").exists() || std::fs::read_dir(to.store().join("ingest")).unwrap().next().is_none());
}

/// A plain registry takes and gives images.
#[test]
fn plain() {
    let registry = Registry::start(Kind::Plain);
    there_and_back(&registry.host, &["--insecure-registries", &registry.host], |_| ());
}

/// With TLS: the authority of `--cert-dir` is trusted, without it the error says what is missing.
#[test]
fn private_authority() {
    let registry = Registry::start(Kind::Tls);
    let certificates = registry.folder.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(registry.authority(), certificates.join("ca.crt")).unwrap();
    there_and_back(&registry.host, &["--cert-dir", certificates.to_str().unwrap()], |_| ());
    let (code, error) = Gadgetry::new().fails(&["image", "pull", &format!("{}/gadgets/trace_open:v1", registry.host)]);
    assert_eq!(code, 1);
    assert!(error.contains("unknown authority") && error.contains("--cert-dir"), "{error}");
    assert!(!error.contains("attempt"), "an unknown authority is not tried again: {error}");
}
