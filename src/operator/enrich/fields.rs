//! The fields that enrichment adds, with upstream's names, order and visibility, and those it reads.

use crate::batch::{ColumnId, FieldId, FieldSpec, Kind, OPTIONAL, SchemaBuilder, SchemaError, Source};
use crate::container::{Attribute, in_kubernetes};

/// Type of the field with the mount namespace.
pub(super) const MNTNS: &str = "gadget_mntns_id";

/// Name, attribute, order among columns, hidden everywhere.
const K8S: [(&str, Attribute, i32, bool); 8] = [
    ("k8s.node", Attribute::Node, -31, false),
    ("k8s.namespace", Attribute::Namespace, -30, false),
    ("k8s.podName", Attribute::PodName, -29, false),
    ("k8s.containerName", Attribute::PodContainerName, -28, false),
    ("k8s.hostnetwork", Attribute::HostNetwork, -27, true),
    ("k8s.podLabels", Attribute::PodLabels, -26, true),
    ("k8s.owner.kind", Attribute::OwnerKind, 0, true),
    ("k8s.owner.name", Attribute::OwnerName, 0, true),
];

const RUNTIME: [(&str, Attribute, i32, bool); 7] = [
    ("runtime.containerName", Attribute::ContainerName, -27, false),
    ("runtime.runtimeName", Attribute::RuntimeName, -26, true),
    ("runtime.containerId", Attribute::ContainerId, -25, true),
    ("runtime.containerPid", Attribute::ContainerPid, -24, true),
    ("runtime.containerImageName", Attribute::ImageName, -23, true),
    ("runtime.containerImageDigest", Attribute::ImageDigest, -22, true),
    ("runtime.containerStartedAt", Attribute::StartedAt, -21, true),
];

/// Adds a column and the fields over it. Of the two groups the one that means nothing here is hidden: `k8s` outside
/// Kubernetes, `runtime` inside.
pub(super) fn add(schema: &mut SchemaBuilder) -> Result<ColumnId, SchemaError> {
    let column = schema.add_column();
    let kubernetes = in_kubernetes();
    parent(schema, "k8s", !kubernetes)?;
    parent(schema, "k8s.owner", true)?;
    for (name, attribute, order, hidden) in K8S {
        let mut field = field(name, column, attribute).order(order).hidden(hidden || !kubernetes);
        if !name.starts_with("k8s.owner.") {
            field.tags.push("kubernetes".to_owned());
        }
        schema.add(field)?;
    }
    parent(schema, "runtime", kubernetes)?;
    for (name, attribute, order, hidden) in RUNTIME {
        schema.add(field(name, column, attribute).order(order).hidden(hidden || kubernetes))?;
    }
    let mut mark = field("runtime.unresolved", column, Attribute::Unresolved).hidden(true);
    mark.tags.push(OPTIONAL.to_owned());
    schema.add(mark)?;
    Ok(column)
}

fn parent(schema: &mut SchemaBuilder, name: &str, hidden: bool) -> Result<(), SchemaError> {
    schema.add(FieldSpec::new(name, Kind::Struct, Source::Parent).hidden(hidden)).map(|_| ())
}

fn field(name: &str, column: ColumnId, attribute: Attribute) -> FieldSpec {
    FieldSpec::new(name, attribute.kind(), Source::Dictionary { column, attribute: attribute.id() })
}

/// The first field of a type that is a number in the row. Others of the type are not looked at.
pub(super) fn first(schema: &SchemaBuilder, type_name: &str) -> Option<FieldId> {
    schema.iter().find(|(_, f)| f.has_type(type_name) && matches!(f.source, Source::Row { .. })).map(|(id, _)| id)
}

/// The process id that belongs to a namespace field: a sibling, else the first there is.
pub(super) fn pid_near(schema: &SchemaBuilder, namespace: Option<FieldId>) -> Option<FieldId> {
    let parent = schema.field(namespace?)?.parent();
    let sibling = schema.iter().find(|(_, f)| f.has_type("gadget_pid") && f.parent() == parent).map(|(id, _)| id);
    sibling.or_else(|| first(schema, "gadget_pid"))
}
