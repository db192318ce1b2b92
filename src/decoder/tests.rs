//! The text of each special type, from `gadget-abi.md` section 4.

use super::*;
use crate::batch::Decode;

fn text(decoder: &dyn Decode, raw: &[u8]) -> String {
    let mut out = b"kept ".to_vec();
    decoder.decode(raw, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("kept ").unwrap().to_owned()
}

#[test]
fn errors_are_named() {
    for (number, expected) in [
        (0u32, ""),
        (1, "EPERM"),
        (2, "ENOENT"),
        (35, "EDEADLK"),
        (41, "error#41"),
        (95, "ENOTSUP"),
        (133, "EHWPOISON"),
        (9999, "error#9999"),
    ] {
        assert_eq!(text(&errno::Errno, &number.to_ne_bytes()), expected);
    }
    assert!(errno::one_of().starts_with("EPERM,ENOENT,"));
}

#[test]
fn signals_are_named() {
    for (number, expected) in [(0u32, "signal#0"), (9, "SIGKILL"), (15, "SIGTERM"), (31, "SIGSYS"), (200, "signal#200")] {
        assert_eq!(text(&signal::Signal, &number.to_ne_bytes()), expected);
    }
}

#[test]
fn system_calls_are_those_of_the_host() {
    let decoder = syscall::Syscall::host();
    assert_eq!(text(&decoder, &(libc::SYS_openat as u64).to_ne_bytes()), "SYS_OPENAT");
    assert_eq!(text(&decoder, &(libc::SYS_close as u64).to_ne_bytes()), "SYS_CLOSE");
    assert_eq!(text(&decoder, &u64::MAX.to_ne_bytes()), "SYS_UNKNOWN");
}

#[test]
fn sizes_are_in_si_units() {
    for (size, expected) in [
        (0u64, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (9_949, "9.9 kB"),
        (9_960, "10 kB"),
        (15_000_000, "15 MB"),
        (999_999, "1000 kB"),
        (u64::MAX, "18 EB"),
    ] {
        assert_eq!(text(&bytes::Bytes, &size.to_ne_bytes()), expected);
    }
}

#[test]
fn durations_are_written_as_upstream_writes_them() {
    for (ns, expected) in [
        (0u64, "0ns"),
        (123, "123ns"),
        (12_340, "12.34\u{b5}s"),
        (12_345_678, "12.35ms"),
        (1_500_000_000, "1.5s"),
        (62_003_000_000, "1m2.003s"),
        (3_600_000_000_000, "1h0m0s"),
        (1_000_000_001, "1.000000001s"),
        (20_000_000_000, "20s"),
    ] {
        assert_eq!(text(&duration::Duration, &ns.to_ne_bytes()), expected);
    }
}

#[test]
fn modes_are_those_of_go() {
    for (mode, expected) in [
        (0o644u32, "-rw-r--r--"),
        (0o100_755, "-rwxr-xr-x"),
        (0o4711, "-rwx--x--x"),
        (0, "----------"),
        (1 << 31 | 1 << 20 | 0o700, "dtrwx------"),
    ] {
        assert_eq!(text(&file_mode::FileMode, &mode.to_ne_bytes()), expected);
    }
}

#[test]
fn flags_follow_the_access_mode() {
    for (flags, expected) in [
        (0u32, "O_RDONLY"),
        (0o2000100, "O_RDONLY|O_CREAT|O_CLOEXEC"),
        (0o1101, "O_WRONLY|O_CREAT|O_TRUNC"),
        (2, "O_RDWR"),
        (3, ""),
        (0o100003, "O_LARGEFILE"),
    ] {
        assert_eq!(text(&file_flags::FileFlags, &flags.to_ne_bytes()), expected);
    }
}

#[test]
fn arguments_have_blanks_between_them() {
    for (raw, expected) in [(&b"ls\0-l\0/tmp\0"[..], "ls -l /tmp"), (b"one", "one"), (b"", ""), (b"\0\0", ""), (b"sh\0\0x\0\0\0", "sh  x")]
    {
        assert_eq!(text(&args::Args, raw), expected);
    }
}

#[test]
fn endpoints_are_addresses_ports_and_protocols() {
    let layout = endpoint::Layout { address: 0, version: 20, port: Some(16) };
    let endpoint = |address: [u8; 16], version: u8| {
        let mut raw = address.to_vec();
        raw.extend(443u16.to_ne_bytes());
        raw.extend([6, 0, version]);
        (text(&endpoint::Address(layout), &raw), text(&endpoint::Endpoint(layout), &raw))
    };
    let v4 = [10, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    assert_eq!(endpoint(v4, 4), ("10.0.0.1".into(), "10.0.0.1:443".into()));
    let loopback = std::net::Ipv6Addr::LOCALHOST.octets();
    assert_eq!(endpoint(loopback, 6), ("::1".into(), "::1:443".into()));
    let mapped = std::net::Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped().octets();
    assert_eq!(endpoint(mapped, 6).0, "1.2.3.4");
    assert_eq!(endpoint(v4, 0).0, "");
    assert_eq!(text(&endpoint::Protocol, &17u16.to_ne_bytes()), "UDP");
    assert_eq!(text(&endpoint::Protocol, &253u16.to_ne_bytes()), "proto#253");
}

/// Whatever a record was cut to, a decoder gets along with it.
#[test]
fn short_bytes_are_harmless() {
    let layout = endpoint::Layout { address: 0, version: 20, port: Some(16) };
    let decoders: [&dyn Decode; 11] = [
        &errno::Errno,
        &signal::Signal,
        &syscall::Syscall::host(),
        &bytes::Bytes,
        &duration::Duration,
        &file_mode::FileMode,
        &file_flags::FileFlags,
        &args::Args,
        &endpoint::Endpoint(layout),
        &endpoint::Protocol,
        &timestamp::Timestamp,
    ];
    for decoder in decoders {
        for length in 0..24 {
            let mut out = vec![b'x'];
            decoder.decode(&vec![0xff; length], &mut out);
            assert_eq!(out.first(), Some(&b'x'));
        }
    }
}

#[test]
fn slots_are_powers_of_two() {
    assert_eq!(histogram::boundaries(5), [1, 2, 4, 8, 16]);
    assert_eq!(histogram::boundaries(100).len(), 64);
    for (value, slot) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (u64::MAX, 63)] {
        assert_eq!(histogram::slot(value), slot);
    }
}
