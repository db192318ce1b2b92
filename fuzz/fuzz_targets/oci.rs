//! Any bytes as an OCI runtime's command line and as a bundle's configuration.
#![no_main]

use gadgetry::container::oci::{command, describe};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = command::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = describe(text);
    }
});
