//! Any bytes as `gadget.yaml`: parsing and every look-up end in an answer.
#![no_main]

use gadgetry::gadget::Manifest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let _ = (manifest.source("a"), manifest.field("a", "b.c.d.e"), manifest.param("x"), manifest.attach_to("p"));
});
