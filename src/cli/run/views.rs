//! `--output` and `--fields`: how each data source is shown.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::Schema;
use crate::cli::exit::Failure;
use crate::component::nearest;
use crate::exporter::table::FieldChoice;
use crate::exporter::terminal::{Mode, View};

/// The views by data source, and what is not shown and why.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub views: HashMap<String, View>,
    pub warnings: Vec<String>,
}

/// Works the two flags out for the data sources of a gadget. Of several sources one that cannot be shown as asked is left out with a
/// warning, as upstream; when nothing would be left that is an error.
pub(super) fn choose(output: Option<&str>, fields: Option<&str>, schemas: &[Arc<Schema>]) -> Result<Views, Failure> {
    let output = output.map(|text| PerSource::parse(text, ',')).unwrap_or_default();
    let fields = fields.map(|text| PerSource::parse(text, ';')).unwrap_or_default();
    output.check("output", schemas)?;
    fields.check("fields", schemas)?;
    let mut chosen = Views::default();
    for schema in schemas {
        match view(output.of(schema.name()), fields.of(schema.name()), schema) {
            Ok(view) => _ = chosen.views.insert(schema.name().to_owned(), view),
            Err(reason) => chosen.warnings.push(format!("data source {:?} is not shown: {reason}", schema.name())),
        }
    }
    if chosen.views.is_empty() && !chosen.warnings.is_empty() {
        return Err(Failure::Usage(chosen.warnings.join("; ")));
    }
    Ok(chosen)
}

fn view(output: Option<&str>, fields: Option<&str>, schema: &Schema) -> Result<View, String> {
    let mode = Mode::of(schema.annotations(), output).map_err(|error| error.to_string())?;
    let fields: FieldChoice = fields.unwrap_or_default().parse().unwrap_or_default();
    if mode == Mode::Columns {
        fields.fields(schema).map_err(|error| error.to_string())?;
    }
    Ok(View { mode, fields })
}

/// A value for all data sources, or one per data source.
#[derive(Default)]
struct PerSource<'t> {
    all: Option<&'t str>,
    each: Vec<(&'t str, &'t str)>,
}

impl<'t> PerSource<'t> {
    fn parse(text: &'t str, separator: char) -> Self {
        let mut parsed = PerSource::default();
        for part in text.split(separator).filter(|part| !part.trim().is_empty()) {
            match part.split_once(':') {
                Some((source, value)) => parsed.each.push((source.trim(), value.trim())),
                None => parsed.all = Some(part.trim()),
            }
        }
        parsed
    }

    fn of(&self, source: &str) -> Option<&'t str> {
        let own = self.each.iter().find(|(name, _)| *name == source).map(|(_, value)| *value);
        own.or(self.all)
    }

    fn check(&self, flag: &str, schemas: &[Arc<Schema>]) -> Result<(), Failure> {
        let known = || schemas.iter().map(|schema| schema.name());
        let Some((unknown, _)) = self.each.iter().find(|(name, _)| !known().any(|k| k == *name)) else { return Ok(()) };
        let hint = nearest(unknown, known()).map(|name| format!(", did you mean {name:?}?")).unwrap_or_default();
        let all: Vec<&str> = known().collect();
        Err(Failure::Usage(format!("--{flag} names data source {unknown:?}{hint}; there are: {}", all.join(", "))))
    }
}
