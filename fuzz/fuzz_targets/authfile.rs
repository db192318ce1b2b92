//! Any bytes as a file with credentials, and as the header with which a registry asks for them: every look-up and change ends in an answer.
#![no_main]

use gadgetry::image::auth::{Document, Secret};
use gadgetry::image::registry::check::challenges;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = challenges(text);
    }
    let Ok(mut document) = Document::parse(bytes) else { return };
    for (registry, repository) in [("r.example:5000", "team/app"), ("docker.io", "library/busybox"), ("", "/")] {
        let _ = (document.find(registry, repository), document.own_helper(registry, repository), document.mentions(registry, repository));
    }
    document.put("r.example:5000", "u", &Secret::new("p"));
    document.refer("docker.io");
    assert!(Document::parse(&document.to_bytes()).is_ok_and(|again| again == document));
    document.remove("r.example:5000");
    document.clear();
});
