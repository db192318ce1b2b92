//! The services of the cluster: their addresses.

use std::sync::Arc;
use std::time::Instant;

use super::addresses::{Address, Addresses};
use super::objects::Service;
use super::seen::Seen;
use super::watch::Store;

/// Puts services into the addresses.
pub(super) struct Sink {
    addresses: Arc<Addresses>,
    seen: Seen,
}

impl Sink {
    pub fn new(addresses: Arc<Addresses>) -> Self {
        Sink { addresses, seen: Seen::default() }
    }
}

impl Store for Sink {
    type Object = Service;

    fn begin(&mut self) {
        self.seen.begin();
    }

    fn put(&mut self, service: Service) {
        let addresses = service.addresses();
        let Service { metadata, spec, .. } = service;
        if self.seen.put(&metadata.uid) {
            let (namespace, name, labels) = (metadata.namespace, metadata.name, metadata.labels);
            self.addresses.put(&metadata.uid, addresses, Address::Service { namespace, name, labels, selector: spec.selector });
        }
    }

    fn remove(&mut self, service: Service) {
        self.seen.remove(&service.metadata.uid);
        self.addresses.remove(&service.metadata.uid, Instant::now());
    }

    fn complete(&mut self) {
        self.seen.complete().iter().for_each(|gone| self.addresses.remove(gone, Instant::now()));
    }
}
