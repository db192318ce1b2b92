//! The kernel's text formats and what can be asked of the running one.

#![allow(clippy::print_stderr)]

use std::path::Path;

use super::*;

#[test]
fn host_paths_go_below_the_root() {
    assert_eq!(below(Path::new("/host"), Path::new("/proc/1/ns")), Path::new("/host/proc/1/ns"));
    assert_eq!(below(Path::new("/"), Path::new("/proc")), Path::new("/proc"));
}

#[test]
fn namespaces_of_this_process_are_what_stat_says() {
    use std::os::unix::fs::MetadataExt;
    for kind in ["mnt", "net", "pid"] {
        let stat = std::fs::metadata(format!("/proc/self/ns/{kind}")).unwrap();
        assert_eq!(procfs::namespace_inode(std::process::id(), kind).unwrap(), stat.ino());
    }
    assert_eq!(procfs::parse_namespace(Path::new("mnt:[x]")), None);
}

#[test]
fn a_process_that_is_gone_is_not_found() {
    let error = procfs::namespace_inode(u32::MAX, "mnt").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn cgroup_lines_keep_colons_in_paths() {
    let line = procfs::parse_cgroup("0::/docker/a:b").unwrap();
    assert_eq!((line.hierarchy, line.controllers.as_str(), line.path.as_str()), (0, "", "/docker/a:b"));
    assert_eq!(procfs::parse_cgroup("3:memory,cpu:/x").unwrap().controllers, "memory,cpu");
    assert_eq!(procfs::parse_cgroup("nonsense"), None);
}

#[test]
fn every_process_is_in_a_cgroup() {
    assert!(!procfs::cgroups(std::process::id()).unwrap().is_empty());
}

#[test]
fn start_time_survives_a_name_with_parentheses() {
    let stat = b"7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
    assert_eq!(procfs::parse_start_time(stat), Some(4711));
    assert_eq!(procfs::parse_start_time(b"7 (a"), None);
    assert!(procfs::start_time(std::process::id()).unwrap() > 0);
}

#[test]
fn the_unified_mount_of_a_hybrid_system_is_found() {
    let mountinfo = "30 29 0:26 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
        31 29 0:27 /sub /odd\\040place rw - cgroup2 none rw\n\
        32 29 0:27 / /sys/fs/cgroup/unified rw shared:2 - cgroup2 cgroup2 rw\n";
    assert_eq!(cgroupfs::find_unified(mountinfo).unwrap(), Path::new("/sys/fs/cgroup/unified"));
    let only_sub: String = mountinfo.lines().take(2).map(|l| format!("{l}\n")).collect();
    assert_eq!(cgroupfs::find_unified(&only_sub).unwrap(), Path::new("/odd place"));
    assert_eq!(cgroupfs::find_unified("30 29 0:26 / /a rw - cgroup cgroup rw\n"), None);
}

#[test]
fn the_unified_mount_of_this_machine_holds_our_cgroup() {
    let Some(mount) = cgroupfs::unified_mount().unwrap() else { return eprintln!("skipped: no cgroup2 mounted") };
    assert!(mount.join("cgroup.procs").exists(), "{mount:?}");
}

#[test]
fn missing_capabilities_are_named_and_sys_admin_covers_them() {
    assert_eq!(capabilities::missing(0), ["CAP_BPF", "CAP_PERFMON"]);
    assert_eq!(capabilities::missing(1 << 39), ["CAP_PERFMON"]);
    assert!(capabilities::missing(1 << 21).is_empty());
    assert_eq!(capabilities::parse_effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
}

#[test]
fn functions_are_told_from_data() {
    let list = b"ffff T do_it\nffff d table\nffff t helper\t[module]\n";
    assert!(kallsyms::find_function(&list[..], b"do_it").unwrap());
    assert!(kallsyms::find_function(&list[..], b"helper").unwrap());
    assert!(!kallsyms::find_function(&list[..], b"table").unwrap());
}

#[test]
fn this_kernel_has_what_the_gadgets_need() {
    if !capabilities::missing_capabilities().is_empty() {
        return eprintln!("skipped: not privileged");
    }
    assert!(features::has_ring_buffer());
    assert!(features::has_batch_operations());
    assert!(!features::kernel_release().is_empty());
}

#[test]
fn tracepoints_have_ids_and_unknown_ones_are_not_found() {
    if !capabilities::missing_capabilities().is_empty() {
        return eprintln!("skipped: not privileged");
    }
    assert!(tracefs::tracepoint_id("sched", "sched_process_exec").unwrap() > 0);
    assert_eq!(tracefs::tracepoint_id("sched", "no_such_thing").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(tracefs::tracepoint_id("..", "x").unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn calls_and_stores_outside_the_stack_are_what_a_program_does() {
    let code = |instructions: &[[u8; 2]]| -> Vec<u8> { instructions.iter().flat_map(|[a, b]| [*a, *b, 0, 0, 0, 0, 0, 0]).collect() };
    let (exit, load, spill) = ([0x95, 0], [0x71, 0x11], [0x7b, 0x1a]);
    assert!(!translated::acts_somewhere(&code(&[load, spill, exit])));
    for act in [[0x85, 0], [0xf5, 0], [0x7b, 0x21], [0xdb, 0x21], [0x62, 0x06]] {
        assert!(translated::acts_somewhere(&code(&[load, act, exit])), "{act:x?}");
    }
}

#[test]
fn only_the_first_user_namespace_maps_everybody() {
    assert!(capabilities::maps_everybody("         0          0 4294967295\n"));
    assert!(!capabilities::maps_everybody("         0          0          1\n"));
    assert!(!capabilities::maps_everybody("0 100000 65536\n65536 0 1\n"));
}

/// Work is done in the namespace it is for, and the thread that asked for it stays where it was.
#[test]
fn a_network_namespace_is_entered_by_another_thread() {
    use std::os::unix::fs::MetadataExt;
    let here = || std::fs::metadata("/proc/thread-self/ns/net").map(|m| m.ino());
    let ours = here().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: the calls change nothing but this thread's network namespace, and cannot go wrong otherwise.
        tell.send(unsafe { (libc::unshare(libc::CLONE_NEWNET) == 0, libc::gettid() as u32) }).unwrap();
        let _ = ended.recv();
    });
    let (made, tid) = told.recv().unwrap();
    if made {
        let other = netns::NetNs::of(tid).unwrap();
        assert_ne!(other.inode(), ours);
        assert_eq!((other.within(here).unwrap(), here().unwrap()), (other.inode(), ours));
        assert!(netns::NetNs::find(other.inode(), tid).unwrap().is_some());
        assert!(netns::NetNs::find(ours, tid).unwrap().is_none(), "another one by now");
        drop(end);
        thread.join().unwrap();
        assert!(netns::NetNs::find(0, tid).unwrap().is_none(), "gone");
        assert_eq!(other.within(here).unwrap(), other.inode(), "it lasts as long as it is held");
    }
}

/// The nearest lower function counts, the first of several at one address; data and what is below the first function have no name.
#[test]
fn symbols_are_found_by_address() {
    let list = "ffffffff81000200 t second\t[module]\nffffffff81000000 T first\nffffffff81000000 t alias\nffffffff81000100 D data\nbroken\n\
                zz T bad\nffffffff81000300 W third\n";
    let symbols = kallsyms::Symbols::read(list.as_bytes()).unwrap();
    let name = |address| symbols.name(address).map(|n| String::from_utf8(n.to_vec()).unwrap());
    assert_eq!(name(0xffff_ffff_80ff_ffff), None);
    for (address, expected) in [(0x000, "first"), (0x1ff, "first"), (0x200, "second"), (0x300, "third"), (0xffff, "third")] {
        assert_eq!(name(0xffff_ffff_8100_0000 + address).as_deref(), Some(expected));
    }
    assert!(!symbols.are_hidden());
}

/// Where the kernel hides its addresses all of them are zero.
#[test]
fn hidden_symbols_are_noticed() {
    let symbols = kallsyms::Symbols::read(&b"0000000000000000 T first\n0000000000000000 T second\n"[..]).unwrap();
    assert!(symbols.are_hidden() && symbols.name(u64::MAX).is_none());
}

/// The C library's zone has an offset and a name; those of UTC, or of wherever this runs.
#[test]
fn zones_have_names() {
    let (offset, name) = clock::zone(1_714_551_072);
    assert_eq!(offset, clock::zone_offset(1_714_551_072));
    assert!(name.iter().take_while(|b| **b != 0).all(u8::is_ascii) && name[0] != 0);
}

/// A probe made through tracefs is a tracepoint until it is dropped; one on a function that is not there is refused.
#[test]
fn probes_come_and_go() {
    use std::io::ErrorKind;
    match tracefs::Probe::create("vfs_read", false) {
        // This machine's kernel has none; those of the virtual machines have.
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        Ok(probe) => {
            assert!(probe.id().unwrap() > 0);
            assert!(tracefs::events(Some("gadgetry")).is_ok_and(|events| events.iter().any(|e| e.starts_with("probe_"))));
            drop(probe);
            assert!(tracefs::events(Some("gadgetry")).map_or(true, |events| !events.iter().any(|e| e.starts_with("probe_"))));
            assert!(tracefs::Probe::create("no_such_function_at_all", false).is_err());
        }
    }
    assert_eq!(tracefs::Probe::create("a b", false).err().unwrap().kind(), ErrorKind::InvalidInput);
}

/// The list of tracepoints is read without anybody having mounted it.
#[test]
fn tracepoints_are_listed() {
    if super::capabilities::missing_capabilities().is_empty() {
        assert!(tracefs::events(None).unwrap().iter().any(|category| category == "sched"));
        assert!(tracefs::events(Some("sched")).unwrap().iter().any(|name| name == "sched_switch"));
    }
}

/// As many descriptors as possible may be open, and asking twice is no harm.
#[test]
fn limits_are_raised() {
    super::limits::raise();
    super::limits::raise();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and the kernel fills it.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    assert!(limit.rlim_cur >= limit.rlim_max.min(1 << 16), "{} of {}", limit.rlim_cur, limit.rlim_max);
    assert_eq!(super::limits::version("5.10.0-28-amd64"), (5, 10));
}
