//! A registry over plain TCP that does what a test tells it to, and otherwise what it should.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use gadgetry::image::layout::Files;
use gadgetry::image::pack::digest_of;

use crate::harness::layout;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// First byte asked for.
    pub from: Option<usize>,
    pub authorization: Option<String>,
    /// How many requests of that method and path came before.
    pub before: usize,
}

/// An image as it is served.
#[derive(Debug, Clone)]
pub struct Image {
    pub index: Vec<u8>,
    pub documents: HashMap<String, Vec<u8>>,
    pub largest: String,
}

impl Image {
    /// The embedded `trace_open`.
    pub fn real() -> Self {
        let folder = layout("trace_open");
        let root = Files::Folder(folder.clone()).roots().unwrap().remove(0);
        let entries = std::fs::read_dir(folder.join("blobs/sha256")).unwrap();
        let documents: HashMap<_, _> =
            entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).map(|bytes| (digest_of(&bytes), bytes)).collect();
        let largest = documents.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone();
        Image { index: documents[&root.digest().to_string()].clone(), documents, largest }
    }

    pub fn digest(&self) -> String {
        digest_of(&self.index)
    }

    pub fn blob(&self) -> &[u8] {
        &self.documents[&self.largest]
    }
}

/// Answers a request; gives false for the usual answer.
pub type Handler = dyn Fn(&Request, &mut TcpStream) -> bool + Send + Sync;

pub struct Server {
    pub host: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves `image` as `gadgets/g:v1`, but for what `special` answers.
    pub fn start(image: Image, special: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (all, special, image): (_, Arc<Handler>, _) = (requests.clone(), Arc::new(special), Arc::new(image));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, special, image) = (all.clone(), special.clone(), image.clone());
                std::thread::spawn(move || {
                    if let Some((request, mut stream)) = read(stream, &all)
                        && !special(&request, &mut stream)
                    {
                        usual(&request, &image, &mut stream);
                    }
                });
            }
        });
        Server { host, requests }
    }

    pub fn count(&self, part: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.path.contains(part)).count()
    }
}

fn read(stream: TcpStream, all: &Mutex<Vec<Request>>) -> Option<(Request, TcpStream)> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let from = headers.get("range").map(|range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
    let mut all = all.lock().unwrap();
    let before = all.iter().filter(|known| known.method == method && known.path == path).count();
    let request = Request { method, path, from, authorization: headers.remove("authorization"), before };
    all.push(request.clone());
    Some((request, stream))
}

/// Writes an answer; the other side may be gone.
pub fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> bool {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(body);
    true
}

/// Announces `length` bytes and writes these.
pub fn announced(stream: &mut TcpStream, length: usize, body: &[u8]) -> bool {
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all(body);
    true
}

/// Writes for ever, without a length.
pub fn endless(stream: &mut TcpStream, status: &str) -> bool {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
    while stream.write_all(&[b' '; 65536]).is_ok() {}
    true
}

fn usual(request: &Request, image: &Image, stream: &mut TcpStream) {
    let name = request.path.rsplit('/').next().unwrap();
    let found = if name == "v1" { Some(&image.index) } else { image.documents.get(name) };
    let kind = if name == "v1" { "Content-Type: application/vnd.oci.image.index.v1+json\r\n" } else { "" };
    match (found, request.from) {
        (None, _) => answer(stream, "404 Not Found", "", b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"unknown\"}]}"),
        (Some(bytes), Some(from)) if request.path.contains("/blobs/") => {
            let range = format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            answer(stream, "206 Partial Content", &range, &bytes[from..])
        }
        (Some(bytes), _) => answer(stream, "200 OK", kind, bytes),
    };
}
