//! What a registry sends before it is believed: indexes, manifests, the text of errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gadgetry::image::registry::look_at(bytes));
