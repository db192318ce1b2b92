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
