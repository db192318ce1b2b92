//! Objects made to do harm: each ends in a clear error within a second and 64 MB. Each is opened and loaded by a process of its own, the
//! way any gadget is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gadgetry::gadget::btf::{Btf, KernelTypes};
use gadgetry::loader::prepare::{KernelFacts, Target, prepare};
use gadgetry::{gadget, image, loader};

use crate::forge::{ARRAY, CONST, PTR, STRUCT, Section, TYPEDEF, Types, UNION, VAR, VOLATILE, elf, symbol};
use crate::harness::{compiled, output, seen};

const MOST_MEMORY: u64 = 64 << 10;
const FOLDER: &str = "GADGETRY_HOSTILE";

/// What became of an object.
struct Outcome {
    error: String,
    /// CPU time in milliseconds.
    millis: u64,
    /// Peak of the process's memory in KiB.
    peak: u64,
}

/// Opens and loads what `GADGETRY_HOSTILE` says; the other tests here run it in a process of its own.
#[test]
#[ignore = "run by the others, in processes of their own"]
fn child() {
    let folder = std::env::var(FOLDER).unwrap();
    let began = cpu_time();
    let error = open_and_load(&folder).err().map(|e| chain(&*e)).unwrap_or_default();
    let millis = (cpu_time() - began).as_millis();
    println!("\nOUTCOME {millis} {} {}", peak(), error.replace('\n', " "));
}

/// CPU time of this process: other tests may keep the machine busy.
fn cpu_time() -> Duration {
    // SAFETY: a plain structure of numbers, which the call fills in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let duration = |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

/// A second; machines without a compiler are emulated, and so that much slower.
fn most_time() -> Duration {
    Duration::from_secs(if std::env::var_os("GADGETRY_OBJECTS").is_some() { 20 } else { 1 })
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

fn open_and_load(folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    let image = image::open(folder)?;
    let gadget = gadget::open(&image, "hostile")?;
    drop(image);
    let params = Default::default();
    loader::load(&gadget, &loader::Options::new(&params))?;
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn run(folder: &Path) -> Outcome {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "hostile::child", "--ignored", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    let result = child.output().unwrap();
    let text = String::from_utf8_lossy(&result.stdout);
    let line = text.lines().find_map(|l| l.strip_prefix("OUTCOME "));
    let line =
        line.unwrap_or_else(|| panic!("{}: {}\n{text}\n{}", folder.display(), result.status, String::from_utf8_lossy(&result.stderr)));
    let mut parts = line.splitn(3, ' ');
    let mut number = || parts.next().unwrap().parse().unwrap();
    let (millis, peak) = (number(), number());
    assert!(!String::from_utf8_lossy(&result.stderr).contains("panicked"), "{}: a panic was printed", folder.display());
    Outcome { error: parts.next().unwrap_or_default().to_owned(), millis, peak }
}

/// The object of this content is refused with an error that says `expected`, in time and memory.
fn refused(name: &str, object: &[u8], expected: &str) {
    let folder = output().join("hostile").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gadget.yaml"), "name: hostile\n").unwrap();
    std::fs::write(folder.join("program.o"), object).unwrap();
    refused_in(&folder, name, expected);
}

fn refused_in(folder: &Path, name: &str, expected: &str) {
    let outcome = run(folder);
    println!("{name}: {} ms, {} KiB: {}", outcome.millis, outcome.peak, outcome.error);
    assert!(!outcome.error.is_empty(), "{name} was loaded");
    assert!(outcome.error.contains(expected), "{name}: {}", outcome.error);
    assert!(!outcome.error.contains("not foreseen"), "{name}: a panic: {}", outcome.error);
    assert!(u128::from(outcome.millis) <= most_time().as_millis(), "{name} took {} ms: {}", outcome.millis, outcome.error);
    assert!(outcome.peak <= MOST_MEMORY, "{name} took {} KiB: {}", outcome.peak, outcome.error);
}

/// An object with these types, a program and a license.
fn with_types(types: &Types) -> Vec<u8> {
    with(types, vec![])
}

fn with(types: &Types, more: Vec<Section>) -> Vec<u8> {
    with_section("tracepoint/syscalls/sys_enter_getppid", types, more)
}

fn with_section(name: &str, types: &Types, more: Vec<Section>) -> Vec<u8> {
    let code = [&[0xb7, 0, 0, 0, 0, 0, 0, 0][..], &[0x95, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut symbols = Section::new(".symtab", 2, 0, [symbol(0, 0, 0, 0, 0), symbol(1, 0x12, 1, 0, 16)].concat());
    (symbols.link, symbols.info) = (4, 1);
    let mut sections = vec![
        Section::new(name, 1, 6, code),
        Section::new("license", 1, 3, b"GPL\0".to_vec()),
        symbols,
        Section::new(".strtab", 3, 0, b"\0enter\0".to_vec()),
        Section::new(".BTF", 1, 0, types.bytes()),
    ];
    sections.extend(more);
    elf(sections)
}

/// What is no 64-bit little-endian BPF object at all.
#[test]
fn no_objects() {
    let sound = with_types(&Types::new());
    let changed = |at: usize, value: u8| {
        let mut bytes = sound.clone();
        bytes[at] = value;
        bytes
    };
    refused("empty", b"", "ELF");
    refused("text", b"#!/bin/sh\necho no object\n", "ELF");
    refused("bits_32", &changed(4, 1), "ELF");
    refused("big_endian", &changed(5, 2), "big-endian");
    refused("other_machine", &changed(18, 62), "not for BPF");
    refused("too_large", &vec![0; 9 << 20], "larger than 8 MiB");
    seen("hostile: no objects");
}

/// A sound object that ends too early, wherever that is.
#[test]
fn cut_short() {
    let sound = std::fs::read(compiled("core_code", "clang-16").join("program.o")).unwrap();
    for part in 1..12 {
        refused(&format!("cut_{part}"), &sound[..sound.len() * part / 12], "");
    }
}

/// Headers that lie about sections, names and symbols.
#[test]
fn lying_headers() {
    let types = Types::new();
    let many = (0..65_000).map(|_| Section::new("a", 1, 0, Vec::new())).collect();
    refused("many_sections", &elf(many), "sections, more than the limit");
    let mut beyond = Section::new("beyond", 1, 2, Vec::new());
    beyond.size = Some(1 << 40);
    refused("beyond_the_end", &with(&types, vec![beyond]), "section data");
    let mut long = Section::new("", 1, 0, Vec::new());
    long.name = vec![b'x'; 4 << 20];
    refused("long_name", &with(&types, vec![long]), "names are too long");
    let mut bss = Section::new(".bss", 8, 3, Vec::new());
    bss.size = Some(1 << 33);
    refused("huge_bss", &with(&types, vec![bss]), "bytes of variables");
    let same = (0..3000).map(|_| Section::new("tc", 1, 6, vec![0x95, 0, 0, 0, 0, 0, 0, 0])).collect();
    refused("same_names", &with(&types, same), "");
    seen("hostile: lying headers");
}

/// Sections that share their bytes, symbols and relocations that lead nowhere.
#[test]
fn lying_tables() {
    let mut object = with(&Types::new(), vec![Section::new(".text", 1, 6, vec![0; 1 << 20]), Section::new(".text.2", 1, 6, vec![0; 8])]);
    let table = u64::from_le_bytes(object[0x28..0x30].try_into().unwrap()) as usize;
    let text = object[table + 6 * 64 + 24..][..16].to_vec();
    object[table + 7 * 64 + 24..][..16].copy_from_slice(&text);
    refused("overlapping", &object, "sections overlap");
    let wrong = |value, size| {
        let mut symbols = Section::new(".symtab", 2, 0, [symbol(0, 0, 0, 0, 0), symbol(1, 0x12, 1, value, size)].concat());
        (symbols.link, symbols.info) = (4, 1);
        let sound = with_types(&Types::new());
        let mut bytes = sound.clone();
        let at = sound.windows(24).position(|w| w == symbol(1, 0x12, 1, 0, 16)).unwrap();
        bytes[at..at + 24].copy_from_slice(&symbols.data[24..]);
        bytes
    };
    refused("symbol_beyond", &wrong(u64::MAX - 7, 16), "a symbol reaches beyond its section");
    refused("symbol_too_long", &wrong(0, 1 << 40), "a symbol reaches beyond its section");
    refused("odd_symbol", &wrong(3, 8), "not made of whole instructions");
    for (name, offset, info) in [("nowhere", 1u64 << 40, 1u64 << 32 | 10), ("no_symbol", 0, 77 << 32 | 10), ("no_kind", 0, 1 << 32 | 99)] {
        let mut relocations = Section::new(".rel", 9, 0, [offset.to_le_bytes(), info.to_le_bytes()].concat());
        (relocations.link, relocations.info) = (3, 1);
        refused(&format!("relocation_{name}"), &with(&Types::new(), vec![relocations]), "relocation");
    }
}

/// Types that contain themselves, in the record of a tracer.
#[test]
fn cyclic_types() {
    let record = |make: fn(&mut Types) -> u32| {
        let mut types = Types::new();
        make(&mut types);
        let record = types.string("x");
        let last = types.next() - 1;
        types.add(STRUCT, 1, "event", &[8, record, last, 0]);
        types.marker("gadget_iter_a___event___enter");
        with_section("iter/task", &types, vec![])
    };
    let parameter = |make: fn(&mut Types) -> u32| {
        let mut types = Types::new();
        make(&mut types);
        let last = types.next() - 1;
        types.marker("gadget_param_p");
        types.add(VAR, 0, "p", &[last, 1]);
        with_types(&types)
    };
    refused("parameter_cycle", &parameter(|t| t.add(TYPEDEF, 0, "self", &[2])), "");
    refused("parameter_array_cycle", &parameter(|t| t.add(ARRAY, 0, "", &[0, 2, 1, 1000])), "");
    refused("typedef_cycle", &record(|t| t.add(TYPEDEF, 0, "self", &[2])), "");
    refused(
        "qualifier_cycle",
        &record(|t| {
            t.add(CONST, 0, "", &[3]);
            t.add(VOLATILE, 0, "", &[2])
        }),
        "",
    );
    refused("pointer_cycle", &record(|t| t.add(PTR, 0, "", &[2])), "");
    refused("array_cycle", &record(|t| t.add(ARRAY, 0, "", &[0, 2, 1, 1000])), "");
    refused(
        "struct_cycle",
        &record(|t| {
            let x = t.string("y");
            t.add(STRUCT, 2, "self", &[8, x, 2, 0, x, 2, 0])
        }),
        "",
    );
    seen("hostile: cyclic types");
}

/// Very many types, deep ones, wide ones, and names without an end.
#[test]
fn many_types() {
    let mut million = Types::new();
    for _ in 0..600_000 {
        million.add(PTR, 0, "", &[1]);
    }
    refused("six_hundred_thousand_types", &with_types(&million), "more than 200000 types");
    for _ in 0..400_000 {
        million.add(PTR, 0, "", &[1]);
    }
    refused("a_million_types", &with_types(&million), "8 MiB");
    let mut deep = Types::new();
    for id in 1..150_000 {
        deep.add(TYPEDEF, 0, "t", &[id]);
    }
    let last = deep.next() - 1;
    deep.marker("gadget_param_p");
    deep.add(VAR, 0, "p", &[last, 1]);
    refused("deep", &with_types(&deep), "nested too deeply");
    let mut wide = Types::new();
    let name = wide.string("m");
    for _ in 0..6 {
        let inner = wide.next() - 1;
        let members: Vec<u32> = (0..1000).flat_map(|_| [name, inner, 0]).collect();
        wide.raw(UNION, 1000, name, &[&[4][..], &members].concat());
    }
    let last = wide.next() - 1;
    wide.add(STRUCT, 1, "event", &[64, name, last, 0]);
    wide.marker("gadget_iter_a___event___enter");
    refused("wide", &with_section("iter/task", &wide, vec![]), "fields");
    let mut endless = Types::new();
    let long = endless.string(&"x".repeat(4 << 20));
    for i in 0..100_000 {
        endless.raw(TYPEDEF, 0, long + i % 1000, &[1]);
    }
    refused("endless_names", &with_types(&endless), "");
    seen("hostile: many types");
}

/// Records about instructions with wild counts, and relocations of everything.
#[test]
fn wild_records() {
    let extension = |words: &[u32]| {
        let mut data = vec![0x9f, 0xeb, 1, 0];
        words.iter().for_each(|w| data.extend_from_slice(&w.to_le_bytes()));
        Section::new(".BTF.ext", 1, 0, data)
    };
    let types = || {
        let mut types = Types::new();
        let section = types.string("tracepoint/syscalls/sys_enter_getppid");
        let access = types.string("0:0");
        let name = types.string("task_struct");
        let member = types.string("pid");
        types.raw(STRUCT, 1, name, &[4, member, 1, 0]);
        (types, section, access)
    };
    let (plain, section, access) = types();
    // Header length; offset and length of functions, lines, relocations; then record size, section, count.
    let list = |count: u32, len: u32| [32, 0, 0, 0, 0, 0, len, 16, section, count];
    refused("wild_count", &with(&plain, vec![extension(&list(u32::MAX, 12))]), ".BTF.ext section");
    refused("wild_length", &with(&plain, vec![extension(&list(1, u32::MAX))]), ".BTF.ext section");
    let relocations = |count: u32, record: [u32; 4]| {
        let mut words = list(count, 12 + count * 16).to_vec();
        (0..count).for_each(|_| words.extend_from_slice(&record));
        extension(&words)
    };
    refused("relocation_of_no_type", &with(&plain, vec![relocations(1, [0, 999, access, 0])]), "no type 999");
    refused("relocation_beyond_code", &with(&plain, vec![relocations(1, [1 << 20, 2, access, 12])]), "instruction");
    refused("relocation_of_unknown_kind", &with(&plain, vec![relocations(1, [0, 2, access, 55])]), "unknown kind");
    refused("many_relocations", &with(&plain, vec![relocations(60_000, [0, 2, access, 0])]), "60000 relocations");
    refused("half_of_them", &with(&plain, vec![relocations(49_000, [8, 2, access, 0])]), "");
    seen("hostile: wild records");
}

struct Facts;

impl KernelFacts for Facts {
    fn version(&self) -> u32 {
        6 << 16 | 1 << 8
    }

    fn config(&self, _option: &str) -> Option<String> {
        Some("y".to_owned())
    }

    fn symbol(&self, _name: &str) -> Option<u64> {
        Some(0xffff_ffff_8100_0000)
    }
}

/// Everything that reads an object, short of the kernel.
fn read(object: Vec<u8>, kernel: &KernelTypes) {
    let image = image::GadgetImage { ebpf: Some(object.clone()), ..Default::default() };
    let _ = gadget::open(&image, "damaged");
    let Ok(prepared) = prepare(&object, &Target { btf: kernel, facts: &Facts, extra: None }) else { return };
    let Ok(types) = aya_obj::btf::Btf::parse(&prepared.target_btf, Default::default()) else { return };
    let Ok(mut object) = aya_obj::Object::parse(&prepared.object) else { return };
    if object.fixup_and_sanitize_btf(&Default::default()).is_err() || object.relocate_btf(&types).is_err() {
        return;
    }
    let maps = std::mem::take(&mut object.maps);
    let text = object.functions.keys().map(|key| key.0).collect();
    if object.relocate_maps(maps.iter().map(|(name, map)| (name.as_str(), 3, map)), &text).is_ok() {
        let _ = object.relocate_calls(&text);
    }
}

/// Each of our objects, damaged in random places: whatever reads it ends in an answer, and aya does not panic on what is left.
#[test]
fn damaged() {
    const TIMES: usize = 40;
    let names = ["task_struct", "list_head", "pid_type", "syscall_trace_enter", "bpf_func_id"].into();
    let kernel = KernelTypes::of(Btf::kernel().unwrap().subset(&names).unwrap());
    let own = ["core_code", "core_types", "core_values", "core_callbacks", "core_packets", "ring_tracer"];
    let own = own.iter().map(|name| std::fs::read(compiled(name, "clang-16").join("program.o")).unwrap());
    let embedded = image::embedded_names().into_iter().filter_map(|name| image::open(name).unwrap().ebpf);
    for (number, object) in own.chain(embedded).enumerate() {
        let mut random = fastrand::Rng::with_seed(number as u64);
        read(object.clone(), &kernel);
        for _ in 0..TIMES {
            let mut damaged = object.clone();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(..damaged.len());
                damaged[at] = if random.bool() { random.u8(..) } else { *random.choice(&[0, 1, 0x7f, 0x80, 0xff]).unwrap() };
            }
            read(damaged, &kernel);
        }
    }
    seen("hostile: damaged objects");
}

/// Maps that nobody has the memory for.
#[test]
fn absurd_maps() {
    let limit = "bytes, more than the limit of";
    for (kind, expected) in [("hash", "a type has an impossible size"), ("ring", "a type has an impossible size"), ("value", limit)] {
        let name = format!("hostile_{kind}");
        refused_in(&compiled(&name, "clang-16"), &name, expected);
    }
    seen("hostile: absurd maps");
}
