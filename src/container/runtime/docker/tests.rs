//! An engine that lies: each answer is made up by the test, over a real unix socket.

mod podman;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::models::EventActor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::inspected::Inspected;
use super::{Engine, convert, follow, list, list_engine};
use crate::container::Inventory;
use crate::container::runtime::RuntimeState;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What the engine does when it is asked for a path.
#[derive(Clone)]
enum Act {
    Say(String),
    /// Says the first, then the second again and again, for ever.
    Repeat(String, String),
    Silence,
    HangUp,
}

fn json(body: &str) -> Act {
    Act::Say(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// A stream of events that stays open.
fn stream(lines: &str) -> Act {
    Act::Say(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{lines}\r\n", lines.len()))
}

fn version() -> Act {
    json(r#"{"ApiVersion":"1.41","Version":"20.10"}"#)
}

struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    /// An engine that answers by the first pair whose first part is in the path; hangs up on everything else.
    fn start(answers: Vec<(&'static str, Act)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, answers.clone()));
            }
        });
        Fake { dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

/// One request after the other, until the client goes.
async fn answer(mut connection: UnixStream, answers: Arc<Vec<(&'static str, Act)>>) {
    while let Some(path) = asked(&mut connection).await {
        let act = answers.iter().find(|(part, _)| path.contains(part)).map_or(Act::HangUp, |(_, act)| act.clone());
        match act {
            Act::Say(text) => drop(connection.write_all(text.as_bytes()).await),
            Act::Repeat(head, bytes) => {
                drop(connection.write_all(head.as_bytes()).await);
                while connection.write_all(bytes.as_bytes()).await.is_ok() {}
            }
            Act::Silence => {}
            Act::HangUp => return,
        }
    }
}

/// The path of the next request.
async fn asked(connection: &mut UnixStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned)
}

async fn error_of(engine: Engine, answers: Vec<(&'static str, Act)>) -> String {
    let fake = Fake::start(answers);
    let start = Instant::now();
    let error = list_engine(engine, &Inventory::new(), &fake.socket()).await.unwrap_err().full();
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    error
}

/// Garbage, silence, hang-ups, refusals and endless answers end in an error that says what was asked, soon.
#[tokio::test]
async fn bad_answers_are_errors() {
    let error = list(&Inventory::new(), Path::new("/nonexistent/docker.sock")).await.unwrap_err().full();
    assert!(error.contains("connect") && error.contains("No such file"), "{error}");
    let refusal = || Act::Say("HTTP/1.1 500 Oops\r\ncontent-length: 17\r\n\r\n{\"message\":\"sad\"}".to_owned());
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n[{\"Id\":\"".to_owned();
    let endless = Act::Repeat(head, "a".repeat(4096));
    for (answers, expected) in [
        (vec![("/version", Act::Say("\u{1}garbage\r\n\r\n".to_owned()))], "connect"),
        (vec![("/version", Act::HangUp)], "connect"),
        (vec![("/version", Act::Silence)], "connect: no answer within"),
        (vec![("/version", json("{}"))], "API version"),
        (vec![("/version", json(r#"{"ApiVersion":"x.y"}"#))], "API version"),
        (vec![("/version", version()), ("/containers/json", json("{\"a\":1}"))], "list containers"),
        (vec![("/version", version()), ("/containers/json", json("[[["))], "list containers"),
        (vec![("/version", version()), ("/containers/json", Act::Silence)], "list containers: no answer"),
        (vec![("/version", version()), ("/containers/json", refusal())], "sad"),
        (vec![("/version", version()), ("/containers/json", endless)], "answer longer than"),
    ] {
        for engine in [Engine::Docker, Engine::Podman] {
            let error = error_of(engine, answers.clone()).await;
            assert!(error.contains(expected), "{engine:?}, {expected}: {error}");
        }
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn state(inventory: &Inventory) -> Option<RuntimeState> {
    inventory.runtimes().first().map(|r| r.state.clone())
}

/// Containers of the listing and of create events are known by name before they run; renames arrive; a lying event does no harm.
#[tokio::test]
async fn events_fill_the_inventory() {
    let other = ID.replace('0', "f");
    let events = format!(
        "{}\n{}\n{}\n{}\n",
        format_args!(
            r#"{{"Type":"container","Action":"create","Actor":{{"ID":"{other}","Attributes":{{"name":"cron","image":"tool:1","app":"x"}}}}}}"#
        ),
        r#"{"Type":"container","Action":"start","Actor":{"ID":"../../etc"}}"#,
        r#"{"Type":"container","Action":"die"}"#,
        format_args!(r#"{{"Type":"container","Action":"rename","Actor":{{"ID":"{ID}","Attributes":{{"name":"/new"}}}}}}"#),
    );
    let listing = format!(r#"[{{"Id":"{ID}","Names":["/web"],"Image":"busybox:1","State":"exited"}},{{"Id":"bad id"}},{{}}]"#);
    let fake = Fake::start(vec![("/version", version()), ("/containers/json", json(&listing)), ("/events", stream(&events))]);
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), fake.socket(), cancel.clone()));
    let name = |id: &str| {
        let snapshot = inventory.snapshot();
        snapshot.by_id(id).and_then(|e| snapshot.container(e)).map(|c| c.runtime.container_name.clone())
    };
    until("connected", || state(&inventory) == Some(RuntimeState::Connected)).await;
    until("created", || name(&other).as_deref() == Some("cron")).await;
    until("renamed", || name(ID).as_deref() == Some("new")).await;
    assert_eq!(inventory.stats().kept, 2);
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
}

/// An event stream of one endless line, in chunks, ends in an error, not in our memory.
#[tokio::test]
async fn endless_events_are_cut() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"a\":\"\r\n".to_owned();
    let endless = Act::Repeat(head, format!("8000\r\n{}\r\n", "x".repeat(0x8000)));
    let fake = Fake::start(vec![("/version", version()), ("/containers/json", json("[]")), ("/events", endless)]);
    let inventory = Inventory::new();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(follow(inventory.clone(), fake.socket(), cancel.clone()));
    let cut = |state| matches!(state, Some(RuntimeState::Waiting(reason)) if reason.contains("event longer than"));
    until("waiting", || cut(state(&inventory))).await;
    cancel.cancel();
    task.await.unwrap();
}

/// Hostile values in answers are cut, dropped or refused.
#[test]
fn records_are_bounded() {
    let labels: HashMap<String, String> =
        (0..1000).map(|i| (format!("k{i}"), "v".to_owned())).chain([("big".into(), "x".repeat(9999))]).collect();
    let mut attributes = labels;
    attributes.insert("name".to_owned(), "\u{e9}".repeat(5000));
    let actor = EventActor { id: Some(ID.to_owned()), attributes: Some(attributes) };
    let container = convert::from_event(Engine::Docker, &actor).unwrap();
    assert!(container.runtime.container_name.len() <= 4096 && container.labels.len() == 256 && !container.labels.contains_key("big"));
    for id in ["", "../x", "a b", &"a".repeat(1000)] {
        assert!(convert::from_event(Engine::Docker, &EventActor { id: Some(id.to_owned()), attributes: None }).is_none(), "{id}");
    }
    let inspect = |text: &str| convert::from_inspect(Engine::Docker, serde_json::from_str::<Inspected>(text).unwrap());
    for (state, pid) in [
        (r#"{"Running":true,"Pid":42}"#, 42),
        (r#"{"Running":true,"Pid":-1}"#, 0),
        (r#"{"Running":true,"Pid":99999999999}"#, 0),
        (r#"{"Running":false,"Pid":42}"#, 0),
        ("{}", 0),
    ] {
        let found = inspect(&format!(r#"{{"Id":"{ID}","State":{state}}}"#)).unwrap();
        assert_eq!(found.1, pid, "{state}");
    }
    assert!(inspect("{}").is_none());
}

/// Pause containers are marked, and hold their pod's labels and annotations; the kubelet's labels give the Kubernetes names.
#[test]
fn kubernetes_labels() {
    let inspect = |labels: &str| {
        let text = format!(r#"{{"Id":"{ID}","Name":"/k8s_api","Config":{{"Image":"api:1","Labels":{labels}}}}}"#);
        convert::from_inspect(Engine::Docker, serde_json::from_str(&text).unwrap())
    };
    let pause = r#"{"io.kubernetes.docker.type":"podsandbox","app":"api","annotation.owner":"me","io.kubernetes.container.name":"POD"}"#;
    let pause = inspect(pause).unwrap().0;
    assert!(pause.sandbox && pause.k8s.container_name.is_empty());
    assert_eq!((pause.labels["app"].as_str(), pause.annotations["owner"].as_str()), ("api", "me"));
    assert!(!pause.labels.contains_key("annotation.owner"));
    let labels = r#"{"io.kubernetes.pod.name":"api-1","io.kubernetes.pod.namespace":"prod","io.kubernetes.container.name":"api","io.kubernetes.pod.uid":"u1"}"#;
    let k8s = inspect(labels).unwrap().0.k8s;
    assert_eq!(
        (k8s.pod_name.as_str(), k8s.namespace.as_str(), k8s.container_name.as_str(), k8s.pod_uid.as_str()),
        ("api-1", "prod", "api", "u1")
    );
}

/// The engine's time stamps, leap days and nonsense included.
#[test]
fn time_stamps() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2024-02-29T12:00:00.5Z", Some(1_709_208_000_500_000_000)),
        ("2026-11-21T10:26:49.123456789Z", Some(1_795_256_809_123_456_789)),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-21T10:26:49.1234567890Z", None),
        ("2026-11-21", None),
        ("9999999-11-21T00:00:00Z", None),
        ("", None),
    ] {
        assert_eq!(convert::unix_ns(text), expected, "{text}");
    }
}
