//! What of a schema goes where in a log record: decided once, when the exporter binds.
//!
//! * time: the first field of type `gadget_timestamp`, which with the text made of it is no attribute any more.
//! * attributes: every field that JSON shows, under its full name, hidden ones too; but not the hidden raw twin of a decoded field, and not
//!   the container fields, which become the resource. If fields have the annotation `logs.name`, only those, under that name (as upstream).
//! * severity, body, event name: annotations `logs.severity` (1 to 24, else INFO), `logs.body` (a field's name), `logs.name`
//!   of the data source; or the int and text fields whose `logs.name` is `severity` and `body`.

use super::wire;
use crate::batch::{ColumnId, Field, FieldId, Kind, Schema, Source};
use crate::component::BindError;

/// SEVERITY_NUMBER_INFO.
const INFO: u8 = 9;

pub(super) struct Plan {
    pub(super) time: Option<Time>,
    /// Fields of the record that are the same for each: event name and, unless it is read from a field, severity.
    pub(super) constant: Vec<u8>,
    pub(super) severity: Option<FieldId>,
    pub(super) body: Option<FieldId>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) resource: Option<ResourceColumn>,
    /// The `scope` field of `ScopeLogs`.
    pub(super) scope: Vec<u8>,
}

pub(super) struct Time {
    pub(super) field: FieldId,
    /// Whether it is still in boot time.
    pub(super) boot: bool,
}

pub(super) struct Attribute {
    pub(super) field: FieldId,
    pub(super) key: Box<[u8]>,
}

/// The derived column whose entries become resources.
pub(super) struct ResourceColumn {
    pub(super) column: ColumnId,
    /// Its fields, for dictionaries that do not know semantic conventions.
    pub(super) fields: Vec<(String, u16)>,
}

impl Plan {
    pub(super) fn new(schema: &Schema) -> Result<Self, BindError> {
        let time = time(schema);
        let resource = resource(schema);
        let body = body(schema)?;
        let severity = named(schema, "severity");
        Ok(Plan {
            constant: constant(schema, severity)?,
            attributes: attributes(schema, time.as_ref().map(|t| t.field), resource.as_ref().map(|r| r.column), body),
            scope: scope(schema),
            time,
            severity,
            body,
            resource,
        })
    }
}

fn time(schema: &Schema) -> Option<Time> {
    let stamps =
        schema.iter().find(|(_, f)| f.has_type("gadget_timestamp") && matches!(f.source, Source::BootTime { .. } | Source::Row { .. }));
    let (field, spec) = stamps.or_else(|| schema.iter().find(|(_, f)| matches!(f.source, Source::BootTime { .. })))?;
    Some(Time { field, boot: matches!(spec.source, Source::Row { .. }) })
}

fn resource(schema: &Schema) -> Option<ResourceColumn> {
    let mut columns = schema.fields().iter().filter_map(dictionary).map(|(column, _)| column);
    let column = columns.find(|column| !schema.is_detail(*column))?;
    let fields = schema.fields().iter().filter_map(|f| match dictionary(f) {
        Some((c, attribute)) if c == column => Some((f.name.clone(), attribute)),
        _ => None,
    });
    Some(ResourceColumn { column, fields: fields.collect() })
}

fn dictionary(field: &Field) -> Option<(ColumnId, u16)> {
    match field.source {
        Source::Dictionary { column, attribute } => Some((column, attribute)),
        _ => None,
    }
}

/// The field whose annotation `logs.name` gives it a role.
fn named(schema: &Schema, role: &str) -> Option<FieldId> {
    schema.iter().find(|(_, f)| f.annotations.get("logs.name").is_some_and(|n| n == role)).map(|(id, _)| id)
}

fn body(schema: &Schema) -> Result<Option<FieldId>, BindError> {
    let Some(text) = schema.annotations().get("logs.body") else { return Ok(named(schema, "body")) };
    if let Some(field) = schema.find(text) {
        return Ok(Some(field));
    }
    if text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
        return Err(BindError::unknown_field(schema, text));
    }
    tracing::warn!(source = schema.name(), body = text, "logs.body is an expression, which is not supported yet: records have no body");
    Ok(None)
}

fn constant(schema: &Schema, severity: Option<FieldId>) -> Result<Vec<u8>, BindError> {
    let mut out = Vec::new();
    if severity.is_none() {
        let number = match schema.annotations().get("logs.severity") {
            None => INFO,
            Some(text) => text.parse().ok().filter(|n| (1..=24).contains(n)).ok_or_else(|| {
                BindError::Invalid(format!(
                    "annotation logs.severity of data source {:?} is {text:?}, not a number from 1 to 24",
                    schema.name()
                ))
            })?,
        };
        out.extend_from_slice(&[wire::varint_tag(2), number]);
        wire::bytes(&mut out, 3, severity_text(number).as_bytes());
    }
    let event = schema.annotations().get("logs.name").cloned().unwrap_or_else(|| format!("gadgetry.{}", schema.name()));
    wire::bytes(&mut out, 12, event.as_bytes());
    Ok(out)
}

fn severity_text(number: u8) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        _ => "FATAL",
    }
}

fn attributes(schema: &Schema, time: Option<FieldId>, resource: Option<ColumnId>, body: Option<FieldId>) -> Vec<Attribute> {
    let renamed = |f: &Field| f.annotations.get("logs.name").filter(|n| !["severity", "body", "timestamp"].contains(&n.as_str())).cloned();
    let chosen = named(schema, "body").is_some() || schema.fields().iter().any(|f| renamed(f).is_some());
    let wanted = schema.iter().filter(|(id, f)| {
        let elsewhere = Some(*id) == time || Some(*id) == body || dictionary(f).is_some_and(|(column, _)| Some(column) == resource);
        let of_time = matches!(f.source, Source::Decoded { from, .. } if Some(from) == time);
        let empty = matches!(f.source, Source::Parent) || f.kind == Kind::Struct;
        let raw_twin = f.hidden && is_decoded(schema, *id);
        let skipped = elsewhere || of_time || empty || raw_twin || f.json_skip;
        !skipped
    });
    let keyed = wanted.filter_map(|(field, f)| match (chosen, renamed(f)) {
        (_, Some(name)) => Some((field, name)),
        (true, None) => None,
        (false, None) => Some((field, f.name.clone())),
    });
    keyed.map(|(field, name)| Attribute { field, key: wire::key(&name) }).collect()
}

fn is_decoded(schema: &Schema, id: FieldId) -> bool {
    schema.fields().iter().any(|f| matches!(f.source, Source::Decoded { from, .. } if from == id))
}

fn scope(schema: &Schema) -> Vec<u8> {
    use crate::batch::Value;
    let gadget = schema.gadget();
    let mut scope = Vec::new();
    wire::bytes(&mut scope, 1, gadget.scope().as_bytes());
    if !gadget.version.is_empty() {
        wire::bytes(&mut scope, 2, gadget.version.as_bytes());
    }
    for (key, value) in super::scope_attributes(gadget) {
        wire::attribute(&mut scope, 3, &wire::key(key), Value::Text(value.as_bytes()));
    }
    let mut out = Vec::new();
    wire::bytes(&mut out, 1, &scope);
    out
}
