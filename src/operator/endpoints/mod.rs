//! Names of network endpoints: which pod or service of Kubernetes an address is.
//!
//! Every endpoint gets hidden members below `k8s`, and its text becomes `p/<namespace>/<pod>:<port>`, `s/<namespace>/<service>:<port>` or
//! `r/<address>:<port>`. With the annotation `kubenameresolver.enable` a data source gets the addresses of its own pods, too.

mod cache;
mod fields;
mod own;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use cache::Cache;
use fields::Found;
use own::OwnPod;

use crate::batch::{Batch, ColumnId, FieldId, SchemaBuilder};
use crate::component::{BindError, Operator};
use crate::decoder::endpoint::Layout;
use crate::kubernetes::{Addresses, Directory, HOST};

/// See the module. Binds behind the formatter and the enricher, whose fields it reads.
pub struct Endpoints {
    addresses: Arc<Addresses>,
    bound: Vec<Bound>,
    own: Option<OwnPod>,
}

/// One endpoint of the data source.
struct Bound {
    raw: FieldId,
    layout: Layout,
    column: ColumnId,
    cache: Cache,
}

impl Endpoints {
    /// An operator that names endpoints by what `addresses` knows at the time.
    pub fn new(addresses: Arc<Addresses>) -> Self {
        Endpoints { addresses, bound: Vec::new(), own: None }
    }
}

impl Operator for Endpoints {
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        self.bound.clear();
        for found in Found::all(schema) {
            let column = schema.add_detail_column();
            found.add(schema, column)?;
            self.bound.push(Bound { raw: found.raw, layout: found.layout, column, cache: Cache::default() });
        }
        self.own = OwnPod::bind(schema)?;
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch) {
        if self.bound.is_empty() && self.own.is_none() {
            return;
        }
        let directory = self.addresses.directory();
        for bound in &mut self.bound {
            bound.process(batch, &directory);
        }
        if let Some(own) = &mut self.own {
            own.process(batch, &directory);
        }
    }
}

impl Bound {
    fn process(&mut self, batch: &mut Batch, directory: &Arc<Directory>) {
        self.cache.begin(directory.generation());
        let schema = batch.schema().clone();
        let Some(field) = schema.field(self.raw) else { return };
        fill(batch, self.column, directory, |batch, row| match self.layout.ip(field.window(batch.row(row))) {
            Some(address) => self.cache.get(address, |address| directory.by_address(address)),
            None => HOST,
        });
    }
}

/// Fills a column with what `entry` gives for each row.
fn fill(batch: &mut Batch, column: ColumnId, directory: &Arc<Directory>, mut entry: impl FnMut(&Batch, usize) -> u32) {
    let Some(filled) = batch.column_mut(column) else { return };
    let mut entries = std::mem::take(&mut filled.entries);
    entries.clear();
    entries.reserve(batch.len());
    for row in 0..batch.len() {
        entries.push(entry(batch, row));
    }
    if let Some(filled) = batch.column_mut(column) {
        filled.entries = entries;
        filled.dictionary = Some(directory.clone());
    }
}
