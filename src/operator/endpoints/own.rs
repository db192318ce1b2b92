//! The addresses of the pods that events come from: `k8s.podIP` and `k8s.hostIP`, for data sources that ask for them.

use std::sync::Arc;

use super::fields::member;
use crate::batch::{Batch, ColumnId, Dictionary, SchemaBuilder, Source, UNKNOWN_ENTRY, Value};
use crate::component::BindError;
use crate::kubernetes::{AddressAttribute, Directory};

const ENABLE: &str = "kubenameresolver.enable";
const SLOTS: usize = 256;

/// See the module.
pub(super) struct OwnPod {
    /// The column of the enricher, and the attributes of it that name a pod.
    containers: ColumnId,
    namespace: u16,
    name: u16,
    column: ColumnId,
    /// Entries of containers and what was found for them, by the low bits of the former.
    cache: Vec<(u32, u32)>,
    generation: Option<u64>,
    key: String,
}

impl OwnPod {
    /// `None` when the data source does not ask, or does not know pods.
    pub fn bind(schema: &mut SchemaBuilder) -> Result<Option<Self>, BindError> {
        let asks = schema.annotations().get(ENABLE).is_some_and(|value| value == "true");
        let attribute = |name: &str| match schema.find(name).and_then(|id| schema.field(id)).map(|f| &f.source) {
            Some(Source::Dictionary { column, attribute }) => Some((*column, *attribute)),
            _ => None,
        };
        let (Some((containers, namespace)), Some((_, name)), true) = (attribute("k8s.namespace"), attribute("k8s.podName"), asks) else {
            return Ok(None);
        };
        let column = schema.add_detail_column();
        schema.add(member("k8s.hostIP".to_owned(), column, AddressAttribute::HostIp))?;
        schema.add(member("k8s.podIP".to_owned(), column, AddressAttribute::PodIp))?;
        Ok(Some(OwnPod { containers, namespace, name, column, cache: Vec::new(), generation: None, key: String::new() }))
    }

    pub fn process(&mut self, batch: &mut Batch, directory: &Arc<Directory>) {
        if self.generation.replace(directory.generation()) != Some(directory.generation()) {
            self.cache.clear();
            self.cache.resize(SLOTS, (UNKNOWN_ENTRY, UNKNOWN_ENTRY));
        }
        let Some(containers) = batch.column(self.containers).and_then(|column| column.dictionary.clone()) else { return };
        super::fill(batch, self.column, directory, |batch, row| self.entry(batch.entry(row, self.containers), &*containers, directory));
    }

    fn entry(&mut self, container: u32, containers: &dyn Dictionary, directory: &Directory) -> u32 {
        match self.cache.get(container as usize % SLOTS) {
            Some((known, entry)) if *known == container => *entry,
            _ => {
                let entry = self.look_up(container, containers, directory);
                if let Some(slot) = self.cache.get_mut(container as usize % SLOTS) {
                    *slot = (container, entry);
                }
                entry
            }
        }
    }

    fn look_up(&mut self, container: u32, containers: &dyn Dictionary, directory: &Directory) -> u32 {
        self.key.clear();
        for attribute in [self.namespace, self.name] {
            let Value::Text(text) = containers.value(container, attribute) else { return UNKNOWN_ENTRY };
            let Ok(text) = std::str::from_utf8(text) else { return UNKNOWN_ENTRY };
            if !self.key.is_empty() {
                self.key.push('/');
            }
            self.key.push_str(text);
        }
        directory.by_pod(&self.key).unwrap_or(UNKNOWN_ENTRY)
    }
}
