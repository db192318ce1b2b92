//! Each filter is run in a small machine over frames that do and do not match.

use aya_obj::generated::bpf_insn;

use super::{compile, lexer};

/// Runs a filter over a frame as the kernel would: pointers are numbers from a made-up base, and every access outside of the frame fails.
fn matches(filter: &str, frame: &[u8]) -> bool {
    const BASE: u64 = 1 << 20;
    let program = compile(filter).unwrap_or_else(|e| panic!("{filter:?}: {e}"));
    let mut registers = [0u64; 11];
    let mut stack = std::collections::HashMap::new();
    (registers[4], registers[5]) = (BASE, BASE + frame.len() as u64);
    let mut at = 0usize;
    while let Some(i) = program.get(at) {
        at += 1;
        let (to, from) = (i.dst_reg() as usize, i.src_reg() as usize);
        let other = if i.code & 8 != 0 { registers[from] } else { i.imm as i64 as u64 };
        let bytes = |address: u64, size: usize| {
            let start = (address + i.off as u64).checked_sub(BASE).unwrap() as usize;
            frame.get(start..start + size).unwrap_or_else(|| panic!("{filter:?} reads outside of the frame at {start}")).to_vec()
        };
        match (i.code & 7, i.code) {
            (_, 0x79) => registers[to] = stack[&i.off],
            (_, 0x7b) => _ = stack.insert(i.off, registers[from]),
            (_, 0x71) => registers[to] = u64::from(bytes(registers[from], 1)[0]),
            (_, 0x69) => registers[to] = u64::from(u16::from_le_bytes(bytes(registers[from], 2).try_into().unwrap())),
            (_, 0x61) => registers[to] = u64::from(u32::from_le_bytes(bytes(registers[from], 4).try_into().unwrap())),
            (_, 0xdc) if i.imm == 16 => registers[to] = u64::from((registers[to] as u16).swap_bytes()),
            (_, 0xdc) => registers[to] = u64::from((registers[to] as u32).swap_bytes()),
            (5, code) => {
                let (l, r) = (registers[to], other);
                let taken = match code & 0xf0 {
                    0x00 => true,
                    0x10 => l == r,
                    0x20 => l > r,
                    0x30 => l >= r,
                    0x50 => l != r,
                    0xa0 => l < r,
                    0xb0 => l <= r,
                    _ => unreachable!(),
                };
                if taken {
                    at = (at as i64 + i64::from(i.off)) as usize;
                }
            }
            (7, code) => {
                registers[to] = match code & 0xf0 {
                    0xb0 => other,
                    0x00 => registers[to].wrapping_add(other),
                    0x10 => registers[to].wrapping_sub(other),
                    _ => unreachable!(),
                }
            }
            (4, code) => {
                let (l, r) = (registers[to] as u32, other as u32);
                registers[to] = u64::from(match code & 0xf0 {
                    0x00 => l.wrapping_add(r),
                    0x10 => l.wrapping_sub(r),
                    0x20 => l.wrapping_mul(r),
                    0x30 => l / r,
                    0x40 => l | r,
                    0x50 => l & r,
                    0x60 => l << (r & 31),
                    0x70 => l >> (r & 31),
                    0x90 => l % r,
                    0xa0 => l ^ r,
                    0xb0 => r,
                    _ => unreachable!(),
                });
            }
            _ => unreachable!("{:#x}", i.code),
        }
    }
    registers[4] != registers[5] && registers[1] == registers[2] && registers[2] == registers[3]
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), payload].concat()
}

/// An IPv4 packet with `options` 32-bit words of options.
fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], options: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45 + options, 0, 0, 0, 0, 0];
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(from);
    header.extend(to);
    header.extend(vec![0; 4 * options as usize]);
    let length = (header.len() + payload.len()) as u16;
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header.extend(payload);
    ethernet(0x0800, &header)
}

fn ipv6(protocol: u8, from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, payload.len() as u8, protocol, 64];
    for address in [from, to] {
        header.extend(address.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    header.extend(payload);
    ethernet(0x86dd, &header)
}

fn ports(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 16]].concat()
}

fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut segment = ports(from, to);
    segment[12] = 0x50;
    segment[13] = flags;
    segment
}

fn web() -> Vec<u8> {
    ipv4(6, [10, 1, 2, 3], [192, 168, 0, 9], 0, 0, &tcp(40000, 80, 0x02))
}

fn dns() -> Vec<u8> {
    ipv4(17, [10, 1, 2, 3], [8, 8, 8, 8], 2, 0, &ports(5353, 53))
}

fn check(frame: &[u8], yes: &[&str], no: &[&str]) {
    yes.iter().for_each(|filter| assert!(matches(filter, frame), "{filter:?} does not match {frame:02x?}"));
    no.iter().for_each(|filter| assert!(!matches(filter, frame), "{filter:?} matches {frame:02x?}"));
}

/// Protocols, addresses, networks and ports of IPv4.
#[test]
fn ipv4_packets_match_by_what_their_headers_say() {
    check(
        &web(),
        &[
            "ip",
            "tcp",
            "not udp",
            "ip proto 6",
            "proto tcp",
            "host 10.1.2.3",
            "10.1.2.3",
            "src host 10.1.2.3",
            "dst 192.168.0.9",
            "net 10.0.0.0/8",
            "net 10",
            "src net 10.1",
            "net 10.1.0.0 mask 255.255.0.0",
            "port 80",
            "tcp dst port http",
            "src port 40000",
            "portrange 79-81",
            "tcp portrange 40000-40001",
            "src or dst port 80",
            "tcp and port 80 and host 10.1.2.3",
            "ether host 02:00:00:00:00:01",
            "ether src 02:00:00:00:00:02",
            "ether proto 0x800",
            "ether proto ip",
            "less 100",
            "greater 10",
            "ip6 or tcp",
            "port 22 or 80",
            "host 1.1.1.1 or 10.1.2.3",
            "port (22 or 80)",
            "!(udp or arp)",
            "net 0.0.0.0/0",
        ],
        &[
            "udp",
            "ip6",
            "arp",
            "icmp",
            "host 10.1.2.4",
            "src host 192.168.0.9",
            "dst net 10.0.0.0/8",
            "port 81",
            "udp port 80",
            "src port 80",
            "src and dst port 80",
            "portrange 81-90",
            "not ip",
            "ip and ip6",
            "ether host 02:00:00:00:00:03",
            "less 20",
            "greater 1500",
            "ether broadcast",
            "ip multicast",
            "tcp and not port 80",
            "port 22 or 23",
            "ip6 host ::1",
            "sctp",
            "ip proto 17",
        ],
    );
}

/// The header's length is taken into account, and only the first fragment has ports.
#[test]
fn options_and_fragments_move_and_hide_ports() {
    check(&dns(), &["udp port 53", "port domain", "src port 5353", "udp[2:2] = 53"], &["tcp port 53", "port 54", "tcp[2:2] = 53"]);
    let fragment = ipv4(17, [10, 1, 2, 3], [8, 8, 8, 8], 0, 0x0005, &ports(5353, 53));
    check(&fragment, &["udp", "ip[6:2] & 0x1fff != 0", "host 8.8.8.8"], &["port 53", "udp[2:2] = 53"]);
}

#[test]
fn ipv6_packets_match_by_what_their_headers_say() {
    let frame = ipv6(6, "2001:db8::1", "fe80::2", &tcp(40000, 443, 0x12));
    check(
        &frame,
        &[
            "ip6",
            "tcp",
            "host 2001:db8::1",
            "src net 2001:db8::/32",
            "dst host fe80::2",
            "port https",
            "ip6 proto tcp",
            "net fe80::/10",
            "net ::/0",
        ],
        &["ip", "udp", "host 2001:db8::2", "dst net 2001:db8::/33", "port 80", "icmp6", "net 2001:db9::/32"],
    );
    check(
        &ipv6(58, "::1", "ff02::1", &[128, 0]),
        &["icmp6", "ip6 multicast", "icmp6[icmp6type] = icmp6-echo"],
        &["icmp", "icmp6[icmp6type] = icmp6-echoreply"],
    );
}

#[test]
fn other_frames() {
    let arp = ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    check(
        &arp,
        &["arp", "host 10.0.0.1", "arp host 10.0.0.2", "arp dst host 10.0.0.2", "arp net 10"],
        &["rarp", "ip host 10.0.0.1", "arp src host 10.0.0.2"],
    );
    let mut to_all = web();
    to_all[..6].fill(0xff);
    check(&to_all, &["broadcast", "ether broadcast", "multicast"], &["not broadcast"]);
    check(&ipv4(2, [10, 0, 0, 1], [224, 0, 0, 1], 0, 0, &[0; 8]), &["igmp", "ip multicast", "dst net 224.0.0.0/4"], &["tcp", "port 0"]);
}

/// Precedence, masks, nesting and numbers in every notation.
#[test]
fn bytes_of_headers_are_numbers_to_calculate_with() {
    check(
        &web(),
        &[
            "tcp[tcpflags] & tcp-syn != 0",
            "tcp[13] = 2",
            "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
            "(tcp[13] & 0x02) != 0",
            "ip[9] = 6",
            "ip[2:2] = 40",
            "ip[8] >= 64 and ip[8] < 65",
            "ether[12:2] = 0x800",
            "ip[0] & 0xf = 5",
            "tcp[12] >> 4 = 5",
            "len = 54",
            "len > 50 + 3",
            "2 + 3 * 4 = 14",
            "(2 + 3) * 4 = 20",
            "ip[9] % 4 = 2",
            "ip[9] * ip[8] = 384",
            "ip[2:2] - ((ip[0] & 0xf) << 2) - (tcp[12] >> 2) = 0",
            "tcp[0:2] > tcp[2:2]",
            "0x10 = 020",
            "ip[ip[9] + 3] = ip[ip[8] - 55]",
            "- 1 = 0xffffffff",
            "ip[12:4] = 0x0a010203",
            "ip[9] ^ 6 = 0",
        ],
        &["tcp[13] = 18", "tcp[tcpflags] & tcp-ack != 0", "udp[0] = 0 or udp[0] != 0", "1 = 2", "len < 54", "ip[9] / 2 = 2"],
    );
}

/// Nothing is read behind the end of a frame (the machine above would panic), and what cannot be told does not match, negated or not.
#[test]
fn short_frames_match_nothing_that_would_have_to_be_read() {
    for length in 0..web().len() {
        let short = &web()[..length];
        for filter in ["tcp port 80", "ip[200] = 1", "not ip[200] = 1", "host 10.1.2.3", "ip6 or tcp[13] = 2", "ip[ip[8]] != 7", "len > 60"]
        {
            assert!(!matches(filter, short) || length >= 30, "{filter:?} matches {length} bytes");
        }
    }
    assert!(!matches("not ip[200] = 1", &web()));
}

#[test]
fn nothing_and_everything() {
    assert!(compile("").unwrap().is_empty() && compile("  ").unwrap().is_empty());
    assert!(!matches("__reject_all__", &web()));
    check(&web(), &["1 = 1"], &["1 = 0", "not 1 = 1"]);
}

/// Every mistake has a place and a sentence.
#[test]
fn mistakes_are_named() {
    let error = |filter: &str| compile(filter).expect_err(filter).to_string();
    for (filter, wanted) in [
        ("port", "is missing at the end"),
        ("port http and", "a condition is missing at the end"),
        ("port 70000", "is no port"),
        ("host example.com", "host names are not looked up"),
        ("tcp host 10.0.0.1", "has no addresses of that kind"),
        ("icmp port 3", "has no ports"),
        ("vlan 3", "\"vlan\" is not supported"),
        ("(tcp", "\")\" is missing at the end"),
        ("tcp)", "\")\" was not expected here"),
        ("tcp[13:3] = 1", "only 1, 2 or 4"),
        ("ip[2] / 0 = 1", "divides by zero"),
        ("net 10.0.0.1/8", "bits outside of its mask"),
        ("net 10.0.0.0/33", "0 to 32 bits"),
        ("tcp $ udp", "at byte 4: '$' means nothing"),
        ("ip[40000] = 1", "further into a packet"),
        ("tcp tcp", "neither an address"),
    ] {
        assert!(error(filter).contains(wanted), "{filter:?}: {}", error(filter));
    }
    assert!(error(&"(".repeat(100)).contains("nests deeper"));
    assert!(error(&"!".repeat(100)).contains("nests deeper"));
    assert!(error(&"a".repeat(lexer::MAX_LENGTH + 1)).contains("longer than"));
    assert!(error(&vec!["port 80"; 200].join(" and ")).contains("too long"));
}

/// The kernel refuses code that nothing leads to, and jumps out of the program.
#[test]
fn every_instruction_can_be_reached() {
    for filter in ["tcp port 80", "1 = 1", "1 = 0", "not tcp", "ip or ip6", "tcp[13] & 2 != 0 and not port 22", "arp and 1 = 1"] {
        let program: Vec<bpf_insn> = compile(filter).unwrap();
        let mut reached = vec![false; program.len() + 1];
        let mut todo = vec![0usize];
        while let Some(at) = todo.pop() {
            if std::mem::replace(&mut reached[at], true) || at == program.len() {
                continue;
            }
            let jumps = program[at].code & 7 == 5;
            if !jumps || program[at].code != 5 {
                todo.push(at + 1);
            }
            if jumps {
                todo.push((at as i64 + 1 + i64::from(program[at].off)) as usize);
            }
        }
        assert!(reached.iter().all(|r| *r), "{filter:?}: {reached:?}");
    }
}

proptest::proptest! {
    /// Whatever is written: an error or a program, never a panic.
    #[test]
    fn any_text_is_answered(text in "[a-z0-9 ()\\[\\]:.!&|<>=+*/-]{0,80}") {
        let _ = compile(&text);
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(proptest::sample::select(vec![
        "tcp", "udp", "ip", "ip6", "port", "host", "net", "src", "dst", "and", "or", "not", "(", ")", "[", "]", "10.0.0.1", "80", "len", "=", "&", ":", "-", "::1", "/8", "proto",
    ]), 0..24)) {
        if let Ok(program) = compile(&words.join(" ")) {
            proptest::prop_assert!(program.len() <= 8192);
        }
    }
}
