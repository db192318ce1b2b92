//! A container as an OpenTelemetry resource: attributes by the names of the semantic conventions; what is not known is left out.

use std::borrow::Cow;

use super::dictionary::{Attribute, split_image};
use super::snapshot::Snapshot;
use super::{Container, KubernetesMeta, RuntimeMeta};
use crate::batch::{Dictionary, Value};

type Attributes = Vec<(Cow<'static, str>, String)>;

/// Annotations of a pod that are attributes of its resource.
const ANNOTATION: &str = "resource.opentelemetry.io/";
/// Most such attributes, and the most bytes of a name and a value.
const MAX_ANNOTATED: usize = 32;
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 4096;

/// Kinds of owners and the attributes that name them, in the order in which one gives a service its name.
const WORKLOADS: [(&str, &str); 6] = [
    ("Deployment", "k8s.deployment.name"),
    ("ReplicaSet", "k8s.replicaset.name"),
    ("StatefulSet", "k8s.statefulset.name"),
    ("DaemonSet", "k8s.daemonset.name"),
    ("CronJob", "k8s.cronjob.name"),
    ("Job", "k8s.job.name"),
];

/// An entry as a resource.
///
/// `container.image.tags` and `container.image.repo_digests` are string arrays there: the one value here is their one element.
/// Every annotation `resource.opentelemetry.io/<attribute>` of a pod is that attribute, over what is known otherwise.
/// Source: semantic conventions, resource attributes of containers and Kubernetes, and docs/non-normative/k8s-attributes.md.
pub(super) fn attributes(snapshot: &Snapshot, entry: u32) -> Attributes {
    let mut all = vec![("k8s.node.name", snapshot.node().to_owned())];
    if snapshot.value(entry, Attribute::Unresolved.id()) == Value::Bool(true) {
        all.push(("gadgetry.container.unresolved", "true".to_owned()));
    }
    let mut annotated = Vec::new();
    if let Some(container) = snapshot.container(entry) {
        all.extend(runtime(&container.runtime));
        all.extend(kubernetes(&container.k8s));
        if !container.k8s.pod_name.is_empty() {
            all.extend(service(container));
            annotated = of_annotations(&container.k8s);
        }
    }
    let known = all.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
    let known = known.filter(|(name, value)| !value.is_empty() && annotated.iter().all(|(other, _)| other != name));
    let known: Attributes = known.collect();
    known.into_iter().chain(annotated).collect()
}

fn runtime(runtime: &RuntimeMeta) -> [(&'static str, String); 7] {
    let (image, tag) = split_image(&runtime.container_image_name);
    [
        ("container.id", runtime.container_id.clone()),
        ("container.name", runtime.container_name.clone()),
        ("container.runtime.name", runtime.runtime_name.clone()),
        ("container.image.name", image.to_owned()),
        ("container.image.tags", tag.to_owned()),
        ("container.image.id", runtime.container_image_id.clone()),
        ("container.image.repo_digests", repo_digest(runtime, image)),
    ]
}

fn repo_digest(runtime: &RuntimeMeta, image: &str) -> String {
    if runtime.container_image_digest.is_empty() || image.is_empty() {
        return String::new();
    }
    format!("{image}@{}", runtime.container_image_digest)
}

fn kubernetes(k8s: &KubernetesMeta) -> impl Iterator<Item = (&'static str, String)> {
    let of_pod = [
        ("k8s.namespace.name", &k8s.namespace),
        ("k8s.pod.name", &k8s.pod_name),
        ("k8s.pod.uid", &k8s.pod_uid),
        ("k8s.pod.ip", &k8s.pod_ip),
        ("k8s.container.name", &k8s.container_name),
    ];
    let owners = WORKLOADS.iter().filter_map(|(kind, name)| owner(k8s, kind).map(|owner| (*name, owner.to_owned())));
    of_pod.into_iter().map(|(name, value)| (name, value.clone())).chain(owners)
}

fn owner<'a>(k8s: &'a KubernetesMeta, kind: &str) -> Option<&'a str> {
    k8s.owners.iter().find(|owner| owner.kind == kind).map(|owner| owner.name.as_str())
}

/// Which service a container of Kubernetes is; annotations, which come first, not counted in.
fn service(container: &Container) -> [(&'static str, String); 4] {
    let k8s = &container.k8s;
    let label = |name: &str| k8s.pod_labels.get(&format!("app.kubernetes.io/{name}")).map(String::as_str).filter(|v| !v.is_empty());
    let workload = || WORKLOADS.iter().find_map(|(kind, _)| owner(k8s, kind));
    let name = label("instance").or_else(|| label("name")).or_else(workload).unwrap_or(&k8s.pod_name);
    let version = label("version").map(str::to_owned).unwrap_or_else(|| image_version(&container.runtime.container_image_name));
    let instance = [&k8s.namespace, &k8s.pod_name, &k8s.container_name].map(String::as_str);
    let instance = if instance.contains(&"") { String::new() } else { instance.join(".") };
    [
        ("service.name", name.to_owned()),
        ("service.namespace", k8s.namespace.clone()),
        ("service.version", version),
        ("service.instance.id", instance),
    ]
}

/// `<tag>@<digest>`, or what there is of the two in an image's name.
fn image_version(image: &str) -> String {
    let (_, tag) = split_image(image);
    let digest = image.split_once('@').map_or("", |(_, digest)| digest);
    match (tag, digest) {
        ("", digest) => digest.to_owned(),
        (tag, "") => tag.to_owned(),
        (tag, digest) => format!("{tag}@{digest}"),
    }
}

fn of_annotations(k8s: &KubernetesMeta) -> Attributes {
    let named = k8s.pod_annotations.iter().filter_map(|(key, value)| Some((key.strip_prefix(ANNOTATION)?, value)));
    let fits = |(name, value): &(&str, &String)| (1..=MAX_NAME).contains(&name.len()) && (1..=MAX_VALUE).contains(&value.len());
    named.filter(fits).take(MAX_ANNOTATED).map(|(name, value)| (Cow::Owned(name.to_owned()), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::batch::Dictionary;
    use crate::container::{Inventory, Owner};

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn owners(owners: &[(&str, &str)]) -> Vec<Owner> {
        owners.iter().map(|(kind, name)| Owner { kind: kind.to_string(), name: name.to_string() }).collect()
    }

    fn pod() -> Container {
        let mut c = Container { mntns: 10, ..Container::default() };
        c.runtime.container_id = "abc".to_owned();
        c.runtime.container_image_name = "shop/web:1.2".to_owned();
        c.k8s.namespace = "prod".to_owned();
        c.k8s.pod_name = "web-5d4-x".to_owned();
        c.k8s.container_name = "nginx".to_owned();
        c.k8s.owners = owners(&[("ReplicaSet", "web-5d4"), ("Deployment", "web")]);
        c
    }

    fn resource(container: Container) -> BTreeMap<String, String> {
        let inventory = Inventory::new();
        let id = container.runtime.container_id.clone();
        inventory.insert(container);
        let snapshot = inventory.snapshot();
        let entry = snapshot.by_id(&id).unwrap();
        let all = snapshot.resource(entry);
        let map: BTreeMap<String, String> = all.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        assert_eq!(map.len(), all.len(), "an attribute is there twice: {all:?}");
        map
    }

    /// Proves that the service's name is that of the annotation, else of the labels, else of the workload, else of the pod.
    #[test]
    fn a_service_is_named_by_the_first_that_is_there() {
        let mut c = pod();
        c.k8s.pod_annotations = pairs(&[("resource.opentelemetry.io/service.name", "annotated")]);
        c.k8s.pod_labels = pairs(&[("app.kubernetes.io/instance", "instance"), ("app.kubernetes.io/name", "name")]);
        let name = |c: &Container| resource(c.clone()).remove("service.name");
        assert_eq!(name(&c).as_deref(), Some("annotated"));
        c.k8s.pod_annotations.clear();
        assert_eq!(name(&c).as_deref(), Some("instance"));
        c.k8s.pod_labels.remove("app.kubernetes.io/instance");
        assert_eq!(name(&c).as_deref(), Some("name"));
        c.k8s.pod_labels.clear();
        assert_eq!(name(&c).as_deref(), Some("web"));
        c.k8s.owners = owners(&[("Job", "tick-1"), ("CronJob", "tick")]);
        assert_eq!(name(&c).as_deref(), Some("tick"));
        c.k8s.owners = owners(&[("DaemonSet", "agent")]);
        assert_eq!(name(&c).as_deref(), Some("agent"));
        c.k8s.owners.clear();
        assert_eq!(name(&c).as_deref(), Some("web-5d4-x"));
        c.k8s = KubernetesMeta::default();
        assert_eq!(name(&c), None, "outside Kubernetes nobody says which service it is");
    }

    /// Proves the names of the attributes, and that version, namespace and instance follow the conventions.
    #[test]
    fn a_pod_has_the_attributes_of_the_conventions() {
        let mut c = pod();
        c.k8s.pod_ip = "10.0.0.9".to_owned();
        let all = resource(c.clone());
        for (name, value) in [
            ("k8s.deployment.name", "web"),
            ("k8s.replicaset.name", "web-5d4"),
            ("k8s.pod.ip", "10.0.0.9"),
            ("service.namespace", "prod"),
            ("service.version", "1.2"),
            ("service.instance.id", "prod.web-5d4-x.nginx"),
        ] {
            assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}");
        }
        c.k8s.pod_labels = pairs(&[("app.kubernetes.io/version", "7")]);
        c.k8s.pod_annotations = pairs(&[
            ("resource.opentelemetry.io/service.namespace", "shop"),
            ("resource.opentelemetry.io/team", "blue"),
            ("resource.opentelemetry.io/", "no name"),
            ("other/annotation", "x"),
        ]);
        let all = resource(c);
        let get = |name: &str| all.get(name).map(String::as_str);
        assert_eq!((get("service.version"), get("service.namespace"), get("team")), (Some("7"), Some("shop"), Some("blue")));
        assert!(!all.values().any(|value| value == "no name" || value == "x"), "{all:?}");
    }

    /// Proves that a version is made of tag and digest, whichever are there.
    #[test]
    fn versions_of_images() {
        for (image, version) in [("a:1@sha256:00", "1@sha256:00"), ("a@sha256:00", "sha256:00"), ("a:1", "1"), ("host:5/a", ""), ("", "")] {
            assert_eq!(image_version(image), version, "{image}");
        }
    }

    /// Proves that a pod cannot fill every record with its annotations.
    #[test]
    fn annotations_are_bounded() {
        let mut c = pod();
        c.k8s.pod_annotations = (0..1000).map(|n| (format!("{ANNOTATION}a{n}"), "v".repeat(n * 10))).collect();
        let all = resource(c);
        assert!(all.len() < 32 + MAX_ANNOTATED, "{}", all.len());
        assert!(all.values().all(|value| value.len() <= MAX_VALUE));
    }
}
