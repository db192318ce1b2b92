//! Who has an address when it changes hands, and for how long.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::batch::{Dictionary, Value};
use crate::kubernetes::{Address, AddressAttribute, Addresses, NamedPod, RAW};

fn pod(name: &str) -> NamedPod {
    NamedPod { namespace: "prod".to_owned(), name: name.to_owned(), ..NamedPod::default() }
}

fn put(addresses: &Addresses, uid: &str, ip: &str) {
    let ips: Vec<IpAddr> = ip.parse().into_iter().collect();
    addresses.put(uid, ips, Address::Pod(pod(uid)));
}

fn entry(addresses: &Addresses, ip: &str) -> u32 {
    addresses.directory().by_address(ip.parse().unwrap())
}

fn name(addresses: &Addresses, ip: &str) -> String {
    addresses.directory().text(entry(addresses, ip), AddressAttribute::Name).to_owned()
}

/// Proves that what is gone keeps its address for ten seconds, unless somebody else has it by then.
#[test]
fn addresses_are_kept_for_a_while() {
    let (addresses, now) = (Addresses::default(), Instant::now());
    put(&addresses, "a", "10.0.0.1");
    put(&addresses, "b", "10.0.0.2");
    addresses.publish(now);
    addresses.remove("a", now);
    addresses.remove("b", now);
    put(&addresses, "c", "10.0.0.2");
    addresses.publish(now + Duration::from_secs(9));
    assert_eq!((name(&addresses, "10.0.0.1"), name(&addresses, "10.0.0.2")), ("a".to_owned(), "c".to_owned()));
    addresses.publish(now + Duration::from_secs(11));
    assert_eq!((entry(&addresses, "10.0.0.1"), name(&addresses, "10.0.0.2")), (RAW, "c".to_owned()));
}

/// Proves that a number never stands for two records, that an unchanged one keeps its number, and that an old directory stays what it was.
#[test]
fn numbers_stand_for_one_record() {
    let (addresses, now) = (Addresses::default(), Instant::now());
    put(&addresses, "a", "10.0.0.1");
    addresses.publish(now);
    let (old, first) = (addresses.directory(), entry(&addresses, "10.0.0.1"));
    put(&addresses, "a", "10.0.0.1");
    addresses.publish(now);
    assert_eq!((entry(&addresses, "10.0.0.1"), addresses.directory().generation()), (first, old.generation()));
    addresses.put("a", vec!["10.0.0.1".parse().unwrap()], Address::Pod(pod("renamed")));
    addresses.publish(now);
    let second = entry(&addresses, "10.0.0.1");
    assert_ne!(first, second);
    assert_eq!(old.value(first, AddressAttribute::Name.id()), Value::Text(b"a"));
    assert_eq!(addresses.directory().value(second, AddressAttribute::Name.id()), Value::Text(b"renamed"));
    assert_eq!(old.value(second, 99), Value::None);
}

/// Proves that the later of two pods of one name is found by it, and services are not.
#[test]
fn pods_are_found_by_name() {
    let (addresses, now) = (Addresses::default(), Instant::now());
    addresses.put("old", Vec::new(), Address::Pod(pod("web-0")));
    addresses.put("new", vec!["10.0.0.9".parse().unwrap()], Address::HostPod(pod("web-0")));
    let (namespace, name) = ("prod".to_owned(), "front".to_owned());
    addresses.put("s", Vec::new(), Address::Service { namespace, name, labels: Default::default(), selector: Default::default() });
    addresses.publish(now);
    let directory = addresses.directory();
    let found = directory.by_pod("prod/web-0").unwrap();
    assert_eq!(directory.text(found, AddressAttribute::PodIp), "10.0.0.9");
    assert_eq!((directory.by_pod("prod/front"), directory.by_pod("")), (None, None));
}

/// Proves that more than there may be is counted and not kept.
#[test]
fn there_is_a_limit() {
    let addresses = Addresses::default();
    (0..100_005).for_each(|n| put(&addresses, &n.to_string(), ""));
    assert_eq!(addresses.refused(), 5);
}
