//! Buffers and maps: what is read, what is lost and counted, how large things are, and who shares them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use gadgetry::batch::{Batch, GadgetIdentity, SchemaBuilder, SourceKind};
use gadgetry::datasource::{self, Progress};
use gadgetry::gadget;
use gadgetry::image;
use gadgetry::loader::{self, Options};

use crate::harness::{Event, Run, Setup, compiled, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

fn setup(buffer: Option<u32>) -> Setup {
    Setup { buffer, ..Setup::params(&[("thread", &thread())]) }
}

fn attached(gadget: &str, compiler: &str, setup: &Setup) -> Run {
    Run::try_attach(&compiled(gadget, compiler), setup).unwrap_or_else(|e| panic!("{gadget} by {compiler}: {e}"))
}

/// Keeps this thread on the CPU it is on.
fn stay() {
    // SAFETY: a set of CPUs is a plain structure, and it is as long as stated.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap(), &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn numbers(events: &[Event], source: &str, member: &str) -> Vec<u64> {
    events.iter().filter(|e| e.source == source).map(|e| e.json[member].as_u64().unwrap()).collect()
}

fn kernel_at_least(major: u32, minor: u32) -> bool {
    let release = gadgetry::kernel::features::kernel_release();
    let mut parts = release.split(['.', '-']).map_while(|p| p.parse::<u32>().ok());
    (parts.next().unwrap(), parts.next().unwrap()) >= (major, minor)
}

/// Records come out of small perf buffers whole and in order, over and over again.
#[test]
fn perf_tracer() {
    with_each_compiler(|compiler| {
        let run = Run::start("perf_tracer", compiler, &setup(Some(4096)));
        for round in 1..=40 {
            getppid(25);
            run.event_of("calls", |e| e["number"] == 25 * round);
        }
        assert_eq!(run.totals().lost, 0);
        let events = run.stop();
        assert_eq!(numbers(&events, "calls", "number"), (1..=1000).collect::<Vec<u64>>());
        for event in events.iter().filter(|e| e.source == "calls") {
            assert_eq!(event.json["twice"], 2 * event.json["number"].as_u64().unwrap());
        }
        assert_eq!(numbers(&events, "produced", "count").iter().sum::<u64>(), 1000);
    });
    seen("tracer: perf buffer");
}

/// Every sample that a perf buffer had no room for is counted, and what came before is delivered.
#[test]
fn perf_losses_are_counted_exactly() {
    with_each_compiler(|compiler| {
        stay();
        let mut run = attached("perf_tracer", compiler, &setup(Some(8192)));
        getppid(5000);
        run.read().unwrap();
        run.event_of("calls", |e| e["number"] == 1);
        if kernel_at_least(6, 0) {
            wait_until("losses show without another event", || run.totals().lost > 0);
        }
        getppid(1);
        run.event_of("calls", |e| e["number"] == 5001);
        wait_until("losses show", || run.totals().lost > 0);
        let (ledger, events) = run.account();
        let read = numbers(&events, "calls", "number").len() as u64;
        assert_eq!(numbers(&events, "produced", "count"), [5001]);
        assert!(ledger.lost > 4000 && read > 50, "{ledger:?}");
        assert_eq!(read + ledger.lost, 5001);
        assert!(ledger.closes(), "{ledger:?}");
    });
    seen("loss: perf buffer, produced = read + lost");
}

/// A map that is marked for it is a perf buffer where there are no ring buffers.
#[test]
fn a_ring_is_a_perf_buffer_where_there_are_none() {
    with_each_compiler(|compiler| {
        let folder = compiled("perf_converted", compiler);
        let gadget = gadget::open(&image::open(folder.to_str().unwrap()).unwrap(), "converted").unwrap();
        let params = BTreeMap::from([("thread".to_owned(), thread())]);
        let mut loaded = loader::load(&gadget, &Options { perf_buffers: true, ..Options::new(&params) }).unwrap();
        let (_, reader) = loaded.readers().unwrap().pop().unwrap();
        let mut source = datasource::open(reader);
        loaded.attach().unwrap();
        getppid(3);
        let schema = SchemaBuilder::new("calls", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new()).finish();
        let mut batch = Batch::new(schema, 100, 1 << 20);
        assert_eq!(source.poll(&mut batch).unwrap(), Progress::Drained);
        let rows: Vec<&[u8]> = (0..batch.len()).map(|row| batch.row(row)).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().zip(1u64..).all(|(row, number)| row[..8] == number.to_le_bytes() && row[8..12] == 77u32.to_le_bytes()));
        assert_eq!(source.lost(), 0);
    });
    seen("tracer: ring buffer made a perf buffer");
}

/// The mark may be a tag on the map: the program, which knows only ring buffers, is then refused a perf buffer.
#[test]
fn a_ring_marked_by_a_tag_is_one_too() {
    if crate::programs::refused_map_iterators("tracer: ring buffer marked by a tag") {
        return;
    }
    let folder = compiled("tags", "clang-16");
    let gadget = gadget::open(&image::open(folder.to_str().unwrap()).unwrap(), "tags").unwrap();
    let params = BTreeMap::new();
    assert!(loader::load(&gadget, &Options::new(&params)).is_ok());
    let error = loader::load(&gadget, &Options { perf_buffers: true, ..Options::new(&params) }).err().unwrap().to_string();
    assert!(error.contains("map_type 4"), "{error}");
}

/// What a full ring had no room for is counted, seen without another event, and what it holds is delivered.
#[test]
fn ring_losses_are_counted_exactly() {
    with_each_compiler(|compiler| {
        let mut run = attached("ring_tracer", compiler, &setup(Some(4096)));
        getppid(10_000);
        run.read().unwrap();
        wait_until("losses show without another event", || run.totals().lost > 9000);
        getppid(1);
        let (ledger, events) = run.account();
        let read = numbers(&events, "calls", "count");
        assert_eq!(read.len() as u64 + ledger.lost, 10_001, "{ledger:?}");
        // The program numbers what found room: no record is lost once it was written.
        assert_eq!(read, (1..=read.len() as u64).collect::<Vec<_>>());
        assert!(read.len() > 10 && ledger.closes(), "{ledger:?}");
    });
    seen("loss: ring buffer, produced = read + lost");
}

/// A flood that nobody can keep up with is accounted for to the last record while it is being read.
#[test]
fn a_flood_is_accounted_for() {
    with_each_compiler(|compiler| {
        let run = Run::start("ring_tracer", compiler, &setup(Some(4096)));
        getppid(50_000);
        let (ledger, events) = run.account();
        assert_eq!(events.len() as u64 + ledger.lost, 50_000, "{ledger:?}");
        assert!(ledger.lost > 0, "a flood that everything survives shows nothing");
    });
    seen("flood: produced = read + lost");
}

/// Losses of a tracer that never has an event show by themselves, within a bounded time.
#[test]
fn losses_of_a_silent_tracer_show() {
    with_each_compiler(|compiler| {
        let run = Run::start("big_records", compiler, &setup(Some(4096)));
        std::thread::sleep(Duration::from_millis(50));
        getppid(7);
        let began = Instant::now();
        wait_until("losses show", || run.totals().lost == 7);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(run.stop().is_empty());
    });
    seen("loss: shows without an event");
}

/// Bytes of each of our windows into maps.
fn windows() -> Vec<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    maps.lines().filter(|l| l.ends_with("anon_inode:bpf-map")).filter_map(range).collect()
}

fn memory() -> u64 {
    gadgetry::kernel::memory::total()
}

/// A burst of 100000 records of 592 bytes waits for a reader that comes late; of the 64 MiB they take, no more than a window is mapped.
#[test]
fn a_burst_of_long_records_waits_for_its_reader() {
    if memory() / 128 < loader::ROOM {
        return crate::harness::not_here("burst: 100000 records of 592 bytes", "the machine has less than 8 GiB of memory");
    }
    let mut run = attached("burst", "clang-16", &Setup { keep: false, ..setup(None) });
    getppid(loader::BURST);
    assert!(windows().iter().all(|bytes| *bytes <= 1 << 20), "{:?}", windows());
    run.read().unwrap();
    wait_until("all are read", || run.totals().received >= loader::BURST as u64);
    assert!(windows().iter().all(|bytes| *bytes <= 1 << 20), "{:?}", windows());
    let (ledger, _) = run.account();
    assert_eq!((ledger.received, ledger.lost), (loader::BURST as u64, 0), "{ledger:?}");
    seen("burst: 100000 records of 592 bytes");
}

/// 100000 opens wait for a reader that comes late, as the embedded gadget is without any setting.
#[test]
fn a_burst_of_opens_waits_for_its_reader() {
    if memory() / 128 < 32 << 20 {
        return crate::harness::not_here("burst: 100000 opens", "the machine has less than 4 GiB of memory");
    }
    let mut run = Run::try_attach(Path::new("trace_open"), &Setup { keep: false, ..Setup::default() }).unwrap();
    for _ in 0..loader::BURST {
        // SAFETY: the path is NUL-terminated.
        let fd = unsafe { libc::open(c"/usr/share/gadgetry/of/some/usual/length".as_ptr(), libc::O_RDONLY) };
        assert_eq!(fd, -1);
    }
    run.read().unwrap();
    wait_until("all are read", || run.totals().received >= loader::BURST as u64);
    let (ledger, _) = run.account();
    assert_eq!(ledger.lost, 0, "{ledger:?}");
    seen("burst: 100000 opens");
}

fn map_counts(compiler: &str, interval: &str, count: &str, flush: bool) -> Result<Run, String> {
    let params = [("thread", thread()), ("map-fetch-interval", interval.to_owned()), ("map-fetch-count", count.to_owned())];
    let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let folder = compiled("map_counts", compiler);
    let own = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("program.o"), own.path().join("program.o")).unwrap();
    let flush = format!("datasources:\n  calls:\n    annotations:\n      ebpf.map.flush-on-stop: \"{flush}\"\n");
    std::fs::write(own.path().join("gadget.yaml"), format!("name: map_counts\n{flush}")).unwrap();
    Run::try_attach(own.path(), &Setup::params(&params))
}

fn counted(events: &[Event]) -> Vec<u64> {
    numbers(events, "calls", "count")
}

/// Interval 0 and count 1: one read at the start, never again.
#[test]
fn a_map_without_interval_is_read_once_at_the_start() {
    with_each_compiler(|compiler| {
        let mut run = map_counts(compiler, "0", "1", true).unwrap();
        getppid(3);
        run.read().unwrap();
        run.event_of("calls", |e| e["count"] == 3);
        getppid(2);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(counted(&run.stop()), [3]);
    });
    seen("map iterator: interval 0, count 1");
}

/// Interval 0 and a larger count cannot be meant, which is said at the start.
#[test]
fn a_map_cannot_be_read_many_times_without_interval() {
    let error = map_counts("clang-16", "0", "2", false).err().unwrap();
    assert!(error.contains("\"calls\"") && error.contains("2 times without an interval"), "{error}");
    seen("map iterator: interval 0, count 2 refused");
}

/// Interval 0 and count 0: nothing before the end, then everything.
#[test]
fn a_map_without_interval_and_count_is_read_at_the_end() {
    with_each_compiler(|compiler| {
        let mut run = map_counts(compiler, "0", "0", true).unwrap();
        run.read().unwrap();
        getppid(4);
        std::thread::sleep(Duration::from_millis(100));
        assert!(run.events().is_empty());
        assert_eq!(counted(&run.stop()), [4]);
    });
    seen("map iterator: interval 0, count 0, at the end");
}

/// With an interval the first read is one interval away, each yields what was counted since the last one, and a count ends them.
#[test]
fn a_map_with_interval_and_count_yields_what_was_counted_in_between() {
    with_each_compiler(|compiler| {
        let mut run = map_counts(compiler, "200ms", "2", true).unwrap();
        getppid(5);
        run.read().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(run.events().is_empty(), "the first read is one interval away");
        run.event_of("calls", |e| e["count"] == 5);
        getppid(6);
        run.event_of("calls", |e| e["count"] == 6);
        getppid(7);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(counted(&run.stop()), [5, 6], "two reads, and none at the end");
    });
    seen("map iterator: interval and count");
}

/// With an interval and no count it is read until the end, and once more then.
#[test]
fn a_map_with_interval_is_read_on_and_on() {
    with_each_compiler(|compiler| {
        let mut run = map_counts(compiler, "30ms", "0", true).unwrap();
        run.read().unwrap();
        for count in 1..=4 {
            getppid(count);
            wait_until("it is read", || counted(&run.events()).iter().sum::<u64>() == (1..=count as u64).sum::<u64>());
        }
        getppid(9);
        assert_eq!(counted(&run.stop()).iter().sum::<u64>(), 19);
    });
    seen("map iterator: interval, without end");
}

/// Values that the object gives to its maps of maps are there; places without one are empty.
#[test]
fn maps_of_maps_hold_what_the_object_says() {
    with_each_compiler(|compiler| {
        let run = Run::start("maps_of_maps", compiler, &setup(None));
        getppid(2);
        let event = run.event(|e| e["first"] != 1001);
        assert_eq!((&event["first"], &event["second"], &event["missing"]), (&2002.into(), &220.into(), &2.into()), "{event}");
    });
    seen("maps: array and hash of maps with initial values");
}

/// A variable of any width that is called after a map says how many entries it has, also when it is a parameter.
#[test]
fn variables_size_maps() {
    with_each_compiler(|compiler| {
        for (params, expected) in
            [(&[][..], [3, 5, 7, 9]), (&[("two_bytes_max_entries", "20"), ("eight_bytes_max_entries", "30")], [3, 20, 7, 30])]
        {
            let mut setup = setup(None);
            setup.params.extend(params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            let run = Run::start("sized_maps", compiler, &setup);
            getppid(40);
            let event = run.event(|e| e["calls"] == 40);
            let sizes = ["one", "two", "four", "eight"].map(|member| event[member].as_u64().unwrap());
            assert_eq!(sizes, expected, "{compiler}");
        }
    });
    seen("maps: <map>_max_entries");
}

/// Kinds of maps that the loader knows nothing special about are made as they are declared.
#[test]
fn odd_maps() {
    if !kernel_at_least(5, 11) {
        return crate::harness::not_here("maps: task storage, queue, stack trace", "task storage came with 5.11");
    }
    with_each_compiler(|compiler| {
        let run = Run::start("odd_maps", compiler, &setup(None));
        getppid(1);
        run.event(|e| e["popped"] == 42);
    });
    seen("maps: task storage, queue, stack trace");
}

/// A mount namespace of this thread's own with a BPF filesystem where one is expected.
fn mount_bpffs() -> bool {
    let none = std::ptr::null();
    // SAFETY: all names are NUL-terminated; only this thread is moved.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
            && libc::mount(c"bpf".as_ptr(), c"/sys/fs/bpf".as_ptr(), c"bpf".as_ptr(), 0, none.cast()) == 0
    }
}

/// Two gadgets count in one pinned map, a third goes on after both are gone, and one that means something else by the name is refused.
fn share_a_pinned_map(compiler: &str) {
    let count = |run: &Run, expected: u64| drop(run.event(|e| e["count"] == expected));
    let (one, two) = (Run::start("pinned", compiler, &setup(None)), Run::start("pinned", compiler, &setup(None)));
    getppid(1);
    let first: Vec<u64> = [&one, &two].map(|run| run.event(|_| true)["count"].as_u64().unwrap()).to_vec();
    assert_eq!(first.iter().sum::<u64>() - 2 * first.iter().min().unwrap(), 1, "consecutive numbers: {first:?}");
    let so_far = *first.iter().max().unwrap();
    one.stop();
    two.stop();
    let three = Run::start("pinned", compiler, &setup(None));
    getppid(1);
    count(&three, so_far + 1);
    let error = Run::try_start(&compiled("pinned_other", compiler), &setup(None)).err().unwrap();
    for part in ["gadgetry_test_shared_count", "value 24 bytes", "value 8 bytes"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Pinned maps are shared through `/sys/fs/bpf` and stay there.
#[test]
fn pinned_maps_are_shared_and_stay() {
    std::thread::spawn(|| {
        with_each_compiler(|compiler| drop(compiled("pinned", compiler)));
        assert!(mount_bpffs(), "{}", std::io::Error::last_os_error());
        with_each_compiler(share_a_pinned_map);
        assert!(Path::new("/sys/fs/bpf/gadgetry_test_shared_count").exists());
    })
    .join()
    .unwrap();
    seen("maps: pinned by name");
}

/// Where no BPF filesystem is mounted the gadgets of this process still share them.
#[test]
fn pinned_maps_are_shared_within_the_process_without_a_filesystem() {
    if gadgetry::kernel::bpffs::place().unwrap().shared {
        return crate::harness::not_here("maps: pinned without bpffs", "a BPF filesystem is mounted");
    }
    with_each_compiler(share_a_pinned_map);
    seen("maps: pinned without bpffs");
}

/// While one gadget is being detached, which takes the kernel its time, another one's events go on arriving.
#[test]
fn a_gadget_that_stops_keeps_no_other_from_its_events() {
    let other = Run::start("ring_tracer", "clang-16", &setup(None));
    let leaving: Vec<Run> = (0..4).map(|_| Run::start("sized_maps", "clang-16", &setup(None))).collect();
    let began = Instant::now();
    let stopping = std::thread::spawn(move || leaving.into_iter().for_each(|run| drop(run.stop())));
    let mut longest = Duration::ZERO;
    let mut calls = 0u64;
    while !stopping.is_finished() {
        let called = Instant::now();
        getppid(1);
        calls += 1;
        other.event_of("calls", |e| e["count"] == calls);
        longest = longest.max(called.elapsed());
    }
    let stopped_in = began.elapsed();
    stopping.join().unwrap();
    assert!(stopped_in < Duration::from_millis(50) || longest < stopped_in / 2, "{longest:?} of {stopped_in:?}");
    seen("detach: keeps nobody waiting");
}
