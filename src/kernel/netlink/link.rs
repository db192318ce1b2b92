//! Network interfaces, and where the other ends of pairs are.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{attribute, i32_at, text, u32_at};
use super::{ACK, Attributes, DUMP, Route};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_NSID: u16 = 88;
const GET_NSID: u16 = 90;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// Leaves counters out of the answer.
const SKIP_STATISTICS: u32 = 1 << 3;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// Bytes of `struct ifinfomsg`.
const HEADER: usize = 16;
/// How often a list is asked for that changes meanwhile.
const TRIES: usize = 3;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What kind of virtual device it is: `veth`, `bridge`, ...; empty for real ones.
    pub kind: String,
    /// Whether it is switched on.
    pub up: bool,
    /// The interface it is paired with or stands on, when that is in another namespace.
    pub peer: Option<Peer>,
}

/// An interface in another namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its number there.
    pub index: u32,
    /// The id that the asked namespace has for that one.
    pub namespace: i32,
}

impl Route {
    /// All interfaces.
    ///
    /// # Errors
    /// The kernel's.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        let wish = Attributes::default().with(IFLA_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
        for _ in 0..TRIES {
            links.clear();
            let take = |kind, contents: &[u8]| links.extend(parse(contents).filter(|_| kind == NEW_LINK));
            if !self.ask(GET_LINK, DUMP, &[0; HEADER], &wish, take)? {
                break;
            }
        }
        Ok(links)
    }

    /// The interface of this name.
    ///
    /// # Errors
    /// ENODEV when there is none, or the kernel's.
    pub fn link(&mut self, name: &str) -> io::Result<Link> {
        let mut found = None;
        let wish = Attributes::default().with_text(IFLA_IFNAME, name).with(IFLA_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
        let take = |kind, contents: &[u8]| found = parse(contents).filter(|_| kind == NEW_LINK);
        self.ask(GET_LINK, ACK, &[0; HEADER], &wish, take)?;
        found.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    /// The id that this namespace has for another one; `None` when it has none, which means that no interface leads there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn namespace_id(&mut self, other: BorrowedFd<'_>) -> io::Result<Option<i32>> {
        let mut id = None;
        let which = Attributes::default().with(NETNSA_FD, &other.as_raw_fd().to_ne_bytes());
        let take = |kind, contents: &[u8]| {
            if kind == NEW_NSID {
                id = contents.get(4..).and_then(|a| attribute(a, NETNSA_NSID)).and_then(|value| i32_at(value, 0));
            }
        };
        self.ask(GET_NSID, ACK, &[0; 4], &which, take)?;
        Ok(id.filter(|id| *id >= 0))
    }
}

pub(super) fn parse(contents: &[u8]) -> Option<Link> {
    let index = u32_at(contents, 4)?;
    let flags = u32_at(contents, 8)?;
    let all = contents.get(HEADER..)?;
    let kind = attribute(all, IFLA_LINKINFO).and_then(|info| attribute(info, IFLA_INFO_KIND));
    let peer = attribute(all, IFLA_LINK).and_then(|value| u32_at(value, 0));
    let namespace = attribute(all, IFLA_LINK_NETNSID).and_then(|value| i32_at(value, 0));
    Some(Link {
        index,
        name: attribute(all, IFLA_IFNAME).map(text).unwrap_or_default(),
        kind: kind.map(text).unwrap_or_default(),
        up: flags & libc::IFF_UP as u32 != 0,
        peer: peer.zip(namespace).map(|(index, namespace)| Peer { index, namespace }),
    })
}
