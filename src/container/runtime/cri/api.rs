//! What is asked through the Container Runtime Interface, in the version that the runtime speaks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::Code;

use super::messages::{self, Empty, ImageRequest, ImageSpec, Sandbox, StatusRequest, Told, Version, VersionRequest};
use crate::container::runtime::grpc::{Call, Channel, Events, GrpcError};

/// Images whose ids and digests are remembered.
const IMAGES: usize = 4096;
/// Most bytes of labels and names kept of one listing.
const KEPT_LIMIT: usize = 128 << 20;

/// Full names of the methods in one version of the interface.
struct Methods {
    version: &'static str,
    containers: &'static str,
    container: &'static str,
    sandboxes: &'static str,
    sandbox: &'static str,
    image: &'static str,
    events: &'static str,
}

const V1: Methods = Methods {
    version: "/runtime.v1.RuntimeService/Version",
    containers: "/runtime.v1.RuntimeService/ListContainers",
    container: "/runtime.v1.RuntimeService/ContainerStatus",
    sandboxes: "/runtime.v1.RuntimeService/ListPodSandbox",
    sandbox: "/runtime.v1.RuntimeService/PodSandboxStatus",
    image: "/runtime.v1.ImageService/ImageStatus",
    events: "/runtime.v1.RuntimeService/GetContainerEvents",
};

/// Runtimes from before Kubernetes 1.23.
const V1ALPHA2: Methods = Methods {
    version: "/runtime.v1alpha2.RuntimeService/Version",
    containers: "/runtime.v1alpha2.RuntimeService/ListContainers",
    container: "/runtime.v1alpha2.RuntimeService/ContainerStatus",
    sandboxes: "/runtime.v1alpha2.RuntimeService/ListPodSandbox",
    sandbox: "/runtime.v1alpha2.RuntimeService/PodSandboxStatus",
    image: "/runtime.v1alpha2.ImageService/ImageStatus",
    events: "/runtime.v1alpha2.RuntimeService/GetContainerEvents",
};

/// A runtime that has told its version.
#[derive(Clone)]
pub(super) struct Api {
    channel: Channel,
    methods: &'static Methods,
    /// Ids and digests of images by what containers say of them.
    images: Arc<Mutex<HashMap<String, (String, String)>>>,
}

impl Api {
    /// Connects and agrees on a version of the interface.
    pub async fn connect(socket: &Path) -> Result<(Self, Version), GrpcError> {
        let channel = Channel::connect(socket).await?;
        let api = |methods| Api { channel: channel.clone(), methods, images: Arc::default() };
        let newest = api(&V1);
        match newest.version().await {
            Err(error) if error.code() == Some(Code::Unimplemented) => {
                let older = api(&V1ALPHA2);
                older.version().await.map(|version| (older, version))
            }
            version => version.map(|version| (newest, version)),
        }
    }

    /// Which program answers.
    pub async fn version(&self) -> Result<Version, GrpcError> {
        let doing = "ask for the version";
        let answer = self.channel.ask(call(doing, self.methods.version), VersionRequest { version: "0.1.0".to_owned() }).await?;
        messages::version(&answer).map_err(|_| GrpcError::Malformed { doing })
    }

    /// All containers, running or not, sandboxes not among them.
    pub async fn containers(&self) -> Result<Vec<Told>, GrpcError> {
        let doing = "list containers";
        let (mut all, mut kept) = (Vec::new(), 0);
        let each = |item: messages::Item<'_>| {
            let told = messages::container(item)?;
            kept += weight(&told.labels) + weight(&told.annotations);
            if kept <= KEPT_LIMIT {
                all.push(told);
            }
            Ok(())
        };
        self.channel.list(call(doing, self.methods.containers), Empty {}, each).await?;
        within(doing, kept).map(|()| all)
    }

    /// The sandboxes of all pods.
    pub async fn sandboxes(&self) -> Result<Vec<Sandbox>, GrpcError> {
        let doing = "list pod sandboxes";
        let (mut all, mut kept) = (Vec::new(), 0);
        let each = |item: messages::Item<'_>| {
            let sandbox = messages::sandbox(item, false)?;
            kept += weight(&sandbox.record.labels) + weight(&sandbox.record.annotations);
            if kept <= KEPT_LIMIT {
                all.push(sandbox);
            }
            Ok(())
        };
        self.channel.list(call(doing, self.methods.sandboxes), Empty {}, each).await?;
        within(doing, kept).map(|()| all)
    }

    /// One container; `None` when there is none of that id, or not yet.
    pub async fn container(&self, id: &str) -> Result<Option<Told>, GrpcError> {
        let doing = "ask for a container's status";
        let answer = self.channel.find(call(doing, self.methods.container), StatusRequest { id: id.to_owned(), verbose: true }).await?;
        let Some(answer) = answer else { return Ok(None) };
        let told = messages::status_answer(&answer).map_err(|_| GrpcError::Malformed { doing })?;
        // An abbreviated id leads to its container: not the one that is meant.
        Ok(told.filter(|told| told.id == id))
    }

    /// One pod's sandbox; `None` when there is none of that id.
    pub async fn sandbox(&self, id: &str) -> Result<Option<Sandbox>, GrpcError> {
        let doing = "ask for a pod sandbox's status";
        let answer = self.channel.find(call(doing, self.methods.sandbox), StatusRequest { id: id.to_owned(), verbose: true }).await?;
        let Some(answer) = answer else { return Ok(None) };
        let sandbox = messages::sandbox_answer(&answer).map_err(|_| GrpcError::Malformed { doing })?;
        Ok(sandbox.filter(|sandbox| sandbox.record.runtime.container_id == id))
    }

    /// Id and digest of an image, each empty when it cannot be told.
    pub async fn image(&self, reference: &str) -> (String, String) {
        let images = || self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if reference.is_empty() {
            return Default::default();
        }
        if let Some(known) = images().get(reference) {
            return known.clone();
        }
        let request = ImageRequest { image: Some(ImageSpec { image: reference.to_owned() }) };
        // Not worth losing the container for.
        let answer = self.channel.find(call("ask for an image's status", self.methods.image), request).await.ok().flatten();
        let image = answer.and_then(|answer| messages::image_answer(&answer).ok()).unwrap_or_default();
        let mut images = images();
        if images.len() >= IMAGES {
            images.clear();
        }
        if image != Default::default() {
            images.insert(reference.to_owned(), image.clone());
        }
        image
    }

    /// Events from now on.
    pub fn events(&self) -> Events {
        self.channel.events(call("read events", self.methods.events), Empty {})
    }
}

fn weight(labels: &std::collections::BTreeMap<String, String>) -> usize {
    labels.iter().map(|(key, value)| key.len() + value.len() + 64).sum::<usize>() + 512
}

fn within(doing: &'static str, kept: usize) -> Result<(), GrpcError> {
    if kept > KEPT_LIMIT {
        return Err(GrpcError::TooMuch { doing, limit: KEPT_LIMIT, what: "bytes of labels" });
    }
    Ok(())
}

fn call(doing: &'static str, method: &'static str) -> Call<'static> {
    Call { doing, method, namespace: "" }
}
