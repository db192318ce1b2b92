//! What is asked of containerd.

use std::collections::HashMap;
use std::path::Path;

use tonic::Code;

use super::events;
use super::messages::{self, Empty, Image, Named, Subscribe, Task};
use crate::container::record::Container;
use crate::container::runtime::bounds;
use crate::container::runtime::grpc::{Call, Channel, Events, GrpcError};

/// Most namespaces that are followed.
const NAMESPACE_LIMIT: usize = 4096;
/// Most bytes of labels and names kept of a listing of all namespaces.
const KEPT_LIMIT: usize = 128 << 20;

/// A daemon that accepted a connection.
#[derive(Clone)]
pub(super) struct Api(Channel);

impl Api {
    pub async fn connect(socket: &Path) -> Result<Self, GrpcError> {
        Channel::connect(socket).await.map(Api)
    }

    /// Whether it still answers.
    pub async fn ping(&self) -> Result<(), GrpcError> {
        self.0.ask(call("ask for the version", "/containerd.services.version.v1.Version/Version", ""), Empty {}).await.map(drop)
    }

    /// Events of all namespaces from now on.
    pub fn events(&self) -> Events {
        let request = Subscribe { filters: events::filters() };
        self.0.events(call("read events", "/containerd.services.events.v1.Events/Subscribe", ""), request)
    }

    /// Names of all namespaces, sorted.
    pub async fn namespaces(&self) -> Result<Vec<String>, GrpcError> {
        let doing = "list namespaces";
        let mut names = Vec::new();
        let call = call(doing, "/containerd.services.namespaces.v1.Namespaces/List", "");
        self.0.list(call, Empty {}, |item| messages::namespace(item).map(|name| names.push(name))).await?;
        if names.len() > NAMESPACE_LIMIT {
            return Err(GrpcError::TooMuch { doing, limit: NAMESPACE_LIMIT, what: "namespaces" });
        }
        names.sort();
        Ok(names)
    }

    /// The containers of a namespace, running or not. `kept` counts the bytes of those of all namespaces.
    pub async fn containers(&self, namespace: &str, kept: &mut usize) -> Result<Vec<Container>, GrpcError> {
        let doing = "list containers";
        let mut all = Vec::new();
        let mut each = |item: messages::Item<'_>| {
            if let Some(container) = messages::container(item)? {
                *kept += bounds::weight(&container);
                // What is too much is not kept; it is an error below.
                if *kept <= KEPT_LIMIT {
                    all.push(container);
                }
            }
            Ok(())
        };
        let stream = call(doing, "/containerd.services.containers.v1.Containers/ListStream", namespace);
        match self.0.list_stream(stream, Empty {}, &mut each).await {
            // Before containerd 1.3.
            Err(error) if error.code() == Some(Code::Unimplemented) => {
                let list = call(doing, "/containerd.services.containers.v1.Containers/List", namespace);
                self.0.list(list, Empty {}, &mut each).await?;
            }
            listed => listed?,
        }
        if *kept > KEPT_LIMIT {
            return Err(GrpcError::TooMuch { doing, limit: KEPT_LIMIT, what: "bytes of labels" });
        }
        Ok(all)
    }

    /// One container; `None` when there is none of that id any more.
    pub async fn container(&self, namespace: &str, id: &str) -> Result<Option<Container>, GrpcError> {
        let doing = "look up container";
        let call = call(doing, "/containerd.services.containers.v1.Containers/Get", namespace);
        let Some(answer) = self.0.find(call, Named { name: id.to_owned() }).await? else { return Ok(None) };
        let malformed = |_| GrpcError::Malformed { doing };
        let Some(item) = messages::wrapped(&answer).map_err(malformed)? else { return Ok(None) };
        let container = messages::container(item).map_err(malformed)?;
        // A daemon that answers with another one is not believed.
        Ok(container.filter(|container| container.runtime.container_id == id))
    }

    /// The tasks of a namespace.
    pub async fn tasks(&self, namespace: &str) -> Result<Vec<Task>, GrpcError> {
        let mut tasks = Vec::new();
        let call = call("list tasks", "/containerd.services.tasks.v1.Tasks/List", namespace);
        self.0.list(call, Empty {}, |item| messages::task(item).map(|task| tasks.push(task))).await?;
        Ok(tasks)
    }

    /// Digests of the images of a namespace, by name.
    pub async fn images(&self, namespace: &str) -> Result<HashMap<String, String>, GrpcError> {
        let mut digests = HashMap::new();
        let call = call("list images", "/containerd.services.images.v1.Images/List", namespace);
        let each = |item: messages::Item<'_>| messages::image(item).map(|Image { name, digest }| drop(digests.insert(name, digest)));
        self.0.list(call, Empty {}, each).await?;
        Ok(digests)
    }

    /// The digest of an image; empty when it is gone, or cannot be told.
    pub async fn digest(&self, namespace: &str, name: &str) -> String {
        let call = call("look up image", "/containerd.services.images.v1.Images/Get", namespace);
        // Not worth losing the container for.
        let answer = self.0.find(call, Named { name: name.to_owned() }).await.ok().flatten();
        let item = answer.as_deref().and_then(|answer| messages::wrapped(answer).ok().flatten());
        item.and_then(|item| messages::image(item).ok()).unwrap_or_default().digest
    }
}

fn call<'a>(doing: &'static str, method: &'a str, namespace: &'a str) -> Call<'a> {
    Call { doing, method, namespace }
}
