//! etcd and kube-apiserver on loopback, with a folder of their own; stopped and removed when dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gadgetry::kubernetes::Settings;
use serde_json::{Value, json};

use crate::support::free_port;

/// Tokens and their users: one may do everything, the others what a test allows them.
const TOKENS: &str = "admintoken,admin,1,\"system:masters\"\nplaintoken,plain,2,\"\"\nlimitedtoken,limited,3,\"\"\n";

/// See the module.
pub struct ControlPlane {
    dir: PathBuf,
    port: u16,
    etcd_port: u16,
    etcd: Option<Child>,
    api_server: Option<Child>,
}

/// Where the binaries are, or `None` and the reason printed.
pub fn binaries(test: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("GADGETRY_CACHE").map_or_else(|| PathBuf::from("/var/cache/gadgetry"), PathBuf::from);
    let folder = cache.join("kubernetes");
    let on_path = |tool: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(tool).is_file());
    let missing = match (folder.join("kubelet").is_file(), on_path("etcd") && on_path("openssl")) {
        (false, _) => format!("no {} (tests/support/install.sh test)", folder.display()),
        (_, false) => "no etcd or openssl on PATH (apt-get install etcd-server openssl)".to_owned(),
        _ => return Some(folder),
    };
    println!("SKIPPED {test}: {missing}");
    None
}

impl ControlPlane {
    /// Starts both, and waits until they are ready. `None`, with the reason printed, where they are not.
    pub async fn start(test: &str) -> Option<Self> {
        binaries(test)?;
        let dir = PathBuf::from(format!("/tmp/gadgetry-kubernetes-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let key = Command::new("openssl").args(["genrsa", "-out"]).arg(dir.join("sa.key")).arg("2048").stderr(Stdio::null()).status();
        assert!(key.unwrap().success());
        std::fs::write(dir.join("tokens.csv"), TOKENS).unwrap();
        let mut plane = ControlPlane { dir, port: free_port(), etcd_port: free_port(), etcd: None, api_server: None };
        plane.start_etcd();
        plane.start_api_server().await;
        Some(plane)
    }

    fn start_etcd(&mut self) {
        let (client, peer) = (format!("http://127.0.0.1:{}", self.etcd_port), format!("http://127.0.0.1:{}", free_port()));
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir").arg(self.dir.join("etcd")).args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        etcd.args(["--initial-cluster", &format!("default={peer}")]);
        self.etcd = Some(self.spawn(etcd, "etcd.log"));
    }

    /// Starts the API server (again) and waits until it is ready.
    pub async fn start_api_server(&mut self) {
        let mut server = Command::new(binaries("").unwrap().join("kube-apiserver"));
        server.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port)).arg(format!("--secure-port={}", self.port));
        server.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        server.args(["--cert-dir=pki", "--service-cluster-ip-range=10.96.0.0/16", "--token-auth-file=tokens.csv"]);
        server.args(["--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file=sa.key"]);
        server.args(["--service-account-key-file=sa.key", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]);
        self.api_server = Some(self.spawn(server, "api-server.log"));
        let end = Instant::now() + Duration::from_secs(60);
        while !self.is_ready().await {
            assert!(Instant::now() < end, "the API server is not ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Kills the API server, as a crash would.
    pub fn kill_api_server(&mut self) {
        stop(self.api_server.take(), "KILL");
    }

    fn spawn(&self, mut command: Command, log: &str) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join(log)).unwrap();
        let quiet = command.current_dir(&self.dir).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        quiet.spawn().unwrap()
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join("api-server.log")).unwrap_or_default();
        text.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    async fn is_ready(&self) -> bool {
        let Some(client) = self.client().await else { return false };
        let request = axum::http::Request::get("/readyz").body(Vec::new()).unwrap();
        client.request_text(request).await.is_ok_and(|text| text == "ok")
    }

    async fn client(&self) -> Option<kube::Client> {
        // Until the certificate is there.
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig("admintoken")).ok()?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.ok()?;
        kube::Client::try_from(config).ok()
    }

    /// A kubeconfig for the holder of a token.
    pub fn kubeconfig(&self, token: &str) -> PathBuf {
        let path = self.dir.join(format!("{token}.kubeconfig"));
        let cluster = json!({"server": format!("https://127.0.0.1:{}", self.port), "certificate-authority": "pki/apiserver.crt"});
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {"token": token}}],
        });
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    /// What follows the node `node1` with a token.
    pub fn settings(&self, token: &str) -> Settings {
        Settings { kubeconfig: Some(self.kubeconfig(token)), node: Some("node1".to_owned()), ..Settings::default() }
    }

    /// Sends a request as one who may do everything; gives the answer.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = axum::http::Request::builder().method(method).uri(path).header("content-type", content);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let client = self.client().await.unwrap();
        let text = client.request_text(request.body(body).unwrap()).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        serde_json::from_str(&text).unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.send("POST", path, &body).await
    }

    pub async fn delete(&self, path: &str) {
        // Without a kubelet nobody would confirm the end of a pod.
        self.send("DELETE", &format!("{path}?gracePeriodSeconds=0"), &Value::Null).await;
    }

    /// Makes a pod with an address on a node; gives its uid.
    pub async fn pod(&self, name: &str, node: &str, address: &str, labels: Value, owner: Option<&Value>) -> String {
        let owners: Vec<Value> = owner.into_iter().map(reference).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "ownerReferences": owners},
            "spec": {"nodeName": node, "containers": [{"name": "main", "image": "example.org/main:1"}]},
        });
        let pod = self.post("/api/v1/namespaces/default/pods", pod).await;
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.0.2.1"}});
        self.send("PATCH", &format!("/api/v1/namespaces/default/pods/{name}/status"), &status).await;
        pod["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// Makes a controller of pods; gives it.
    pub async fn controller(&self, version: &str, kind: &str, name: &str, owner: Option<&Value>) -> Value {
        let owners: Vec<Value> = owner.into_iter().map(reference).collect();
        let template = json!({
            "metadata": {"labels": {"app": name}},
            "spec": {"restartPolicy": if kind.ends_with("Job") { "Never" } else { "Always" },
                     "containers": [{"name": "main", "image": "example.org/main:1"}]},
        });
        let spec = match kind {
            "CronJob" => json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}),
            "Job" => json!({"template": template}),
            "ReplicationController" => json!({"template": template, "selector": {"app": name}}),
            "StatefulSet" => json!({"template": template, "selector": {"matchLabels": {"app": name}}, "serviceName": name}),
            _ => json!({"template": template, "selector": {"matchLabels": {"app": name}}}),
        };
        let root = if version.contains('/') { "apis" } else { "api" };
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "ownerReferences": owners}, "spec": spec});
        let made = self.post(&format!("/{root}/{version}/namespaces/default/{}s", kind.to_lowercase()), object.clone()).await;
        json!({"apiVersion": version, "kind": kind, "metadata": made["metadata"]})
    }

    /// Lets a user do something everywhere.
    pub async fn allow(&self, name: &str, user: &str, rules: Value) {
        let root = "/apis/rbac.authorization.k8s.io/v1";
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
        self.post(&format!("{root}/clusterroles"), role).await;
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        });
        self.post(&format!("{root}/clusterrolebindings"), binding).await;
    }
}

fn reference(owner: &Value) -> Value {
    let metadata = &owner["metadata"];
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": true})
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        stop(self.api_server.take(), "TERM");
        stop(self.etcd.take(), "TERM");
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn stop(child: Option<Child>, signal: &str) {
    if let Some(mut child) = child {
        let _ = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        let _ = child.wait();
    }
}
