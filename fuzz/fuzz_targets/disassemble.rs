//! Any bytes as instructions, as an object and as a WASM module: what is told of them is text or an error.
#![no_main]

use gadgetry::image::GadgetImage;
use gadgetry::inspect;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = inspect::disassemble(bytes);
    for image in [
        GadgetImage { ebpf: Some(bytes.to_vec()), ..GadgetImage::default() },
        GadgetImage { wasm: Some(bytes.to_vec()), ..GadgetImage::default() },
    ] {
        let _ = inspect::extra_info(&image);
    }
});
