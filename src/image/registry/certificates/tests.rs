//! Folders of certificates.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::{certificates, usual};

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["client".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn fails(folder: &Path) -> String {
    certificates(Some(folder), "r:1").err().unwrap().to_string()
}

/// Authorities and a pair are found in the folder itself, else in that of the registry; other files are left alone.
#[test]
fn named_folders() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("ca.crt"), &certificate).unwrap();
    fs::write(path("README"), "nothing").unwrap();
    let found = certificates(Some(folder.path()), "r:1").unwrap();
    assert_eq!((found.authorities, found.identity), (vec![certificate.clone().into_bytes()], None));
    fs::create_dir(path("r:1")).unwrap();
    fs::write(path("r:1/client.cert"), &certificate).unwrap();
    fs::write(path("r:1/client.key"), &key).unwrap();
    let found = certificates(Some(folder.path()), "r:1").unwrap();
    assert!(found.authorities.is_empty());
    assert!(reqwest::Identity::from_pem(&found.identity.unwrap()).is_ok());
    assert_eq!(certificates(Some(folder.path()), "r:2").unwrap().authorities.len(), 1);
    // Names that lead out of it are no folders of registries.
    assert_eq!(certificates(Some(&path("r:1")), "..").unwrap().authorities.len(), 0);
    assert!(certificates(Some(&path("none")), "r:1").is_err());
}

/// The first of the usual folders that has one for the registry counts; none is no error.
#[test]
fn usual_folders() {
    let folder = tempfile::tempdir().unwrap();
    let folders = ["a", "b", "c"].map(|name| folder.path().join(name));
    assert!(usual(&folders, "r").unwrap().authorities.is_empty());
    for name in ["b/r", "c/r"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("x.crt"), pair().0).unwrap();
    }
    let wanted = fs::read(folder.path().join("b/r/x.crt")).unwrap();
    assert_eq!(usual(&folders, "r").unwrap().authorities, [wanted]);
    assert!(usual(&folders, "q").unwrap().authorities.is_empty());
}

/// Halves of pairs, texts that are none, too much: errors that name the file.
#[test]
fn unusable_files() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.b.cert"), &certificate).unwrap();
    assert!(fails(folder.path()).contains("a.b.cert cannot be used: there is no .key file"), "{}", fails(folder.path()));
    fs::rename(path("a.b.cert"), path("a.cert")).unwrap();
    fs::write(path("b.key"), &key).unwrap();
    fs::write(path("a.key"), &key).unwrap();
    assert!(fails(folder.path()).contains("b.key cannot be used: there is no .cert file"));
    fs::remove_file(path("b.key")).unwrap();
    assert!(certificates(Some(folder.path()), "r:1").unwrap().identity.is_some());
    fs::write(path("a.key"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    assert!(fails(folder.path()).contains("a.key"));
    fs::remove_file(path("a.key")).unwrap();
    fs::remove_file(path("a.cert")).unwrap();
    for text in ["", "nothing", key.as_str(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(path("ca.crt"), text).unwrap();
        assert!(fails(folder.path()).contains("ca.crt"), "{text}");
    }
    fs::write(path("ca.crt"), vec![b'a'; (1 << 20) + 1]).unwrap();
    assert!(fails(folder.path()).contains("larger than 1 MiB"));
    fs::remove_file(path("ca.crt")).unwrap();
    (0..300).for_each(|n| fs::write(path(&format!("{n}.txt")), "").unwrap());
    assert!(fails(folder.path()).contains("more than 256 entries"));
}
