//! An API server in a few lines: answers each request with what a test's function says, bytes and breaks included.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// What a request is answered with.
pub enum Reply {
    /// A status and a body.
    Whole(u16, String),
    /// Pieces of a body, as they come; the answer ends with the sender.
    Live(UnboundedReceiver<String>),
    /// Pieces of a body, then the connection breaks.
    Broken(Vec<String>),
    /// A body that begins so and then repeats a piece without end.
    Endless(String, String),
    /// Nothing, ever.
    Silence,
    /// Bytes in the place of HTTP.
    Raw(Vec<u8>),
}

impl Reply {
    pub fn json(value: &serde_json::Value) -> Reply {
        Reply::Whole(200, value.to_string())
    }

    pub fn refused(code: u16, message: &str) -> Reply {
        Reply::Whole(code, serde_json::json!({"kind": "Status", "code": code, "message": message}).to_string())
    }

    /// A watch on which nothing happens.
    pub fn quiet() -> Reply {
        Reply::Silence
    }
}

type Answers = dyn Fn(&str) -> Reply + Send + Sync;

/// See the module. Ends when it is dropped, and with it all its connections.
pub struct Stub {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Stub {
    pub async fn new(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), answers).await
    }

    pub async fn at(address: SocketAddr, answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, tasks) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let answers: Arc<Answers> = Arc::new(answers);
        let (theirs, children) = (requests.clone(), tasks.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let task = tokio::spawn(serve(stream, answers.clone(), theirs.clone()));
                children.lock().unwrap().push(task);
            }
        });
        tasks.lock().unwrap().push(accepting);
        Stub { address, requests, tasks }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Paths with queries, in the order in which they came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|request| request.contains(part)).count()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.tasks.lock().unwrap().iter().for_each(JoinHandle::abort);
    }
}

async fn serve(stream: TcpStream, answers: Arc<Answers>, requests: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("authorization: Bearer secret"), "{head}");
        let path = head.split(' ').nth(1).unwrap().to_owned();
        requests.lock().unwrap().push(path.clone());
        let reply = answers(&path);
        if answer(&mut stream, reply).await.is_err() {
            return;
        }
    }
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

async fn answer(stream: &mut BufReader<TcpStream>, reply: Reply) -> std::io::Result<()> {
    let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    match reply {
        Reply::Whole(status, body) => {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await
        }
        Reply::Live(mut pieces) => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            loop {
                let mut unread = [0];
                tokio::select! {
                    piece = pieces.recv() => match piece {
                        Some(piece) => chunk(stream, &piece).await?,
                        None => break,
                    },
                    gone = stream.read(&mut unread) => return if gone? == 0 { Err(broken()) } else { Ok(()) },
                }
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Reply::Broken(pieces) => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            for piece in pieces {
                chunk(stream, &piece).await?;
            }
            Err(broken())
        }
        Reply::Endless(first, then) => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            chunk(stream, &first).await?;
            loop {
                chunk(stream, &then).await?;
            }
        }
        Reply::Silence => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            std::future::pending().await
        }
        Reply::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            Err(broken())
        }
    }
}

fn chunk<'a>(stream: &'a mut BufReader<TcpStream>, piece: &'a str) -> impl Future<Output = std::io::Result<()>> + 'a {
    let bytes = format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes();
    async move { stream.write_all(&bytes).await }
}
