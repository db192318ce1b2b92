//! Reading what the process uses.

use super::*;

/// The process name may hold blanks and parentheses.
#[test]
fn ticks_are_found_behind_a_strange_name() {
    let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20";
    assert_eq!(cpu(stat), (11 + 12, 19));
    assert_eq!(cpu(""), (0, 0));
}

#[test]
fn this_process_uses_memory_and_descriptors_and_started_before_now() {
    let used = read();
    assert!(used.resident_bytes > 100_000 && used.peak_resident_bytes >= used.resident_bytes / 2, "{used:?}");
    assert!(used.open_fds >= 3 && used.threads >= 1, "{used:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(used.start_unix_seconds <= now + 1.0 && used.start_unix_seconds > now - 3600.0, "{used:?} at {now}");
}
