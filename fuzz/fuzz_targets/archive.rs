//! Any bytes as an archive of images: its table of contents and each of its files are read, and what of it would be imported.
#![no_main]

use std::path::Path;

use gadgetry::image::archive::Archive;
use gadgetry::image::layout::Files;
use gadgetry::image::transfer::{Naming, survey};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = Archive::of_bytes(Path::new("fuzz"), bytes.to_vec()) else { return };
    for name in archive.names() {
        let _ = archive.read(name, 1 << 16);
    }
    let _ = survey(&Files::Archive(archive), &Naming::default());
});
