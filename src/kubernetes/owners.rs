//! Who controls a pod: from its direct controller up, as long as that is a workload of Kubernetes itself.
//!
//! Each controller is asked for once. What may not be asked for is concluded from the pod where that is safe.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::Connector;
use super::error::KubernetesError;
use super::objects::{Controller, OwnerReference};
use super::pods::{NodePods, Orphan};
use super::status::Reporter;
use crate::container::Owner;

/// Group, kind and resource of the controllers that are climbed, as upstream.
const WORKLOADS: [(&str, &str, &str); 7] = [
    ("apps", "Deployment", "deployments"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "StatefulSet", "statefulsets"),
    ("apps", "DaemonSet", "daemonsets"),
    ("batch", "Job", "jobs"),
    ("batch", "CronJob", "cronjobs"),
    ("", "ReplicationController", "replicationcontrollers"),
];
/// Most owners of a pod; two is what there is.
const MAX_OWNERS: usize = 8;
/// Controllers whose owner is remembered.
const MAX_CACHED: usize = 10_000;
/// Pods whose owners could not all be found, and are looked for again.
const MAX_LATER: usize = 10_000;

/// Whether it is one of the workloads of Kubernetes itself, and not something else of that kind.
pub(super) fn is_workload(owner: &OwnerReference) -> bool {
    resource(owner).is_some()
}

fn resource(owner: &OwnerReference) -> Option<&'static str> {
    let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    WORKLOADS.iter().find(|(of, kind, _)| *of == group && *kind == owner.kind).map(|(_, _, resource)| *resource)
}

/// What the pod itself says of its owners.
pub(super) fn as_told(controller: Option<&OwnerReference>, labels: &BTreeMap<String, String>) -> Vec<Owner> {
    let mut owners: Vec<Owner> = controller.into_iter().map(named).collect();
    guess(&mut owners, labels);
    owners
}

/// Adds the Deployment of a ReplicaSet at the top: it puts a hash behind its name, and the same hash into a label of its pods.
pub(super) fn guess(owners: &mut Vec<Owner>, labels: &BTreeMap<String, String>) {
    let Some(Owner { kind, name }) = owners.last().filter(|owner| owner.kind == "ReplicaSet") else { return };
    let hash = labels.get("pod-template-hash").filter(|hash| !hash.is_empty());
    let deployment = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    if let Some(deployment) = deployment.filter(|name| !name.is_empty() && kind == "ReplicaSet") {
        let deployment = Owner { kind: "Deployment".to_owned(), name: deployment.to_owned() };
        owners.push(deployment);
    }
}

fn named(owner: &OwnerReference) -> Owner {
    Owner { kind: owner.kind.clone(), name: owner.name.clone() }
}

/// Looks for the owners of pods as they come, for good.
pub(super) async fn resolve(pods: Arc<NodePods>, client: Arc<Connector>, reporter: &Reporter, again: Duration) {
    let mut climber = Climber { client, reporter, again, parents: HashMap::new(), forbidden: HashMap::new() };
    let mut later: VecDeque<(Instant, String)> = VecDeque::new();
    loop {
        let due = later.front().map(|(due, _)| *due);
        let retry = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let orphan = tokio::select! {
            orphan = pods.orphan() => orphan,
            () = retry => {
                later.pop_front().into_iter().for_each(|(_, uid)| pods.again(uid));
                continue;
            }
        };
        let (owners, complete) = climber.climb(&orphan).await;
        if !complete && later.len() < MAX_LATER {
            later.push_back((Instant::now() + again, orphan.uid.clone()));
        }
        pods.owned(&orphan, owners, complete);
    }
}

struct Climber<'a> {
    client: Arc<Connector>,
    reporter: &'a Reporter,
    again: Duration,
    /// The controller of a controller, by the uid of the latter.
    parents: HashMap<String, Option<OwnerReference>>,
    /// Until when a resource is not asked for, because that was refused.
    forbidden: HashMap<&'static str, Instant>,
}

impl Climber<'_> {
    /// The owners from the direct one up, and whether these are all.
    async fn climb(&mut self, orphan: &Orphan) -> (Vec<Owner>, bool) {
        let mut owners = Vec::new();
        let mut next = Some(orphan.controller.clone());
        while let Some(owner) = next.filter(|owner| is_workload(owner) && owners.len() < MAX_OWNERS) {
            owners.push(named(&owner));
            next = match self.parent(&orphan.namespace, &owner).await {
                Some(parent) => parent,
                None => return (owners, false),
            };
        }
        (owners, true)
    }

    /// The controller of a controller; the outer `None` when that cannot be told now.
    async fn parent(&mut self, namespace: &str, owner: &OwnerReference) -> Option<Option<OwnerReference>> {
        if let Some(known) = self.parents.get(&owner.uid) {
            return Some(known.clone());
        }
        let resource = resource(owner)?;
        if self.forbidden.get(resource).is_some_and(|until| Instant::now() < *until) {
            return None;
        }
        let asked: Result<Controller, _> = self.client.get(&format!("get {resource}"), &path(namespace, owner, resource)).await;
        let parent = match asked {
            // Another one of the same name is not the one that is meant.
            Ok(controller) if controller.metadata.uid != owner.uid => None,
            Ok(controller) => controller.controller().cloned(),
            Err(error) if error.is_not_found() => None,
            Err(error) => {
                self.refused(resource, &error);
                return None;
            }
        };
        self.forbidden.remove(resource);
        self.reporter.solved(resource);
        if self.parents.len() >= MAX_CACHED {
            self.parents.clear();
        }
        self.parents.insert(owner.uid.clone(), parent.clone());
        Some(parent)
    }

    fn refused(&mut self, resource: &'static str, error: &KubernetesError) {
        if error.is_forbidden() {
            self.forbidden.insert(resource, Instant::now() + self.again);
            self.reporter.problem(resource, error);
        }
    }
}

fn path(namespace: &str, owner: &OwnerReference, resource: &str) -> String {
    let root = if owner.api_version.contains('/') { "apis" } else { "api" };
    let version = owner.api_version.split('/').map(super::watch::percent_encoded).collect::<Vec<_>>().join("/");
    let (namespace, name) = (super::watch::percent_encoded(namespace), super::watch::percent_encoded(&owner.name));
    format!("/{root}/{version}/namespaces/{namespace}/{resource}/{name}")
}
