//! User and group names out of files.

use super::*;

fn text(names: &Names, id: u32) -> String {
    let mut out = Vec::new();
    names.decode(&id.to_ne_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Names come from the file, the first of an id wins, and lines that are none are skipped.
#[test]
fn ids_have_the_names_of_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# root\nroot:x:0:0::/:/bin/sh\ntoor:x:0:0\nbad:x:abc\n:x:7\nalone\napp:x:1000:").unwrap();
    let names = Names::read(file.path().into(), b"uid:");
    assert_eq!((text(&names, 0), text(&names, 1000), text(&names, 7)), ("root".into(), "app".into(), "uid:7".into()));
}

/// A changed file is read again, but not before a second has passed; a missing one leaves the names alone.
#[test]
fn changes_are_followed_once_a_second() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a:x:1\n").unwrap();
    let names = Names::read(file.path().into(), b"gid:");
    std::fs::write(file.path(), "later:x:1\n").unwrap();
    names.refresh();
    assert_eq!(text(&names, 1), "a");
    names.looked.store(1, Ordering::Relaxed);
    names.refresh();
    assert_eq!(text(&names, 1), "later");
    drop(file);
    names.looked.store(1, Ordering::Relaxed);
    names.refresh();
    assert_eq!(text(&names, 1), "later");
}
