//! Pods: those of this node into the inventory, and the addresses of those whose addresses are wanted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::addresses::{Address, Addresses, NamedPod};
use super::objects::{OwnerReference, Pod};
use super::owners;
use super::seen::Seen;
use super::watch::Store;
use crate::container::{Inventory, Owner, Pod as PodRecord};

/// Most pods of one node; the kubelet's own limit is 110 unless raised.
const MAX_PODS: usize = 10_000;

/// The pods of this node, shared by the watch that brings them and whoever looks for their owners.
pub(super) struct NodePods {
    inventory: Arc<Inventory>,
    addresses: Option<Arc<Addresses>>,
    state: Mutex<State>,
    waiting: Notify,
}

#[derive(Default)]
struct State {
    /// By the API's uid.
    pods: HashMap<String, Known>,
    /// Uids of those whose owners are to be looked for.
    queue: VecDeque<String>,
}

struct Known {
    record: PodRecord,
    controller: Option<OwnerReference>,
}

/// A pod whose owners are to be looked for.
pub(super) struct Orphan {
    pub uid: String,
    pub namespace: String,
    pub controller: OwnerReference,
}

impl NodePods {
    pub fn new(inventory: Arc<Inventory>, addresses: Option<Arc<Addresses>>) -> Self {
        NodePods { inventory, addresses, state: Mutex::default(), waiting: Notify::new() }
    }

    fn put(&self, pod: Pod) {
        if let Some(addresses) = &self.addresses {
            put_addresses(addresses, &pod);
        }
        let controller = pod.controller().filter(|owner| owners::is_workload(owner)).cloned();
        let uid = pod.metadata.uid.clone();
        let mut record = record(pod);
        let mut state = self.lock();
        let known = state.pods.get(&uid);
        if known.is_none() && state.pods.len() >= MAX_PODS {
            return;
        }
        let same_owner = known.is_some_and(|known| known.controller == controller);
        match known {
            Some(known) if same_owner => record.owners.clone_from(&known.record.owners),
            _ => record.owners = owners::as_told(controller.as_ref(), &record.labels),
        }
        if known.is_none_or(|known| known.record != record) {
            self.inventory.set_pod(record.clone());
        }
        if !same_owner && controller.is_some() {
            state.queue.push_back(uid.clone());
            self.waiting.notify_one();
        }
        state.pods.insert(uid, Known { record, controller });
    }

    fn remove(&self, uid: &str) {
        if let Some(addresses) = &self.addresses {
            addresses.remove(uid, Instant::now());
        }
        if let Some(known) = self.lock().pods.remove(uid) {
            self.inventory.forget_pod(&known.record.uid);
        }
    }

    /// The next pod whose owners are to be looked for.
    pub async fn orphan(&self) -> Orphan {
        loop {
            if let Some(orphan) = self.pop() {
                return orphan;
            }
            self.waiting.notified().await;
        }
    }

    fn pop(&self) -> Option<Orphan> {
        let mut state = self.lock();
        while let Some(uid) = state.queue.pop_front() {
            if let Some(Known { record, controller: Some(controller) }) = state.pods.get(&uid) {
                return Some(Orphan { uid, namespace: record.namespace.clone(), controller: controller.clone() });
            }
        }
        None
    }

    /// Has a pod's owners looked for once more.
    pub fn again(&self, uid: String) {
        self.lock().queue.push_back(uid);
        self.waiting.notify_one();
    }

    /// Notes who owns a pod, unless it is gone or has another controller by now.
    pub fn owned(&self, orphan: &Orphan, mut found: Vec<Owner>, complete: bool) {
        let mut state = self.lock();
        let Some(known) = state.pods.get_mut(&orphan.uid).filter(|known| known.controller.as_ref() == Some(&orphan.controller)) else {
            return;
        };
        if !complete {
            owners::guess(&mut found, &known.record.labels);
        }
        if known.record.owners != found {
            known.record.owners = found;
            self.inventory.set_pod(known.record.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(pod: Pod) -> PodRecord {
    let uid = pod.local_uid().to_owned();
    let metadata = pod.metadata;
    PodRecord {
        uid,
        namespace: metadata.namespace,
        name: metadata.name,
        labels: metadata.labels,
        annotations: metadata.annotations,
        ip: pod.status.pod_ip,
        owners: Vec::new(),
    }
}

fn put_addresses(addresses: &Addresses, pod: &Pod) {
    let (namespace, name, labels) = (pod.metadata.namespace.clone(), pod.metadata.name.clone(), pod.metadata.labels.clone());
    let named = NamedPod { namespace, name, labels, host_ip: pod.status.host_ip.clone() };
    let address = if pod.spec.host_network { Address::HostPod(named) } else { Address::Pod(named) };
    addresses.put(&pod.metadata.uid, pod.addresses(), address);
}

/// Brings the pods of this node.
pub(super) struct Sink {
    pods: Arc<NodePods>,
    seen: Seen,
}

impl Sink {
    pub fn new(pods: Arc<NodePods>) -> Self {
        Sink { pods, seen: Seen::default() }
    }
}

impl Store for Sink {
    type Object = Pod;

    fn begin(&mut self) {
        self.seen.begin();
    }

    fn put(&mut self, pod: Pod) {
        if self.seen.put(&pod.metadata.uid) {
            self.pods.put(pod);
        }
    }

    fn remove(&mut self, pod: Pod) {
        self.seen.remove(&pod.metadata.uid);
        self.pods.remove(&pod.metadata.uid);
    }

    fn complete(&mut self) {
        self.seen.complete().iter().for_each(|gone| self.pods.remove(gone));
    }
}

/// Brings the addresses of all pods of the cluster.
pub(super) struct ClusterPods {
    addresses: Arc<Addresses>,
    seen: Seen,
}

impl ClusterPods {
    pub fn new(addresses: Arc<Addresses>) -> Self {
        ClusterPods { addresses, seen: Seen::default() }
    }
}

impl Store for ClusterPods {
    type Object = Pod;

    fn begin(&mut self) {
        self.seen.begin();
    }

    fn put(&mut self, pod: Pod) {
        if self.seen.put(&pod.metadata.uid) {
            put_addresses(&self.addresses, &pod);
        }
    }

    fn remove(&mut self, pod: Pod) {
        self.seen.remove(&pod.metadata.uid);
        self.addresses.remove(&pod.metadata.uid, Instant::now());
    }

    fn complete(&mut self) {
        self.seen.complete().iter().for_each(|gone| self.addresses.remove(gone, Instant::now()));
    }
}
