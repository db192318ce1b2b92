//! Network endpoints: `addr`, `proto` and `endpoint` beside the raw members of `gadget_l3endpoint_t` and `gadget_l4endpoint_t`.

use std::sync::Arc;

use crate::batch::{Decode, Field, FieldId, FieldSpec, Kind, SchemaBuilder, Source};
use crate::component::BindError;
use crate::decoder::endpoint::{Address, Endpoint, Layout, Protocol};

const TYPES: [&str; 2] = ["gadget_l3endpoint_t", "gadget_l4endpoint_t"];

/// Adds the text members of every endpoint of `schema`.
pub(super) fn bind(schema: &mut SchemaBuilder) -> Result<(), BindError> {
    let parents: Vec<_> = schema.iter().filter(|(_, f)| TYPES.iter().any(|t| f.has_type(t))).map(|(id, _)| id).collect();
    for parent in parents {
        if let Some(found) = Found::search(schema, parent) {
            found.add(schema)?;
        }
    }
    Ok(())
}

/// Where the members of one endpoint are.
struct Found {
    parent: FieldId,
    name: String,
    order: i32,
    l4: bool,
    address: FieldId,
    address_name: String,
    proto: Option<FieldId>,
    start: u32,
    end: u32,
    layout: Layout,
}

impl Found {
    fn search(schema: &SchemaBuilder, parent: FieldId) -> Option<Found> {
        let field = schema.field(parent)?;
        let child = |leaf: &str| schema.find(&format!("{}.{leaf}", field.name)).and_then(|id| schema.field(id));
        let mut children = schema.iter().filter(|(_, f)| f.parent() == Some(&field.name));
        let (address, address_field) = children.find(|(_, f)| f.has_type("gadget_ip_addr_t") || f.leaf() == "addr_raw")?;
        let (address_at, _) = span(schema, address_field)?;
        let (version_at, version_end) = span(schema, child("version")?)?;
        let port = child("port").and_then(|f| span(schema, f));
        let start = address_at.min(version_at).min(port.map_or(u32::MAX, |(at, _)| at));
        let end = version_end.max(address_at + 16).max(port.map_or(0, |(_, end)| end));
        let relative = |at: u32| (at - start) as usize;
        let layout = Layout { address: relative(address_at), version: relative(version_at), port: port.map(|(at, _)| relative(at)) };
        Some(Found {
            parent,
            name: field.name.clone(),
            order: field.order,
            l4: field.has_type("gadget_l4endpoint_t"),
            address,
            address_name: address_name(address_field.leaf()).to_owned(),
            proto: schema.find(&format!("{}.proto_raw", field.name)),
            start,
            end,
            layout,
        })
    }

    fn add(self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        if let Some(taken) = self.texts().find(|name| schema.fields().iter().any(|f| f.name == *name)) {
            tracing::warn!(field = self.name, taken, "endpoint has a member where its text belongs, it is shown as it is");
            return Ok(());
        }
        super::hide_below(schema, &self.name);
        self.make_raw(schema);
        let address = self.text(schema, &self.address_name, self.address, Arc::new(Address(self.layout)), |_| {})?;
        let mut shown = address;
        if self.l4 {
            if let Some(proto) = self.proto {
                self.text(schema, "proto", proto, Arc::new(Protocol), |_| {})?;
            }
            shown = self.text(schema, "endpoint", self.address, Arc::new(Endpoint(self.layout)), |field| {
                field.json_skip = true;
                field.tags.push("endpoint".to_owned());
            })?;
        }
        if let Some(parent) = schema.field_mut(self.parent) {
            parent.annotations.entry("columns.replace".to_owned()).or_insert(shown);
        }
        Ok(())
    }

    /// Full names of what is added.
    fn texts(&self) -> impl Iterator<Item = String> {
        let proto = self.proto.filter(|_| self.l4).map(|_| "proto");
        let endpoint = self.l4.then_some("endpoint");
        [Some(self.address_name.as_str()), proto, endpoint].into_iter().flatten().map(|leaf| format!("{}.{leaf}", self.name))
    }

    /// Turns the raw address into a window over the whole endpoint, out of JSON and of the columns, for the decoders to read.
    fn make_raw(&self, schema: &mut SchemaBuilder) {
        let Some(field) = schema.field_mut(self.address) else { return };
        field.source = Source::Row { offset: self.start, size: self.end - self.start };
        field.kind = Kind::Bytes;
        field.json_skip = true;
        let name = field.name.clone();
        let below: Vec<_> = schema.iter().filter(|(_, f)| super::is_below(&f.name, &name)).map(|(id, _)| id).collect();
        for id in below {
            if let Some(field) = schema.field_mut(id) {
                field.json_skip = true;
            }
        }
    }

    fn text(
        &self,
        schema: &mut SchemaBuilder,
        leaf: &str,
        from: FieldId,
        decoder: Arc<dyn Decode>,
        change: impl FnOnce(&mut FieldSpec),
    ) -> Result<String, BindError> {
        let name = format!("{}.{leaf}", self.name);
        let mut field = FieldSpec::new(&name, Kind::Text, Source::Decoded { from, decoder }).hidden(true).order(self.order);
        change(&mut field);
        schema.add(field)?;
        Ok(name)
    }
}

/// Name of the text of an address.
fn address_name(leaf: &str) -> &str {
    match leaf.strip_suffix("_raw") {
        Some(name) if !name.is_empty() => name,
        _ => "addr",
    }
}

/// First byte and end of a field in the row, by its own window or those of its children.
fn span(schema: &SchemaBuilder, field: &Field) -> Option<(u32, u32)> {
    if let Source::Row { offset, size } = field.source {
        return Some((offset, offset.checked_add(size)?));
    }
    let children = schema.fields().iter().filter(|f| f.parent() == Some(&field.name));
    let spans = children.filter_map(|f| match f.source {
        Source::Row { offset, size } => Some((offset, offset.checked_add(size)?)),
        _ => None,
    });
    spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}
