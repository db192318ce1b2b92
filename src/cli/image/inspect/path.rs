//! JSONPaths of `--jsonpath`.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::cli::exit::Failure;

/// A JSONPath.
pub(super) struct Path {
    text: String,
    path: JsonPath,
}

impl Path {
    /// Reads one; the leading `$` may be missing.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let full = if text.starts_with('$') { text.to_owned() } else { format!("${text}") };
        let path = JsonPath::parse(&full).map_err(|error| Failure::Usage(format!("read --jsonpath {text:?}: {error}")))?;
        Ok(Path { text: full, path })
    }

    /// What it finds: the value itself if the path can mean only one, else a list.
    pub(super) fn find(&self, value: &Value) -> Result<Value, Failure> {
        let mut found: Vec<Value> = self.path.query(value).all().into_iter().cloned().collect();
        if !is_singular(&self.text) {
            return Ok(Value::Array(found));
        }
        found.pop().ok_or_else(|| Failure::RunTime(format!("there is nothing at {}", self.text).into()))
    }
}

/// Whether a path has nothing in it that could find several values: wildcards, descents, slices, lists, filters.
pub(super) fn is_singular(path: &str) -> bool {
    let (mut quote, mut escaped, mut last) = (None, false, ' ');
    for c in path.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if matches!(c, '*' | '?' | ':' | ',') || (c == '.' && last == '.') => return false,
            None => {}
        }
        last = if quote.is_some() { ' ' } else { c };
    }
    true
}
