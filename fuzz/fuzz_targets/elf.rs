//! Any bytes as a gadget's object: opening and preparing it end in an answer.
#![no_main]

use gadgetry::gadget;
use gadgetry::gadget::btf::{Btf, KernelTypes};
use gadgetry::image::GadgetImage;
use gadgetry::loader::prepare::{KernelFacts, Target, prepare};

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

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let image = GadgetImage { ebpf: Some(bytes.to_vec()), ..GadgetImage::default() };
    let _ = gadget::open(&image, "fuzz");
    let _ = prepare(bytes, &Target { btf: &KernelTypes::of(Btf::empty()), facts: &Facts, extra: None });
});
