//! The endpoints of a data source, and the members they get.

use std::sync::Arc;

use crate::batch::{ColumnId, Decode, Field, FieldId, FieldSpec, Kind, Name, SchemaBuilder, Source, Value};
use crate::component::BindError;
use crate::decoder::endpoint::{Endpoint, Layout, Port};
use crate::kubernetes::AddressAttribute;

const TYPES: [&str; 2] = ["gadget_l3endpoint_t", "gadget_l4endpoint_t"];

const MEMBERS: [(&str, AddressAttribute); 5] = [
    ("kind", AddressAttribute::Kind),
    ("name", AddressAttribute::Name),
    ("namespace", AddressAttribute::Namespace),
    ("labels", AddressAttribute::Labels),
    ("podSelector", AddressAttribute::PodSelector),
];

/// An endpoint whose address the formatter shows as text.
pub(super) struct Found {
    name: String,
    /// The field over all of its bytes, which the formatter made.
    pub raw: FieldId,
    pub layout: Layout,
    /// The field with address and port as text.
    text: Option<FieldId>,
}

impl Found {
    /// All endpoints of `schema` that can be named.
    pub fn all(schema: &SchemaBuilder) -> Vec<Found> {
        let parents = schema.fields().iter().filter(|f| TYPES.iter().any(|t| f.has_type(t)));
        let taken = |name: &str| schema.fields().iter().any(|f| f.name == format!("{name}.k8s"));
        let (free, taken): (Vec<&Field>, Vec<&Field>) = parents.partition(|f| !taken(&f.name));
        for field in taken {
            tracing::warn!(field = field.name, "endpoint has a member \"k8s\" of its own, it is not named");
        }
        free.into_iter().filter_map(|parent| Found::search(schema, parent)).collect()
    }

    fn search(schema: &SchemaBuilder, parent: &Field) -> Option<Found> {
        let children = || schema.iter().filter(|(_, f)| f.parent() == Some(&parent.name));
        let child = |leaf: &str| children().find(|(_, f)| f.leaf() == leaf).map(|(_, f)| f);
        let (raw, address) = children().find(|(_, f)| f.has_type("gadget_ip_addr_t") || f.leaf() == "addr_raw")?;
        let made_of_it = |f: &Field| matches!(f.source, Source::Decoded { from, .. } if from == raw);
        if !children().any(|(_, f)| made_of_it(f)) {
            return None;
        }
        let start = offset(address)?;
        let version = offset(child("version")?)?;
        let port = child("port").and_then(offset);
        let relative = |at: u32| at.checked_sub(start).map(|at| at as usize);
        let layout = Layout {
            address: relative(address_offset(schema, address, version.min(port.unwrap_or(u32::MAX)))?)?,
            version: relative(version)?,
            port: port.and_then(relative),
        };
        let text = children().find(|(_, f)| f.leaf() == "endpoint" && made_of_it(f)).map(|(id, _)| id);
        Some(Found { name: parent.name.clone(), raw, layout, text })
    }

    /// Adds the members, whose values are in `column`, and makes the text one of names.
    pub fn add(&self, schema: &mut SchemaBuilder, column: ColumnId) -> Result<(), BindError> {
        let parent = format!("{}.k8s", self.name);
        schema.add(FieldSpec::new(&parent, Kind::Struct, Source::Parent).hidden(true))?;
        for (leaf, attribute) in MEMBERS {
            schema.add(member(format!("{parent}.{leaf}"), column, attribute))?;
        }
        if let Some(field) = self.text.and_then(|text| schema.field_mut(text)) {
            let name = Arc::new(NamedEndpoint(self.layout));
            field.source = Source::Named { from: self.raw, column, attribute: AddressAttribute::Label.id(), name };
        }
        Ok(())
    }
}

/// A hidden field with an attribute of the entries in `column`.
pub(super) fn member(name: String, column: ColumnId, attribute: AddressAttribute) -> FieldSpec {
    FieldSpec::new(name, attribute.kind(), Source::Dictionary { column, attribute: attribute.id() }).hidden(true)
}

fn offset(field: &Field) -> Option<u32> {
    match field.source {
        Source::Row { offset, .. } => Some(offset),
        _ => None,
    }
}

/// Where the address itself begins. Its field is a window over the whole endpoint by now, so its members say it, or that it is the first.
fn address_offset(schema: &SchemaBuilder, address: &Field, others: u32) -> Option<u32> {
    let members = schema.fields().iter().filter(|f| f.parent() == Some(&address.name)).filter_map(offset);
    members.min().or_else(|| offset(address).filter(|start| *start < others))
}

/// `p/<namespace>/<pod>:<port>` and the like.
struct NamedEndpoint(Layout);

impl Name for NamedEndpoint {
    fn name(&self, known: Value<'_>, raw: &[u8], out: &mut Vec<u8>) {
        match known {
            Value::Text(name) if !name.is_empty() => {
                out.extend_from_slice(name);
                match name {
                    b"r/" => Endpoint(self.0).decode(raw, out),
                    _ => Port(self.0).decode(raw, out),
                }
            }
            _ => Endpoint(self.0).decode(raw, out),
        }
    }
}
