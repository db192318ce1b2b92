//! `gadget_l3endpoint_t` and `gadget_l4endpoint_t`: network addresses, ports and protocols.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{push_number, unsigned};
use crate::batch::Decode;

/// Where the members of an endpoint are, in bytes from the start of its field. Read from the object's BTF:
/// the struct has grown over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The 16 bytes of the address, network byte order.
    pub address: usize,
    /// The u8 that says 4 or 6.
    pub version: usize,
    /// The u16 port in the machine's byte order.
    pub port: Option<usize>,
}

/// `10.0.0.1`, `::1`; nothing when the version is neither 4 nor 6.
pub struct Address(pub Layout);

/// `10.0.0.1:443`; no brackets around IPv6, as upstream.
pub struct Endpoint(pub Layout);

/// `:443`; nothing for an endpoint without a port.
pub struct Port(pub Layout);

/// `TCP`; `proto#253` for a number without a name.
pub struct Protocol;

impl Decode for Address {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        push_address(&self.0, raw, out);
    }
}

impl Decode for Endpoint {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        push_address(&self.0, raw, out);
        Port(self.0).decode(raw, out);
    }
}

impl Decode for Port {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        if let Some(port) = self.0.port {
            out.push(b':');
            push_number(out, unsigned(raw.get(port..port + 2).unwrap_or(&[])));
        }
    }
}

impl Layout {
    /// The address in an endpoint's bytes; an IPv4 address in the form of IPv6 is one of IPv4. `None` when the version is neither 4 nor 6.
    pub fn ip(&self, raw: &[u8]) -> Option<IpAddr> {
        let bytes = raw.get(self.address..self.address + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).unwrap_or_default();
        let [a, b, c, d, ..] = bytes;
        match raw.get(self.version) {
            Some(4) => Some(Ipv4Addr::new(a, b, c, d).into()),
            Some(6) => Some(Ipv6Addr::from(bytes).to_canonical()),
            _ => None,
        }
    }
}

impl Decode for Protocol {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let number = unsigned(raw);
        match PROTOCOLS.iter().find(|(n, _)| *n == number) {
            Some((_, name)) => out.extend_from_slice(name.as_bytes()),
            None => {
                out.extend_from_slice(b"proto#");
                push_number(out, number);
            }
        }
    }
}

fn push_address(layout: &Layout, raw: &[u8], out: &mut Vec<u8>) {
    if let Some(address) = layout.ip(raw) {
        // Writing to a vector does not fail.
        let _ = write!(out, "{address}");
    }
}

/// IANA protocol numbers in use.
const PROTOCOLS: [(u64, &str); 24] = [
    (0, "HOPOPT"),
    (1, "ICMP"),
    (2, "IGMP"),
    (4, "IPIP"),
    (6, "TCP"),
    (8, "EGP"),
    (12, "PUP"),
    (17, "UDP"),
    (22, "IDP"),
    (29, "TP"),
    (33, "DCCP"),
    (41, "IPV6"),
    (46, "RSVP"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (58, "ICMPV6"),
    (89, "OSPF"),
    (92, "MTP"),
    (103, "PIM"),
    (108, "COMP"),
    (132, "SCTP"),
    (136, "UDPLITE"),
    (137, "MPLS"),
];
