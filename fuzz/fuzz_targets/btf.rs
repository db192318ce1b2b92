//! Any bytes as BTF: everything that can be asked of it ends in an answer.
#![no_main]

use gadgetry::gadget::btf::Btf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for id in btf.ids() {
        let _ = (btf.resolve(id), btf.size(id), btf.name(id));
    }
    let names = btf.ids().take(3).map(|id| btf.name(id)).collect();
    let _ = (btf.subset(&names), btf.merge(&btf, &[1]));
});
