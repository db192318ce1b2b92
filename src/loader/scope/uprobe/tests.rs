//! Finding places in files: every form that is known, and that broken ones end in an answer.

use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;

use super::elf::Elf;
use super::identity::{Identity, numbers_in};
use super::locate::locate;
use super::target::{Object, Point, parse};
use super::testing::{Part, both_caches, elf, go_table, new_cache, note, old_cache, symbols};
use super::{go, ldcache, symbols as tables, usdt};
use crate::kernel::uprobe::Site;
use crate::loader::hook::Hook;

const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const DYNSYM: u32 = 11;
const VERSYM: u32 = 0x6fff_ffff;
const FUNC: u8 = 0x12;
const LOCAL: u8 = 0x02;

fn text(size: usize) -> Part {
    Part::new(".text", 1, vec![0x90; size]).at(0x40_1000)
}

/// Where the first part that is loaded is in the file.
const TEXT: u64 = 4096;

/// What is in front of the first colon is a path or a library, what is behind is a function or a static probe; the rest is malformed.
#[test]
fn targets() {
    let uprobe = |text: &str| parse("p", &Hook::Uprobe(text.to_owned())).ok();
    let path = |p: &str| Object::Path(p.to_owned());
    let library = |p: &str| Object::Library(p.to_owned());
    let entry = |p: &str| Point::Entry(p.to_owned());
    assert_eq!(uprobe("libc:malloc"), Some((library("libc"), entry("malloc"))));
    assert_eq!(uprobe("/bin/bash:readline"), Some((path("/bin/bash"), entry("readline"))));
    assert_eq!(uprobe("/bin/app:main.(*T).Run"), Some((path("/bin/app"), entry("main.(*T).Run"))));
    assert_eq!(uprobe("/bin/app:a:b"), Some((path("/bin/app"), entry("a:b"))));
    for wrong in ["", "libc", "lib/libc:malloc", "./a:b", ":malloc", "libc:", "/bin/a\0:b"] {
        assert_eq!(uprobe(wrong), None, "{wrong:?}");
    }
    let (object, point) = parse("p", &Hook::Uretprobe("libc:free".to_owned())).unwrap();
    assert_eq!((object, point), (library("libc"), Point::Return("free".to_owned())));
    let usdt = |text: &str| parse("p", &Hook::Usdt(text.to_owned()));
    let (_, point) = usdt("libc:libc:setjmp").unwrap();
    assert_eq!(point, Point::Static { provider: "libc".to_owned(), name: "setjmp".to_owned() });
    for wrong in ["libc:setjmp", "libc::setjmp", "libc:libc:", "a/b:c:d"] {
        assert!(usdt(wrong).is_err(), "{wrong:?}");
    }
    let error = usdt("a/b:c:d").unwrap_err().to_string();
    assert_eq!(error, r#"program "p" is to be attached to "a/b:c:d", which is not of the form <path or library>:<provider>:<probe>"#);
}

/// Sections of programs and what the metadata makes of them.
#[test]
fn sections() {
    for (section, hook) in [
        ("uprobe/libc:a", Hook::Uprobe("libc:a".to_owned())),
        ("uprobe.multi/libc:a", Hook::Uprobe("libc:a".to_owned())),
        ("uretprobe.multi//bin/a:b", Hook::Uretprobe("/bin/a:b".to_owned())),
        ("uprobe.multi/libc:mall*", Hook::Other),
        ("uprobe", Hook::Uprobe(String::new())),
        ("uprobe.s/libc:a", Hook::Other),
        ("kprobe/", Hook::Other),
    ] {
        assert_eq!(Hook::parse(section), hook, "{section}");
    }
    assert_eq!(Hook::parse("uprobe").aimed_at("libc:b"), Hook::Uprobe("libc:b".to_owned()));
}

/// All three forms of the cache give the same answers: a version must follow the name, each path once.
#[test]
fn caches() {
    let libraries = [
        ("libc.so.6", "/lib/x86_64/libc.so.6"),
        ("libc.so.6", "/lib/i386/libc.so.6"),
        ("libc.so.6", "/lib/x86_64/libc.so.6"),
        ("libcap.so.2", "/lib/libcap.so.2"),
        ("libnss3.so", "/lib/libnss3.so"),
    ];
    for cache in [new_cache(&libraries), old_cache(&libraries), both_caches(&libraries)] {
        assert_eq!(ldcache::find(&cache, "libc"), ["/lib/x86_64/libc.so.6", "/lib/i386/libc.so.6"]);
        assert_eq!(ldcache::find(&cache, "libnss3"), ["/lib/libnss3.so"]);
        assert!(ldcache::find(&cache, "libnss").is_empty());
    }
    let many: Vec<(String, String)> = (0..100).map(|i| (format!("libx.so.{i}"), format!("/lib/{i}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(ldcache::find(&new_cache(&many), "libx").len(), 64);
}

/// This machine's own cache, which ldconfig wrote.
#[test]
fn own_cache() {
    let Ok(cache) = std::fs::read("/etc/ld.so.cache") else { return };
    let paths = ldcache::find(&cache, "libc");
    assert!(paths.iter().any(|p| p.ends_with("/libc.so.6")), "{paths:?}");
}

fn with_symbols(wide: bool, kind: u32, list: &[super::testing::Symbol]) -> Vec<u8> {
    let (table, names) = symbols(wide, list);
    let section = if kind == SYMTAB { ".symtab" } else { ".dynsym" };
    elf(wide, &[text(64), Part::new(section, kind, table).of(3), Part::new(".strtab", STRTAB, names)])
}

fn entries(bytes: &[u8], names: &[&str]) -> Vec<Vec<u64>> {
    let points: Vec<Point> = names.iter().map(|n| Point::Entry((*n).to_owned())).collect();
    let sites = locate(&bytes.to_vec(), &points.iter().collect::<Vec<_>>()).unwrap();
    sites.iter().map(|s| s.iter().map(|s| s.offset).collect()).collect()
}

/// Functions by their exact name from either table, in files of 64 and 32 bits; nothing but functions that are there.
#[test]
fn functions() {
    let list = [
        ("data", 0x40_1000, 0x11, 1),
        ("resolved", 0x40_1000, 0x1a, 1),
        ("elsewhere", 0, FUNC, 0),
        ("prefix_alpha", 0x40_1004, FUNC, 1),
        ("alpha", 0x40_1008, FUNC, 1),
        ("outside", 0x50_0000, FUNC, 1),
        ("twice", 0x40_1010, LOCAL, 1),
        ("twice", 0x40_1018, FUNC, 1),
        ("twice", 0x40_1020, FUNC, 1),
    ];
    for wide in [true, false] {
        for kind in [SYMTAB, DYNSYM] {
            let file = with_symbols(wide, kind, &list);
            let found =
                entries(&file, &["alpha", "prefix_alpha", "twice", "data", "resolved", "elsewhere", "outside", "alph", "", "alpha"]);
            let none = Vec::new;
            let (alpha, twice) = (vec![TEXT + 8], vec![TEXT + 0x18]);
            let expected = [alpha.clone(), vec![TEXT + 4], twice, none(), none(), none(), none(), none(), none(), alpha];
            assert_eq!(found, expected, "wide {wide}, table {kind}");
        }
    }
}

/// `.symtab` goes before `.dynsym`, and of a function's versions the one for new programs counts.
#[test]
fn tables_and_versions() {
    let (static_table, static_names) = symbols(true, &[("both", 0x40_1004, FUNC, 1)]);
    let (table, names) = symbols(true, &[("both", 0x40_1008, FUNC, 1), ("old_new", 0x40_100c, FUNC, 1), ("old_new", 0x40_1010, FUNC, 1)]);
    let versions: Vec<u8> = [0u16, 2, 0x8002, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    let file = elf(
        true,
        &[
            text(64),
            Part::new(".dynsym", DYNSYM, table).of(3),
            Part::new(".dynstr", STRTAB, names),
            Part::new(".gnu.version", VERSYM, versions).of(2),
            Part::new(".symtab", SYMTAB, static_table).of(6),
            Part::new(".strtab", STRTAB, static_names),
        ],
    );
    assert_eq!(entries(&file, &["both", "old_new"]), [[TEXT + 4], [TEXT + 0x10]]);
}

/// Names and symbols are found wherever the pieces end in which tables are read.
#[test]
fn large_tables() {
    let names: Vec<&'static str> = (0..9000).map(|i| &*Box::leak(format!("function_number_{i}").into_boxed_str())).collect();
    let list: Vec<super::testing::Symbol> = names.iter().enumerate().map(|(i, n)| (*n, 0x40_1000 + i as u64, FUNC, 1)).collect();
    let (table, strings) = symbols(true, &list);
    let file = elf(true, &[text(9000), Part::new(".symtab", SYMTAB, table).of(3), Part::new(".strtab", STRTAB, strings)]);
    let file = Elf::parse(&file).unwrap();
    let found = tables::find(&file, &names).unwrap();
    assert!(found.iter().enumerate().all(|(i, a)| *a == Some(0x40_1000 + i as u64)));
}

/// Every form of Go's table, when there are no symbols; returns are not looked up there.
#[test]
fn go_functions() {
    for version in [2, 16, 18, 20] {
        for (start, section) in [(0x40_1000, ".gopclntab"), (0, ".data.rel.ro.gopclntab")] {
            let functions = [("runtime.text", 0x40_1000), ("main.main", 0x40_1008), ("main.(*T).Run", 0x40_1010)];
            let mut table = go_table(version, 0x40_1000, &functions);
            if start == 0 && version >= 18 {
                // Where the code begins is filled in at run time.
                table[24..32].fill(0);
            }
            let file = elf(true, &[text(64), Part::new(section, 1, table)]);
            assert_eq!(entries(&file, &["main.(*T).Run", "main.main", "main"]), [vec![TEXT + 16], vec![TEXT + 8], vec![]], "1.{version}");
            let back = Point::Return("main.main".to_owned());
            assert_eq!(locate(&file, &[&back]).unwrap(), [[]]);
        }
    }
}

/// A table that sends its reader back and forth ends, although every step is a piece to be read.
#[test]
fn go_table_back_and_forth() {
    let functions: Vec<(String, u64)> = (0..20_000).map(|i| (format!("f{i}"), 0x40_1000 + i)).collect();
    let functions: Vec<(&str, u64)> = functions.iter().map(|(n, a)| (n.as_str(), *a)).collect();
    let mut table = go_table(20, 0x40_1000, &functions);
    let begin = table.len() - (2 * functions.len() + 1) * 4 - functions.len() * 16;
    let far = (table.len() - begin - 64) as u32;
    for index in 0..functions.len() {
        let at = begin + index * 8 + 4;
        table[at..at + 4].copy_from_slice(&(if index % 2 == 0 { far } else { 8 }).to_le_bytes());
    }
    let file = elf(true, &[text(64), Part::new(".gopclntab", 1, table)]);
    let file = Elf::parse(&file).unwrap();
    assert!(go::find(&file, &["f1"]).is_err());
}

/// All sites of a probe, moved as far as the base was, with their counters; other probes and other notes do not count.
#[test]
fn static_probes() {
    for wide in [true, false] {
        let mut notes = note(wide, "shop", "sold", [0x40_0004, 0x50_0000, 0x60_0002]);
        notes.extend([4u32, 3, 1].iter().flat_map(|v| v.to_le_bytes()));
        notes.extend(b"GNU\0abc\0");
        notes.extend(note(wide, "shop", "bought", [0x40_0006, 0x50_0000, 0]));
        notes.extend(note(wide, "shop", "sold", [0x40_0008, 0x50_0000, 0x60_0002]));
        notes.extend(note(wide, "shop", "sold", [0x40_0008, 0x50_0000, 0x60_0002]));
        let parts = |kind| {
            [
                text(64),
                Part::new(".probes", 1, vec![0; 16]).at(0x60_1000),
                Part::new(".stapsdt.base", 1, vec![0]).at(0x50_1000),
                Part::new(".note.stapsdt", kind, notes.clone()),
            ]
        };
        let sites = |file: &[u8], name: &str| {
            let file = file.to_vec();
            let elf = Elf::parse(&file).unwrap();
            usdt::Probes::of(&elf).unwrap().sites("shop", name)
        };
        let file = elf(wide, &parts(7));
        let site = |offset, semaphore| Site { offset, semaphore };
        assert_eq!(sites(&file, "sold"), [site(TEXT + 4, 2 * TEXT + 2), site(TEXT + 8, 2 * TEXT + 2)]);
        assert_eq!(sites(&file, "bought"), [site(TEXT + 6, 0)]);
        assert!(sites(&file, "stolen").is_empty());
        assert!(sites(&elf(wide, &parts(1)), "sold").is_empty(), "a section of another kind");
    }
}

/// One file is one identity however it was opened, two files are two.
#[test]
fn identities() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("one"), "same").unwrap();
    std::fs::write(at("two"), "same").unwrap();
    std::fs::hard_link(at("one"), at("link")).unwrap();
    let identity = |name: &str| Identity::of(&std::fs::File::open(at(name)).unwrap()).unwrap();
    assert_eq!(identity("one"), identity("link"));
    assert_ne!(identity("one"), identity("two"));
    let line = "7f0000001000-7f0000003000 r--p 00000000 fe:01 1234    /some/file with blanks";
    assert_eq!(numbers_in(line, 0x7f00_0000_2fff), Some((0xfe_0000_0001, 1234)));
    assert_eq!(numbers_in(line, 0x7f00_0000_3000), None);
}

/// Reading from a file and from memory is the same.
#[test]
fn own_binary() {
    let path = std::env::current_exe().unwrap();
    let file = std::fs::File::open(path).unwrap();
    let elf = Elf::parse(&file).unwrap();
    let main = tables::find(&elf, &["main"]).unwrap()[0].unwrap();
    let mut code = [0; 4];
    file.read_exact_at(&mut code, elf.offset_of(main).unwrap()).unwrap();
    assert_ne!(code, [0; 4]);
}

/// Everything that is looked for in one file.
fn search(bytes: &[u8]) {
    let points = [
        Point::Entry("main.main".to_owned()),
        Point::Return("a".to_owned()),
        Point::Static { provider: "a".to_owned(), name: "b".to_owned() },
    ];
    let owned = bytes.to_vec();
    let _ = locate(&owned, &points.iter().collect::<Vec<_>>());
}

proptest! {
    /// Any bytes as any file end in an answer.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), wide: bool) {
        let _ = (usdt::notes(&bytes, wide), ldcache::find(&bytes, "a"));
        let parts = [
            text(16),
            Part::new(".symtab", SYMTAB, bytes.clone()).of(2),
            Part::new(".gopclntab", 1, bytes.clone()),
            Part::new(".note.stapsdt", 7, bytes.clone()),
        ];
        search(&elf(wide, &parts));
        search(&bytes);
    }

    /// A good file with some bytes changed, cut anywhere.
    #[test]
    fn changed_bytes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut: prop::sample::Index, version in 0usize..4) {
        let (table, names) = symbols(true, &[("main", 0x40_1000, FUNC, 1)]);
        let go = go_table([2, 16, 18, 20][version], 0x40_1000, &[("main.main", 0x40_1000)]);
        let mut file = elf(true, &[
            text(16),
            Part::new(".symtab", SYMTAB, table).of(3),
            Part::new(".strtab", STRTAB, names),
            Part::new(".gopclntab", 1, go),
            Part::new(".note.stapsdt", 7, note(true, "a", "b", [0x40_1000, 0, 0])),
        ]);
        let mut cache = both_caches(&[("a.so.1", "/a"), ("b.so", "/b")]);
        for (at, byte) in &changes {
            *at.get_mut(&mut file) = *byte;
            *at.get_mut(&mut cache) = *byte;
        }
        search(&file);
        file.truncate(cut.index(file.len()));
        search(&file);
        let _ = ldcache::find(&cache, "a");
        cache.truncate(cut.index(cache.len()));
        let _ = ldcache::find(&cache, "a");
    }
}
