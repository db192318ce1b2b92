//! What is known of pods, by the labels of their sandboxes and by the API server, and what their containers get of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::State;
use crate::container::record::{Container, Pod};

/// Pods that are kept. Those of more are not completed.
const MAX_PODS: usize = 10_000;

/// Labels and annotations with this in front are a runtime's own.
const OWN: [&str; 2] = ["io.kubernetes.", "io.cri-containerd."];

#[derive(Default)]
struct Facts {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// The API server's word, which counts more.
    told: Option<Pod>,
}

/// All pods by their unique ids.
#[derive(Default)]
pub(super) struct Pods(HashMap<String, Facts>);

impl Pods {
    /// Gives a container what is known of its pod.
    pub fn complete(&self, container: &mut Container) {
        let Some(facts) = self.0.get(&container.k8s.pod_uid) else { return };
        let k8s = &mut container.k8s;
        match &facts.told {
            Some(pod) => {
                k8s.pod_labels.clone_from(&pod.labels);
                k8s.pod_annotations.clone_from(&pod.annotations);
                k8s.owners.clone_from(&pod.owners);
                k8s.pod_ip.clone_from(&pod.ip);
            }
            None => {
                k8s.pod_labels.clone_from(&facts.labels);
                k8s.pod_annotations.clone_from(&facts.annotations);
            }
        }
    }

    fn entry(&mut self, uid: &str) -> Option<&mut Facts> {
        if uid.is_empty() || (self.0.len() >= MAX_PODS && !self.0.contains_key(uid)) {
            return None;
        }
        Some(self.0.entry(uid.to_owned()).or_default())
    }
}

impl State {
    pub fn set_pod(&mut self, pod: Pod) {
        let uid = pod.uid.clone();
        let Some(facts) = self.pods.entry(&uid) else { return };
        if facts.told.as_ref() != Some(&pod) {
            facts.told = Some(pod);
            self.complete_members(&uid);
        }
    }

    pub fn forget_pod(&mut self, uid: &str) {
        // Its containers keep what they were given: what is left of their events is still to be named.
        if let Some(facts) = self.pods.0.get_mut(uid)
            && let Some(pod) = facts.told.take()
        {
            (facts.labels, facts.annotations) = (pod.labels, pod.annotations);
        }
    }

    /// Takes the pod's labels from its sandbox.
    pub(super) fn sandbox_changed(&mut self, sandbox: &Container) {
        let uid = sandbox.k8s.pod_uid.clone();
        let theirs = |all: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let own = |key: &str| OWN.iter().any(|prefix| key.starts_with(prefix));
            all.iter().filter(|(key, _)| !own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let (labels, annotations) = (theirs(&sandbox.labels), theirs(&sandbox.annotations));
        let Some(facts) = self.pods.entry(&uid) else { return };
        let new = |old: &BTreeMap<_, _>, now: &BTreeMap<_, _>| !now.is_empty() && old != now;
        if new(&facts.labels, &labels) || new(&facts.annotations, &annotations) {
            if !labels.is_empty() {
                facts.labels = labels;
            }
            if !annotations.is_empty() {
                facts.annotations = annotations;
            }
            self.complete_members(&uid);
        }
    }

    fn complete_members(&mut self, uid: &str) {
        let members = self.slots.values().filter(|s| s.entry.container.k8s.pod_uid == uid);
        let members: Vec<(Container, bool)> = members.map(|s| (s.entry.container.clone(), s.running)).collect();
        for (container, running) in members {
            self.put(container, running);
        }
    }

    /// Lets go of pods that have no containers and that the API server does not tell of.
    pub(super) fn tidy_pods(&mut self) {
        if self.pods.0.is_empty() {
            return;
        }
        let used: HashSet<&str> = self.slots.values().map(|s| s.entry.container.k8s.pod_uid.as_str()).collect();
        self.pods.0.retain(|uid, facts| facts.told.is_some() || used.contains(uid.as_str()));
    }
}
