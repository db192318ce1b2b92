//! Files: which one, how it is read, how it is replaced.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::basic;
use crate::image::auth::places::Places;
use crate::image::auth::{AuthError, AuthFile, LIMIT, Secret, file};

fn write(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The order of the places: named, the variable, ours, the others.
#[test]
fn places_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut places = Places { default: path("ours"), others: vec![path("upstream"), path("docker")], ..Places::default() };
    assert_eq!(places.clone().read().unwrap(), path("ours"));
    write(&path("docker"), "{}");
    assert_eq!(places.clone().read().unwrap(), path("docker"));
    write(&path("upstream"), "{}");
    assert_eq!(places.clone().read().unwrap(), path("upstream"));
    assert_eq!(places.clone().written(), path("ours"));
    write(&path("ours"), "{}");
    assert_eq!(places.clone().read().unwrap(), path("ours"));
    places.variable = Some(path("variable"));
    let error = places.clone().read().unwrap_err();
    assert!(matches!(&error, AuthError::Absent { by: "REGISTRY_AUTH_FILE", .. }), "{error}");
    assert_eq!(places.clone().written(), path("variable"));
    write(&path("variable"), "{}");
    assert_eq!(places.clone().read().unwrap(), path("variable"));
    places.named = Some(path("named"));
    assert!(matches!(places.clone().read(), Err(AuthError::Absent { by: "--authfile", .. })));
    assert_eq!(places.clone().written(), path("named"));
    write(&path("named"), "{}");
    assert_eq!(places.read().unwrap(), path("named"));
}

/// What is no file, too large or malformed is refused by name; what is not there has nothing.
#[test]
fn unusable_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let file = AuthFile::at(path.clone());
    assert_eq!(file.login("r", "").unwrap(), None);
    fs::write(&path, vec![b' '; LIMIT as usize + 1]).unwrap();
    assert!(chain(&file.login("r", "").unwrap_err()).contains("config.json cannot be used: it is larger than 1048576 bytes"));
    fs::write(&path, "{\"auths\": {\"r\": {\"auth\": \"s3cret").unwrap();
    let text = chain(&file.login("r", "").unwrap_err());
    assert!(text.contains("it is not JSON: EOF while parsing a string at line 1") && !text.contains("s3cret"), "{text}");
    let error = AuthFile::at(folder.path().to_owned()).login("r", "").unwrap_err();
    assert!(chain(&error).contains("not a regular file"), "{}", chain(&error));
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(chain(&AuthFile::at(pipe).login("r", "").unwrap_err()).contains("not a regular file"));
}

/// Files are for their owner alone, new or old; folders that are made too. Links stay, and nothing else is left behind.
#[test]
fn written_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/config.json");
    let file = AuthFile::at(path.clone());
    file.store("r:1", "alice", &Secret::new("pass:word")).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(file.credentials("r:1", "x").unwrap(), basic("alice", "pass:word"));
    let link = folder.path().join("link.json");
    symlink("a/b/config.json", &link).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    AuthFile::at(link.clone()).store("r:2", "bob", &Secret::new("p")).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(mode(&path), 0o600);
    assert_eq!(file.credentials("r:2", "").unwrap(), basic("bob", "p"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "the file and its lock");
    // A link to what is not there yet, and one to itself.
    symlink("new.json", folder.path().join("dangling.json")).unwrap();
    AuthFile::at(folder.path().join("dangling.json")).store("r", "u", &Secret::new("p")).unwrap();
    assert!(folder.path().join("new.json").is_file());
    symlink("loop.json", folder.path().join("loop.json")).unwrap();
    assert!(AuthFile::at(folder.path().join("loop.json")).store("r", "u", &Secret::new("p")).is_err());
}

/// Somebody's file that root changes stays theirs.
#[test]
#[allow(clippy::print_stdout, reason = "tests that cannot run say so")]
fn owners_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("config.json"), "{}");
    if std::os::unix::fs::chown(&path, Some(12345), Some(12345)).is_err() {
        println!("SKIPPED owners_stay: not root");
        return;
    }
    AuthFile::at(path.clone()).store("r", "u", &Secret::new("p")).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (12345, 12345, 0o600));
}

/// A malformed file is not overwritten, nor is anything made where nothing is to be forgotten.
#[test]
fn nothing_is_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("config.json"), "{broken");
    let file = AuthFile::at(path.clone());
    assert!(file.store("r", "u", &Secret::new("p")).is_err() && file.erase("r").is_err() && file.erase_all().is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "{broken");
    let absent = AuthFile::at(folder.path().join("none/config.json"));
    assert!(!absent.erase("r").unwrap());
    absent.erase_all().unwrap();
    assert!(!folder.path().join("none").exists());
}

/// What the format cannot hold is refused before anything is written.
#[test]
fn unkeepable() {
    let folder = tempfile::tempdir().unwrap();
    let file = AuthFile::at(folder.path().join("config.json"));
    for (user, password) in [("", "p"), ("u:v", "p"), ("u", ""), ("u", "p\0"), ("u\n", "p")] {
        let error = file.store("r", user, &Secret::new(password)).unwrap_err();
        assert!(matches!(error, AuthError::Unkeepable { .. }), "{error}");
    }
    assert!(!file.path().exists());
}

/// Many writers at once lose nothing.
#[test]
fn concurrent_writers() {
    let folder = tempfile::tempdir().unwrap();
    let file = AuthFile::at(folder.path().join("config.json"));
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for n in 0..5 {
                    file.store(&format!("r{writer}-{n}"), "u", &Secret::new("p")).unwrap();
                }
            });
        }
    });
    assert_eq!(file::read(file.path()).unwrap().keys().len(), 40);
}

/// Which modes are warned of.
#[test]
fn exposed_modes() {
    assert!([0o644, 0o640, 0o604, 0o660, 0o602].into_iter().all(file::is_exposed));
    assert!(![0o600, 0o400, 0o700, 0o711].into_iter().any(file::is_exposed));
}
