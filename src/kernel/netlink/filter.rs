//! Traffic control filters that are eBPF programs: protocol ALL, priority 1, direct action.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{attribute, text, u32_at};
use super::{ACK, Attributes, CREATE, Route};

const NEW_QDISC: u16 = 36;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;
const GET_FILTER: u16 = 46;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
/// The program's result is what becomes of the packet.
const DIRECT_ACTION: u32 = 1;

/// Parent of the queueing discipline, and its own handle.
const CLSACT: (u32, u32) = (0xffff_fff1, 0xffff_0000);
const PRIORITY: u32 = 1;
/// Bytes of `struct tcmsg`.
const HEADER: usize = 20;
/// The handles that are tried.
const HANDLES: std::ops::RangeInclusive<u32> = 1..=127;

/// Which packets of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Those that it receives.
    Ingress,
    /// Those that it sends.
    Egress,
}

impl Side {
    /// The opposite one.
    #[must_use]
    pub fn inverted(self) -> Self {
        match self {
            Side::Ingress => Side::Egress,
            Side::Egress => Side::Ingress,
        }
    }

    fn parent(self) -> u32 {
        match self {
            Side::Ingress => 0xffff_fff2,
            Side::Egress => 0xffff_fff3,
        }
    }
}

/// A filter's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// The interface's number.
    pub interface: u32,
    /// Which packets.
    pub side: Side,
    /// Its handle.
    pub handle: u32,
}

impl Filter {
    fn header(&self) -> [u8; HEADER] {
        let protocol = u32::from((libc::ETH_P_ALL as u16).to_be());
        header(self.interface, self.handle, self.side.parent(), PRIORITY << 16 | protocol)
    }
}

impl Route {
    /// Makes an interface able to have filters. One that is already is left as it is.
    ///
    /// # Errors
    /// The kernel's (ENOENT: it has no such queueing discipline).
    pub fn add_clsact(&mut self, interface: u32) -> io::Result<()> {
        let header = header(interface, CLSACT.1, CLSACT.0, 0);
        match self.request(NEW_QDISC, CREATE, &header, &Attributes::default().with_text(TCA_KIND, "clsact")) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Adds a program as a filter, under the first free handle.
    ///
    /// # Errors
    /// The kernel's; EEXIST when no handle is free.
    pub fn add_filter(&mut self, interface: u32, side: Side, program: BorrowedFd<'_>, name: &str) -> io::Result<Filter> {
        let options = Attributes::default()
            .with(TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes())
            .with_text(TCA_BPF_NAME, name)
            .with(TCA_BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes());
        let attributes = Attributes::default().with_text(TCA_KIND, "bpf").with_nested(TCA_OPTIONS, &options);
        for handle in HANDLES {
            let filter = Filter { interface, side, handle };
            match self.request(NEW_FILTER, CREATE, &filter.header(), &attributes) {
                Ok(()) => return Ok(filter),
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EEXIST))
    }

    /// Number and name of the program behind a filter; `None` when there is no such filter.
    ///
    /// # Errors
    /// The kernel's.
    pub fn filter(&mut self, filter: &Filter) -> io::Result<Option<(u32, String)>> {
        let mut found = None;
        let take = |kind, contents: &[u8]| found = parse(contents).filter(|_| kind == NEW_FILTER);
        match self.ask(GET_FILTER, ACK, &filter.header(), &Attributes::default().with_text(TCA_KIND, "bpf"), take) {
            Ok(_) => Ok(found),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a filter; one that is gone, or whose interface is, is none to be removed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_filter(&mut self, filter: &Filter) -> io::Result<()> {
        match self.request(DELETE_FILTER, 0, &filter.header(), &Attributes::default().with_text(TCA_KIND, "bpf")) {
            Err(error) if is_absent(&error) => Ok(()),
            other => other,
        }
    }
}

/// EINVAL: without the queueing discipline its parents make no sense.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL))
}

fn header(interface: u32, handle: u32, parent: u32, info: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    for (to, word) in header.as_chunks_mut::<4>().0.iter_mut().skip(1).zip([interface, handle, parent, info]) {
        *to = word.to_ne_bytes();
    }
    header
}

pub(super) fn parse(contents: &[u8]) -> Option<(u32, String)> {
    let options = attribute(contents.get(HEADER..)?, TCA_OPTIONS)?;
    let id = u32_at(attribute(options, TCA_BPF_ID)?, 0)?;
    Some((id, attribute(options, TCA_BPF_NAME).map(text).unwrap_or_default()))
}
