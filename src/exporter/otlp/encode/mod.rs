//! Events as OTLP log records, written as protobuf straight from the batch into reused buffers.
//!
//! One log record per row. Records are grouped by container: each group becomes a `ResourceLogs` whose resource is the collector's plus
//! the container's attributes. [`LogEncoder::finish`] yields an `ExportLogsServiceRequest`; several of them concatenated are one.

mod plan;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::{Batch, Dictionary, GadgetIdentity, Schema, UNKNOWN_ENTRY, Value};
use crate::component::BindError;
use crate::kernel::clock;
use plan::Plan;

/// Resources kept encoded; containers come and go, so the cache starts anew when it is full.
const RESOURCES: usize = 1024;
/// Groups whose buffers are kept for the next chunk.
const GROUPS: usize = 64;

/// Resource attributes that the semantic conventions define as lists of strings.
const LISTS: [&str; 2] = ["container.image.tags", "container.image.repo_digests"];

/// What identifies a gadget besides name and version: attributes of the instrumentation scope.
pub(super) fn scope_attributes(gadget: &GadgetIdentity) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [
        ("gadgetry.gadget.instance", &gadget.instance),
        ("gadgetry.gadget.image", &gadget.image),
        ("gadgetry.gadget.digest", &gadget.digest),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, value.as_str()))
}

/// Records of one resource, waiting for the end of the chunk.
#[derive(Default)]
struct Group {
    /// The `resource` field of `ResourceLogs`.
    resource: Arc<[u8]>,
    /// `log_records` fields of `ScopeLogs`.
    records: Vec<u8>,
}

/// Encodes the rows of one data source. Belongs to one worker.
pub struct LogEncoder {
    plan: Plan,
    collector: Vec<(String, String)>,
    resources: HashMap<u32, Arc<[u8]>>,
    groups: Vec<Group>,
    used: usize,
    by_entry: HashMap<u32, usize>,
    last: Option<(u32, usize)>,
    records: u64,
    bytes: usize,
    record: Vec<u8>,
    scratch: Vec<u8>,
    repaired: Vec<u8>,
}

impl LogEncoder {
    /// Decides what of `schema` goes where. `collector` are the resource attributes of the collector itself.
    ///
    /// # Errors
    /// When the data source's `logs.*` annotations name a field that is not there or a severity that does not exist.
    pub fn bind(schema: &Arc<Schema>, collector: &[(String, String)]) -> Result<Self, BindError> {
        Ok(LogEncoder {
            plan: Plan::new(schema)?,
            collector: collector.to_vec(),
            resources: HashMap::new(),
            groups: Vec::new(),
            used: 0,
            by_entry: HashMap::new(),
            last: None,
            records: 0,
            bytes: 0,
            record: Vec::new(),
            scratch: Vec::new(),
            repaired: Vec::new(),
        })
    }

    /// Encodes one row of a batch that has the bound schema.
    pub fn add(&mut self, batch: &Batch, row: usize) {
        let group = self.group_of(batch, row);
        self.record.clear();
        self.encode(batch, row);
        if let Some(group) = self.groups.get_mut(group) {
            wire::bytes(&mut group.records, 2, &self.record);
        }
        self.bytes += wire::field_len(self.record.len());
        self.records += 1;
    }

    /// Bytes of the records encoded since the last [`LogEncoder::finish`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of records encoded since the last [`LogEncoder::finish`].
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Appends all of them to `out` as an `ExportLogsServiceRequest` and starts anew. Returns their number.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> u64 {
        for group in self.groups.iter_mut().take(self.used) {
            let scope_logs = self.plan.scope.len() + group.records.len();
            wire::prefix(out, 1, group.resource.len() + wire::field_len(scope_logs));
            out.extend_from_slice(&group.resource);
            wire::prefix(out, 2, scope_logs);
            out.extend_from_slice(&self.plan.scope);
            out.append(&mut group.records);
        }
        self.groups.truncate(GROUPS);
        self.used = 0;
        self.by_entry.clear();
        self.last = None;
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }

    fn encode(&mut self, batch: &Batch, row: usize) {
        let LogEncoder { plan, record, scratch, repaired, .. } = self;
        if let Some(time) = &plan.time
            && let Value::Uint(stamp) = batch.value(row, time.field, scratch)
        {
            wire::fixed64(record, 1, if time.boot { clock::boot_to_unix(stamp) } else { stamp });
        }
        wire::fixed64(record, 11, batch.observed());
        record.extend_from_slice(&plan.constant);
        if let Some(field) = plan.severity {
            let number = match batch.value(row, field, scratch) {
                Value::Int(n) => u64::try_from(n).unwrap_or(0),
                Value::Uint(n) => n,
                _ => 0,
            };
            record.push(wire::varint_tag(2));
            wire::varint(record, number.min(24));
        }
        if let Some(field) = plan.body {
            let value = wire::valid(batch.value(row, field, scratch), repaired);
            wire::prefix(record, 5, wire::any_len(value));
            wire::any(record, value);
        }
        for attribute in &plan.attributes {
            let value = wire::valid(batch.value(row, attribute.field, scratch), repaired);
            if value != Value::None {
                wire::attribute(record, 6, &attribute.key, value);
            }
        }
    }

    /// The group of the row's container.
    fn group_of(&mut self, batch: &Batch, row: usize) -> usize {
        let entry = self.plan.resource.as_ref().map_or(UNKNOWN_ENTRY, |r| batch.entry(row, r.column));
        if let Some((last, group)) = self.last
            && last == entry
        {
            return group;
        }
        let group = self.by_entry.get(&entry).copied().unwrap_or_else(|| self.open_group(batch, entry));
        self.last = Some((entry, group));
        group
    }

    fn open_group(&mut self, batch: &Batch, entry: u32) -> usize {
        let resource = self.resource(batch, entry);
        let index = self.used;
        self.used += 1;
        self.by_entry.insert(entry, index);
        self.bytes += resource.len();
        match self.groups.get_mut(index) {
            Some(group) => group.resource = resource,
            None => self.groups.push(Group { resource, records: Vec::new() }),
        }
        index
    }

    fn resource(&mut self, batch: &Batch, entry: u32) -> Arc<[u8]> {
        if let Some(known) = self.resources.get(&entry) {
            return known.clone();
        }
        if self.resources.len() >= RESOURCES {
            self.resources.clear();
        }
        let column = self.plan.resource.as_ref();
        let dictionary = column.and_then(|r| batch.column(r.column)).and_then(|c| c.dictionary.as_deref());
        let container = dictionary.map(|d| described(d, entry, column.map_or(&[], |r| &r.fields))).unwrap_or_default();
        let encoded: Arc<[u8]> = encode_resource(&self.collector, &container).into();
        // Without a dictionary nothing is known about the entry yet, so nothing is remembered.
        if dictionary.is_some() {
            self.resources.insert(entry, encoded.clone());
        }
        encoded
    }
}

/// An entry's attributes: in the words of the semantic conventions, or else under the names of the fields.
fn described(dictionary: &dyn Dictionary, entry: u32, fields: &[(String, u16)]) -> Vec<(String, String)> {
    let resource = dictionary.resource(entry);
    if !resource.is_empty() || entry == UNKNOWN_ENTRY {
        return resource.into_iter().map(|(key, value)| (key.into_owned(), value)).collect();
    }
    let texts = fields.iter().filter_map(|(name, attribute)| match dictionary.value(entry, *attribute) {
        Value::Text(text) if !text.is_empty() => Some((name.clone(), String::from_utf8_lossy(text).into_owned())),
        Value::Uint(n) => Some((name.clone(), n.to_string())),
        Value::Int(n) => Some((name.clone(), n.to_string())),
        Value::Bool(b) => Some((name.clone(), b.to_string())),
        _ => None,
    });
    texts.collect()
}

/// The `resource` field of `ResourceLogs`; of two attributes of one name the container's counts. A container that is a service of its own
/// does not have the version or namespace of ours.
fn encode_resource(collector: &[(String, String)], container: &[(String, String)]) -> Vec<u8> {
    let has = |key: &str| container.iter().any(|(other, _)| other == key);
    let theirs = |key: &str| has(key) || (key.starts_with("service.") && has("service.name"));
    let own = collector.iter().filter(|(key, _)| !theirs(key));
    let mut content = Vec::new();
    for (name, value) in own.chain(container) {
        let key = wire::key(name);
        match LISTS.contains(&name.as_str()) {
            true => wire::string_list(&mut content, 1, &key, value),
            false => wire::attribute(&mut content, 1, &key, Value::Text(value.as_bytes())),
        }
    }
    let mut out = Vec::new();
    wire::bytes(&mut out, 1, &content);
    out
}
