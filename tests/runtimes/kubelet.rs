//! What a kubelet says to a runtime when it starts a pod, in the Container Runtime Interface's own messages.

use std::collections::HashMap;
use std::path::Path;

use hyper_util::rt::TokioIo;
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

#[derive(Clone, PartialEq, Message)]
struct PodName {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct Namespaces {
    #[prost(int32, tag = "1")]
    network: i32,
    #[prost(int32, tag = "2")]
    pid: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PodSecurity {
    #[prost(message, optional, tag = "1")]
    namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxPod {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security: Option<PodSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct PodConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodName>,
    #[prost(string, tag = "2")]
    hostname: String,
    #[prost(string, tag = "3")]
    log_directory: String,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "7")]
    annotations: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPod>,
}

#[derive(Clone, PartialEq, Message)]
struct RunPod {
    #[prost(message, optional, tag = "1")]
    config: Option<PodConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerName {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    attempt: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(string, tag = "1")]
    image: String,
    #[prost(string, tag = "18")]
    by_user: String,
}

#[derive(Clone, PartialEq, Message)]
struct ImageStatus {
    #[prost(message, optional, tag = "1")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct Found {
    #[prost(message, optional, tag = "1")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerSecurity {
    #[prost(message, optional, tag = "3")]
    namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxContainer {
    #[prost(message, optional, tag = "2")]
    security: Option<ContainerSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerName>,
    #[prost(message, optional, tag = "2")]
    image: Option<Image>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(map = "string, string", tag = "9")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "10")]
    annotations: HashMap<String, String>,
    #[prost(string, tag = "11")]
    log_path: String,
    #[prost(message, optional, tag = "15")]
    linux: Option<LinuxContainer>,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    pod: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    pod_config: Option<PodConfig>,
}

/// In the node's network namespace, or in one of the pod's own, which needs CNI.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Pod = 0,
    Node = 2,
}

/// A connection to a runtime.
pub struct Kubelet {
    channel: Channel,
    folder: String,
}

/// A pod that runs.
pub struct Pod {
    /// Id of its sandbox.
    pub id: String,
    /// Unique id in Kubernetes.
    pub uid: String,
    config: PodConfig,
}

impl Kubelet {
    /// Connects. Logs of containers go below `folder`.
    pub async fn connect(socket: &Path, folder: &Path) -> Self {
        let socket = socket.to_owned();
        let connect = move |_| {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        };
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(Connect(connect)).await.unwrap();
        Kubelet { channel, folder: folder.to_str().unwrap().to_owned() }
    }

    /// Waits until the runtime knows an image that was put beneath it.
    pub async fn expect_image(&self, name: &str) {
        let start = std::time::Instant::now();
        let image = Image { image: name.to_owned(), by_user: String::new() };
        loop {
            let found: Found = self.ask_service("ImageService/ImageStatus", ImageStatus { image: Some(image.clone()) }).await;
            if found.image.is_some() {
                return;
            }
            assert!(start.elapsed() < std::time::Duration::from_secs(10), "no image {name}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Starts the sandbox of the pod `name` in the Kubernetes namespace `shop`.
    pub async fn run_pod(&self, name: &str, network: Network) -> Pod {
        let uid = format!("{}-{name}", std::process::id());
        let mut labels = kubernetes(name, &uid);
        labels.insert("app".to_owned(), name.to_owned());
        let metadata = Some(PodName { name: name.to_owned(), uid: uid.clone(), namespace: "shop".to_owned() });
        let security = Some(PodSecurity { namespaces: Some(namespaces(network)) });
        let linux = Some(LinuxPod { cgroup_parent: cgroup(&uid), security });
        let config = PodConfig {
            metadata,
            // The node's own, where the pod is in the node's network.
            hostname: if network == Network::Pod { name.to_owned() } else { String::new() },
            log_directory: self.folder.clone(),
            labels,
            annotations: HashMap::from([("team".to_owned(), "blue".to_owned())]),
            linux,
        };
        let answer: Id = self.ask("RunPodSandbox", RunPod { config: Some(config.clone()) }).await;
        Pod { id: answer.id, uid, config }
    }

    /// Makes a container of a pod and gives its id. It runs after [`Kubelet::start`].
    pub async fn create(&self, pod: &Pod, name: &str, attempt: u32, network: Network) -> String {
        let mut labels = kubernetes(&pod.config.metadata.as_ref().unwrap().name, &pod.uid);
        labels.insert("io.kubernetes.container.name".to_owned(), name.to_owned());
        let image = "localhost/busybox:1".to_owned();
        let config = ContainerConfig {
            metadata: Some(ContainerName { name: name.to_owned(), attempt }),
            image: Some(Image { image: image.clone(), by_user: image }),
            command: ["sleep", "1000"].map(str::to_owned).to_vec(),
            labels,
            annotations: HashMap::from([("io.kubernetes.container.restartCount".to_owned(), attempt.to_string())]),
            log_path: format!("{name}.log"),
            linux: Some(LinuxContainer { security: Some(ContainerSecurity { namespaces: Some(namespaces(network)) }) }),
        };
        let request = CreateContainer { pod: pod.id.clone(), config: Some(config), pod_config: Some(pod.config.clone()) };
        let answer: Id = self.ask("CreateContainer", request).await;
        answer.id
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) {
        let _: Nothing = self.ask("StartContainer", Id { id: id.to_owned() }).await;
    }

    /// Kills a container and removes it.
    pub async fn remove(&self, id: &str) {
        let _: Nothing = self.ask("StopContainer", Id { id: id.to_owned() }).await;
        let _: Nothing = self.ask("RemoveContainer", Id { id: id.to_owned() }).await;
    }

    /// Ends a pod with all its containers.
    pub async fn remove_pod(&self, pod: &Pod) {
        let _: Nothing = self.ask("StopPodSandbox", Id { id: pod.id.clone() }).await;
        let _: Nothing = self.ask("RemovePodSandbox", Id { id: pod.id.clone() }).await;
        for folder in crate::harness::cgroups(&cgroup(&pod.uid)) {
            let _ = std::fs::remove_dir(&folder);
            let _ = std::fs::remove_dir(folder.parent().unwrap());
            let _ = std::fs::remove_dir(folder.parent().unwrap().parent().unwrap());
        }
    }

    async fn ask<M: Message + 'static, A: Message + Default + 'static>(&self, method: &str, request: M) -> A {
        self.ask_service(&format!("RuntimeService/{method}"), request).await
    }

    async fn ask_service<M: Message + 'static, A: Message + Default + 'static>(&self, method: &str, request: M) -> A {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::try_from(format!("/runtime.v1.{method}")).unwrap();
        let codec = tonic_prost::ProstCodec::<M, A>::default();
        client.unary(tonic::Request::new(request), path, codec).await.unwrap_or_else(|e| panic!("{method}: {e}")).into_inner()
    }
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

/// A function as the service that connects.
struct Connect<F>(F);

impl<U, F, R> tower_service::Service<U> for Connect<F>
where
    F: FnMut(U) -> R,
    R: Future<Output = std::io::Result<TokioIo<tokio::net::UnixStream>>> + Send + 'static,
{
    type Response = TokioIo<tokio::net::UnixStream>;
    type Error = std::io::Error;
    type Future = R;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: U) -> R {
        (self.0)(uri)
    }
}

fn namespaces(network: Network) -> Namespaces {
    const CONTAINER: i32 = 1;
    Namespaces { network: network as i32, pid: CONTAINER }
}

fn cgroup(uid: &str) -> String {
    format!("/kubepods/besteffort/pod{uid}")
}

fn kubernetes(pod: &str, uid: &str) -> HashMap<String, String> {
    [("name", pod), ("namespace", "shop"), ("uid", uid)].map(|(key, value)| (format!("io.kubernetes.pod.{key}"), value.to_owned())).into()
}
