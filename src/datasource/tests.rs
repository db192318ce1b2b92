//! Every kind of data source on the running kernel, into batches that are too small, and the timer without one.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::batch::{GadgetIdentity, Schema, SchemaBuilder, SourceKind};
use crate::kernel::bpf::{self, Shape};
use crate::loader::testing::{GETPPID, can_load, gadget, getppid, load_with};
use crate::loader::{Loaded, MapSource, Schedule, Workload};

fn schema() -> Arc<Schema> {
    SchemaBuilder::new("test", SourceKind::Single, GadgetIdentity::default(), BTreeMap::new()).finish()
}

fn batch(rows: usize) -> Batch {
    Batch::new(schema(), rows, 1 << 20)
}

/// Loads and attaches a gadget of one data source.
fn start(source: &str, metadata: &str) -> (Loaded, Box<dyn Datasource>) {
    let mut loaded = load_with(&gadget(source, metadata), &[], None).unwrap();
    let reader = loaded.readers().unwrap().pop().unwrap().1;
    loaded.attach().unwrap();
    (loaded, open(reader))
}

/// Polls (or drains) with a batch of `rows` until there is no more; each batch is as full as it may be.
fn collect(rows: usize, mut read: impl FnMut(&mut Batch) -> Progress) -> (Vec<Vec<u8>>, Progress) {
    let (mut all, mut batch) = (Vec::new(), batch(rows));
    loop {
        let progress = read(&mut batch);
        assert!(batch.len() <= rows);
        all.extend((0..batch.len()).map(|row| batch.row(row).to_vec()));
        if progress != Progress::More {
            return (all, progress);
        }
        assert_eq!(batch.len(), rows, "more although there is room");
        batch.clear();
    }
}

fn poll(source: &mut dyn Datasource, rows: usize) -> (Vec<Vec<u8>>, Progress) {
    collect(rows, |batch| source.poll(batch).unwrap())
}

fn drain(source: &mut dyn Datasource, rows: usize) -> (Vec<Vec<u8>>, Progress) {
    collect(rows, |batch| source.drain(batch).unwrap())
}

fn u64_at(row: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(row[at..at + 8].try_into().unwrap())
}

fn readable(source: &dyn Datasource) -> bool {
    let Wakeup::Readable(fd) = source.wakeup() else { panic!("a ring announces itself") };
    let mut poll = libc::pollfd { fd: std::os::fd::AsRawFd::as_raw_fd(&fd), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, as counted.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

#[test]
fn a_ring_yields_every_record_in_order_through_small_batches() {
    if !can_load() {
        return;
    }
    let (mut loaded, mut source) = start(GETPPID, "");
    assert!(!readable(&*source));
    getppid(50);
    assert!(readable(&*source));
    let (rows, progress) = poll(&mut *source, 7);
    assert_eq!(progress, Progress::Drained);
    assert_eq!(rows.iter().map(|r| u64_at(r, 0)).collect::<Vec<_>>(), (0..50).collect::<Vec<u64>>());
    assert_eq!(source.lost(), 0);
    getppid(3);
    loaded.detach();
    assert_eq!(drain(&mut *source, 100).0.len(), 3, "what is left after detach");
}

#[test]
fn produced_is_received_plus_lost_when_a_ring_overflows() {
    if !can_load() {
        return;
    }
    let (loaded, mut source) = start(GETPPID, "");
    let mut received = 0;
    for round in 1..=3u64 {
        getppid(1000);
        received += poll(&mut *source, 64).0.len() as u64;
        assert_eq!(received + source.lost(), 1000 * round);
    }
    assert!(source.lost() > 0 && received > 0);
    drop(loaded);
    assert_eq!(received + source.lost(), 3000, "the total outlives the programs");
}

#[test]
fn a_ring_that_is_larger_than_the_window_is_read_in_order_round_after_round() {
    if !can_load() {
        return;
    }
    let gadget = gadget(GETPPID, "");
    // SAFETY: the call takes nothing and cannot fail.
    let params = BTreeMap::from([("thread".to_owned(), unsafe { libc::gettid() }.to_string())]);
    let options = crate::loader::Options { ring_bytes: Some(4 << 20), ..crate::loader::Options::new(&params) };
    let mut loaded = crate::loader::load(&gadget, &options).unwrap();
    let mut source = open(loaded.readers().unwrap().pop().unwrap().1);
    assert_eq!(source.capacity(), 4 << 20);
    loaded.attach().unwrap();
    // 24 bytes each: more than two windows a round, more than once around the ring in all.
    for round in 0..3u64 {
        getppid(100_000);
        let (rows, _) = poll(&mut *source, 4096);
        let numbers = rows.iter().map(|row| u64_at(row, 0));
        assert!(numbers.eq(round * 100_000..(round + 1) * 100_000), "round {round}: {} rows", rows.len());
    }
    assert_eq!(source.lost(), 0);
}

const SYSCALLS: &str = r#"
struct key { __u32 number; };
struct value { __u64 count; };
struct { __uint(type, 1); __uint(max_entries, 1024); __type(key, struct key); __type(value, struct value); } counts SEC(".maps");
MAPITER(syscalls, counts)
SEC("raw_tp/sys_enter") int enter(__u64 *ctx) {
    if (!wanted() || ctx[1] != 110) return 0;
    struct key key = { (__u32)ctx[1] };
    struct value one = { 1 }, *seen = bpf_map_lookup_elem(&counts, &key);
    if (seen) seen->count++; else bpf_map_update_elem(&counts, &key, &one, 0);
    return 0;
}
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn a_map_yields_the_counts_since_the_last_tick_and_the_rest_at_the_end() {
    if !can_load() {
        return;
    }
    let metadata = "datasources:\n  syscalls:\n    annotations:\n      fetch-interval: 50ms\n";
    let (mut loaded, mut source) = start(SYSCALLS, metadata);
    getppid(5);
    assert_eq!(poll(&mut *source, 8), (Vec::new(), Progress::Drained), "not due yet");
    let Wakeup::After(wait) = source.wakeup() else { panic!("a map is read by the clock") };
    assert!(wait <= Duration::from_millis(50));
    std::thread::sleep(wait);
    let (rows, progress) = poll(&mut *source, 8);
    assert_eq!((rows.len(), progress), (1, Progress::Drained));
    assert_eq!((rows[0].len(), u64_at(&rows[0], 0), u64_at(&rows[0], 8)), (16, 110, 5), "the key is padded to 8 bytes");
    getppid(2);
    loaded.detach();
    let (rows, progress) = drain(&mut *source, 8);
    assert_eq!((rows.len(), u64_at(&rows[0], 8), progress), (1, 2, Progress::Finished));
    assert_eq!(drain(&mut *source, 8), (Vec::new(), Progress::Finished), "once");
}

/// A map of our own with entries 0 to `count`, each value twice its key.
fn filled(count: u64, entries: u32, schedule: Schedule) -> MapSource {
    let shape = Shape { key: 8, value: 8 };
    let mut attr = [0u8; 48];
    for (to, word) in attr.chunks_exact_mut(4).zip([1u32, 8, 8, entries]) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    let map = bpf::call_for_fd(bpf::MAP_CREATE, &mut attr).unwrap();
    for key in 0..count {
        bpf::update(map.as_fd(), shape, &key.to_ne_bytes(), &(2 * key).to_ne_bytes()).unwrap();
    }
    MapSource { name: "own".into(), map, shape, max_entries: entries, schedule }
}

const ONCE: Schedule = Schedule { interval: Duration::ZERO, count: 1, at_stop: false };

#[test]
fn large_maps_are_emptied_through_small_batches_with_and_without_batch_operations() {
    if !can_load() {
        return;
    }
    for batched in [true, false] {
        let source = filled(3000, 4096, ONCE);
        let map = source.map.try_clone().unwrap();
        let mut source = map::MapEntries::with(source, batched);
        let (rows, progress) = poll(&mut source, 100);
        assert_eq!((rows.len(), progress), (3000, Progress::Finished), "batched: {batched}");
        assert!(rows.iter().all(|row| u64_at(row, 8) == 2 * u64_at(row, 0)));
        assert_eq!(rows.iter().map(|row| u64_at(row, 0)).collect::<HashSet<_>>().len(), 3000);
        let (shape, mut key) = (Shape { key: 8, value: 8 }, [0; 8]);
        let error = bpf::next_key(map.as_fd(), shape, None, &mut key).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "the map is empty");
        assert!(matches!(source.wakeup(), Wakeup::Never));
    }
}

#[test]
fn a_map_that_cannot_be_read_says_which() {
    let source = filled_with_no_map();
    let error = map::MapEntries::with(source, true).poll(&mut batch(1)).unwrap_err();
    assert_eq!(error.to_string(), "read entries of map \"gone\"");
}

fn filled_with_no_map() -> MapSource {
    let map = std::fs::File::open("/dev/null").unwrap().into();
    MapSource { name: "gone".into(), map, shape: Shape { key: 8, value: 8 }, max_entries: 8, schedule: ONCE }
}

const TASKS: &str = r#"
struct meta { void *seq; __u64 session; __u64 number; };
struct task { char unused; };
struct bpf_iter__task { struct meta *meta; void *task; };
struct record { __u64 number; __u32 one; __u32 two; __u64 three; };
ITER(tasks, record, each)
SEC("iter/task") int each(struct bpf_iter__task *ctx) {
    static __u64 count = 0;
    if (!ctx->task) return 0;
    struct record r = { count++, 1, 2, 3 };
    bpf_seq_write(*(void **)ctx->meta, &r, sizeof(r));
    return 0;
}
"#;

#[test]
fn an_iterator_yields_one_record_per_task_through_small_batches() {
    if !can_load() {
        return;
    }
    let (_loaded, mut source) = start(TASKS, "");
    let (rows, progress) = poll(&mut *source, 5);
    assert_eq!(progress, Progress::Finished);
    let numbers: Vec<u64> = rows.iter().map(|r| u64_at(r, 0)).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() >= 5 && rows.iter().all(|r| r.len() == 24 && u64_at(r, 16) == 3));
}

#[test]
fn an_iterator_that_stops_inside_a_record_is_an_error() {
    if !can_load() {
        return;
    }
    let tasks = TASKS.replace("sizeof(r)", "count == 1 ? 20 : 24");
    let (_loaded, mut source) = start(&tasks, "");
    let mut batch = batch(100_000);
    let error = source.poll(&mut batch).unwrap_err();
    assert_eq!(error.to_string(), "read iterator program \"each\"");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("in the middle of a record"));
    assert_eq!(source.poll(&mut batch).unwrap(), Progress::Finished, "the failed run is over");
}

#[test]
fn an_iterator_runs_by_the_clock_and_once_more_at_the_end() {
    if !can_load() {
        return;
    }
    let metadata = "datasources:\n  tasks:\n    annotations:\n      fetch-interval: 30ms\n      fetch-count: \"2\"\n      ebpf.iter.fetch-on-stop: \"true\"\n";
    let (_loaded, mut source) = start(TASKS, metadata);
    assert_eq!(poll(&mut *source, 5), (Vec::new(), Progress::Drained));
    std::thread::sleep(Duration::from_millis(31));
    let (rows, progress) = poll(&mut *source, 5);
    assert!(!rows.is_empty() && progress == Progress::Drained);
    assert!(!drain(&mut *source, 5).0.is_empty());
    assert_eq!(drain(&mut *source, 5), (Vec::new(), Progress::Finished));
}

#[test]
fn a_timer_ticks_after_each_interval_and_ends_after_its_count() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let schedule = Schedule { interval: Duration::from_millis(10), count: 3, at_stop: false };
    let mut timer = timer::Timer::start(schedule, start);
    let due: Vec<u64> = [0, 9, 10, 11, 20, 55, 60, 65, 99].into_iter().filter(|ms| timer.tick(at(*ms))).collect();
    assert_eq!(due, [10, 20, 55], "missed ticks are not made up for");
    assert!(timer.is_finished() && matches!(timer.wakeup(at(99)), Wakeup::Never));
}

#[test]
fn a_timer_without_interval_ticks_once_at_the_start_or_never() {
    let now = Instant::now();
    let mut once = timer::Timer::start(ONCE, now);
    assert!(once.tick(now) && !once.tick(now) && once.is_finished());
    let mut never = timer::Timer::start(Schedule { count: 0, ..ONCE }, now);
    assert!(!never.tick(now + Duration::from_secs(9)) && !never.is_finished());
    assert!(matches!(never.wakeup(now), Wakeup::After(nap) if nap > Duration::from_secs(60)));
}

const TCP: &str = r#"
struct meta { void *seq; };
struct sock_common { char unused; };
struct bpf_iter__tcp { struct meta *meta; void *sk_common; };
struct record { __u64 number; };
ITER(sockets, record, each)
SEC("iter/tcp") int each(struct bpf_iter__tcp *ctx) {
    static __u64 count = 0;
    if (!ctx->sk_common) return 0;
    struct record r = { count++ };
    bpf_seq_write(*(void **)ctx->meta, &r, sizeof(r));
    return 0;
}
"#;

/// A thread in a network namespace of its own with one listening socket; `None` when this process may not make one.
fn listener_elsewhere() -> Option<(Workload, std::sync::mpsc::Sender<()>)> {
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        // SAFETY: the calls change nothing but this thread's network namespace, and cannot go wrong otherwise.
        let (made, pid) = unsafe { (libc::unshare(libc::CLONE_NEWNET) == 0, libc::gettid() as u32) };
        let _listener = std::net::TcpListener::bind("0.0.0.0:0");
        tell.send(made.then_some(pid)).unwrap();
        let _ = ended.recv();
    });
    let pid = told.recv().unwrap()?;
    let netns = crate::kernel::procfs::namespace_inode(pid, "net").unwrap();
    Some((Workload { id: "elsewhere".into(), pid, mntns: 1, netns, host_network: false }, end))
}

/// Sockets are read where workloads are and nowhere else, also at the end, when containers are not followed any more.
#[test]
fn sockets_are_read_in_the_namespaces_of_workloads() {
    if !can_load() {
        return;
    }
    let metadata = "datasources:\n  sockets:\n    annotations:\n      fetch-count: 0\n      ebpf.iter.fetch-on-stop: true\n";
    let read = |workloads: &[&Workload]| {
        let mut loaded = load_with(&gadget(TCP, metadata), &[], None).unwrap();
        let mut scoped = loaded.scoped().unwrap();
        let mut source = open(loaded.readers().unwrap().pop().unwrap().1);
        scoped.start().unwrap();
        workloads.iter().for_each(|w| assert!(scoped.add(w).is_empty()));
        assert_eq!(poll(&mut *source, 8), (Vec::new(), Progress::Drained), "never by itself");
        drop(scoped);
        drain(&mut *source, 1).0.len()
    };
    let Some((elsewhere, _end)) = listener_elsewhere() else { return };
    let gone = Workload { id: "gone".into(), pid: i32::MAX as u32, ..elsewhere.clone() };
    let stranger = Workload { id: "stranger".into(), netns: 1, ..elsewhere.clone() };
    assert_eq!(read(&[]), 0);
    assert_eq!(read(&[&elsewhere]), 1);
    assert_eq!(read(&[&gone, &elsewhere]), 1, "by way of the process that is left");
    assert_eq!(read(&[&gone]), 0);
    assert_eq!(read(&[&stranger]), 0, "its process is in another namespace by now");
}
