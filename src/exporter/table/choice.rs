//! Which fields become columns.

use std::convert::Infallible;
use std::str::FromStr;

use crate::batch::{Field, FieldId, Kind, Schema};
use crate::component::BindError;

/// A choice of fields, by full name or by title: `a,b` exactly these in this order, `+a,-b` the visible ones and `a`, without `b`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldChoice {
    exactly: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl FromStr for FieldChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut choice = FieldChoice::default();
        for term in text.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            match (term.strip_prefix('+'), term.strip_prefix('-')) {
                (Some(name), _) => choice.added.push(name.to_owned()),
                (_, Some(name)) => choice.removed.push(name.to_owned()),
                _ => choice.exactly.push(term.to_owned()),
            }
        }
        Ok(choice)
    }
}

impl FieldChoice {
    /// The fields in the order in which they are shown.
    ///
    /// # Errors
    /// When one of the choice does not exist.
    pub fn fields(&self, schema: &Schema) -> Result<Vec<FieldId>, BindError> {
        let find_all = |names: &[String]| names.iter().map(|name| find(schema, name)).collect::<Result<Vec<_>, _>>();
        let mut fields = if self.exactly.is_empty() { visible(schema) } else { find_all(&self.exactly)? };
        for id in find_all(&self.added)? {
            if !fields.contains(&id) {
                fields.push(id);
            }
        }
        let removed = find_all(&self.removed)?;
        fields.retain(|id| !removed.contains(id));
        Ok(fields)
    }
}

fn find(schema: &Schema, name: &str) -> Result<FieldId, BindError> {
    let alias = |field: &Field| field.annotations.get("columns.alias").is_some_and(|alias| alias.eq_ignore_ascii_case(name));
    let by_alias = || schema.iter().find(|(_, field)| alias(field)).map(|(id, _)| id);
    schema.find(name).or_else(by_alias).ok_or_else(|| BindError::unknown_field(schema, name))
}

/// The fields that are not hidden, in their order.
fn visible(schema: &Schema) -> Vec<FieldId> {
    let shown = |f: &Field| !f.hidden && (f.kind != Kind::Struct || f.annotations.contains_key("columns.replace"));
    let mut fields: Vec<_> = schema.iter().filter(|(_, f)| shown(f)).map(|(id, f)| (f.order, id)).collect();
    fields.sort_by_key(|(order, _)| *order);
    fields.into_iter().map(|(_, id)| id).collect()
}
