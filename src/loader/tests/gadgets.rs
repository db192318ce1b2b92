//! The embedded gadgets in the running kernel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::datasource::{self, Datasource};
use crate::gadget::{self, Gadget};
use crate::loader::testing::can_load;
use crate::loader::{Loaded, MntnsFilter, Options, load};
use crate::{batch::Batch, image, kernel::procfs};

fn embedded(name: &str) -> Gadget {
    gadget::open(&image::open(name).unwrap(), name).unwrap()
}

/// Loads and attaches an embedded gadget of one data source.
fn start(name: &str, filter: Option<&MntnsFilter>, params: &[(&str, &str)]) -> (Loaded, Box<dyn Datasource>, Batch) {
    let mut gadget = embedded(name);
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    gadget.configure(&params).unwrap();
    let began = Instant::now();
    let mut loaded = load(&gadget, &Options { mntns_filter: filter, ..Options::new(&params) }).unwrap();
    let reader = loaded.readers().unwrap().pop().unwrap().1;
    let load_time = began.elapsed();
    loaded.attach().unwrap();
    eprintln!("{name}: loaded in {load_time:?}, attached after {:?}", began.elapsed());
    let schema = gadget.sources.pop().unwrap().schema.finish();
    (loaded, datasource::open(reader), Batch::new(schema, 1 << 16, 64 << 20))
}

fn holds(batch: &Batch, text: &str) -> bool {
    (0..batch.len()).any(|row| batch.row(row).windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn trace_open_sees_an_open_of_the_selected_mount_namespace_only() {
    if !can_load() {
        return;
    }
    let filter = MntnsFilter::create().unwrap();
    let (loaded, mut source, mut batch) = start("trace_open", Some(&filter), &[]);
    assert!(loaded.filters_in_kernel());
    let _ = std::fs::File::open("/no/such/file/of/ours/1");
    filter.insert(procfs::namespace_inode(std::process::id(), "mnt").unwrap()).unwrap();
    let _ = std::fs::File::open("/no/such/file/of/ours/2");
    source.poll(&mut batch).unwrap();
    assert!(holds(&batch, "/no/such/file/of/ours/2"));
    assert!(!holds(&batch, "/no/such/file/of/ours/1"));
    assert_eq!(source.lost(), 0);
}

#[test]
fn trace_exec_sees_a_program_and_its_arguments() {
    if !can_load() {
        return;
    }
    let (_loaded, mut source, mut batch) = start("trace_exec", None, &[]);
    assert!(std::process::Command::new("/bin/true").arg("argument-of-ours").status().unwrap().success());
    source.poll(&mut batch).unwrap();
    assert!(holds(&batch, "argument-of-ours"));
}

#[test]
fn profile_blockio_sees_a_write_to_disk() {
    use std::io::Write;
    if !can_load() {
        return;
    }
    let (mut loaded, mut source, mut batch) = start("profile_blockio", None, &[("map-fetch-interval", "50ms")]);
    let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while batch.is_empty() && Instant::now() < until {
        file.write_all(&[1; 4096]).unwrap();
        file.sync_all().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        source.poll(&mut batch).unwrap();
    }
    assert!(!batch.is_empty(), "no histogram within 5 s");
    loaded.detach();
}

#[test]
fn snapshot_process_lists_this_process() {
    if !can_load() {
        return;
    }
    let (_loaded, mut source, mut batch) = start("snapshot_process", None, &[]);
    assert_eq!(source.poll(&mut batch).unwrap(), datasource::Progress::Finished);
    let pid = std::process::id().to_ne_bytes();
    assert!((0..batch.len()).any(|row| batch.row(row).as_chunks::<4>().0.contains(&pid)));
}

#[test]
fn trace_exec_leaves_the_system_calls_alone_unless_failures_are_wanted() {
    if !can_load() {
        return;
    }
    for (ignored, links) in [("true", 1), ("false", 3)] {
        let (loaded, ..) = start("trace_exec", None, &[("ignore-failed", ignored)]);
        assert_eq!(loaded.links.len(), links, "ignore-failed: {ignored}");
    }
}
