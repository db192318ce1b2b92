//! Any bytes as a container's `ld.so.cache`: looking for a library ends in an answer.
#![no_main]

use gadgetry::loader::scope::uprobe::ldcache;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(ldcache::find(bytes, "libc").len() <= 64);
});
