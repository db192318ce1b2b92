//! Reads filter expressions: `and` and `or` bind equally and from the left, `not` binds closest, an id without qualifiers takes
//! those of the id before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::FilterError;
use super::ast::{Comparison, Condition, Number, Operation};
use super::lexer::{Token, tokens};
use super::names;
use super::primitives::{self, Direction, Network};

/// How deeply parentheses and `not` may nest.
const MAX_DEPTH: usize = 64;

/// The condition that an expression means.
pub(super) fn parse(text: &str) -> Result<Condition, FilterError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, next: 0, length: text.len(), last: None, depth: 0 };
    let condition = parser.alternatives()?;
    match parser.peek() {
        None => Ok(condition),
        Some(word) => Err(parser.error(format!("{word:?} was not expected here"))),
    }
}

/// What kind of id follows the qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
}

/// What stands in front of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Qualifiers<'a> {
    protocol: Option<&'a str>,
    direction: Option<Direction>,
    kind: Option<Kind>,
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    next: usize,
    length: usize,
    /// Qualifiers of the last id.
    last: Option<Qualifiers<'a>>,
    depth: usize,
}

const PROTOCOLS: [&str; 18] =
    ["ether", "link", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "esp", "ah", "vrrp", "gre"];
const UNSUPPORTED: [&str; 10] = ["vlan", "mpls", "pppoes", "geneve", "gateway", "ifname", "inbound", "outbound", "wlan", "atalk"];

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&'a str> {
        self.tokens.get(self.next + ahead).map(|t| t.text)
    }

    fn take(&mut self, wanted: &[&str]) -> Option<&'a str> {
        let found = self.peek().filter(|word| wanted.contains(word))?;
        self.next += 1;
        Some(found)
    }

    fn error(&self, problem: impl Into<String>) -> FilterError {
        FilterError::new(self.tokens.get(self.next).map_or(self.length, |t| t.at), problem)
    }

    fn expected(&self, what: &str) -> FilterError {
        match self.peek() {
            Some(word) => self.error(format!("{what} was expected instead of {word:?}")),
            None => self.error(format!("{what} is missing at the end")),
        }
    }

    fn word(&mut self, what: &str) -> Result<&'a str, FilterError> {
        let word = self.peek().ok_or_else(|| self.expected(what))?;
        self.next += 1;
        Ok(word)
    }

    fn alternatives(&mut self) -> Result<Condition, FilterError> {
        let mut all = self.term()?;
        loop {
            if self.take(&["and", "&&"]).is_some() {
                all = all.and(self.term()?);
            } else if self.take(&["or", "||"]).is_some() {
                all = all.or(self.term()?);
            } else {
                return Ok(all);
            }
        }
    }

    fn term(&mut self) -> Result<Condition, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("the filter nests deeper than {MAX_DEPTH}")));
        }
        let condition = if self.take(&["not", "!"]).is_some() {
            self.term()?.negated()
        } else if self.peek() == Some("(") && !self.is_arithmetic_group() {
            self.next += 1;
            let inner = self.alternatives()?;
            self.take(&[")"]).ok_or_else(|| self.expected("\")\""))?;
            inner
        } else if self.begins_relation() {
            self.relation()?
        } else {
            self.primitive()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    /// Whether what stands in the parentheses that open here is a number: an operator for numbers follows them.
    fn is_arithmetic_group(&self) -> bool {
        let mut open = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(self.next) {
            match token.text {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            if open == 0 {
                let after = self.tokens.get(index + 1).map(|t| t.text);
                return after.is_some_and(|o| comparison(o).is_some() || binary(o).is_some());
            }
        }
        false
    }

    fn begins_relation(&self) -> bool {
        let Some(first) = self.peek() else { return false };
        let second = self.peek_at(1);
        let operator = second.is_some_and(|o| comparison(o).is_some() || binary(o).is_some());
        match first {
            "(" | "-" => true,
            "len" => operator,
            // A network's length stands behind a slash.
            _ if names::value(first).is_some() => operator && second != Some("/"),
            _ => PROTOCOLS.contains(&first) && second == Some("["),
        }
    }

    fn relation(&mut self) -> Result<Condition, FilterError> {
        let mut needs = Condition::Constant(true);
        let left = self.arithmetic(0, &mut needs)?;
        let how = self.peek().and_then(comparison).ok_or_else(|| self.expected("a comparison"))?;
        self.next += 1;
        let right = self.arithmetic(0, &mut needs)?;
        Ok(needs.and(Condition::compare(left, how, right)))
    }

    /// Numbers joined by operators that bind at least as closely as `level`. What has to hold for all of them to be there goes to `needs`.
    fn arithmetic(&mut self, level: u8, needs: &mut Condition) -> Result<Number, FilterError> {
        let mut left = self.operand(needs)?;
        while let Some((how, binds)) = self.peek().and_then(binary).filter(|(_, binds)| *binds >= level) {
            self.next += 1;
            let right = self.arithmetic(binds + 1, needs)?;
            if matches!(how, Operation::Divide | Operation::Modulo) && right == Number::Constant(0) {
                return Err(self.error("the filter divides by zero"));
            }
            left = left.with(how, right);
        }
        Ok(left)
    }

    fn operand(&mut self, needs: &mut Condition) -> Result<Number, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("the filter nests deeper than {MAX_DEPTH}")));
        }
        let number = match self.word("a number")? {
            "-" => Number::Constant(0).with(Operation::Subtract, self.operand(needs)?),
            "(" => {
                let inner = self.arithmetic(0, needs)?;
                self.take(&[")"]).ok_or_else(|| self.expected("\")\""))?;
                inner
            }
            "len" => Number::Length,
            protocol if self.peek() == Some("[") => self.header(protocol, needs)?,
            word => names::value(word).ok_or_else(|| {
                self.next -= 1;
                self.error(format!("{word:?} is no number"))
            })?,
        };
        self.depth -= 1;
        Ok(number)
    }

    /// `tcp[13]`, `ip[2:2]`: the protocol has been read.
    fn header(&mut self, protocol: &str, needs: &mut Condition) -> Result<Number, FilterError> {
        self.next += 1;
        let index = self.arithmetic(0, needs)?;
        let size = if self.take(&[":"]).is_some() { self.word("1, 2 or 4")? } else { "1" };
        let size = match size {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            other => return Err(self.error(format!("{other:?} bytes cannot be read at once, only 1, 2 or 4"))),
        };
        self.take(&["]"]).ok_or_else(|| self.expected("\"]\""))?;
        let unknown = || self.error(format!("the bytes of {protocol:?} cannot be looked at"));
        let (number, needed) = primitives::header(protocol, index, size).ok_or_else(unknown)?;
        // Each only once: conditions are compared, not shared.
        if *needs != needed {
            *needs = std::mem::replace(needs, Condition::Constant(true)).and(needed);
        }
        Ok(number)
    }

    fn primitive(&mut self) -> Result<Condition, FilterError> {
        if let Some(simple) = self.simple()? {
            return Ok(simple);
        }
        let found = self.qualifiers();
        let bare = found == Qualifiers { protocol: None, direction: None, kind: None };
        let qualifiers = if bare { self.last.unwrap_or(found) } else { found };
        let id_follows = self.peek().is_some_and(|w| !matches!(w, "and" | "or" | "&&" | "||" | ")" | "not" | "!"));
        if let (Some(protocol), None, None, false) = (found.protocol, found.direction, found.kind, id_follows) {
            return self.protocol_alone(protocol);
        }
        self.last = Some(qualifiers);
        self.id(qualifiers)
    }

    /// Primitives that are words of their own.
    fn simple(&mut self) -> Result<Option<Condition>, FilterError> {
        let Some(first) = self.peek() else { return Err(self.expected("a condition")) };
        if UNSUPPORTED.contains(&first) {
            return Err(self.error(format!("{first:?} is not supported")));
        }
        let family = |word: &str| matches!(word, "ether" | "link" | "ip" | "ip6");
        let (family, word, words) = match self.peek_at(1) {
            Some(second) if family(first) && matches!(second, "broadcast" | "multicast") => (first, second, 2),
            _ => ("ether", first, 1),
        };
        let condition = match (family, word) {
            ("ip", "multicast") => primitives::ip_multicast(),
            ("ip6", "multicast") => primitives::ip6_multicast(),
            ("ether" | "link", "broadcast") => primitives::broadcast(),
            ("ether" | "link", "multicast") => primitives::multicast(),
            (_, "broadcast") => return Err(self.error(format!("\"{family} broadcast\" is not supported"))),
            (_, "less" | "greater") => {
                self.next += 1;
                let how = if word == "less" { Comparison::LessOrEqual } else { Comparison::GreaterOrEqual };
                let text = self.word("a length")?;
                let length = names::number(text).ok_or_else(|| self.error(format!("{text:?} is no length")))?;
                return Ok(Some(Condition::compare(Number::Length, how, Number::Constant(length))));
            }
            _ => return Ok(None),
        };
        self.next += words;
        Ok(Some(condition))
    }

    fn qualifiers(&mut self) -> Qualifiers<'a> {
        let protocol = self.peek().filter(|w| PROTOCOLS.contains(w));
        self.next += usize::from(protocol.is_some());
        let direction = self.direction();
        let kind = self.peek().and_then(|word| match word {
            "host" => Some(Kind::Host),
            "net" => Some(Kind::Net),
            "port" => Some(Kind::Port),
            "portrange" => Some(Kind::PortRange),
            "proto" => Some(Kind::Protocol),
            _ => None,
        });
        self.next += usize::from(kind.is_some());
        Qualifiers { protocol, direction, kind }
    }

    fn direction(&mut self) -> Option<Direction> {
        let first = self.take(&["src", "dst"])?;
        let other = if first == "src" { "dst" } else { "src" };
        if self.peek_at(1) == Some(other) {
            let joined = self.peek();
            if matches!(joined, Some("or" | "and" | "||" | "&&")) {
                self.next += 2;
                return Some(if matches!(joined, Some("or" | "||")) { Direction::Either } else { Direction::Both });
            }
        }
        Some(if first == "src" { Direction::Source } else { Direction::Destination })
    }

    fn protocol_alone(&self, protocol: &str) -> Result<Condition, FilterError> {
        if let Some(kind) = names::ether_type(protocol) {
            return Ok(primitives::ether_type(kind));
        }
        match (protocol, names::ip_protocol(protocol)) {
            ("icmp" | "igmp" | "igrp", Some(number)) => Ok(primitives::ip_protocol(number)),
            ("icmp6", Some(number)) => Ok(primitives::ip6_protocol(number)),
            (_, Some(number)) => Ok(primitives::protocol(number)),
            _ => Err(self.expected("what to match")),
        }
    }

    fn id(&mut self, qualifiers: Qualifiers<'a>) -> Result<Condition, FilterError> {
        if self.take(&["("]).is_some() {
            let mut any = self.id(qualifiers)?;
            loop {
                if self.take(&["or", "||"]).is_some() {
                    any = any.or(self.id(qualifiers)?);
                } else if self.take(&["and", "&&"]).is_some() {
                    any = any.and(self.id(qualifiers)?);
                } else {
                    self.take(&[")"]).ok_or_else(|| self.expected("\")\""))?;
                    return Ok(any);
                }
            }
        }
        let at = self.tokens.get(self.next).map_or(self.length, |t| t.at);
        let word = self.word("an address, a port or a name")?;
        let found = match qualifiers.kind {
            Some(Kind::Port) => self.port(qualifiers, word),
            Some(Kind::PortRange) => self.port_range(qualifiers, word),
            Some(Kind::Protocol) => self.protocol(qualifiers, word),
            Some(Kind::Net) => self.net(qualifiers, word),
            Some(Kind::Host) | None => self.host(qualifiers, word),
        };
        found.map_err(|problem| FilterError::new(at, problem))
    }

    fn host(&self, qualifiers: Qualifiers<'_>, word: &str) -> Result<Condition, String> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        if matches!(qualifiers.protocol, Some("ether" | "link")) {
            let address = mac(word).ok_or_else(|| format!("{word:?} is no Ethernet address"))?;
            return Ok(primitives::ether_host(address, direction));
        }
        let address: IpAddr = word.parse().map_err(|_| {
            let what = "is neither an address nor anything else that a packet filter knows; host names are not looked up";
            format!("{word:?} {what}")
        })?;
        addressed(qualifiers.protocol, Network::host(address), direction)
    }

    fn net(&mut self, qualifiers: Qualifiers<'_>, word: &str) -> Result<Condition, String> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        if let Ok(address) = word.parse::<Ipv6Addr>() {
            let bits = if self.take(&["/"]).is_some() { self.bits(128)? } else { 128 };
            return addressed(qualifiers.protocol, Network::V6(address, bits), direction);
        }
        let (address, given) = partial_address(word).ok_or_else(|| format!("{word:?} is no network"))?;
        let mask = if self.take(&["/"]).is_some() {
            mask(self.bits(32)?)
        } else if self.take(&["mask"]).is_some() {
            let text = self.word("a mask").map_err(|e| e.problem)?;
            u32::from(text.parse::<Ipv4Addr>().map_err(|_| format!("{text:?} is no mask"))?)
        } else {
            mask(given)
        };
        if u32::from(address) & !mask != 0 {
            return Err(format!("{word:?} has bits outside of its mask"));
        }
        addressed(qualifiers.protocol, Network::V4(address, mask), direction)
    }

    fn bits(&mut self, most: u32) -> Result<u32, String> {
        let text = self.word("the network's length").map_err(|e| e.problem)?;
        text.parse().ok().filter(|bits| *bits <= most).ok_or_else(|| format!("a network has 0 to {most} bits, not {text:?}"))
    }

    fn port(&self, qualifiers: Qualifiers<'_>, word: &str) -> Result<Condition, String> {
        let port = port(word)?;
        with_ports(qualifiers, (port, port))
    }

    fn port_range(&self, qualifiers: Qualifiers<'_>, word: &str) -> Result<Condition, String> {
        let (first, last) = word.split_once('-').ok_or_else(|| format!("{word:?} is no range of ports as 8000-8080"))?;
        let (first, last) = (port(first)?, port(last)?);
        with_ports(qualifiers, (first.min(last), first.max(last)))
    }

    fn protocol(&self, qualifiers: Qualifiers<'_>, word: &str) -> Result<Condition, String> {
        let unknown = || format!("{word:?} is no protocol");
        let number = || names::number(word).or_else(|| names::ip_protocol(word)).filter(|n| *n < 256).ok_or_else(unknown);
        match qualifiers.protocol {
            Some("ether" | "link") => {
                let kind = names::number(word).or_else(|| names::ether_type(word)).filter(|n| *n <= 0xffff);
                Ok(primitives::ether_type(kind.ok_or_else(unknown)?))
            }
            Some("ip") => Ok(primitives::ip_protocol(number()?)),
            Some("ip6") => Ok(primitives::ip6_protocol(number()?)),
            None => Ok(primitives::protocol(number()?)),
            Some(other) => Err(format!("\"{other} proto\" means nothing")),
        }
    }
}

fn with_ports(qualifiers: Qualifiers<'_>, range: (u32, u32)) -> Result<Condition, String> {
    let direction = qualifiers.direction.unwrap_or(Direction::Either);
    match qualifiers.protocol {
        None => Ok(primitives::ports(None, range, direction)),
        Some("ip") => Ok(primitives::ip_ports(None, range, direction)),
        Some("ip6") => Ok(primitives::ip6_ports(None, range, direction)),
        Some(name @ ("tcp" | "udp" | "sctp")) => Ok(primitives::ports(names::ip_protocol(name), range, direction)),
        Some(other) => Err(format!("{other:?} has no ports")),
    }
}

fn addressed(protocol: Option<&str>, network: Network, direction: Direction) -> Result<Condition, String> {
    match (protocol, network) {
        (None, network) => Ok(primitives::network(network, direction)),
        (Some("ip"), Network::V4(address, mask)) => Ok(primitives::ip_network(address, mask, direction)),
        (Some("ip6"), Network::V6(address, bits)) => Ok(primitives::ip6_network(address, bits, direction)),
        (Some(arp @ ("arp" | "rarp")), Network::V4(address, mask)) => {
            let kind = names::ether_type(arp).unwrap_or_default();
            Ok(primitives::arp_network(kind, address, mask, direction))
        }
        (Some(protocol), _) => Err(format!("{protocol:?} has no addresses of that kind")),
    }
}

fn comparison(text: &str) -> Option<Comparison> {
    Some(match text {
        "=" | "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        _ => return None,
    })
}

/// An operator and how closely it binds.
fn binary(text: &str) -> Option<(Operation, u8)> {
    Some(match text {
        "|" => (Operation::Or, 0),
        "^" => (Operation::Xor, 0),
        "&" => (Operation::And, 1),
        "<<" => (Operation::ShiftLeft, 2),
        ">>" => (Operation::ShiftRight, 2),
        "+" => (Operation::Add, 3),
        "-" => (Operation::Subtract, 3),
        "*" => (Operation::Multiply, 4),
        "/" => (Operation::Divide, 4),
        "%" => (Operation::Modulo, 4),
        _ => return None,
    })
}

fn port(text: &str) -> Result<u32, String> {
    let number = names::number(text).or_else(|| names::port(text));
    number.filter(|port| *port <= 0xffff).ok_or_else(|| format!("{text:?} is no port"))
}

fn mask(bits: u32) -> u32 {
    if bits == 0 { 0 } else { u32::MAX << (32 - bits.min(32)) }
}

/// `10`, `10.1` or a whole address, and how many bits were given.
fn partial_address(text: &str) -> Option<(Ipv4Addr, u32)> {
    let mut bytes = [0u8; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    for (byte, part) in bytes.iter_mut().zip(&parts) {
        *byte = part.parse().ok()?;
    }
    Some((Ipv4Addr::from(bytes), 8 * parts.len() as u32))
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0u8; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next().filter(|p| p.len() <= 2)?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}
