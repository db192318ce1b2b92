//! Tests of the answers of verifications that are kept.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::image::trust::Verified;

const BY: &str = "cosign key sha256:00";

fn by(until: Option<i64>) -> Verified {
    Verified { by: BY.to_owned(), until }
}

fn kept() -> (tempfile::TempDir, Store, String) {
    let (dir, store) = store();
    let digest = add(&store, &full("one"), b"1").digest().to_string();
    store.keep_verified(&digest, "policy", &by(None));
    assert_eq!(store.verified(&digest, "policy").as_deref(), Some(BY));
    (dir, store, digest)
}

fn file(store: &Store) -> PathBuf {
    fs::read_dir(store.folder.join("verified")).unwrap().next().unwrap().unwrap().path()
}

/// An answer holds for its digest and its policy only, and goes with its image.
#[test]
fn an_answer_holds_for_its_policy() {
    let (_dir, store, digest) = kept();
    assert_eq!(store.verified(&digest, "another"), None);
    assert_eq!(store.verified(&digest, ""), None);
    assert_eq!(store.verified(&full("one"), "policy"), None);
    store.keep_verified(&digest, "", &by(None));
    store.keep_verified("sha256:../../x", "policy", &by(None));
    assert_eq!(fs::read_dir(store.folder.join("verified")).unwrap().count(), 1);
    assert_eq!(fs::metadata(file(&store)).unwrap().permissions().mode() & 0o777, 0o600);
    store.keep_verified(&digest, "newer", &by(None));
    assert_eq!((store.verified(&digest, "policy"), store.verified(&digest, "newer").as_deref()), (None, Some(BY)));
    add(&store, &full("one"), b"2");
    store.prune().unwrap();
    assert_eq!(store.verified(&digest, "newer"), None);
    assert_eq!(fs::read_dir(store.folder.join("verified")).unwrap().count(), 0);
}

/// An answer ends with the signature or certificates it is about, and one from a time that is yet to come, or of none, is in doubt.
#[test]
fn an_answer_does_not_outlive_its_signature() {
    let (_dir, store, digest) = kept();
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let at = |now| store.verified_at(&digest, "policy", now).is_some();
    assert!(at(now) && at(i64::MAX) && !at(now - 60), "one without an end");
    store.keep_verified(&digest, "policy", &by(Some(now + 3600)));
    assert!(at(now + 1) && at(now + 3599) && !at(now + 3600) && !at(i64::MAX) && !at(now - 60));
    store.keep_verified(&digest, "policy", &by(Some(now - 1)));
    assert_eq!(store.verified(&digest, "policy"), None);
    let ancient = serde_json::json!({"digest": digest, "policy": "policy", "by": BY});
    fs::write(file(&store), ancient.to_string()).unwrap();
    assert_eq!(store.verified(&digest, "policy"), None);
}

/// An answer that others could have written is none.
#[test]
fn an_answer_others_could_write_is_none() {
    let (_dir, store, digest) = kept();
    let answer = |expected: bool, why: &str| assert_eq!(store.verified(&digest, "policy").is_some(), expected, "{why}");
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (path, bad, good) in
        [(store.folder.clone(), 0o777, 0o700), (store.folder.join("verified"), 0o770, 0o700), (file(&store), 0o666, 0o600)]
    {
        mode(&path, bad);
        answer(false, "writable by others");
        mode(&path, good);
        answer(true, "private again");
    }
    if std::os::unix::fs::chown(file(&store), Some(12345), None).is_ok() {
        answer(false, "owned by another");
    }
    let (path, aside) = (file(&store), store.folder.join("aside"));
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    answer(false, "a link");
}

/// Answers that are cut short, too long, about something else or not what they should be are none.
#[test]
fn an_answer_in_doubt_is_none() {
    let (_dir, store, digest) = kept();
    let path = file(&store);
    let good = fs::read_to_string(&path).unwrap();
    let longer = format!("{}{good}", " ".repeat(5000));
    let doubts = ["", "{}", "[]", &good[..good.len() - 1], &good.replace(BY, "\\u001b[2J"), &good.replace(&digest, "sha256:00"), &longer];
    for doubt in doubts.iter().map(|text| (*text).to_owned()).chain([good.replacen('{', "{\"x\":1,", 1)]) {
        fs::write(&path, &doubt).unwrap();
        assert_eq!(store.verified(&digest, "policy"), None, "{doubt}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(store.verified(&digest, "policy").as_deref(), Some(BY));
}
