//! Formatting, always the first operator: fields of special types get a sibling with their text.
//!
//! The text is made when somebody reads it: a value that nobody exports is never formatted.

mod endpoints;
mod rules;
mod stacks;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;

use crate::batch::{Batch, FieldId, FieldSpec, Kind, SchemaBuilder, Source};
use crate::component::{BindError, Operator};
use crate::decoder::names::Names;
use rules::{RULES, Rule, Shared};
use stacks::Maps;

/// Adds the text of special types: `error` beside `error_raw`, `user` beside `uid`, and so on.
pub struct Format {
    shared: Shared,
    names_used: bool,
    maps: Maps,
}

impl Default for Format {
    fn default() -> Self {
        Format::new()
    }
}

impl Format {
    /// A formatter with the names of this machine's users and groups, for a gadget that is not loaded: texts of stacks are empty.
    pub fn new() -> Self {
        Format { shared: Shared { names: Names::of_machine() }, names_used: false, maps: Maps::default() }
    }

    /// The same for a gadget that is loaded. `map` gives a descriptor of its map of that name: that is where the addresses of stacks are.
    pub fn with_maps(map: &dyn Fn(&str) -> Option<OwnedFd>) -> Self {
        Format { maps: Maps::of(map), ..Format::new() }
    }

    fn attach(&mut self, schema: &mut SchemaBuilder, rule: &Rule, source: FieldId) -> Result<(), BindError> {
        let Some(field) = schema.field(source) else { return Ok(()) };
        let Some(decoder) = (rule.decoder)(&self.shared, field) else { return Ok(()) };
        let Some(target) = rule.target(field) else {
            tracing::debug!(field = field.name, r#type = rule.type_name, "field has no target for its text");
            return Ok(());
        };
        let name = sibling(field, target);
        if is_made_already(schema, &name, source) {
            hide(schema, source);
            return Ok(());
        }
        if rule.fallback.is_none() && schema.fields().iter().any(|f| f.name == name) {
            tracing::warn!(field = field.name, target = name, "there is a field where the text of this one belongs, it is shown as it is");
            return Ok(());
        }
        let mut added = FieldSpec::new(name, Kind::Text, Source::Decoded { from: source, decoder }).order(field.order);
        added.annotate(rule.annotations());
        schema.add(added)?;
        self.names_used |= rule.fallback.is_some();
        hide(schema, source);
        Ok(())
    }
}

/// Full name of a field beside `field`.
fn sibling(field: &FieldSpec, leaf: &str) -> String {
    field.parent().map_or_else(|| leaf.to_owned(), |parent| format!("{parent}.{leaf}"))
}

impl Operator for Format {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        for rule in &RULES {
            for source in sources(schema, rule) {
                prepare(schema, rule, source);
                self.attach(schema, rule, source)?;
            }
        }
        endpoints::bind(schema)?;
        self.maps.bind(schema)
    }

    fn process(&mut self, _batch: &mut Batch) {
        if let (true, Some((users, groups))) = (self.names_used, &self.shared.names) {
            users.refresh();
            groups.refresh();
        }
    }
}

fn sources(schema: &SchemaBuilder, rule: &Rule) -> Vec<FieldId> {
    let in_row =
        |source: &Source| matches!(source, Source::Row { .. } | Source::Bits { .. } | Source::Tail { .. } | Source::BootTime { .. });
    let wanted = |f: &FieldSpec| f.has_type(rule.type_name) && (rule.accepts)(f.kind) && in_row(&f.source);
    schema.iter().filter(|(_, f)| wanted(f)).map(|(id, _)| id).collect()
}

/// Whether whoever made the schema has added the text itself.
fn is_made_already(schema: &SchemaBuilder, name: &str, source: FieldId) -> bool {
    schema.fields().iter().any(|f| f.name == name && matches!(f.source, Source::Decoded { from, .. } if from == source))
}

/// Numbers of the boot-time clock read as wall time from here on; the bytes of an argument vector are nothing for JSON.
fn prepare(schema: &mut SchemaBuilder, rule: &Rule, source: FieldId) {
    let Some(field) = schema.field_mut(source) else { return };
    match rule.type_name {
        "gadget_timestamp" => {
            if let Source::Row { offset, .. } = field.source {
                field.source = Source::BootTime { offset };
                field.kind = Kind::Uint(8);
            }
        }
        "gadget_tail_args" => field.json_skip = true,
        _ => {}
    }
}

/// Hides a field whose text is shown instead, and what is below it. An explicit `columns.hidden` decides for the field itself.
fn hide(schema: &mut SchemaBuilder, source: FieldId) {
    let Some(field) = schema.field_mut(source) else { return };
    if !field.annotations.contains_key("columns.hidden") {
        field.hidden = true;
    }
    let name = field.name.clone();
    hide_below(schema, &name);
}

fn hide_below(schema: &mut SchemaBuilder, parent: &str) {
    let below: Vec<_> = schema.iter().filter(|(_, f)| is_below(&f.name, parent)).map(|(id, _)| id).collect();
    for id in below {
        if let Some(field) = schema.field_mut(id) {
            field.hidden = true;
        }
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}
