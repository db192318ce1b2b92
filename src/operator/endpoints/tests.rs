//! Which endpoints get which names, and what their text becomes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Endpoints;
use super::cache::Cache;
use crate::batch::{Batch, Element, FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind, Value};
use crate::component::Operator;
use crate::container::{Container, Inventory};
use crate::kubernetes::{Address, Addresses, NamedPod};
use crate::operator::enrich::Enrich;
use crate::operator::format::Format;

fn row(schema: &mut SchemaBuilder, name: &str, kind: Kind, offset: u32, size: u32, types: &[&str]) {
    let mut field = FieldSpec::new(name, kind, Source::Row { offset, size });
    field.types = types.iter().map(|t| t.to_string()).collect();
    schema.add(field).unwrap();
}

fn parent(schema: &mut SchemaBuilder, name: &str, type_name: &str) {
    let mut field = FieldSpec::new(name, Kind::Struct, Source::Parent);
    field.types = vec![type_name.to_owned()];
    schema.add(field).unwrap();
}

/// `src` with a union as upstream has it, `via` without a port, and a mount namespace behind them.
fn builder(annotations: &[(&str, &str)]) -> SchemaBuilder {
    let annotations = annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut schema = SchemaBuilder::new("tcp", SourceKind::Single, GadgetIdentity::default(), annotations);
    let bytes = Kind::Array(Element { size: 1, signed: false, float: false });
    parent(&mut schema, "src", "gadget_l4endpoint_t");
    parent(&mut schema, "src.addr_raw", "gadget_ip_addr_t");
    row(&mut schema, "src.addr_raw.v6", bytes, 0, 16, &[]);
    row(&mut schema, "src.addr_raw.v4", Kind::Uint(4), 0, 4, &[]);
    row(&mut schema, "src.port", Kind::Uint(2), 16, 2, &[]);
    row(&mut schema, "src.version", Kind::Uint(1), 18, 1, &[]);
    parent(&mut schema, "via", "gadget_l3endpoint_t");
    row(&mut schema, "via.addr_raw", Kind::Bytes, 20, 16, &["gadget_ip_addr_t"]);
    row(&mut schema, "via.version", Kind::Uint(1), 36, 1, &[]);
    row(&mut schema, "mntns_id", Kind::Uint(8), 40, 8, &["gadget_mntns_id"]);
    schema
}

fn record(source: &str, port: u16, via: &str, mntns: u64) -> Vec<u8> {
    fn address(text: &str) -> ([u8; 16], u8) {
        match text.parse() {
            Ok(IpAddr::V4(v4)) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&v4.octets());
                (bytes, 4)
            }
            Ok(IpAddr::V6(v6)) => (v6.octets(), 6),
            Err(_) => ([0; 16], 0),
        }
    }
    let ((source, version), (via, via_version)) = (address(source), address(via));
    let mut record = source.to_vec();
    record.extend(port.to_ne_bytes());
    record.extend([version, 0]);
    record.extend(via);
    record.extend([via_version, 0, 0, 0]);
    record.extend(mntns.to_ne_bytes());
    record
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn pod(name: &str) -> NamedPod {
    let labels = labels(&[("app", name), ("tier", "1")]);
    NamedPod { namespace: "prod".to_owned(), name: name.to_owned(), labels, host_ip: "192.0.2.1".to_owned() }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn known() -> Arc<Addresses> {
    let addresses = Arc::new(Addresses::default());
    addresses.put("1", ips(&["10.0.0.1", "fd00::1"]), Address::Pod(pod("web")));
    addresses.put("2", ips(&["192.0.2.1"]), Address::HostPod(pod("agent")));
    let service = Address::Service {
        namespace: "prod".to_owned(),
        name: "shop".to_owned(),
        labels: labels(&[("team", "blue")]),
        selector: labels(&[("app", "web")]),
    };
    addresses.put("3", ips(&["10.96.0.7"]), service);
    addresses.publish(Instant::now());
    addresses
}

/// The operators in the pipeline's order.
fn chain(schema: &mut SchemaBuilder, addresses: &Arc<Addresses>, inventory: &Arc<Inventory>) -> (Enrich, Endpoints) {
    Format::new().bind(schema).unwrap();
    let (mut enrich, mut endpoints) = (Enrich::new(inventory.clone(), Default::default()), Endpoints::new(addresses.clone()));
    enrich.bind(schema).unwrap();
    endpoints.bind(schema).unwrap();
    (enrich, endpoints)
}

fn text(batch: &Batch, row: usize, name: &str) -> String {
    let mut scratch = Vec::new();
    match batch.value(row, batch.schema().find(name).expect(name), &mut scratch) {
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => format!("{other:?}"),
    }
}

fn texts(batch: &Batch, row: usize) -> Vec<String> {
    let names = ["src.k8s.kind", "src.k8s.namespace", "src.k8s.name", "src.k8s.labels", "src.k8s.podSelector", "src.endpoint"];
    names.iter().map(|name| text(batch, row, name)).collect()
}

/// Proves what each kind of address becomes, in both families, and that an endpoint without a port gets the members, too.
#[test]
fn addresses_become_pods_services_or_stay_raw() {
    let (inventory, mut schema) = (Inventory::new(), builder(&[]));
    let (_, mut endpoints) = chain(&mut schema, &known(), &inventory);
    let mut batch = Batch::new(schema.finish(), 100, 10_000);
    for source in ["10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "10.96.0.7", "8.8.8.8", "192.0.2.1", ""] {
        batch.push(&record(source, 80, "10.0.0.1", 0));
    }
    endpoints.process(&mut batch);
    let web = ["pod", "prod", "web", "app=web,tier=1", "", "p/prod/web:80"];
    assert_eq!(texts(&batch, 0), web);
    assert_eq!(texts(&batch, 1), web);
    assert_eq!(texts(&batch, 2), web);
    assert_eq!(texts(&batch, 3), ["svc", "prod", "shop", "team=blue", "app=web", "s/prod/shop:80"]);
    assert_eq!(texts(&batch, 4), ["raw", "", "", "", "", "r/8.8.8.8:80"]);
    // The host's address is that of all its host-network pods: nobody's.
    assert_eq!(texts(&batch, 5), ["", "", "", "", "", "192.0.2.1:80"]);
    assert_eq!(texts(&batch, 6), ["", "", "", "", "", ":80"]);
    assert_eq!((text(&batch, 4, "via.k8s.kind"), text(&batch, 4, "via.k8s.name")), ("pod".to_owned(), "web".to_owned()));
    assert!(batch.schema().find("via.endpoint").is_none());
}

/// Proves that the members are hidden, and that they make no resource where containers are not known.
#[test]
fn members_are_hidden_details() {
    let mut schema = builder(&[]);
    Format::new().bind(&mut schema).unwrap();
    let mut endpoints = Endpoints::new(known());
    endpoints.bind(&mut schema).unwrap();
    let schema = schema.finish();
    let members: Vec<_> = schema.fields().iter().filter(|f| f.name.starts_with("src.k8s")).collect();
    assert_eq!(members.len(), 6);
    for field in members {
        assert!(field.hidden, "{}", field.name);
        if let Source::Dictionary { column, .. } = field.source {
            assert!(schema.is_detail(column), "{}", field.name);
        }
    }
}

/// Proves that a batch is named by what is known when it is processed, and keeps its names when that changes.
#[test]
fn names_follow_the_addresses() {
    let (addresses, inventory, mut schema) = (known(), Inventory::new(), builder(&[]));
    let (_, mut endpoints) = chain(&mut schema, &addresses, &inventory);
    let schema = schema.finish();
    let batch = |endpoints: &mut Endpoints| {
        let mut batch = Batch::new(schema.clone(), 100, 10_000);
        batch.push(&record("10.0.0.1", 1, "", 0));
        endpoints.process(&mut batch);
        batch
    };
    let before = batch(&mut endpoints);
    // The address goes to another pod before the grace of the first is over.
    addresses.remove("1", Instant::now());
    addresses.put("4", ips(&["10.0.0.1"]), Address::Pod(pod("next")));
    addresses.publish(Instant::now());
    let after = batch(&mut endpoints);
    assert_eq!((text(&before, 0, "src.endpoint"), text(&after, 0, "src.endpoint")), ("p/prod/web:1".into(), "p/prod/next:1".into()));
}

/// Proves that a data source that asks for it gets the addresses of the pod that an event comes from, and no other does.
#[test]
fn own_addresses_where_they_are_asked_for() {
    let inventory = Inventory::new();
    let mut container = Container { mntns: 10, ..Container::default() };
    container.runtime.container_id = "c".to_owned();
    (container.k8s.namespace, container.k8s.pod_name) = ("prod".to_owned(), "web".to_owned());
    inventory.insert(container);
    let mut schema = builder(&[("kubenameresolver.enable", "true")]);
    let (mut enrich, mut endpoints) = chain(&mut schema, &known(), &inventory);
    let mut batch = Batch::new(schema.finish(), 100, 10_000);
    [10, 11, 10].iter().for_each(|mntns| batch.push(&record("", 0, "", *mntns)));
    enrich.process(&mut batch);
    endpoints.process(&mut batch);
    let found: Vec<_> = (0..3).map(|row| (text(&batch, row, "k8s.podIP"), text(&batch, row, "k8s.hostIP"))).collect();
    let web = || ("10.0.0.1".to_owned(), "192.0.2.1".to_owned());
    assert_eq!(found, [web(), Default::default(), web()]);

    let mut plain = builder(&[]);
    chain(&mut plain, &known(), &inventory);
    assert!(plain.find("k8s.podIP").is_none());
}

/// Proves that a foreign layout is read where it says, or not at all, and that odd schemas are no error.
#[test]
fn foreign_layouts() {
    let mut schema = SchemaBuilder::new("x", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    // The address is behind the version, and only its members say so.
    parent(&mut schema, "a", "gadget_l3endpoint_t");
    row(&mut schema, "a.version", Kind::Uint(1), 0, 1, &[]);
    parent(&mut schema, "a.ip", "gadget_ip_addr_t");
    row(&mut schema, "a.ip.v4", Kind::Uint(4), 4, 4, &[]);
    // The same without members: it cannot be told where the address is.
    parent(&mut schema, "b", "gadget_l3endpoint_t");
    row(&mut schema, "b.version", Kind::Uint(1), 0, 1, &[]);
    row(&mut schema, "b.addr_raw", Kind::Bytes, 4, 16, &[]);
    // Nothing an address could be in; and a member where the names belong.
    parent(&mut schema, "c", "gadget_l4endpoint_t");
    parent(&mut schema, "d", "gadget_l3endpoint_t");
    row(&mut schema, "d.addr_raw", Kind::Bytes, 4, 16, &[]);
    row(&mut schema, "d.version", Kind::Uint(1), 0, 1, &[]);
    row(&mut schema, "d.k8s", Kind::Uint(1), 0, 1, &[]);
    let (_, mut endpoints) = chain(&mut schema, &known(), &Inventory::new());
    let schema: Arc<Schema> = schema.finish();
    let mut batch = Batch::new(schema.clone(), 10, 1000);
    batch.push(&[4, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    batch.push(&[]);
    endpoints.process(&mut batch);
    assert_eq!((text(&batch, 0, "a.k8s.name"), text(&batch, 1, "a.k8s.name")), ("web".to_owned(), String::new()));
    assert!(schema.find("b.k8s").is_none() && schema.find("c.k8s").is_none() && schema.find("d.k8s.kind").is_none());
}

proptest::proptest! {
    /// Proves that the cache never gives the entry of another address, nor one of an earlier state.
    #[test]
    fn the_cache_never_mixes_addresses_up(addresses in proptest::collection::vec(0u32..2000, 1..500), generation in 1u64..3) {
        let mut cache = Cache::default();
        for round in 1..=generation {
            cache.begin(round);
            for address in &addresses {
                let ip = IpAddr::from((address * 7919).to_be_bytes());
                proptest::prop_assert_eq!(cache.get(ip, |_| address + round as u32), address + round as u32);
            }
        }
    }
}
