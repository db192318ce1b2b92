//! Tests of blobs on their way into the store.

use super::*;

/// An image of which a blob is missing, or has another size than its descriptor says, is refused, and nothing changes.
#[test]
fn an_image_is_stored_whole_or_not_at_all() {
    let (_dir, store) = store();
    add(&store, &full("one"), b"1");
    let (before, listed) = (blobs(&store), fs::read(store.folder.join("index.json")).unwrap());
    let files = packed(&full("two"), b"2");
    for left_out in files.keys().filter(|path| path.starts_with("blobs/") && !before.iter().any(|known| path.ends_with(known))) {
        let staging = store.stage().unwrap();
        files.iter().filter(|(path, _)| path.starts_with("blobs/") && *path != left_out).for_each(|(_, bytes)| drop(staging.put(bytes)));
        let error = staging.commit(vec![root_of(&files)]).unwrap_err().to_string();
        assert!(error.contains("neither new nor in the store"), "{error}");
        assert_eq!((blobs(&store), fs::read(store.folder.join("index.json")).unwrap()), (before.clone(), listed.clone()));
    }
    let staging = store.stage().unwrap();
    stage(&staging, &files);
    let mut root = root_of(&files);
    root.set_size(root.size() + 1);
    assert!(staging.commit(vec![root]).unwrap_err().to_string().contains("bytes instead of"));
    assert_eq!(names(&store), [full("one")]);
    assert_eq!(fs::read_dir(store.folder.join("ingest")).unwrap().count(), 0, "what was refused is thrown away");
}

/// A blob that the store has stays for whoever has asked for it, even when it is pruned meanwhile.
#[test]
fn a_blob_that_is_there_cannot_be_pruned_away() {
    let (_dir, store) = store();
    let files = packed(&full("one"), b"1");
    add(&store, &full("one"), b"1");
    let staging = store.stage().unwrap();
    files
        .values()
        .map(|bytes| pack::digest_of(bytes))
        .filter(|digest| blobs(&store).contains(&digest[7..].to_owned()))
        .for_each(|digest| assert!(staging.has(&digest)));
    store.remove(&full("one")).unwrap();
    assert_eq!(blobs(&store), [""; 0]);
    staging.commit(vec![root_of(&files)]).unwrap();
    assert!(store.files().parts(&root_of(&files), "one", "amd64").is_ok());
}

/// A damaged blob in the store counts as absent, so that it is fetched again, and is replaced.
#[test]
fn a_damaged_blob_is_replaced() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let digest = one.digest().to_string();
    let path = blob_path(&store.folder, &digest).unwrap();
    let whole = fs::read(&path).unwrap();
    for damage in [&whole[1..], &[b"x", &whole[1..]].concat(), b""] {
        fs::write(&path, damage).unwrap();
        let staging = store.stage().unwrap();
        assert!(!staging.has(&digest));
        staging.put(&whole).unwrap();
        assert!(staging.has(&digest));
        staging.commit(vec![one.clone()]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

/// Only what was announced arrives, perhaps in pieces and after a new start.
#[test]
fn a_blob_is_what_was_announced() {
    let (_dir, store) = store();
    let staging = store.stage().unwrap();
    let digest = pack::digest_of(b"hello");
    assert!(staging.begin("sha256:../../../etc/passwd", 1).is_err());
    assert!(staging.begin(&digest.to_uppercase(), 1).is_err());
    let mut incoming = staging.begin(&digest, 5).unwrap();
    incoming.write(b"he").unwrap();
    assert_eq!(incoming.received(), 2);
    assert!(incoming.write(b"llo!").unwrap_err().to_string().contains("more than the 5 bytes"));
    incoming.write(b"llo").unwrap();
    incoming.finish().unwrap();
    assert!(staging.has(&digest));
    let other = pack::digest_of(b"other");
    let mut wrong = staging.begin(&other, 5).unwrap();
    wrong.write(b"hel").unwrap();
    wrong.restart().unwrap();
    assert_eq!(wrong.received(), 0);
    wrong.write(b"hello").unwrap();
    assert!(wrong.finish().unwrap_err().to_string().contains("its content has the digest"));
    let short = staging.begin(&other, 5).unwrap();
    assert!(short.finish().unwrap_err().to_string().contains("0 bytes arrived instead of 5"));
    assert!(!staging.has(&other));
}

/// Folders of processes that have died are collected when the next one stages or prunes; those of the living, and files of other tools,
/// stay.
#[test]
fn what_the_dead_have_left_is_collected() {
    let (_dir, store) = store();
    let living = store.stage().unwrap();
    living.put(b"mine").unwrap();
    let ingest = store.folder.join("ingest");
    let dead = |name: &str| {
        fs::create_dir_all(ingest.join(name).join("blobs/sha256")).unwrap();
        fs::write(ingest.join(name).join("lock"), b"").unwrap();
        fs::write(ingest.join(name).join("blobs/sha256/x"), b"12345").unwrap();
    };
    let count = || fs::read_dir(&ingest).unwrap().count();
    dead("1-0123456789abcdef");
    fs::write(ingest.join("sha256_of_another_tool"), b"").unwrap();
    assert_eq!(store.garbage().unwrap(), Pruned { blobs: 1, bytes: 5 });
    assert_eq!(count(), 3);
    assert_eq!(store.prune().unwrap(), Pruned { blobs: 1, bytes: 5 });
    assert_eq!(count(), 2);
    dead("2-0123456789abcdef");
    fs::remove_file(ingest.join("2-0123456789abcdef/lock")).unwrap();
    let other = store.stage().unwrap();
    assert_eq!(count(), 3);
    drop(other);
    assert!(living.has(&pack::digest_of(b"mine")));
}

/// An image comes out of another layout with all its blobs.
#[test]
fn an_image_is_copied_from_another_layout() {
    let ((_one, from), (_two, to)) = (store(), store());
    let one = add(&from, &full("one"), b"1");
    add(&from, &full("two"), b"2");
    let staging = to.stage().unwrap();
    staging.copy(&from.files(), &one).unwrap();
    staging.commit(vec![one.clone()]).unwrap();
    assert_eq!(names(&to), [full("one")]);
    assert_eq!(to.files().parts(&one, "one", "arm64").unwrap().ebpf.as_deref(), Some(&b"1arm"[..]));
    assert_eq!(to.prune().unwrap(), Pruned::default());
}

/// What others have written into `index.json`, in elements and beside the list, is kept when something else changes.
#[test]
fn what_others_have_written_is_kept() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let other =
        serde_json::to_string(&one).unwrap().replacen('{', "{ \"x-new\": [1.50, {\"]\": \"}\"}],", 1).replace(&full("one"), "theirs");
    let text = format!(
        "{{\"x-before\":\"\\\"manifests\\\":[\", \"manifests\": [\n  {other}\n ], \"annotations\": {{\"x\": \"y\"}}, \"schemaVersion\":2}}\n"
    );
    fs::write(store.folder.join("index.json"), &text).unwrap();
    add(&store, &full("two"), b"2");
    let now = fs::read_to_string(store.folder.join("index.json")).unwrap();
    assert!(
        now.contains(&other)
            && now.starts_with("{\"x-before\":\"\\\"manifests\\\":[\", \"manifests\": [")
            && now.ends_with("], \"annotations\": {\"x\": \"y\"}, \"schemaVersion\":2}\n"),
        "{now}"
    );
    assert_eq!(names(&store), [full("two"), "theirs".to_owned()]);
    store.remove("theirs").unwrap();
    assert_eq!(names(&store), [full("two")]);
}

/// A lock that another process does not let go is waited for as long as is allowed; then the error names the file and says why.
#[test]
fn a_lock_is_not_waited_for_without_end() {
    use std::time::{Duration, Instant};
    let (_dir, store) = store();
    add(&store, &full("one"), b"1");
    let limit = Duration::from_millis(200);
    let held = change::lock_within(&store.folder, limit).unwrap();
    let began = Instant::now();
    let error = change::lock_within(&store.folder, limit).unwrap_err();
    assert!(began.elapsed() >= limit && began.elapsed() < Duration::from_secs(10));
    assert!(error.to_string().contains("index.json.lock"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("another process"), "{source}");
    drop(held);
    assert!(change::lock_within(&store.folder, limit).is_ok());
}
