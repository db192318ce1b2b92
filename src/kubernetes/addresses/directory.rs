//! Who has which address at one moment: immutable, shared, and the dictionary of the columns that name endpoints.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::batch::{Dictionary, Kind, UNKNOWN_ENTRY, Value};

/// The entry of an address that nobody in the cluster is known to have.
pub const RAW: u32 = 1;
/// The entry of an address of the host, which its pods share: it is nobody's.
pub const HOST: u32 = UNKNOWN_ENTRY;
/// The first entry of a pod or service.
pub(super) const FIRST: u32 = 2;

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A pod with a network of its own.
    Pod(NamedPod),
    /// A pod in the host's network: its address is the host's.
    HostPod(NamedPod),
    /// A service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// The labels of the pods behind it.
        selector: BTreeMap<String, String>,
    },
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Address of its node; empty when unknown.
    pub host_ip: String,
}

/// What there is to know of an entry. The numbers are what [`Dictionary::value`] takes and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum AddressAttribute {
    /// `pod`, `svc` or `raw`.
    Kind = 0,
    /// Name of the pod or service.
    Name = 1,
    /// Its namespace.
    Namespace = 2,
    /// Its labels as `k=v,k=v`.
    Labels = 3,
    /// Of a service: the labels of its pods, in the same form.
    PodSelector = 4,
    /// `p/<namespace>/<name>`, `s/<namespace>/<name>` or `r/`.
    Label = 5,
    /// Of a pod: the first of its addresses.
    PodIp = 6,
    /// Of a pod: the address of its node.
    HostIp = 7,
}

impl AddressAttribute {
    const ALL: [AddressAttribute; 8] = [
        AddressAttribute::Kind,
        AddressAttribute::Name,
        AddressAttribute::Namespace,
        AddressAttribute::Labels,
        AddressAttribute::PodSelector,
        AddressAttribute::Label,
        AddressAttribute::PodIp,
        AddressAttribute::HostIp,
    ];

    /// The number a dictionary takes.
    pub fn id(self) -> u16 {
        self as u16
    }

    /// The type of its values.
    pub fn kind(self) -> Kind {
        Kind::Text
    }
}

/// A pod or service as texts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    addresses: Vec<IpAddr>,
    kind: &'static str,
    namespace: String,
    name: String,
    labels: String,
    selector: String,
    label: String,
    pod_ip: String,
    host_ip: String,
}

impl Record {
    pub fn new(addresses: Vec<IpAddr>, of: Address) -> Self {
        let pod_ip = |addresses: &[IpAddr]| addresses.first().map(ToString::to_string).unwrap_or_default();
        let (kind, pod, selector, pod_ip) = match of {
            Address::Pod(pod) => ("pod", pod, BTreeMap::new(), pod_ip(&addresses)),
            Address::HostPod(pod) => ("", pod, BTreeMap::new(), pod_ip(&addresses)),
            Address::Service { namespace, name, labels, selector } => {
                ("svc", NamedPod { namespace, name, labels, host_ip: String::new() }, selector, String::new())
            }
        };
        let NamedPod { namespace, name, labels, host_ip } = pod;
        let label = kind.get(..1).map(|letter| format!("{letter}/{namespace}/{name}")).unwrap_or_default();
        Record { addresses, kind, labels: pairs(&labels), selector: pairs(&selector), label, namespace, name, pod_ip, host_ip }
    }

    fn text(&self, attribute: AddressAttribute) -> &str {
        match attribute {
            AddressAttribute::Kind => self.kind,
            AddressAttribute::Name => &self.name,
            AddressAttribute::Namespace => &self.namespace,
            AddressAttribute::Labels => &self.labels,
            AddressAttribute::PodSelector => &self.selector,
            AddressAttribute::Label => &self.label,
            AddressAttribute::PodIp => &self.pod_ip,
            AddressAttribute::HostIp => &self.host_ip,
        }
    }
}

fn pairs(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}

/// See the module.
#[derive(Debug, Default)]
pub struct Directory {
    generation: u64,
    records: HashMap<u32, Arc<Record>>,
    addresses: HashMap<IpAddr, u32>,
    /// Pods by `namespace/name`, once somebody asks.
    pods: OnceLock<HashMap<String, u32>>,
}

impl Directory {
    /// Of two records with one address the later one has it.
    pub(super) fn new<'a>(generation: u64, rows: impl Iterator<Item = (u32, &'a Arc<Record>)>) -> Self {
        let mut directory = Directory { generation, ..Directory::default() };
        for (number, record) in rows {
            let host = record.kind.is_empty();
            for address in &record.addresses {
                directory.addresses.insert(*address, if host { HOST } else { number });
            }
            directory.records.insert(number, record.clone());
        }
        directory
    }

    /// Grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The entry of an address: [`RAW`] when nobody is known to have it, [`HOST`] when pods of a host's network have.
    pub fn by_address(&self, address: IpAddr) -> u32 {
        self.addresses.get(&address).copied().unwrap_or(RAW)
    }

    /// The entry of the pod of this `namespace/name`.
    pub fn by_pod(&self, name: &str) -> Option<u32> {
        self.pods.get_or_init(|| self.named()).get(name).copied()
    }

    fn named(&self) -> HashMap<String, u32> {
        let mut pods: Vec<_> = self.records.iter().filter(|(_, record)| record.kind != "svc").collect();
        // Of two with one name the later one is meant.
        pods.sort_by_key(|(number, _)| **number);
        pods.into_iter().map(|(number, record)| (format!("{}/{}", record.namespace, record.name), *number)).collect()
    }

    /// An attribute of an entry as text.
    pub fn text(&self, entry: u32, attribute: AddressAttribute) -> &str {
        match (entry, attribute) {
            (RAW, AddressAttribute::Kind) => "raw",
            (RAW, AddressAttribute::Label) => "r/",
            _ => self.records.get(&entry).map_or("", |record| record.text(attribute)),
        }
    }
}

impl Dictionary for Directory {
    fn value(&self, entry: u32, attribute: u16) -> Value<'_> {
        let Some(attribute) = AddressAttribute::ALL.get(usize::from(attribute)) else { return Value::None };
        Value::Text(self.text(entry, *attribute).as_bytes())
    }
}
