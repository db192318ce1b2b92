//! Any bytes as a file of a container: symbols, Go functions and static probes are looked for, which ends in an answer.
#![no_main]

use gadgetry::loader::scope::uprobe::{elf::Elf, go, symbols, usdt};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (usdt::notes(bytes, true), usdt::notes(bytes, false));
    let file = bytes.to_vec();
    let Ok(elf) = Elf::parse(&file) else { return };
    let _ = (symbols::find(&elf, &["main", "a"]), go::find(&elf, &["main.main"]));
    if let Ok(probes) = usdt::Probes::of(&elf) {
        let _ = probes.sites("a", "b");
    }
});
