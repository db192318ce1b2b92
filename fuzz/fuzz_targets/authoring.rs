//! Any text as `build.yaml`, and as `gadget.yaml` that is checked and completed: each ends in an answer, and what is completed is whole.
#![no_main]

use std::path::Path;

use gadgetry::gadget::authoring;
use gadgetry::image::GadgetImage;
use gadgetry::image::build::BuildFile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = BuildFile::parse(text);
    }
    let mut image = GadgetImage { reference: "fuzz".to_owned(), metadata: bytes.to_vec(), ..GadgetImage::default() };
    let _ = authoring::validate(&image, Path::new("gadget.yaml"));
    if let Ok(updated) = authoring::update(&image, "fuzz") {
        image.metadata = updated.text.into_bytes();
        assert!(authoring::update(&image, "fuzz").is_ok_and(|again| again.added.is_empty()));
    }
});
