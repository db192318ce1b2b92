//! Registries that are slow, break, lie or attack: nothing wrong is stored, time and memory stay bounded, and the error says what happened.

mod server;

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gadgetry::image::Reference;
use gadgetry::image::pack::digest_of;
use gadgetry::image::registry::{Options, Patience, Progress, Registry};
use gadgetry::image::store::Store;
use serde_json::json;

use crate::registry::blobs;
use server::{Image, Server, announced, answer, endless};

/// Keeps the notes.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: &str, _: u64) {}
    fn at(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: bool) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// What became of a pull.
struct Pulled {
    result: Result<String, String>,
    notes: Vec<String>,
    took: Duration,
    _folder: tempfile::TempDir,
    store: Store,
}

impl Pulled {
    /// The whole image has arrived.
    fn arrived(&self, image: &Image) {
        assert_eq!(self.result.as_deref(), Ok(image.digest().as_str()));
        assert_eq!(blobs(self.store.folder()).len(), image.documents.len());
        assert_eq!(self.store.roots().unwrap().len(), 1);
    }

    /// Nothing has been stored, and the error has these words.
    fn failed(&self, words: &[&str]) {
        let error = self.result.as_ref().expect_err("the pull fails");
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        assert!(blobs(self.store.folder()).is_empty() && self.store.roots().unwrap().is_empty());
        assert!(self.took < Duration::from_secs(20), "it took {:?}", self.took);
    }
}

fn pull(server: &Server) -> Pulled {
    pull_with(Options { insecure: vec![server.host.clone()], ..Options::default() }, &format!("{}/gadgets/g:v1", server.host))
}

fn pull_with(options: Options, reference: &str) -> Pulled {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), ..options };
    let (notes, store) = (Notes::default(), Store::at(folder.path().join("store")));
    let second = Duration::from_secs(1);
    let patience = Patience { attempts: 3, first_wait: Duration::from_millis(20), longest_wait: 2 * second, stall: second };
    let registry = Registry::new(options).unwrap().with_patience(patience);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (begin, before) = (Instant::now(), peak());
    let result = runtime.block_on(registry.pull(&Reference::parse(reference).unwrap(), None, &store, &notes));
    assert!(peak() - before < 256 << 10, "memory grew by {} KiB", peak() - before);
    let chained = |error: gadgetry::image::registry::RegistryError| {
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    let (result, took) = (result.map_err(chained), begin.elapsed());
    Pulled { result, notes: notes.0.into_inner().unwrap(), took, _folder: folder, store }
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// An index with these manifests.
fn index_of(image: &mut Image, manifests: serde_json::Value) {
    image.index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests})
        .to_string()
        .into_bytes();
}

fn entry(bytes: &[u8], media_type: &str) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len(), "platform": {"os": "linux", "architecture": "amd64"}})
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry that behaves gives the image, without further attempts.
#[test]
fn a_good_one() {
    let image = Image::real();
    let server = Server::start(image.clone(), |_, _| false);
    let pulled = pull(&server);
    pulled.arrived(&image);
    assert!(pulled.notes.is_empty(), "{:?}", pulled.notes);
}

/// A connection that ends in the middle of a blob: the next attempt asks for the rest only.
#[test]
fn a_dropped_blob_goes_on() {
    let image = Image::real();
    let (largest, blob) = (image.largest.clone(), image.blob().to_vec());
    let server = Server::start(image.clone(), move |request, stream| {
        request.path.ends_with(&largest) && request.before == 0 && announced(stream, blob.len(), &blob[..blob.len() / 2])
    });
    let pulled = pull(&server);
    pulled.arrived(&image);
    let requests = server.requests.lock().unwrap();
    let asked: Vec<_> = requests.iter().filter(|request| request.path.ends_with(&image.largest)).map(|request| request.from).collect();
    assert_eq!(asked, [None, Some(image.blob().len() / 2)]);
    assert!(pulled.notes.iter().any(|note| note.contains("attempt 2")), "{:?}", pulled.notes);
}

/// A registry that gives the whole blob instead of the rest: it begins anew.
#[test]
fn a_dropped_blob_begins_anew_without_ranges() {
    let image = Image::real();
    let (largest, blob) = (image.largest.clone(), image.blob().to_vec());
    let server = Server::start(image.clone(), move |request, stream| match request.before {
        _ if !request.path.ends_with(&largest) => false,
        0 => announced(stream, blob.len(), &blob[..blob.len() / 2]),
        _ => answer(stream, "200 OK", "", &blob),
    });
    pull(&server).arrived(&image);
}

/// A rest that does not fit to what was there: the whole is fetched again, and only what is right is kept.
#[test]
fn a_wrong_rest_is_not_kept() {
    let image = Image::real();
    let (largest, blob) = (image.largest.clone(), image.blob().to_vec());
    let server = Server::start(image.clone(), move |request, stream| match request.before {
        _ if !request.path.ends_with(&largest) => false,
        0 => announced(stream, blob.len(), &blob[..blob.len() / 2]),
        1 => {
            let from = request.from.unwrap();
            let range = format!("Content-Range: bytes {from}-{}/{}\r\n", blob.len() - 1, blob.len());
            answer(stream, "206 Partial Content", &range, &vec![0; blob.len() - from])
        }
        _ => false,
    });
    pull(&server).arrived(&image);
}

/// A blob with other content than its digest says is refused, once and for all.
#[test]
fn a_wrong_digest() {
    let image = Image::real();
    let (largest, length) = (image.largest.clone(), image.blob().len());
    let server = Server::start(image.clone(), move |request, stream| {
        request.path.ends_with(&largest) && answer(stream, "200 OK", "", &vec![7; length])
    });
    pull(&server).failed(&["layer", &server.host, "has the digest sha256:"]);
    assert_eq!(server.count(&image.largest), 1);
}

/// Lengths that are not those of the descriptor, in the header or in fact.
#[test]
fn lying_sizes() {
    let image = Image::real();
    for change in [-1, 1] {
        let (largest, length) = (image.largest.clone(), image.blob().len());
        let server = Server::start(image.clone(), move |request, stream| {
            request.path.ends_with(&largest) && answer(stream, "200 OK", "", &vec![7; length.saturating_add_signed(change)])
        });
        pull(&server).failed(&["bytes are announced instead of"]);
    }
    let largest = image.largest.clone();
    let server = Server::start(image.clone(), move |request, stream| request.path.ends_with(&largest) && endless(stream, "200 OK"));
    pull(&server).failed(&["more than the"]);
}

/// Documents and texts of errors that never end.
#[test]
fn endless_documents() {
    let image = Image::real();
    let server = Server::start(image.clone(), |request, stream| request.path.ends_with("/v1") && endless(stream, "200 OK"));
    pull(&server).failed(&["image", "more than the 4194304 bytes allowed"]);
    for status in ["500 Oops", "404 Not Found", "400 Bad Request"] {
        let largest = image.largest.clone();
        let server = Server::start(image.clone(), move |request, stream| request.path.ends_with(&largest) && endless(stream, status));
        pull(&server).failed(&["layer", &server.host]);
    }
}

/// 429 with `Retry-After`: the registry's wait is kept to; 500 twice is borne.
#[test]
fn busy_for_a_while() {
    let image = Image::real();
    let server = Server::start(image.clone(), |request, stream| {
        request.path.ends_with("/v1") && request.before == 0 && answer(stream, "429 Too Many Requests", "Retry-After: 1\r\n", b"")
    });
    let pulled = pull(&server);
    pulled.arrived(&image);
    assert!(pulled.took >= Duration::from_secs(1), "{:?}", pulled.took);
    assert!(pulled.notes[0].contains("429") && pulled.notes[0].contains("1.0 s"), "{:?}", pulled.notes);
    let largest = image.largest.clone();
    let server = Server::start(image.clone(), move |request, stream| {
        request.path.ends_with(&largest)
            && request.before < 2
            && answer(stream, "500 Oops", "", b"{\"errors\":[{\"code\":\"X\",\"message\":\"disk \\u001b[2Jfull\"}]}")
    });
    let pulled = pull(&server);
    pulled.arrived(&image);
    assert_eq!(pulled.notes.len(), 2);
    assert!(pulled.notes[0].contains("disk [2Jfull"), "control characters are left out: {:?}", pulled.notes);
}

/// What does not pass ends after the attempts there are; what is certain ends at once.
#[test]
fn attempts_end() {
    let image = Image::real();
    for (status, requests, words) in [
        ("503 Busy", 3, ["HTTP 503", "after 3 attempts"]),
        ("404 Not Found", 1, ["does not have it", "image"]),
        ("403 Forbidden", 1, ["HTTP 403", "without TLS"]),
        ("400 Bad Request", 1, ["HTTP 400", "registry"]),
    ] {
        let server = Server::start(image.clone(), move |_, stream| answer(stream, status, "", b""));
        let pulled = pull(&server);
        pulled.failed(&words);
        pulled.failed(&[&server.host]);
        assert_eq!(server.count("manifests"), requests, "{status}");
    }
}

/// Nothing that comes, and a byte now and then, end the attempt.
#[test]
fn stalls_and_drips() {
    let image = Image::real();
    let length = image.blob().len();
    let largest = image.largest.clone();
    let server = Server::start(image.clone(), move |request, stream| {
        let stalls = request.path.ends_with(&largest);
        if stalls {
            announced(stream, length, b"x");
            std::thread::sleep(Duration::from_secs(10));
        }
        stalls
    });
    pull(&server).failed(&["nothing came for 1 s", "after 3 attempts"]);
    let largest = image.largest.clone();
    let server = Server::start(image.clone(), move |request, stream| {
        let drips = request.path.ends_with(&largest);
        if drips {
            announced(stream, length, b"");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        drips
    });
    pull(&server).failed(&["too slow", "after 3 attempts"]);
}

/// Redirects in a circle end.
#[test]
fn redirects_in_a_circle() {
    let server = Server::start(Image::real(), |request, stream| {
        answer(stream, "307 Temporary Redirect", &format!("Location: {}\r\n", request.path), b"")
    });
    pull(&server).failed(&["redirects more than 5 times"]);
}

/// Documents that name too much, too large, the wrong, or themselves.
#[test]
fn documents_out_of_bounds() {
    let mut image = Image::real();
    let blob = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": image.largest, "size": 1});
    let many =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": vec![blob.clone(); 10_000]}).to_string().into_bytes();
    let huge = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": [{"mediaType": "a/b", "digest": image.largest, "size": 1u64 << 40}]});
    let huge = huge.to_string().into_bytes();
    for document in [&many, &huge] {
        image.documents.insert(digest_of(document), document.clone());
    }
    let itself = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": image.digest(), "size": image.index.len()});
    for (manifests, words) in [
        (json!([entry(&many, MANIFEST)]), "names 10000 layers, 16 are allowed"),
        (json!([entry(&huge, MANIFEST)]), "bytes, 67108864 are allowed"),
        (json!([itself]), "no image manifest but application/vnd.oci.image.index.v1+json"),
        (json!(vec![entry(&many, MANIFEST); 65]), "names 65 manifests, 64 are allowed"),
        (json!([{"mediaType": MANIFEST, "digest": "sha512:00", "size": 2}]), "image"),
        (json!([{"mediaType": MANIFEST, "digest": digest_of(b"absent"), "size": 6}]), "does not have it"),
    ] {
        index_of(&mut image, manifests);
        pull(&Server::start(image.clone(), |_, _| false)).failed(&[words]);
    }
}

/// What is no image index is named: a bare manifest, a list of Docker's.
#[test]
fn other_documents() {
    let image = Image::real();
    let bare = json!({"schemaVersion": 2, "config": {}, "layers": []}).to_string();
    let docker =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": []}).to_string();
    for (body, words) in
        [(bare, MANIFEST), (docker, "application/vnd.docker.distribution.manifest.list.v2+json"), ("<html>".to_owned(), "text/html")]
    {
        let server = Server::start(image.clone(), move |request, stream| {
            request.path.ends_with("/v1") && answer(stream, "200 OK", "Content-Type: text/html\r\n", body.as_bytes())
        });
        pull(&server).failed(&["is not an image index but", words]);
    }
}

/// A token server that never ends, gives no token, or is in a circle with the registry.
#[test]
fn token_servers() {
    for (mode, words) in [("endless", "more than the 262144 bytes allowed"), ("none", "no token"), ("circle", "HTTP 401")] {
        let host = std::sync::Arc::new(Mutex::new(String::new()));
        let own = host.clone();
        let server = Server::start(Image::real(), move |request, stream| match (request.path.starts_with("/token"), mode) {
            (true, "endless") => endless(stream, "200 OK"),
            (true, "none") => answer(stream, "200 OK", "", b"[]"),
            (true, _) => answer(stream, "200 OK", "", b"{\"token\":\"abc\"}"),
            (false, _) => {
                let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"s\"\r\n", own.lock().unwrap());
                answer(stream, "401 Unauthorized", &challenge, b"")
            }
        });
        host.lock().unwrap().clone_from(&server.host);
        pull(&server).failed(&[words]);
        assert!(server.requests.lock().unwrap().iter().all(|request| request.before < 4));
    }
}

/// Mirrors are asked first; one that fails, and one that serves another image for a digest, are passed over.
#[test]
fn mirrors() {
    let image = Image::real();
    let broken = Server::start(image.clone(), |_, stream| answer(stream, "400 Bad Request", "", b""));
    let lying = Server::start(image.clone(), |request, stream| {
        request.path.contains("/manifests/sha256:") && answer(stream, "200 OK", "", b"{\"manifests\":[]}")
    });
    let good = Server::start(image.clone(), |_, _| false);
    let insecure: Vec<String> = [&broken, &lying, &good].iter().map(|server| server.host.clone()).collect();
    let name = format!("{}/gadgets/g", good.host);
    let mirrors = |hosts: &[&Server]| [(good.host.clone(), hosts.iter().map(|server| format!("{}/cache", server.host)).collect())].into();
    let options = Options { insecure: insecure.clone(), mirrors: mirrors(&[&broken, &lying]), ..Options::default() };
    let pulled = pull_with(options, &format!("{name}@{}", image.digest()));
    pulled.arrived(&image);
    assert_eq!(pulled.notes.iter().filter(|note| note.contains("is left out")).count(), 2, "{:?}", pulled.notes);
    assert!(lying.count("/v2/cache/gadgets/g/") > 0);
    // The registry itself is not asked for what a mirror has, and the image has the registry's name.
    let other = Server::start(image.clone(), |_, _| false);
    let options = Options { insecure: [insecure, vec![other.host.clone()]].concat(), mirrors: mirrors(&[&other]), ..Options::default() };
    let before = good.requests.lock().unwrap().len();
    let pulled = pull_with(options, &format!("{name}:v1"));
    pulled.arrived(&image);
    assert_eq!(good.requests.lock().unwrap().len(), before);
    assert!(pulled.store.named(&format!("{name}:v1")).unwrap().is_some());
}

/// The referrers API is asked for signatures; what is none, or is about another image, stays out.
#[test]
fn referrers() {
    let mut image = Image::real();
    let about = |digest: &str, kind: &str| {
        let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2});
        let subject = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": 1});
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [empty], "subject": subject})
            .to_string()
            .into_bytes()
    };
    let notation = "application/vnd.cncf.notary.signature";
    let (right, foreign, other) = (about(&image.digest(), notation), about(&digest_of(b"x"), notation), about(&image.digest(), "a/sbom"));
    for document in [&right, &foreign, &other, &b"{}".to_vec()] {
        image.documents.insert(digest_of(document), document.clone());
    }
    let list =
        json!({"schemaVersion": 2, "manifests": [entry(&right, MANIFEST), entry(&foreign, MANIFEST), entry(&other, MANIFEST)]}).to_string();
    let server = Server::start(image.clone(), move |request, stream| {
        request.path.contains("/referrers/") && answer(stream, "200 OK", "", list.as_bytes())
    });
    let pulled = pull(&server);
    assert_eq!(pulled.result.as_deref(), Ok(image.digest().as_str()));
    let kept = pulled.store.referrers(&image.digest()).unwrap();
    assert_eq!(kept.iter().map(|root| root.digest().to_string()).collect::<Vec<_>>(), [digest_of(&right)]);
    assert!(pulled.notes.iter().any(|note| note.contains(&digest_of(b"x"))), "{:?}", pulled.notes);
}

/// A blob that is given elsewhere is fetched there, without the token.
#[test]
fn redirects_carry_no_token() {
    let image = Image::real();
    let elsewhere = Server::start(image.clone(), |_, _| false);
    let (place, host) = (elsewhere.host.clone(), std::sync::Arc::new(Mutex::new(String::new())));
    let own = host.clone();
    let server = Server::start(image.clone(), move |request, stream| match (&request.authorization, request.path.starts_with("/token")) {
        (_, true) => answer(stream, "200 OK", "", b"{\"access_token\":\"abc\"}"),
        (None, _) => {
            let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", own.lock().unwrap());
            answer(stream, "401 Unauthorized", &challenge, b"")
        }
        (Some(given), _) if request.path.contains("/blobs/") => {
            assert_eq!(given, "Bearer abc");
            answer(stream, "307 Temporary Redirect", &format!("Location: http://{place}{}\r\n", request.path), b"")
        }
        _ => false,
    });
    host.lock().unwrap().clone_from(&server.host);
    pull(&server).arrived(&image);
    let requests = elsewhere.requests.lock().unwrap();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.authorization.is_none()));
}

/// Pushes the embedded `trace_open` to a registry; gives how that ended, what was noted, and how long it took.
fn push(host: &str) -> (Result<String, String>, Vec<String>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let (name, notes, second) = (format!("{host}/gadgets/g:v1"), Notes::default(), Duration::from_secs(1));
    crate::registry::seed(&folder.path().join("store"), "trace_open", &name);
    let options = Options { insecure: vec![host.to_owned()], data: folder.path().to_owned(), ..Options::default() };
    let patience = Patience { attempts: 3, first_wait: Duration::from_millis(20), longest_wait: second, stall: second };
    let registry = Registry::new(options).unwrap().with_patience(patience);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (begin, store) = (Instant::now(), Store::at(folder.path().join("store")));
    let result = runtime.block_on(registry.push(&Reference::parse(&name).unwrap(), &store, &notes));
    (result.map_err(|error| error.to_string()), notes.0.into_inner().unwrap(), begin.elapsed())
}

/// A push to where nobody listens: each further attempt is noted once, not for each blob, and all of it speaks of a push.
#[test]
fn a_push_to_nobody() {
    let host = format!("127.0.0.1:{}", crate::support::free_port());
    let (result, notes, _) = push(&host);
    let error = result.unwrap_err();
    assert!(error.starts_with("cannot push ") && error.contains("after 3 attempts"), "{error}");
    assert_eq!(notes.len(), 2, "{notes:?}");
    for (note, attempt) in notes.iter().zip(["attempt 2 of 3", "attempt 3 of 3"]) {
        assert!(note.starts_with(&format!("cannot push {host}/gadgets/g:v1 yet: ")) && note.contains(attempt), "{note}");
    }
}

/// A blob that is not taken ends a push: no document is sent, and no other blob is begun after it.
#[test]
fn a_push_ends_at_once() {
    let server = Server::start(Image::real(), |request, stream| match (request.method.as_str(), request.path.contains("/blobs/")) {
        ("HEAD", _) => answer(stream, "404 Not Found", "", b""),
        (_, true) => answer(stream, "400 Bad Request", "", b""),
        _ => false,
    });
    let (result, notes, _) = push(&server.host);
    let error = result.unwrap_err();
    assert!(error.starts_with("cannot push ") && error.contains("HTTP 400"), "{error}");
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(server.count("/manifests/"), 0);
    let begun = server.requests.lock().unwrap().iter().filter(|request| request.method == "HEAD").count();
    assert!(begun <= 3, "{begun} blobs were begun");
}

/// The text of an error that drips is not waited for.
#[test]
fn dripping_errors() {
    let server = Server::start(Image::real(), |request, stream| {
        let drips = request.path.contains("/blobs/");
        if drips {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 10000\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        drips
    });
    let pulled = pull(&server);
    pulled.failed(&["HTTP 400 Bad Request: xxx"]);
    assert!(pulled.took < Duration::from_secs(5), "{:?}", pulled.took);
}

/// A blob that comes faster than a drip, but still so slowly that nobody would wait for a large one.
#[test]
fn slow_blobs() {
    let image = Image::real();
    let middle = image.documents.iter().filter(|(_, bytes)| bytes.len() < 8 << 10).max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let (name, bytes) = (middle.0.clone(), middle.1.clone());
    // Twice the pace of what is a drip, and longer than this blob has.
    assert!(bytes.len() > 2500 && image.index != bytes);
    let server = Server::start(image.clone(), move |request, stream| {
        let slow = request.path.ends_with(&name) && request.path.contains("/blobs/");
        if slow {
            announced(stream, bytes.len(), b"");
            for piece in bytes.chunks(120) {
                if stream.write_all(piece).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(60));
            }
        }
        slow
    });
    pull(&server).failed(&["it is too slow: ", "bytes are there after 1.2 s", "after 3 attempts"]);
}

/// A signature of that image with these layers, and its descriptor.
fn signature(image: &mut Image, layers: &[Vec<u8>]) -> serde_json::Value {
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2});
    let subject = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": image.digest(), "size": 1});
    let all: Vec<_> = layers.iter().map(|layer| json!({"mediaType": "a/b", "digest": digest_of(layer), "size": layer.len()})).collect();
    let kind = "application/vnd.cncf.notary.signature";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": all, "subject": subject});
    let manifest = manifest.to_string().into_bytes();
    let entry = entry(&manifest, MANIFEST);
    for document in layers.iter().cloned().chain([manifest, b"{}".to_vec()]) {
        image.documents.insert(digest_of(&document), document);
    }
    entry
}

/// Serves the image with these referrers.
fn with_referrers(image: Image, list: Vec<serde_json::Value>) -> Server {
    let list = json!({"schemaVersion": 2, "manifests": list}).to_string();
    Server::start(image, move |request, stream| request.path.contains("/referrers/") && answer(stream, "200 OK", "", list.as_bytes()))
}

/// The digests of the signatures that came.
fn kept(pulled: &Pulled, image: &Image) -> Vec<String> {
    assert_eq!(pulled.result.as_deref(), Ok(image.digest().as_str()));
    let mut kept: Vec<_> = pulled.store.referrers(&image.digest()).unwrap().iter().map(|root| root.digest().to_string()).collect();
    kept.sort();
    kept
}

fn digests(entries: &[serde_json::Value]) -> Vec<String> {
    let mut digests: Vec<_> = entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

/// Of many signatures the newest 50 are looked at.
#[test]
fn the_newest_signatures() {
    let mut image = Image::real();
    let all: Vec<_> = (0..60u8).map(|number| signature(&mut image, &[vec![number; 10]])).collect();
    let server = with_referrers(image.clone(), all.clone());
    assert_eq!(kept(&pull(&server), &image), digests(&all[10..]));
}

/// Signatures with more than 16 layers, and those beyond 16 MiB in all, are left out with a note; the newest are kept, and the image.
#[test]
fn signatures_do_not_fill_the_disk() {
    let mut image = Image::real();
    let small = |number: u8, count: u8| (0..count).map(|layer| vec![number, layer]).collect::<Vec<_>>();
    let large = |number: u8| (0..6).map(|layer| [vec![number, layer], vec![0; (1 << 20) - 2]].concat()).collect::<Vec<_>>();
    let list = [
        signature(&mut image, &small(1, 16)),
        signature(&mut image, &large(2)),
        signature(&mut image, &small(3, 17)),
        signature(&mut image, &large(4)),
        signature(&mut image, &large(5)),
    ];
    let server = with_referrers(image.clone(), list.to_vec());
    let pulled = pull(&server);
    assert_eq!(kept(&pulled, &image), digests(&[list[0].clone(), list[3].clone(), list[4].clone()]));
    assert_eq!(pulled.notes.len(), 2, "{:?}", pulled.notes);
    assert!(pulled.notes[0].contains("it has 17 layers, 16 are allowed"), "{:?}", pulled.notes);
    assert!(pulled.notes[1].contains("more than the 16777216 bytes"), "{:?}", pulled.notes);
}

/// Signatures that do not come end after a while: the image is pulled with those that came; without an image, it is an error.
#[test]
fn signatures_that_stall() {
    let mut image = Image::real();
    let list = [signature(&mut image, &[b"old".to_vec()]), signature(&mut image, &[b"new".to_vec()])];
    let body = json!({"schemaVersion": 2, "manifests": list}).to_string();
    let (late, mut wanted) = (list[0]["digest"].as_str().unwrap().to_owned(), digests(&list[1..]));
    for stalls in [late, "referrers".to_owned()] {
        let body = body.clone();
        let server = Server::start(image.clone(), move |request, stream| {
            if request.path.contains(&stalls) {
                std::thread::sleep(Duration::from_secs(30));
            }
            request.path.contains("/referrers/") && answer(stream, "200 OK", "", body.as_bytes())
        });
        // Each request would be given up after two seconds, and made again for half an hour.
        let options = Options { insecure: vec![server.host.clone()], ..Options::default() };
        let folder = tempfile::tempdir().unwrap();
        let (store, notes, second) = (Store::at(folder.path().join("store")), Notes::default(), Duration::from_secs(1));
        let patience = Patience { attempts: 1000, first_wait: Duration::from_millis(20), longest_wait: second, stall: second };
        let registry = Registry::new(options).unwrap().with_patience(patience);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reference = Reference::parse(&format!("{}/gadgets/g:v1", server.host)).unwrap();
        let begin = Instant::now();
        let pulled = runtime.block_on(registry.pull(&reference, None, &store, &notes));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert_eq!(pulled.unwrap(), image.digest());
        let kept: Vec<_> = store.referrers(&image.digest()).unwrap().iter().map(|root| root.digest().to_string()).collect();
        assert_eq!(kept, wanted);
        let notes = notes.0.into_inner().unwrap();
        assert!(notes.last().unwrap().contains("left out") && notes.last().unwrap().contains("it takes too long"), "{notes:?}");
        let begin = Instant::now();
        let alone = runtime.block_on(registry.pull_signatures(&reference, &image.digest(), &store));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert_eq!(alone.ok(), (!wanted.is_empty()).then_some(1));
        wanted.clear();
    }
}
