//! Servers that answer as they are told, and docker-registry with a configuration of the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use crate::support;

/// The token that the token server gives, and the one it takes for it.
pub const TOKEN: &str = "t0ken-of-the-server";
pub const IDENTITY: &str = "identity-t0ken";
/// `alice:s3cret`.
const BASIC: &str = "Basic YWxpY2U6czNjcmV0";

/// A registry and its token server in one, on a port of its own.
pub struct Server {
    pub host: String,
    /// Method, path and query, and body of each request.
    pub seen: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    /// Starts one that behaves so.
    pub fn start(behaviour: &'static str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (own, log) = (host.clone(), seen.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let app = Router::new().fallback(move |request| answer(behaviour, own.clone(), log.clone(), request));
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Server { host, seen, stop: Some(stop) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

async fn answer(behaviour: &str, host: String, log: Arc<Mutex<Vec<String>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    log.lock().unwrap().push(format!("{} {} {body}", parts.method, parts.uri));
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let asks = |challenge: String| (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], "").into_response();
    if parts.uri.path().starts_with("/token") {
        return token(behaviour, &parts.method, &authorization, &body);
    }
    match behaviour {
        "open" => StatusCode::OK.into_response(),
        "html" => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], "<html>").into_response(),
        "absent" => StatusCode::NOT_FOUND.into_response(),
        "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "digest" => asks("Digest realm=x".to_owned()),
        "silent" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        "endless" => Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'a'; 65536]))).into_response(),
        _ if authorization == format!("Bearer {TOKEN}") => StatusCode::OK.into_response(),
        "ftp" => asks("Bearer realm=\"ftp://127.0.0.1/token\"".to_owned()),
        "user" => asks(format!("Bearer realm=\"http://a:b@{host}/token\"")),
        "none" => asks("Bearer service=x".to_owned()),
        _ => asks(format!("Bearer realm=\"http://{host}/token?own=1\",service=\"the service\",Basic realm=\"x\"")),
    }
}

fn token(behaviour: &str, method: &Method, authorization: &str, body: &str) -> Response {
    match behaviour {
        "huge" => return "x".repeat(1 << 20).into_response(),
        "strange" => return "<html>".into_response(),
        "down" => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "elsewhere" => return (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:9/")], "").into_response(),
        _ => {}
    }
    let refreshes =
        *method == Method::POST && body.contains(&format!("refresh_token={IDENTITY}")) && body.contains("grant_type=refresh_token");
    if authorization == BASIC || refreshes {
        let name = if behaviour == "access" { "access_token" } else { "token" };
        return format!("{{\"{name}\":\"{TOKEN}\",\"expires_in\":60}}").into_response();
    }
    if *method == Method::POST { StatusCode::BAD_REQUEST.into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}

/// A process that ends with its owner.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// docker-registry with TLS (the certificates are in the folder already) and further lines below `tls` and at the end; `DIR` is the folder.
pub fn docker_registry(folder: &Path, tls: &str, end: &str) -> (Running, String) {
    let port = support::free_port();
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: DIR/data}}\nhttp:\n  addr: 127.0.0.1:{port}\n  tls:\n    certificate: DIR/reg.crt\n    key: DIR/reg.key\n{tls}{end}"
    );
    std::fs::write(folder.join("config.yml"), config.replace("DIR", folder.to_str().unwrap())).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(folder.join("config.yml")).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = Running(command.spawn().unwrap());
    support::wait_for(10, "the registry", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (child, format!("localhost:{port}"))
}

/// `client.cert` and `client.key`, signed by the authority in `from`.
pub fn client_certificate(from: &Path, to: &Path) {
    let script = "set -e; cd \"$0\"; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \"$1/client.key\" -out client.csr -subj /CN=client
printf 'extendedKeyUsage=clientAuth\\n' > ext
openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out \"$1/client.cert\"";
    let made = Command::new("sh").args(["-c", script]).arg(from).arg(to).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
