//! What naming the two endpoints of an event costs, with 500 pods and 100 services known and 64 peers in turn. Needs nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use gadgetry::batch::{Batch, FieldSpec, GadgetIdentity, Kind, SchemaBuilder, Source, SourceKind};
use gadgetry::component::Operator;
use gadgetry::kubernetes::{Address, Addresses, NamedPod};
use gadgetry::operator::endpoints::Endpoints;
use gadgetry::operator::format::Format;

const ROWS: usize = 4096;

fn addresses() -> Arc<Addresses> {
    let addresses = Arc::new(Addresses::default());
    let (namespace, labels) = ("prod".to_owned(), BTreeMap::from([("app".to_owned(), "web".to_owned())]));
    for n in 0..500u32 {
        let pod = NamedPod { namespace: namespace.clone(), name: format!("web-{n}"), labels: labels.clone(), ..NamedPod::default() };
        addresses.put(&format!("p{n}"), vec![peer(n)], Address::Pod(pod));
    }
    for n in 0..100u32 {
        let (name, labels, selector) = (format!("front-{n}"), BTreeMap::new(), labels.clone());
        let ip = IpAddr::from(Ipv4Addr::from_bits(0x0a60_0000 + n));
        addresses.put(&format!("s{n}"), vec![ip], Address::Service { namespace: namespace.clone(), name, labels, selector });
    }
    addresses.publish(Instant::now());
    addresses
}

fn peer(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

fn schema() -> SchemaBuilder {
    let mut schema = SchemaBuilder::new("tcp", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new());
    for (name, start) in [("src", 0u32), ("dst", 20)] {
        let mut field = |leaf: &str, kind, source, type_name: &str| {
            let mut field = FieldSpec::new(format!("{name}{leaf}"), kind, source);
            field.types = vec![type_name.to_owned()];
            schema.add(field).unwrap();
        };
        let row = |offset, size| Source::Row { offset: start + offset, size };
        field("", Kind::Struct, Source::Parent, "gadget_l4endpoint_t");
        field(".addr_raw", Kind::Bytes, row(0, 16), "gadget_ip_addr_t");
        field(".port", Kind::Uint(2), row(16, 2), "__u16");
        field(".version", Kind::Uint(1), row(18, 1), "__u8");
    }
    schema
}

fn main() {
    let mut schema = schema();
    Format::new().bind(&mut schema).unwrap();
    let mut operator = Endpoints::new(addresses());
    operator.bind(&mut schema).unwrap();
    let mut batch = Batch::new(schema.finish(), ROWS, ROWS * 64);
    for n in 0..ROWS as u32 {
        let mut row = [0u8; 40];
        for (start, address) in [(0usize, n % 64), (20, n * 7 % 64)] {
            let IpAddr::V4(v4) = peer(address) else { return };
            row[start..start + 4].copy_from_slice(&v4.octets());
            row[start + 18] = 4;
        }
        batch.push(&row);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("endpoints");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("name two of an event", |bencher| bencher.iter(|| operator.process(&mut batch)));
    group.finish();
    criterion.final_summary();
}
