//! One container told of by several sources: whose word counts, and that no source erases what another one knows.

use std::collections::BTreeMap;

use crate::container::record::Container;

/// How much a source knows, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The kernel: an id in a cgroup's path, a command line, a bundle that somebody else manages.
    Seen,
    /// The bundle of a container that nobody manages.
    Bundle,
    /// containerd, which also runs the containers of engines.
    Containerd,
    /// The engine that people talk to.
    Engine,
}

impl Rank {
    /// The rank of the runtime that tells this record.
    pub fn of(container: &Container) -> Self {
        match container.runtime.runtime_name.as_str() {
            "docker" | "podman" | "cri-o" => Rank::Engine,
            "containerd" => Rank::Containerd,
            _ => Rank::Bundle,
        }
    }
}

/// The record of both: where they differ, `new` counts if it `wins`, else `old`. The process side is that of `new`.
pub(super) fn facts(old: &Container, new: Container, wins: bool) -> Container {
    let (mut first, second) = if wins { (new.clone(), old) } else { (old.clone(), &new) };
    let pairs = [
        (&mut first.runtime.runtime_name, &second.runtime.runtime_name),
        (&mut first.runtime.container_name, &second.runtime.container_name),
        (&mut first.runtime.container_image_name, &second.runtime.container_image_name),
        (&mut first.runtime.container_image_id, &second.runtime.container_image_id),
        (&mut first.runtime.container_image_digest, &second.runtime.container_image_digest),
        (&mut first.k8s.namespace, &second.k8s.namespace),
        (&mut first.k8s.pod_name, &second.k8s.pod_name),
        (&mut first.k8s.container_name, &second.k8s.container_name),
        (&mut first.k8s.pod_uid, &second.k8s.pod_uid),
        (&mut first.bundle, &second.bundle),
        (&mut first.sandbox_id, &second.sandbox_id),
        (&mut first.namespace, &second.namespace),
        (&mut first.oci_config, &second.oci_config),
    ];
    for (to, from) in pairs {
        if to.is_empty() {
            to.clone_from(from);
        }
    }
    let maps: [(&mut BTreeMap<_, _>, _); 4] = [
        (&mut first.labels, &second.labels),
        (&mut first.annotations, &second.annotations),
        (&mut first.k8s.pod_labels, &second.k8s.pod_labels),
        (&mut first.k8s.pod_annotations, &second.k8s.pod_annotations),
    ];
    for (to, from) in maps {
        if to.is_empty() {
            to.clone_from(from);
        }
    }
    if first.runtime.container_started_at == 0 {
        first.runtime.container_started_at = second.runtime.container_started_at;
    }
    first.sandbox |= second.sandbox;
    process_of(&new, first)
}

/// `container` with the process side (first process, namespaces, cgroup) of `process`.
pub(super) fn process_of(process: &Container, mut container: Container) -> Container {
    container.runtime.container_pid = process.runtime.container_pid;
    (container.mntns, container.netns, container.host_network) = (process.mntns, process.netns, process.host_network);
    cgroup_of(process, &mut container);
    container
}

/// Gives `container` the cgroup of `process`.
pub(super) fn cgroup_of(process: &Container, container: &mut Container) {
    container.cgroup_path.clone_from(&process.cgroup_path);
    container.cgroup_id = process.cgroup_id;
    container.cgroup_v1.clone_from(&process.cgroup_v1);
    container.cgroup_v2.clone_from(&process.cgroup_v2);
}
