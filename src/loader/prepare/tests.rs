//! Objects before and after: each gap is closed, aya takes the result, and damaged objects do no harm.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::gadget::btf::{BtfError, Kind, Places};
use crate::gadget::fixture;

struct Facts;

impl KernelFacts for Facts {
    fn version(&self) -> u32 {
        6 << 16 | 1 << 8 | 9
    }

    fn config(&self, option: &str) -> Option<String> {
        match option {
            "CONFIG_BPF" => Some("y".into()),
            "CONFIG_LETTER" => Some("m".into()),
            "CONFIG_HZ" => Some("250".into()),
            _ => None,
        }
    }

    fn symbol(&self, name: &str) -> Option<u64> {
        (name == "jiffies_of_test").then_some(0xffff_ffff_8100_0042)
    }
}

fn kernel() -> Option<&'static KernelTypes> {
    static KERNEL: OnceLock<Result<KernelTypes, BtfError>> = OnceLock::new();
    KERNEL.get_or_init(|| KernelTypes::read(&Places::here(), None)).as_ref().ok()
}

/// A kernel that has all the test object needs, and little else.
fn small_kernel() -> &'static KernelTypes {
    static SMALL: OnceLock<KernelTypes> = OnceLock::new();
    SMALL.get_or_init(|| KernelTypes::of(make_small_kernel()))
}

fn make_small_kernel() -> Btf<'static> {
    let names = ["task_struct", "syscall_trace_enter", "list_head"].into();
    let mut small = kernel().map_or_else(Btf::empty, |k| k.subset(&names).unwrap());
    for function in ["bpf_rcu_read_lock", "bpf_rcu_read_unlock"] {
        let name = small.add_string(function).unwrap();
        let raw: Vec<u8> = [name, 12 << 24, 0].iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
        small.add_type(&raw).unwrap();
    }
    small
}

fn gaps() -> Option<&'static [u8]> {
    static OBJECT: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    OBJECT.get_or_init(|| fixture::compile(include_str!("testdata/gaps.bpf.c"))).as_deref()
}

fn prepared() -> Option<Prepared> {
    let target = Target { btf: kernel()?, facts: &Facts };
    Some(prepare(gaps()?, &target).unwrap())
}

fn relocate(object: &[u8], target: &[u8]) -> Result<aya_obj::Object, String> {
    let mut object = aya_obj::Object::parse(object).map_err(|e| format!("parse: {e}"))?;
    let target = aya_obj::btf::Btf::parse(target, aya::Endianness::default()).map_err(|e| format!("btf: {e}"))?;
    object.fixup_and_sanitize_btf(&Default::default()).map_err(|e| format!("sanitize: {e}"))?;
    object.relocate_btf(&target).map_err(|e| format!("relocate: {e}"))?;
    Ok(object)
}

/// A kernel that has `enum wide` with 64 bits, and a module `driver` with `struct driver { device x; int count }` and a function `drive`.
fn kernel_with_module(folder: &std::path::Path) -> KernelTypes {
    let raw = |kind, len, name: u32, words: &[u32]| -> Vec<u8> {
        let head = [name, crate::gadget::btf::encode_info(kind, false, len)];
        head.iter().chain(words).flat_map(|w| w.to_le_bytes()).collect()
    };
    let mut base = Btf::empty();
    let [int, device, x, wide, one] = ["int", "device", "x", "wide", "WIDE_ONE"].map(|n| base.add_string(n).unwrap());
    base.add_type(&raw(Kind::Int, 0, int, &[4, 1 << 24 | 32])).unwrap();
    base.add_type(&raw(Kind::Struct, 1, device, &[4, x, 1, 0])).unwrap();
    base.add_type(&raw(Kind::Enum64, 1, wide, &[8, one, 2, 1])).unwrap();
    std::fs::write(folder.join("vmlinux"), base.to_bytes()).unwrap();
    let strings = b"driver\0count\0drive\0";
    let at = 1 + "int.device.x.wide.WIDE_ONE.".len() as u32;
    let mut types = raw(Kind::Struct, 2, at, &[8, x, 2, 0, at + 7, 1, 32]);
    types.extend(raw(Kind::FuncProto, 0, 0, &[1]));
    types.extend(raw(Kind::Func, 1, at + 13, &[5]));
    let lengths = [24, 0, types.len(), types.len(), strings.len()];
    let header = lengths.iter().flat_map(|n| (*n as u32).to_le_bytes());
    let blob: Vec<u8> = [0x9f, 0xeb, 1, 0].into_iter().chain(header).chain(types).chain(*strings).collect();
    std::fs::write(folder.join("driver"), blob).unwrap();
    KernelTypes::read(&Places { folder: folder.to_owned(), files: Vec::new(), running: Default::default() }, None).unwrap()
}

struct OldFacts;

impl KernelFacts for OldFacts {
    fn version(&self) -> u32 {
        5 << 16 | 4 << 8
    }

    fn config(&self, _option: &str) -> Option<String> {
        None
    }

    fn symbol(&self, _name: &str) -> Option<u64> {
        None
    }

    fn has_boot_clock(&self) -> bool {
        false
    }
}

fn code() -> Option<Prepared> {
    let object = fixture::compile(include_str!("testdata/code.bpf.c"))?;
    let folder = tempfile::tempdir().unwrap();
    let kernel = kernel_with_module(folder.path());
    Some(prepare(&object, &Target { btf: &kernel, facts: &OldFacts }).unwrap())
}

fn instructions(prepared: &Prepared, section: &str) -> Vec<[u8; 8]> {
    let elf = Elf::parse(&prepared.object).unwrap();
    elf.section(section).unwrap().data.chunks_exact(8).map(|i| i.try_into().unwrap()).collect()
}

/// A missing clock gives 0; hidden functions are static.
#[test]
fn adapts_code() {
    let Some(prepared) = code() else { return };
    assert_eq!((prepared.changes.boot_clock, prepared.changes.hidden.as_slice()), (2, &["hidden".to_owned()][..]));
    let zero = [0xb7, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(instructions(&prepared, "kprobe/x").iter().filter(|i| **i == zero).count(), 2);
}

/// Functions of modules are called through the module's place in `fd_array`; a module's struct is relocated against.
#[test]
fn resolves_what_modules_have() {
    let Some(prepared) = code() else { return };
    assert_eq!(prepared.modules, ["driver"]);
    let call = [0x85, 0x20, 1, 0, 6, 0, 0, 0];
    assert!(instructions(&prepared, "kprobe/y").contains(&call), "{:x?}", instructions(&prepared, "kprobe/y"));
    let object = relocate(&prepared.object, &prepared.target_btf).unwrap();
    let module = &object.functions[&object.programs["module"].function_key()];
    assert!(module.instructions.iter().any(|i| i.off == 4), "count is behind a device of 4 bytes");
}

/// An enumerator of an enum that the kernel has with 64 bits has all of them; one that is not there poisons the instruction.
#[test]
fn answers_questions_about_enumerators() {
    let Some(prepared) = code() else { return };
    let ask = instructions(&prepared, "kprobe/z");
    let at = ask.iter().position(|i| i[0] == 0x18 && i[4..] == [2, 0, 0, 0]).unwrap();
    assert_eq!(ask[at + 1][4..], [1, 0, 0, 0]);
    let poison = [0x85, 0, 0, 0, 0x10, 0x23, 0xad, 0x0b];
    assert_eq!(instructions(&prepared, "kprobe/w").iter().filter(|i| **i == poison).count(), 2);
}

/// Everything the loader does with aya-obj short of the kernel.
fn link(prepared: &Prepared) -> Result<(), String> {
    let mut object = relocate(&prepared.object, &prepared.target_btf)?;
    let maps = std::mem::take(&mut object.maps);
    let text = object.functions.keys().map(|key| key.0).collect();
    object.relocate_maps(maps.iter().map(|(name, map)| (name.as_str(), 3, map)), &text).map_err(|e| e.to_string())?;
    object.relocate_calls(&text).map_err(|e| e.to_string())
}

/// aya refuses the object as it is and takes the prepared one, all its relocations included.
#[test]
fn aya_takes_the_prepared_object() {
    let (Some(object), Some(prepared), Some(kernel)) = (gaps(), prepared(), kernel()) else { return };
    assert!(relocate(object, &kernel.to_bytes()).is_err());
    let parsed = relocate(&prepared.object, &prepared.target_btf).unwrap();
    let mut programs: Vec<_> = parsed.programs.keys().map(String::as_str).collect();
    programs.sort_unstable();
    assert_eq!(programs, ["sock", "symbols", "tracepoint", "unknown", "values"]);
    assert!(parsed.maps.contains_key(".rodata.kconfig") && parsed.maps.contains_key("calls"));
}

/// The reduced kernel BTF gives every instruction the bytes that the whole one gives.
#[test]
fn the_subset_relocates_like_the_whole_kernel() {
    let (Some(prepared), Some(kernel)) = (prepared(), kernel()) else { return };
    let code = |target: &[u8]| {
        let object = relocate(&prepared.object, target).unwrap();
        let bytes = |f: &aya_obj::Function| f.instructions.iter().map(|i| (i.code, i.off, i.imm)).collect::<Vec<_>>();
        object.functions.into_iter().map(|(key, f)| (key, bytes(&f))).collect::<Vec<_>>()
    };
    assert!(prepared.target_btf.len() * 20 < kernel.to_bytes().len());
    assert_eq!(code(&prepared.target_btf), code(&kernel.to_bytes()));
}

/// What was done is reported, with the names users know.
#[test]
fn reports_what_it_changed() {
    let Some(prepared) = prepared() else { return };
    let changes = prepared.changes;
    let renamed = [
        ("socket1", "socket/socket1"),
        ("?tracepoint/raw_syscalls/sys_enter", "tracepoint/raw_syscalls/sys_enter"),
        ("kprobe.multi/x", "kprobe/kprobe.multi/x"),
    ];
    assert_eq!(changes.renamed, renamed.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(changes.unknown, ["kprobe.multi/x"]);
    assert_eq!(changes.program_arrays, ["calls"]);
    assert_eq!(changes.type_matches, [("list_head___ours".to_owned(), true), ("list_head___other".to_owned(), false)]);
    let flexible: Vec<_> = changes.flexible.iter().map(|(t, access)| (t.as_str(), access.as_str())).collect();
    assert_eq!(flexible, [("syscall_trace_enter", "0:2:1"), ("syscall_trace_enter", "0:2:2")]);
    assert_eq!(prepared.sections["sock"], "socket1");
    assert_eq!(prepared.sections["unknown"], "kprobe.multi/x");
}

/// Configuration values have the width and letters of their variables; an absent weak one is 0.
#[test]
fn fills_in_the_kernel_configuration() {
    let Some(prepared) = prepared() else { return };
    let value = |name: &str| prepared.changes.kconfig.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(value("LINUX_KERNEL_VERSION"), 6 << 16 | 1 << 8 | 9);
    assert_eq!((value("CONFIG_BPF"), value("CONFIG_LETTER"), value("CONFIG_HZ"), value("CONFIG_ABSENT")), (1, u64::from(b'm'), 250, 0));
    let elf = Elf::parse(&prepared.object).unwrap();
    assert_eq!(elf.constant("CONFIG_HZ"), Some(&250u32.to_le_bytes()[..]));
    assert_eq!(elf.constant("LINUX_KERNEL_VERSION"), Some(&(6u32 << 16 | 1 << 8 | 9).to_le_bytes()[..]));
}

/// Kernel functions become their ids, untyped symbols their address, absent weak ones nothing; nothing is left to relocate.
#[test]
fn resolves_kernel_symbols() {
    let (Some(prepared), Some(kernel)) = (prepared(), kernel()) else { return };
    let value = |name: &str| prepared.changes.kernel_symbols.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(value("bpf_rcu_read_lock"), u64::from(kernel.find("bpf_rcu_read_lock", Kind::Func).unwrap()));
    assert_eq!((value("bpf_no_such_function"), value("jiffies_of_test")), (0, 0xffff_ffff_8100_0042));
    let elf = Elf::parse(&prepared.object).unwrap();
    let code = elf.section("tp_btf/sched_switch").unwrap().data;
    let id = (value("bpf_rcu_read_lock") as u32).to_le_bytes();
    assert!(code.chunks_exact(8).any(|i| i[0] == 0x85 && i[1] >> 4 == 2 && i[4..] == id), "no kfunc call");
}

/// A strong symbol or option that is missing is named.
#[test]
fn names_what_is_missing() {
    let Some(kernel) = kernel() else { return };
    let target = Target { btf: kernel, facts: &Facts };
    let source = |line: &str| format!("{line}\nchar l[] __attribute__((section(\"license\"), used)) = \"GPL\";");
    let function = "extern void nope(void) __attribute__((section(\".ksyms\")));\n\
        __attribute__((section(\"kprobe/x\"), used)) int f(void *c) { nope(); return 0; }";
    let Some(object) = fixture::compile(&source(function)) else { return };
    assert!(matches!(prepare(&object, &target), Err(PrepareError::MissingSymbol { name }) if name == "nope"));
    let config = "extern int CONFIG_NOPE __attribute__((section(\".kconfig\")));\n\
        __attribute__((section(\"kprobe/x\"), used)) int f(void *c) { return CONFIG_NOPE; }";
    let object = fixture::compile(&source(config)).unwrap();
    assert!(matches!(prepare(&object, &target), Err(PrepareError::MissingConfig { name }) if name == "CONFIG_NOPE"));
}

/// Preparing what is prepared changes nothing that matters: aya still takes it.
#[test]
fn preparing_twice_is_harmless() {
    let (Some(first), Some(kernel)) = (prepared(), kernel()) else { return };
    let second = prepare(&first.object, &Target { btf: kernel, facts: &Facts }).unwrap();
    assert!(second.changes.renamed.is_empty() && second.changes.flexible.is_empty());
    relocate(&second.object, &second.target_btf).unwrap();
}

/// The small kernel is enough for the sound object, so that damage is what makes a difference below.
#[test]
fn the_small_kernel_suffices() {
    let (Some(object), Some(_)) = (gaps(), kernel()) else { return };
    let prepared = prepare(object, &Target { btf: small_kernel(), facts: &Facts }).unwrap();
    link(&prepared).unwrap();
}

/// Every embedded gadget opens, is prepared against the running kernel and links in aya.
#[test]
fn embedded_gadgets_link() {
    let Some(kernel) = kernel() else { return };
    let host = Host::new();
    for name in crate::image::embedded_names() {
        let image = crate::image::open(name).unwrap();
        let gadget = crate::gadget::open(&image, name).unwrap();
        assert!(!gadget.sources.is_empty(), "{name}");
        let Some(object) = &gadget.object else { continue };
        let prepared = prepare(object, &Target { btf: kernel, facts: &host }).unwrap();
        link(&prepared).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Damaged objects are refused or prepared, never a panic; and what is prepared does not make aya's parser panic.
    #[test]
    fn survives_damaged_objects(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>()) {
        if let Some(object) = gaps() {
            let target = Target { btf: small_kernel(), facts: &Facts };
            let mut bytes = object.to_vec();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(prepared) = prepare(&bytes, &target) {
                let _ = link(&prepared);
            }
            bytes.truncate(cut.index(object.len()));
            let _ = prepare(&bytes, &target);
        }
    }
}
