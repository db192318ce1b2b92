//! Times as text.

use super::*;

fn text(unix_ns: u64, offset: i64) -> String {
    let second = Second::render((unix_ns / 1_000_000_000) as i64, offset);
    let zone = &second.zone[..second.zone_len];
    format!("{} {}", std::str::from_utf8(&second.date).unwrap(), std::str::from_utf8(zone).unwrap())
}

/// Dates around leap days, year ends and zone offsets come out as `date -d @N` prints them.
#[test]
fn seconds_are_rendered_in_their_zone() {
    for (second, offset, expected) in [
        (0, 0, "1970-01-01T00:00:00 Z"),
        (951_782_400, 0, "2000-02-29T00:00:00 Z"),
        (1_714_551_072, 7200, "2024-05-01T10:11:12 +02:00"),
        (1_704_067_199, 0, "2023-12-31T23:59:59 Z"),
        (1_704_067_199, 20_700, "2024-01-01T05:44:59 +05:45"),
        (1_704_067_200, -12_600, "2023-12-31T20:30:00 -03:30"),
        (4_107_542_400, 0, "2100-03-01T00:00:00 Z"),
    ] {
        assert_eq!(text(second * 1_000_000_000, offset), expected);
    }
}

/// The bytes are read on the boot-time clock, and nine digits are kept.
#[test]
fn boot_time_becomes_wall_time() {
    let boot = clock::boot_now();
    let (mut decoded, mut expected) = (Vec::new(), Vec::new());
    Timestamp.decode(&boot.to_ne_bytes(), &mut decoded);
    push_unix(clock::boot_to_unix(boot), &mut expected);
    assert_eq!(decoded, expected);
    let mut padded = Vec::new();
    push_unix(1_714_551_072_000_000_042, &mut padded);
    assert!(String::from_utf8(padded).unwrap().contains(".000000042"));
}
