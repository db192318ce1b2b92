//! What qualifiers and an id mean on an Ethernet frame: `tcp dst port 80`, `src net 10.0.0.0/8`, `ip6`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ast::{Comparison, Condition, Number, Operation};

/// Byte of the Ethernet type, and of what follows the Ethernet header.
const ETHER_TYPE: u32 = 12;
const NET: u32 = 14;

const IP: u32 = 0x0800;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
const IP6: u32 = 0x86dd;
/// Protocols that have ports at the beginning of their header.
const WITH_PORTS: [u32; 3] = [6, 17, 132];
/// The IPv6 extension header of a fragment.
const FRAGMENT: u32 = 44;

/// Which end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

impl Direction {
    /// The condition for the ends that are meant, given the one for each.
    pub(super) fn apply(self, source: Condition, destination: Condition) -> Condition {
        match self {
            Direction::Source => source,
            Direction::Destination => destination,
            Direction::Either => source.or(destination),
            Direction::Both => source.and(destination),
        }
    }
}

/// Frames of an Ethernet type.
pub(super) fn ether_type(value: u32) -> Condition {
    Condition::is(ETHER_TYPE, 2, value)
}

/// IPv4 packets of a protocol.
pub(super) fn ip_protocol(value: u32) -> Condition {
    ether_type(IP).and(Condition::is(NET + 9, 1, value))
}

/// IPv6 packets of a protocol, in a fragment too.
pub(super) fn ip6_protocol(value: u32) -> Condition {
    let fragment = Condition::is(NET + 6, 1, FRAGMENT).and(Condition::is(NET + 40, 1, value));
    ether_type(IP6).and(Condition::is(NET + 6, 1, value).or(fragment))
}

/// Packets of a protocol, whichever IP.
pub(super) fn protocol(value: u32) -> Condition {
    ip_protocol(value).or(ip6_protocol(value))
}

/// Frames from or to an Ethernet address.
pub(super) fn ether_host(address: [u8; 6], direction: Direction) -> Condition {
    let [a, b, c, d, e, f] = address;
    let at = |start| {
        Condition::is(start + 2, 4, u32::from_be_bytes([c, d, e, f])).and(Condition::is(start, 2, u32::from_be_bytes([0, 0, a, b])))
    };
    direction.apply(at(6), at(0))
}

/// An address with the number of its leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    V4(Ipv4Addr, u32),
    V6(Ipv6Addr, u32),
}

impl Network {
    /// One address.
    pub(super) fn host(address: IpAddr) -> Network {
        match address {
            IpAddr::V4(v4) => Network::V4(v4, u32::MAX),
            IpAddr::V6(v6) => Network::V6(v6, 128),
        }
    }
}

/// IPv4 packets with such an address.
pub(super) fn ip_network(address: Ipv4Addr, mask: u32, direction: Direction) -> Condition {
    let at = |start| Condition::masked(start, 4, mask, u32::from(address) & mask);
    ether_type(IP).and(direction.apply(at(NET + 12), at(NET + 16)))
}

/// ARP (or reverse ARP) packets with such an address.
pub(super) fn arp_network(kind: u32, address: Ipv4Addr, mask: u32, direction: Direction) -> Condition {
    let at = |start| Condition::masked(start, 4, mask, u32::from(address) & mask);
    ether_type(kind).and(direction.apply(at(NET + 14), at(NET + 24)))
}

/// IPv6 packets with such an address.
pub(super) fn ip6_network(address: Ipv6Addr, bits: u32, direction: Direction) -> Condition {
    let words = address.octets();
    let at = |start: u32| {
        let mut all = Condition::Constant(true);
        for (index, word) in words.as_chunks::<4>().0.iter().enumerate() {
            let index = index as u32;
            let used = bits.saturating_sub(32 * index).min(32);
            let mask = if used == 0 { 0 } else { u32::MAX << (32 - used) };
            if mask != 0 {
                all = all.and(Condition::masked(start + 4 * index, 4, mask, u32::from_be_bytes(*word) & mask));
            }
        }
        all
    };
    ether_type(IP6).and(direction.apply(at(NET + 8), at(NET + 24)))
}

/// Packets with such an address, of whatever protocol has one.
pub(super) fn network(network: Network, direction: Direction) -> Condition {
    match network {
        Network::V4(address, mask) => {
            let ip = ip_network(address, mask, direction);
            ip.or(arp_network(ARP, address, mask, direction)).or(arp_network(RARP, address, mask, direction))
        }
        Network::V6(address, bits) => ip6_network(address, bits, direction),
    }
}

/// Ports from `first` to `last` of a protocol, or of all that have ports.
pub(super) fn ports(protocol: Option<u32>, (first, last): (u32, u32), direction: Direction) -> Condition {
    ip_ports(protocol, (first, last), direction).or(ip6_ports(protocol, (first, last), direction))
}

/// The same in IPv4, where only the first fragment tells.
pub(super) fn ip_ports(protocol: Option<u32>, range: (u32, u32), direction: Direction) -> Condition {
    let which = one_of(protocol, NET + 9);
    let first_fragment = Condition::masked(NET + 6, 2, 0x1fff, 0);
    let at = |offset| in_range(Number::load(transport(offset), 2), range);
    ether_type(IP).and(which).and(first_fragment).and(direction.apply(at(0), at(2)))
}

/// The same in IPv6 without extension headers.
pub(super) fn ip6_ports(protocol: Option<u32>, range: (u32, u32), direction: Direction) -> Condition {
    let at = |offset| in_range(Number::load(Number::Constant(NET + 40 + offset), 2), range);
    ether_type(IP6).and(one_of(protocol, NET + 6)).and(direction.apply(at(0), at(2)))
}

fn one_of(protocol: Option<u32>, at: u32) -> Condition {
    match protocol {
        Some(value) => Condition::is(at, 1, value),
        None => WITH_PORTS.iter().fold(Condition::Constant(false), |any, value| any.or(Condition::is(at, 1, *value))),
    }
}

fn in_range(port: Number, (first, last): (u32, u32)) -> Condition {
    if first == last {
        return Condition::compare(port, Comparison::Equal, Number::Constant(first));
    }
    let from = Condition::compare(port.clone(), Comparison::GreaterOrEqual, Number::Constant(first));
    from.and(Condition::compare(port, Comparison::LessOrEqual, Number::Constant(last)))
}

/// Byte `offset` behind the IPv4 header, whose length its first byte tells.
fn transport(offset: u32) -> Number {
    let words = Number::load(Number::Constant(NET), 1).with(Operation::And, Number::Constant(0xf));
    words.with(Operation::ShiftLeft, Number::Constant(2)).with(Operation::Add, Number::Constant(NET + offset))
}

/// Frames to everybody.
pub(super) fn broadcast() -> Condition {
    Condition::is(2, 4, u32::MAX).and(Condition::is(0, 2, 0xffff))
}

/// Frames to a group.
pub(super) fn multicast() -> Condition {
    Condition::masked(0, 1, 1, 1)
}

/// IPv4 packets to a group.
pub(super) fn ip_multicast() -> Condition {
    let to = Number::load(Number::Constant(NET + 16), 1);
    ether_type(IP).and(Condition::compare(to, Comparison::GreaterOrEqual, Number::Constant(224)))
}

/// IPv6 packets to a group.
pub(super) fn ip6_multicast() -> Condition {
    ether_type(IP6).and(Condition::is(NET + 24, 1, 0xff))
}

/// The number at byte `index` of the header that `protocol[index]` names, and what has to hold for a packet to have it. `None` for a
/// protocol whose bytes cannot be named.
pub(super) fn header(protocol: &str, index: Number, size: u8) -> Option<(Number, Condition)> {
    let behind = |start: u32, index: Number| Number::load(Number::Constant(start).with(Operation::Add, index), size);
    Some(match protocol {
        "ether" | "link" => (Number::load(index, size), Condition::Constant(true)),
        "ip" | "arp" | "rarp" | "ip6" => {
            let kind = super::names::ether_type(protocol)?;
            (behind(NET, index), ether_type(kind))
        }
        "icmp6" => (behind(NET + 40, index), ether_type(IP6).and(Condition::is(NET + 6, 1, 58))),
        _ => {
            let number = super::names::ip_protocol(protocol)?;
            let first_fragment = Condition::masked(NET + 6, 2, 0x1fff, 0);
            (Number::load(transport(0).with(Operation::Add, index), size), ip_protocol(number).and(first_fragment))
        }
    })
}
