//! Probes in the files of each container: found as the container sees them, once per file, as containers come and go.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadgetry::container::{Inventory, Selector};
use object::Object as _;

use crate::crafted::{both_caches, new_cache, old_cache};
use crate::harness::{Run, Setup, assert_golden, compiled, not_here, seen, with_each_compiler};
use crate::inside::{Inside, PROBED, SOLD, WORK, go_program, probed};

/// Only containers, not the host.
fn containers(inventory: &Arc<Inventory>) -> Setup {
    let containers = Selector { host: Some(false), ..Selector::default() };
    Setup { containers, inventory: inventory.clone(), ..Setup::default() }
}

/// Starts the gadget with programs attached to something else.
fn aimed(compiler: &str, setup: &Setup, targets: &[(&str, &str)]) -> Result<Run, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(compiled("uprobes", compiler).join("program.o"), folder.path().join("program.o")).unwrap();
    let mut metadata = "name: uprobes\nprograms:\n".to_owned();
    for (program, target) in targets {
        metadata += &format!("  {program}: {{attach_to: {target:?}}}\n");
    }
    std::fs::write(folder.path().join("gadget.yaml"), metadata).unwrap();
    Run::try_start(folder.path(), setup)
}

/// How many events of this probe have this value.
fn count(run: &Run, probe: &str, value: u64) -> usize {
    run.events().iter().filter(|e| e.json["probe"] == probe && e.json["value"] == value).count()
}

/// Makes calls until they are reported, or no longer; returns the last argument used. Arguments are never used twice.
fn until(run: &Run, inside: &mut Inside, code: u64, probe: &str, reported: bool, from: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    for argument in from.. {
        inside.call(code, argument);
        let patience = Instant::now() + Duration::from_millis(if reported { 50 } else { 400 });
        while count(run, probe, argument) == 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        if (count(run, probe, argument) > 0) == reported {
            return argument;
        }
        assert!(Instant::now() < deadline, "{probe} of {}: reported is not {reported}", inside.pid);
    }
    unreachable!()
}

/// A call is reported exactly `times` times.
fn reports(run: &Run, inside: &mut Inside, (code, argument): (u64, u64), (probe, value): (&str, u64), times: usize) {
    inside.call(code, argument);
    run.event(|e| e["probe"] == probe && e["value"] == value && e["pid"] == inside.pid);
    // What is attached twice reports twice before the next call returns.
    inside.call(PROBED, 1 << 40 | argument);
    let deadline = Instant::now() + Duration::from_secs(10);
    while count(run, probe, value) < times && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count(run, probe, value), times, "{probe} {value}");
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gadgetry_probed_here(value: u64) -> u64 {
    std::hint::black_box(value) * 2
}

// A static probe with two sites and one without a counter, as the headers of systemtap write them.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .probes,\"awR\",@progbits",
    ".balign 2",
    "gadgetry_sold_semaphore: .2byte 0",
    ".popsection",
    ".pushsection .stapsdt.base,\"aR\",@progbits",
    "gadgetry_sdt_base: .space 1",
    ".popsection",
    ".pushsection .text.gadgetry_sold,\"axR\",@progbits",
    ".global gadgetry_sold",
    "gadgetry_sold:",
    "  lea rax, [rip + gadgetry_sold_semaphore]",
    "  movzx eax, word ptr [rax]",
    "881: nop",
    "882: nop",
    "883: nop",
    "  ret",
    ".popsection",
    ".macro gadgetry_note site, name, semaphore",
    ".pushsection .note.stapsdt,\"\",@note",
    ".balign 4",
    ".4byte 8, 886f-885f, 3",
    ".asciz \"stapsdt\"",
    "885: .8byte \\site, gadgetry_sdt_base, \\semaphore",
    ".asciz \"here\"",
    ".asciz \"\\name\"",
    ".asciz \"8@%rdi\"",
    "886: .balign 4",
    ".popsection",
    ".endm",
    "gadgetry_note 881b, sold, gadgetry_sold_semaphore",
    "gadgetry_note 882b, sold, gadgetry_sold_semaphore",
    "gadgetry_note 883b, silent, 0",
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn gadgetry_sold(value: u64) -> u64;
}

/// A function of this very program by its path, and its return.
#[test]
fn own_function() {
    let path = std::env::current_exe().unwrap();
    if object::File::parse(&*std::fs::read(&path).unwrap()).unwrap().symbol_by_name("gadgetry_probed_here").is_none() {
        assert_eq!(gadgetry_probed_here(1), 2);
        return not_here("uprobe, uretprobe by path, of a program with symbols", "this program was stripped");
    }
    let function = format!("{}:gadgetry_probed_here", path.display());
    with_each_compiler(|compiler| {
        let run = aimed(compiler, &Setup::default(), &[("by_path", &function), ("by_path_back", &function)]).unwrap();
        assert_eq!(gadgetry_probed_here(21), 42);
        let entry = run.event(|e| e["probe"] == "path_entry");
        assert_golden("uprobes", &entry, &["pid"]);
        assert_eq!((entry["value"].as_u64(), entry["pid"].as_u64()), (Some(21), Some(std::process::id().into())));
        assert_eq!(run.event(|e| e["probe"] == "path_return")["value"], 42);
        run.stop();
    });
    seen("uprobe, uretprobe by path, of a program with symbols");
}

/// Static probes of this very program with and without a counter: all sites of them.
#[test]
#[cfg(target_arch = "x86_64")]
fn own_static_probes() {
    let path = std::env::current_exe().unwrap();
    // SAFETY: it is defined above and reads its argument and a counter.
    let sold = |value| unsafe { gadgetry_sold(value) };
    with_each_compiler(|compiler| {
        let start = |probe| aimed(compiler, &Setup::default(), &[("static_probe", &format!("{}:here:{probe}", path.display()))]).unwrap();
        let run = start("sold");
        assert!(sold(7) > 0, "the counter");
        assert!(sold(8) > 0, "the counter");
        run.event(|e| e["value"] == 8);
        assert_eq!(run.stop().iter().filter(|e| e.json["value"] == 7).count(), 2, "two sites");
        assert_eq!(sold(8), 0, "the counter after the end");
        let run = start("silent");
        assert_eq!(sold(9), 0);
        assert_eq!(run.event(|e| e["probe"] == "sold")["value"], 9);
    });
    seen("usdt with and without a counter, several sites");
}

/// A library by its name, in a root with the dynamic loader's cache in each of its forms, behind links of the container; without a cache,
/// as with musl, there is nothing. Containers come and go while the gadget runs.
#[test]
fn library() {
    type Cache = fn(&[(&str, &str)]) -> Vec<u8>;
    for form in [new_cache as Cache, old_cache, both_caches] {
        let (root, musl) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(root.path(), "usr/lib/libprobed.so.1.2", &probed());
        put(musl.path(), "usr/lib/libprobed.so.1.2", &probed());
        symlink("/usr/lib", root.path().join("lib")).unwrap();
        symlink("libprobed.so.1.2", root.path().join("usr/lib/libprobed.so.1")).unwrap();
        let libraries = [("libprobed.so.1", "/lib/libprobed.so.1"), ("libprobed.so", "/lib/missing.so"), ("libprobedx.so", "/etc")];
        put(root.path(), "etc/ld.so.cache", &form(&libraries));
        let inventory = Inventory::new();
        let mut known = Inside::start(root.path(), None, "/lib/libprobed.so.1").unwrap();
        let mut unknown = Inside::start(musl.path(), None, "/usr/lib/libprobed.so.1.2").unwrap();
        inventory.insert(unknown.container("musl"));
        let run = Run::start("uprobes", "clang-16", &containers(&inventory));
        inventory.insert(known.container("known"));
        let last = until(&run, &mut known, PROBED, "library_entry", true, 100);
        reports(&run, &mut known, (PROBED, last + 1), ("library_entry", last + 1), 1);
        assert_eq!(count(&run, "library_return", last + 2), 1);
        unknown.call(PROBED, 5);
        inventory.remove("known");
        let last = until(&run, &mut known, PROBED, "library_entry", false, last + 1000);
        inventory.insert(known.container("known"));
        let last = until(&run, &mut known, PROBED, "library_entry", true, last + 1);
        reports(&run, &mut known, (PROBED, last + 1), ("library_entry", last + 1), 1);
        inventory.insert(known.container("known twice"));
        inventory.remove("known");
        // Whoever comes and has the same file keeps it attached.
        reports(&run, &mut known, (PROBED, last + 9), ("library_entry", last + 9), 1);
        let (musl, events) = (unknown.pid, run.stop());
        assert!(events.iter().all(|e| e.json["pid"] != musl));
        assert_eq!(known.call(PROBED, 1), 2);
    }
    seen("uprobe, uretprobe by library; containers that come and go");
}

/// Two containers with one file fire once each, and stay covered until the last of them is gone. A container with a file of its own
/// is another.
#[test]
fn shared_file() {
    let roots = [(); 3].map(|()| tempfile::tempdir().unwrap());
    put(roots[0].path(), "opt/probed.so", &probed());
    put(roots[2].path(), "opt/probed.so", &probed());
    std::fs::create_dir(roots[1].path().join("opt")).unwrap();
    std::fs::hard_link(roots[0].path().join("opt/probed.so"), roots[1].path().join("opt/probed.so")).unwrap();
    let [mut one, mut two, mut other] = roots.each_ref().map(|root| Inside::start(root.path(), None, "/opt/probed.so").unwrap());
    let inventory = Inventory::new();
    inventory.insert(one.container("one"));
    inventory.insert(two.container("two"));
    let run = Run::start("uprobes", "clang-16", &containers(&inventory));
    reports(&run, &mut one, (PROBED, 1), ("path_entry", 1), 1);
    reports(&run, &mut two, (PROBED, 2), ("path_return", 3), 1);
    other.call(PROBED, 3);
    inventory.remove("one");
    inventory.insert(other.container("other"));
    let last = until(&run, &mut other, PROBED, "path_entry", true, 1000);
    reports(&run, &mut other, (PROBED, last + 1), ("path_entry", last + 1), 1);
    reports(&run, &mut two, (PROBED, 4), ("path_entry", 4), 1);
    inventory.remove("two");
    until(&run, &mut two, PROBED, "path_entry", false, 5000);
    reports(&run, &mut other, (PROBED, last + 5), ("path_entry", last + 5), 1);
    assert_eq!(count(&run, "path_entry", 3), 0);
    seen("uprobe: one file of several containers");
}

/// The same for containers whose roots are overlays of one image, each with numbers of its own for what is one file. One that has
/// changed the file has another file.
#[test]
fn overlays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    put(&at("image"), "opt/probed.so", &probed());
    let start = |name: &str| {
        let [upper, work, root] = ["upper", "work", "root"].map(|kind| at(&format!("{name}-{kind}")));
        [&upper, &work, &root].iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
        let options = format!("lowerdir={},upperdir={},workdir={}", at("image").display(), upper.display(), work.display());
        Inside::start(&root, Some(&options), "/opt/probed.so")
    };
    put(&at("changed-upper"), "opt/probed.so", &probed());
    let mut one = match start("one") {
        Ok(inside) => inside,
        Err(reason) => return not_here("uprobe: files below overlays", &reason),
    };
    let (mut two, mut changed) = (start("two").unwrap(), start("changed").unwrap());
    let numbers = |inside: &Inside| {
        let metadata = std::fs::metadata(format!("/proc/{}/root/opt/probed.so", inside.pid)).unwrap();
        (metadata.dev(), metadata.ino())
    };
    assert_ne!(numbers(&one), numbers(&two), "stat does not tell that it is one file");
    let inventory = Inventory::new();
    for (name, inside) in [("one", &one), ("two", &two), ("changed", &changed)] {
        inventory.insert(inside.container(name));
    }
    let run = Run::start("uprobes", "clang-16", &containers(&inventory));
    for (argument, inside) in [&mut one, &mut two, &mut changed].into_iter().enumerate() {
        let argument = argument as u64 + 1;
        reports(&run, inside, (PROBED, argument), ("path_entry", argument), 1);
    }
    inventory.remove("one");
    drop(one);
    reports(&run, &mut two, (PROBED, 11), ("path_entry", 11), 1);
    inventory.remove("two");
    until(&run, &mut two, PROBED, "path_entry", false, 1000);
    reports(&run, &mut changed, (PROBED, 12), ("path_entry", 12), 1);
    seen("uprobe: files below overlays");
}

/// All sites of a static probe in a stripped library, with its counter; a function of a stripped Go program.
#[test]
fn stripped() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "opt/probed.so", &probed());
    put(root.path(), "opt/go", &go_program());
    let mut shop = Inside::start(root.path(), None, "/opt/probed.so").unwrap();
    let mut go = Inside::start(root.path(), None, "/opt/go").unwrap();
    let inventory = Inventory::new();
    inventory.insert(shop.container("shop"));
    assert_eq!(shop.semaphore(), 0);
    let run = Run::start("uprobes", "clang-16", &containers(&inventory));
    assert!(shop.semaphore() > 0);
    reports(&run, &mut shop, (SOLD, 7), ("sold", 7), 2);
    go.call(WORK, 40);
    assert_eq!(run.event(|e| e["probe"] == "go_entry")["value"], 40);
    run.stop();
    assert_eq!(shop.semaphore(), 0);
    seen("uprobe: Go functions without symbols");
}

/// A target that cannot be one fails at load; one that is nowhere does not.
#[test]
fn targets() {
    let run = |target| aimed("clang-16", &Setup::default(), &[("by_path", target)]).map(drop);
    for wrong in ["lib/probed:probed", "probed", ":probed", "libprobed:"] {
        let error = run(wrong).unwrap_err();
        assert!(error.contains(&format!(r#"program "by_path" is to be attached to {wrong:?}, which is not of the form"#)), "{error}");
    }
    run("libnothing:nothing").unwrap();
    run("/dev/null:nothing").unwrap();
}
