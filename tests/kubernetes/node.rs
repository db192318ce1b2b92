//! A whole Kubernetes node in a network namespace of its own: a Deployment's containers, as containerd runs them, have all their names.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gadgetry::batch::Dictionary;
use gadgetry::container::runtime::{self, Containerd};
use gadgetry::container::{Container, Inventory};
use gadgetry::kubernetes::{self, Settings};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::control_plane::binaries;
use crate::{is_connected, name_of, support, until};

struct Node {
    name: String,
    dir: PathBuf,
    binaries: PathBuf,
}

impl Node {
    /// `None`, with the reason printed, where no node can run.
    fn start(test: &str) -> Option<Self> {
        if !support::can_trace(test) {
            return None;
        }
        let binaries = binaries(test)?;
        for tool in ["/usr/bin/containerd", "/usr/lib/cni/bridge", "/usr/bin/jq", "/usr/bin/nsenter"] {
            if !Path::new(tool).exists() {
                println!("SKIPPED {test}: no {tool} (tests/support/install.sh test)");
                return None;
            }
        }
        let name = format!("gadgetry{}", std::process::id());
        let node = Node { dir: PathBuf::from(format!("/tmp/{name}-node")), name, binaries };
        std::fs::create_dir_all(&node.dir).unwrap();
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mkimage.sh");
        assert!(Command::new(image).arg(node.dir.join("images.tar")).status().unwrap().success());
        assert!(node.script("up").success(), "see {}", node.dir.display());
        Some(node)
    }

    fn script(&self, action: &str) -> std::process::ExitStatus {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kubernetes-node.sh");
        let mut command = Command::new(script);
        command.args([action, &self.name]).arg(&self.dir).arg(&self.binaries).arg(self.dir.join("images.tar"));
        // What it starts must not keep our pipes open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/run/{}/containerd.sock", self.name))
    }

    /// Runs `work` with the network of the node.
    fn inside<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let thread = std::thread::spawn(move || {
            // SAFETY: setns takes a descriptor that is open, and changes this thread only, and those that it starts.
            assert_eq!(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
        });
        thread.join().unwrap()
    }

    async fn ask(kubeconfig: PathBuf, method: &str, path: &str, body: Value) -> Value {
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let request = axum::http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let text = client.request_text(request.body(body).unwrap()).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.script("down");
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {
                    "labels": {"app": "shop", "app.kubernetes.io/version": "7"},
                    "annotations": {"resource.opentelemetry.io/team": "blue"},
                },
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "main", "image": "localhost/busybox:1", "imagePullPolicy": "Never",
                        "command": ["sh", "-c", "while true; do /bin/true from-the-shop; sleep 0.2; done"],
                    }],
                },
            },
        },
    })
}

/// Makes the Deployment and a Service; gives its pods once they run, and the service's address.
async fn deploy(kubeconfig: PathBuf) -> (Vec<Value>, String) {
    rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
    Node::ask(kubeconfig.clone(), "POST", "/apis/apps/v1/namespaces/default/deployments", deployment()).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
    });
    let service = Node::ask(kubeconfig.clone(), "POST", "/api/v1/namespaces/default/services", service).await;
    for _ in 0..300 {
        let pods = Node::ask(kubeconfig.clone(), "GET", "/api/v1/namespaces/default/pods", Value::Null).await;
        let pods: Vec<Value> =
            pods["items"].as_array().unwrap().iter().filter(|pod| pod["status"]["phase"] == "Running").cloned().collect();
        if pods.len() == 2 {
            return (pods, service["spec"]["clusterIP"].as_str().unwrap().to_owned());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the pods do not run");
}

/// One test, because a node costs half a minute. Proves that what containerd and the API server say comes together: each container of a
/// Deployment has its pod, owner, labels, address and service, in the inventory and in the events of `gadgetry run`.
#[test]
fn a_real_node() {
    let Some(node) = Node::start("a_real_node") else { return };
    let (pods, service) = node.inside(deploy(node.kubeconfig()));
    node.inside(known(node.kubeconfig(), node.socket(), pods.clone(), service));
    run(&node, &pods);
}

async fn known(kubeconfig: PathBuf, socket: PathBuf, pods: Vec<Value>, service: String) {
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    let _end = cancel.clone().drop_guard();
    let containerd = Some(Containerd { socket, namespaces: Vec::new() });
    runtime::follow(&inventory, &runtime::Settings { containerd, ..Default::default() }, &cancel);
    until("containers", 10, || pods.iter().all(|pod| container(&inventory, pod).is_some())).await;
    let settings = Settings { kubeconfig: Some(kubeconfig), node: Some("node1".to_owned()), ..Settings::default() };
    let handle = kubernetes::follow(&inventory, &settings, &cancel);
    until("owners", 10, || pods.iter().all(|pod| container(&inventory, pod).is_some_and(|c| c.k8s.owners.len() == 2))).await;
    for pod in &pods {
        check_record(&container(&inventory, pod).unwrap(), pod);
        check_resource(&inventory, pod);
        let (name, address) = (pod["metadata"]["name"].as_str().unwrap(), pod["status"]["podIP"].as_str().unwrap());
        until("address of a pod", 5, || name_of(&handle, address) == format!("p/default/{name}")).await;
    }
    until("address of the service", 5, || name_of(&handle, &service) == "s/default/front").await;
    assert!(is_connected(&handle) && handle.status().problems.is_empty(), "{:?}", handle.status());
}

fn container(inventory: &Arc<Inventory>, pod: &Value) -> Option<Container> {
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let snapshot = inventory.snapshot();
    snapshot.running().find(|c| c.k8s.pod_uid == uid && c.k8s.container_name == "main").cloned()
}

fn check_record(container: &Container, pod: &Value) {
    let k8s = &container.k8s;
    let owners: Vec<_> = k8s.owners.iter().map(|owner| (owner.kind.as_str(), owner.name.as_str())).collect();
    let replicas = pod["metadata"]["ownerReferences"][0]["name"].as_str().unwrap();
    assert_eq!(owners, [("ReplicaSet", replicas), ("Deployment", "shop")]);
    assert_eq!((k8s.namespace.as_str(), k8s.pod_name.as_str()), ("default", pod["metadata"]["name"].as_str().unwrap()));
    assert_eq!(k8s.pod_labels.get("app").map(String::as_str), Some("shop"));
    assert_eq!(k8s.pod_ip, pod["status"]["podIP"].as_str().unwrap());
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
    assert_eq!(format!("containerd://{}", container.runtime.container_id), id);
}

fn check_resource(inventory: &Arc<Inventory>, pod: &Value) {
    let snapshot = inventory.snapshot();
    let entry = snapshot.by_id(&container(inventory, pod).unwrap().runtime.container_id).unwrap();
    let resource = snapshot.resource(entry);
    let get = |name: &str| resource.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let instance = format!("default.{}.main", pod["metadata"]["name"].as_str().unwrap());
    for (name, value) in [
        ("k8s.node.name", "node1"),
        ("k8s.deployment.name", "shop"),
        ("service.name", "shop"),
        ("service.namespace", "default"),
        ("service.version", "7"),
        ("service.instance.id", &instance),
        ("team", "blue"),
    ] {
        assert_eq!(get(name), Some(value), "{name} of {resource:?}");
    }
}

/// `gadgetry run` with upstream's flags gives events with owner and labels.
fn run(node: &Node, pods: &[Value]) {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", node.name)).arg(support::binary()).args([
        "run",
        "trace_exec",
        "-o",
        "json",
        "--timeout",
        "6",
    ]);
    command.args(["--enrich-with-k8s-apiserver", "-r", "containerd", "--k8s-podname"]).arg(pods[0]["metadata"]["name"].as_str().unwrap());
    command.arg("--kubeconfig").arg(node.kubeconfig()).arg("--containerd-socketpath").arg(node.socket());
    let output = command.env("NODE_NAME", "node1").output().unwrap();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = events.iter().find(|event| event["args"].as_str().is_some_and(|args| args.contains("from-the-shop")));
    let k8s = &event.unwrap_or_else(|| panic!("no event of the shop among {} events: {text}\n{log}", events.len()))["k8s"];
    assert_eq!(k8s["owner"], json!({"kind": "Deployment", "name": "shop"}), "{k8s}");
    assert_eq!((&k8s["node"], &k8s["podName"], &k8s["containerName"]), (&"node1".into(), &pods[0]["metadata"]["name"], &"main".into()));
    assert!(k8s["podLabels"].as_str().unwrap().contains("app=shop"), "{k8s}");
    assert!(events.iter().all(|event| event["k8s"]["podName"] == pods[0]["metadata"]["name"]), "{text}");
}
