//! The tables of system calls.

use super::*;

/// Both tables are sorted, as the search needs them, and know the calls that gadgets trace.
#[test]
fn tables_are_searchable() {
    for (table, openat, execve) in [(x86_64::NAMES, 257, 59), (aarch64::NAMES, 56, 221)] {
        assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(Syscall(table).name(openat), Some("OPENAT"));
        assert_eq!(Syscall(table).name(execve), Some("EXECVE"));
        assert_eq!(Syscall(table).name(u64::MAX), None);
    }
}
